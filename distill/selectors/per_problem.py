"""At most so many traces of each problem, so that easy problems do not crowd out hard ones."""

import itertools
from collections.abc import Iterator
from typing import Literal

from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value

Preference = Literal["first", "shortest", "longest", "random"]


class PerProblem:
    """Keep `keep` traces of each problem.

    Args:
        keep: How many.
        prefer: Which: the first sampled, the shortest or longest in the student's tokens, or a seeded draw.
    """

    columns = ("problem", "preference")

    def __init__(self, *, keep: int = 1, prefer: Preference = "first") -> None:
        self.keep, self.prefer = keep, prefer

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """The problem, and the trace's place among its siblings: the smallest is kept first."""
        trace = candidate.trace
        match self.prefer:
            case "first":
                place: float = trace.sample
            case "random":
                place = context.chance(trace.id)
            case "shortest":
                place = context.count_tokens(trace)
            case "longest":
                place = -context.count_tokens(trace)
        return candidate.problem.id, place

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """The first `keep` of each problem stay."""
        drop = Drop(f"more than {self.keep} of its problem ({self.prefer} first)")
        for _, siblings in itertools.groupby(measured, key=lambda found: found.problem_id):
            for place, found in enumerate(siblings):
                yield Ruling(found.row, None if place < self.keep else drop)
