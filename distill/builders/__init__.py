"""What is taught from the traces that were kept. A builder turns one problem's traces into examples.

A builder of your own is a callable, called with the recipe's options, that returns something shaped like `Builder`;
name it as ``build: my_package.module:my_builder``, or export it as an entry point of the group ``distill.builders``.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from distill.engines import Completion, Request
from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example, Problem, Trace, Verdict


@dataclass(frozen=True)
class Lesson:
    """One problem's traces as the filter left them."""

    problem: Problem
    kept: Sequence[Candidate]
    """Those that no step dropped, at least one, sorted by their ids."""
    read_dropped: Callable[[], Sequence[Candidate]] = lambda: ()
    spared: Set[str] = frozenset()
    """Ids of dropped traces with which no gate found fault: a choice, such as `per_problem`, left them out."""

    @cached_property
    def dropped(self) -> Sequence[Candidate]:
        """Its other judged traces, wrong and cut off ones among them, sorted; read when first asked for."""
        return self.read_dropped()


class Workshop(Protocol):
    """What a builder may use. One for all of a filter's lessons, many of which may be at work at once."""

    @property
    def trace_format(self) -> TraceFormat:
        """The student's."""
        ...

    @property
    def seed(self) -> str:
        """From the recipe's seed."""
        ...

    @property
    def folder(self) -> Path:
        """The run's directory, where a builder keeps what it paid for, so that it never pays twice."""
        ...

    def count_tokens(self, trace: Trace) -> int:
        """Length of a trace's reply in the student's tokens; the teacher's own count where there is no student."""
        ...

    async def judge(self, problem: Problem, answer: str) -> Verdict:
        """Judge an answer as `generate` does."""
        ...

    async def ask(self, engine: Mapping[str, Any], request: Request) -> Completion:
        """Ask a model that a builder's options name.

        Args:
            engine: A block like ``generate.teacher``. The same block is started once, and ended after the filter.
            request: One reply wanted.

        Raises:
            EngineError: If no reply can be had.
            EngineStartError: If the engine does not start: no other request will fare better.
        """
        ...

    def tally(self, what: str) -> None:
        """Count what became of an example. The filter says at the end how often each word was said; the run keeps it.

        Args:
            what: Short, the same for all that share it, because it is counted: ``left as it was: numbers lost``.
        """
        ...


class Builder(Protocol):
    """Makes examples in the student's trace format."""

    def __call__(self, lesson: Lesson, workshop: Workshop) -> Iterable[Example] | Awaitable[Iterable[Example]]:
        """The examples that one problem's traces give; a builder that waits for others is ``async``."""
        ...


class Match(NamedTuple):
    """Two traces of one problem, for a `Pair`."""

    kind: str
    chosen: Candidate
    rejected: Candidate


class Pairing(Protocol):
    """Says which traces of a problem are to be preferred to which. Made by a factory that takes the recipe's options.

    One of your own: ``pairs: my_package.module:my_pairing``, or an entry point of the group ``distill.pairs``.
    """

    def __call__(self, lesson: Lesson, count_tokens: Callable[[Trace], int]) -> Iterable[Match]:
        """The matches of one problem.

        Args:
            lesson: Its traces.
            count_tokens: Length of a trace's reply in the student's tokens.
        """
        ...
