"""A step of the filter, and what a process needs to take traces through steps."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, cast

from distill.errors import DistillError, PluginError
from distill.filtering.reader import Reader
from distill.selectors import Candidate, Choice, Context, Drop, Gate, Selector, Value
from distill.types import Trace


@dataclass(frozen=True)
class Step:
    """A selector by its place in the recipe's list."""

    name: str
    selector: Selector
    context: Context

    @property
    def choice(self) -> Choice | None:
        """The selector, if it weighs all candidates."""
        return cast(Choice, self.selector) if hasattr(self.selector, "choose") else None

    @property
    def gate(self) -> Gate | None:
        """The selector, if it looks at one trace alone."""
        return None if self.choice else cast(Gate, self.selector)


class Seen(NamedTuple):
    """What a pass found of one trace."""

    row: int
    step: int | None
    """Place of the gate that dropped it; None if it is still kept."""
    drop: Drop | None
    values: tuple[Value, ...] | None
    """What the choice at the end of the pass measured; None where there is none, or the trace was dropped."""
    scores: dict[str, float]


class Tools:
    """The steps as one process built them, and where it reads the traces.

    Args:
        steps: In the recipe's order.
        reader: Of the run's journals.
    """

    def __init__(self, steps: Sequence[Step], reader: Reader) -> None:
        self.steps = [self._listening(step) for step in steps]
        self.reader = reader
        self.count_tokens = self.steps[0].context.count_tokens
        """From a trace to the length of its reply in the student's tokens."""
        self._scores: dict[str, float] = {}
        self._counted: tuple[Trace, int] | None = None

    def _listening(self, step: Step) -> Step:
        """A step whose scores are kept, and which counts no trace's tokens that the step before has counted."""
        count = step.context.count_tokens

        def counted(trace: Trace) -> int:
            if self._counted is None or self._counted[0] is not trace:
                self._counted = trace, count(trace)
            self._scores["tokens"] = self._counted[1]
            return self._counted[1]

        def note(name: str, score: float) -> None:
            self._scores[name] = score

        return replace(step, context=replace(step.context, note=note, count_tokens=counted))

    def look(self, row: int, candidate: Candidate, steps: range) -> Seen:
        """Send a trace through gates until one drops it; a choice at the end measures it.

        Args:
            row: Its place in the table.
            candidate: The trace.
            steps: Places of gates, and perhaps of one choice after them.

        Raises:
            PluginError: If a selector fails on it; names both.
        """
        self._scores = {}
        for place in steps:
            step = self.steps[place]
            try:
                if step.gate is not None:
                    if drop := step.gate(candidate, step.context):
                        return Seen(row, place, drop, None, self._scores)
                elif step.choice is not None:
                    return Seen(row, None, None, step.choice.measure(candidate, step.context), self._scores)
            except DistillError:
                raise
            except Exception as error:
                raise PluginError(
                    f"filter: the step {step.name!r} failed on trace {candidate.trace.id}: "
                    f"{type(error).__name__}: {error}. No decision was written; mend the step or leave it out"
                ) from error
        return Seen(row, None, None, None, self._scores)

    def passes(self) -> Iterator[range]:
        """The places of the steps, parted after each choice."""
        start = 0
        for place, step in enumerate(self.steps):
            if step.choice is not None:
                yield range(start, place + 1)
                start = place + 1
        if start < len(self.steps):
            yield range(start, len(self.steps))
