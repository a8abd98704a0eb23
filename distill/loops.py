"""See that a reply only repeats itself while it is still being written, so that it can be cut there.

A loop here is exact: one unit, over and over, up to the last character looked at. It counts only after so long that
no table, rule, long number or list of cases looks like it, as what is cut is lost. The verdict hangs on the text
alone, never on the pieces that it came in. Not seen: a reply that counts up, or that repeats itself in other words.
"""

import bisect
from typing import NamedTuple

REASON = "it only repeats itself"
LOOK_EVERY = 512
"""Characters between two looks."""
LONGEST_UNIT = 4096
"""Characters."""
NUM_REPEATS = 4
"""A paragraph is said twice by a careful writer, and code is shown again; four times in a row is neither."""
SURE_AFTER = 2048
"""Characters that a loop of words takes at least."""
SURE_AFTER_SIGNS = 4096
"""Characters that a loop of signs takes at least: blanks, rules, zeros, table borders, a grid of one word."""
NUM_LETTERS_OF_WORDS = 8
"""Different letters in a unit of words. One word of code or markup has fewer: `False`, `\\hline`, `undefined`."""
GLANCE = 64
"""Characters. If the last so many did not stand there before, nothing loops; that is quick to see."""
KEPT = NUM_REPEATS * LONGEST_UNIT + LOOK_EVERY


class Loop(NamedTuple):
    """Where a text begins to repeat itself; all in characters."""

    begins: int
    """How many stand before the first unit."""
    unit: int
    """How many are repeated."""
    sure_at: int
    """How many there were when the loop was sure."""


class Repeats(NamedTuple):
    """What stands at the end of a text, in characters."""

    unit: int
    length: int


class LoopWatch:
    """Watches one reply while it streams, in flat memory.

    Example:
        >>> watch = LoopWatch()
        >>> watch.feed("So the answer is 4!"), watch.feed(" Wait, let me check." * 1000)
        (None, 'it only repeats itself')
        >>> watch.loop
        Loop(begins=19, unit=20, sure_at=2560)
    """

    def __init__(self) -> None:
        self.loop: Loop | None = None
        self._fresh = ""
        self._tail = ""
        self._num_seen = 0

    def feed(self, text: str) -> str | None:
        """Take the next piece of the reply; returns why to cut it, or None. A loop once seen stays seen."""
        # Nothing more, as this is done for each token
        self._fresh = fresh = self._fresh + text
        return None if len(fresh) < LOOK_EVERY else self._look(fresh)

    def _look(self, fresh: str) -> str | None:
        # Looks fall on multiples of LOOK_EVERY: at the ends of pieces, the pieces would decide
        start = 0
        while self.loop is None and start + LOOK_EVERY <= len(fresh):
            self._tail = self._tail[LOOK_EVERY - KEPT :] + fresh[start : start + LOOK_EVERY]
            self._num_seen += LOOK_EVERY
            start += LOOK_EVERY
            if repeats := repeats_at_end(self._tail):
                self.loop = Loop(self._num_seen - repeats.length, repeats.unit, self._num_seen)
        # Once there is a loop, what was looked at stays: it brings the next piece here, too
        self._fresh = fresh[start:] if self.loop is None else fresh[:LOOK_EVERY]
        return None if self.loop is None else REASON


def looping(text: str) -> Loop | None:
    """The first loop in a whole text, as `LoopWatch` would have seen it."""
    watch = LoopWatch()
    watch.feed(text)
    return watch.loop


def repeats_at_end(text: str) -> Repeats | None:
    """What a text repeats at its end, with the shortest unit, if that is a loop."""
    if len(text) < SURE_AFTER or text.rfind(text[-GLANCE:], -GLANCE - LONGEST_UNIT, -1) < 0:
        return None
    # Backwards: for a long needle `find` is linear on every text, and `rfind` is not
    text = text[::-1]
    unit, num_same = 0, SURE_AFTER - SURE_AFTER // NUM_REPEATS
    while (unit := text.find(text[:num_same], unit + 1, LONGEST_UNIT + num_same)) > 0:
        length = periodic_length(text, unit)
        if length >= sure_length(text[:unit]):
            return Repeats(unit, length)
        # A longer unit must also hold where this one broke; without that, a rule of dashes would match at each dash
        num_same = length + 1
    return None


def periodic_length(text: str, unit: int) -> int:
    """How far the first `unit` characters of a text are repeated from its start."""
    ends = range(unit, len(text) + 1)
    return unit - 1 + bisect.bisect_left(ends, True, key=lambda end: text[unit:end] != text[: end - unit])


def sure_length(unit: str) -> int:
    """How many characters the repeats of a unit must fill to be a loop."""
    has_words = len(set(filter(str.isalpha, unit.lower()))) >= NUM_LETTERS_OF_WORDS
    return max(NUM_REPEATS * len(unit), SURE_AFTER if has_words else SURE_AFTER_SIGNS)
