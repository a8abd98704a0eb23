"""A journey before it is taught: attempts that go wrong, acknowledgements, and the way that leads to the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from distill.builders.journey.slips import Slip
from distill.builders.journey.steps import start_of_step, steps
from distill.formats import TraceFormat

Kind = Literal["attempt", "acknowledgement", "continuation"]


class Part(NamedTuple):
    """A piece of a journey's thought."""

    kind: Kind
    text: str
    source: str = ""
    """Whose thought it is a piece of; empty for an acknowledgement."""
    slip: Slip | None = None
    """An attempt's first error, by its place in the source; an acknowledgement's is the one that it names."""
    start: int = 0
    """Where the piece begins in its source."""

    @property
    def sound(self) -> str:
        """What an attempt established: its steps before the one that holds its first error."""
        if self.slip is None:
            return self.text
        return self.text[: start_of_step(self.text, self.slip.start - self.start)]


@dataclass(frozen=True)
class Draft:
    """The thought in its parts, the answer, and what the checks hold them against."""

    parts: Sequence[Part]
    answer: str
    thoughts: Mapping[str, str]
    """The thoughts that the pieces come from, by the ids of their traces."""
    right_answer: str
    """What the right sample answers, as its verifier read it; empty if it does not say."""
    wrong_answers: Sequence[str]
    """What the wrong samples answered."""

    @property
    def thinking(self) -> str:
        """The parts as one text, set apart as the thoughts set their steps apart."""
        return self._gap.join(part.text for part in self.parts)

    @property
    def errors(self) -> list[tuple[int, int]]:
        """Where the attempts' errors stand in the thinking, from and to."""
        found: list[tuple[int, int]] = []
        place = 0
        for part in self.parts:
            if part.kind == "attempt" and part.slip:
                found.append((place + part.slip.start - part.start, place + part.slip.end - part.start))
            place += len(part.text) + len(self._gap)
        return found

    @property
    def _gap(self) -> str:
        return "\n\n" if any("\n\n" in part.text for part in self.parts if part.kind != "acknowledgement") else "\n"

    def rendered(self, trace_format: TraceFormat) -> str:
        """The reply that is taught."""
        return trace_format.render(self.thinking, self.answer)


def resume_at(thought: str, sound: Sequence[str]) -> int:
    """Where a thought can be gone on with: before its first step that does not stand in the sound texts.

    Args:
        thought: The thought, from which the first steps may be left out.
        sound: What the texts before it established. Only whole steps count, word for word: any other likeness may
            hide that the same words mean something else there.
    """
    said = {step.key for text in sound for step in steps(text)}
    return next((step.start for step in steps(thought) if step.key not in said), 0)
