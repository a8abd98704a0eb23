"""Which traces teach. A step of the filter is a gate, which looks at one trace, or a choice, which weighs them all.

A selector of your own is a callable, called with the recipe's options, that returns something shaped like `Gate` or
`Choice`; name it in a recipe as ``{use: my_package.module:my_selector, ...}``, or export it as an entry point of the
group ``distill.selectors``.

Traces do not fit in memory, so nothing here holds them. A gate sees one and forgets it; many processes do that at once.
A choice first measures every candidate, in those processes too, and then walks over the measures alone, sorted by the
disk: so no choice depends on the order in which the replies came.
"""

import hashlib
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from distill.types import PassRate, Problem, Trace, Verdict

Value = str | int | float | bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trace with all that is known of it."""

    problem: Problem
    trace: Trace
    verdict: Verdict
    pass_rate: PassRate | None = None
    """How the teacher fared on its problem, all samples counted."""


class Drop(NamedTuple):
    """Why a trace does not teach."""

    reason: str
    """Short and the same for all that share it, because reasons are counted: ``repeats itself``."""
    detail: str = ""
    """What was seen in this one, where, for people who ask: ``'Wait, let me' 37 times from character 12034``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a selector may use besides the candidates."""

    count_tokens: Callable[[Trace], int]
    """Length of a trace's thought and answer in the student's tokens."""
    seed: str
    """This step's; from the recipe's seed and the step's place in it."""
    scratch: Path
    """A folder for what does not fit in memory; removed after the step."""
    note: Callable[[str, float], None] = lambda name, score: None
    """Keeps a score of the trace that is looked at in `Decision.scores`, whatever becomes of it."""
    eval_problems: Callable[[], Iterable[tuple[str, Problem]]] = lambda: ()
    """Each suite's name and problem, of those that the recipe's eval measures; read anew at each call."""

    def chance(self, key: str) -> float:
        """A uniform number in [0, 1) that hangs on the seed and the key alone, so it is the same in any order."""
        drawn = hashlib.blake2b(f"{self.seed}/{key}".encode(), digest_size=8).digest()
        return int.from_bytes(drawn, "big") / 2**64

    def rng(self) -> random.Random:
        """A source of chance for a walk whose order is fixed."""
        return random.Random(self.seed)


class Gate(Protocol):
    """Looks at one trace alone. It is built in every process that filters, and sees some of the traces in each."""

    def __call__(self, candidate: Candidate, context: Context) -> Drop | None:
        """Why the trace does not teach; None keeps it."""
        ...


class Measured(NamedTuple):
    """What a choice knows of one candidate."""

    row: int
    """Which candidate; of no other meaning."""
    trace_id: str
    problem_id: str
    values: tuple[Value, ...]
    """What `Choice.measure` gave."""


class Ruling(NamedTuple):
    """What a choice says of one candidate."""

    row: int
    drop: Drop | None


class Choice(Protocol):
    """Weighs all candidates against each other. Its memory may not grow with them, but for what it keeps."""

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """What it needs to know of a candidate: at most eight values, the first the most significant for order."""
        ...

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """A ruling for each candidate, exactly once, in any order.

        Args:
            measured: All that came so far in the recipe's steps, sorted by their values, then by the trace's id.
            context: As for a gate.
        """
        ...


Selector = Gate | Choice
