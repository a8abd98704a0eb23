"""At most so many traces of each problem, so that easy problems do not crowd out hard ones."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from distill.selectors import Candidate, Context, Ruling, Selector

Preference = Literal["first", "shortest", "longest", "random"]


def per_problem(*, keep: int = 1, prefer: Preference = "first") -> Selector:
    """Keep `keep` traces of each problem.

    Args:
        keep: How many.
        prefer: Which: the first sampled, the shortest or longest in the student's tokens, or a seeded draw.
    """

    def select(candidates: Iterable[Candidate], context: Context) -> Iterator[Ruling]:
        groups: defaultdict[str, list[Candidate]] = defaultdict(list)
        for candidate in candidates:
            groups[candidate.problem.id].append(candidate)
        for group in groups.values():
            for place, candidate in enumerate(_ordered(group, context, prefer)):
                yield Ruling(candidate, None if place < keep else f"more than {keep} of its problem ({prefer} first)")

    return select


def _ordered(group: list[Candidate], context: Context, prefer: Preference) -> list[Candidate]:
    by_sample = sorted(group, key=lambda candidate: candidate.trace.sample)
    if prefer == "random":
        context.rng.shuffle(by_sample)
    elif prefer != "first":
        by_sample.sort(key=lambda c: context.count_tokens(c.trace), reverse=prefer == "longest")
    return by_sample
