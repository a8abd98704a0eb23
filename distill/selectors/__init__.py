"""Which traces teach. A selector takes candidates and rules on each: no reason keeps it, a reason drops it.

A selector of your own is a callable, called with the recipe's options, that returns something shaped like `Selector`;
name it in a recipe as ``{use: my_package.module:my_selector, ...}``, or export it as an entry point of the group
``distill.selectors``. Reasons are short and stable, because they are counted.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from distill.types import PassRate, Problem, Trace, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trace with all that is known of it."""

    problem: Problem
    trace: Trace
    verdict: Verdict
    pass_rate: PassRate | None = None
    """How the teacher fared on its problem, all samples counted."""


class Ruling(NamedTuple):
    """What a selector says of one candidate."""

    candidate: Candidate
    reason: str | None
    """Why it is dropped; None keeps it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a selector may use besides the candidates."""

    count_tokens: Callable[[Trace], int]
    """Length of a trace's thought and answer in the student's tokens."""
    rng: random.Random
    """The only source of chance; seeded by the recipe."""


class Selector(Protocol):
    """Rules on candidates. Those it is still to see may be rulings of the future: it must not hold them all in memory
    unless its rule needs all of them.
    """

    def __call__(self, candidates: Iterable[Candidate], context: Context) -> Iterator[Ruling]:
        """A ruling for each candidate; in any order, each exactly once."""
        ...


def per_trace(rule: Callable[[Candidate, Context], str | None]) -> Selector:
    """A selector from a rule that looks at one trace alone."""

    def select(candidates: Iterable[Candidate], context: Context) -> Iterator[Ruling]:
        for candidate in candidates:
            yield Ruling(candidate, rule(candidate, context))

    return select
