"""A thought in steps: its lines, and within a line its sentences."""

import re
from typing import NamedTuple

_END = re.compile(r"\n+|(?<=[.!?])[ \t]+(?=\S)")


class Step(NamedTuple):
    """A step and its place in the thought."""

    start: int
    end: int
    text: str

    @property
    def key(self) -> str:
        """What two steps share that say the same, word for word."""
        return " ".join(self.text.split())


def steps(text: str) -> list[Step]:
    r"""The steps of a thought that say anything, in their order.

    Example:
        >>> [step.text for step in steps("2 + 2 = 4. So it is 4.\n\nDone")]
        ['2 + 2 = 4.', 'So it is 4.', 'Done']
    """
    found: list[Step] = []
    start = 0
    for end, after in [*((gap.start(), gap.end()) for gap in _END.finditer(text)), (len(text), len(text))]:
        if text[start:end].strip():
            found.append(Step(start, end, text[start:end]))
        start = after
    return found


def start_of_step(text: str, place: int) -> int:
    """Where the step begins that a place of the text is in."""
    return max((step.start for step in steps(text) if step.start <= place), default=0)
