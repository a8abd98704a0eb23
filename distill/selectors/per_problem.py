"""At most so many traces of each problem, so that easy problems do not crowd out hard ones."""

import itertools
import statistics
from collections.abc import Iterator
from typing import Literal

from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value
from distill.selectors.preference import Preference, place_by


class PerProblem:
    """Keep `keep` traces of each problem.

    Args:
        keep: How many.
        prefer: Which: the first sampled, the shortest or longest in the student's tokens, a seeded draw, the best by
            LIMO's score, or ``typical``: those whose length is nearest to the median of their siblings'.
    """

    def __init__(self, *, keep: int = 1, prefer: Preference | Literal["typical"] = "first") -> None:
        self.keep, self.prefer = keep, prefer
        self._place = place_by("shortest" if prefer == "typical" else prefer)

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """The problem, and the trace's place among its siblings: the smallest is kept first."""
        return candidate.problem.id, self._place(candidate, context)

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """The first `keep` of each problem stay."""
        drop = Drop(f"more than {self.keep} of its problem ({self.prefer} first)")
        for _, group in itertools.groupby(measured, key=lambda found: found.problem_id):
            siblings = list(group)
            for place, found in enumerate(_from_the_median(siblings) if self.prefer == "typical" else siblings):
                yield Ruling(found.row, None if place < self.keep else drop)


def _from_the_median(siblings: list[Measured]) -> list[Measured]:
    lengths = [float(found.values[1] or 0) for found in siblings]
    median = statistics.median(lengths)
    return [found for _, found in sorted(zip(lengths, siblings, strict=True), key=lambda pair: abs(pair[0] - median))]
