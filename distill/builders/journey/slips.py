"""An error, as a finder names it."""

from typing import NamedTuple

from distill.builders.journey.steps import Step

LONGEST_QUOTE = 160
"""Characters of a step that an acknowledgement quotes."""


class Slip(NamedTuple):
    """The first error of a thought, and its place there."""

    start: int
    end: int
    """Just after it: where the thought is cut."""
    said: str
    """What is wrong, as it is written: ``7*3=22``."""
    truth: str
    """What holds instead: ``7*3=21``. Empty where the finder cannot tell."""
    kind: str

    @classmethod
    def of_step(cls, step: Step, kind: str) -> "Slip":
        """A step that is wrong, nobody says in what; quoted in short if it is long."""
        said = step.text.strip()
        return cls(step.start, step.end, said[:LONGEST_QUOTE].rstrip(), "", kind)
