"""Where no reference exists, the answer that most replies agree on stands in for it."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator

from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value

_SPACES = re.compile(r"\s+|\\[,;:! ]|\$|\\(?:left|right|text|mathrm)(?![A-Za-z])")


class Majority:
    """Keep correct traces of problems with a reference, and those that agree with the majority of problems without.

    Self-consistency (Wang et al. 2022, arXiv 2203.11171) as a filter. Answers are the same if they are written the
    same, spacing and case apart.

    Args:
        min_share: Share of a problem's answers that must agree, above which an answer is the majority's.
    """

    def __init__(self, *, min_share: float = 0.5) -> None:
        self.min_share = min_share

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """The problem, what the verifier said, and the answer."""
        found = candidate.verdict
        answer = _SPACES.sub("", found.extracted).casefold().rstrip(".") if found.extracted else None
        return candidate.problem.id, found.outcome, answer

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """Problem by problem."""
        for _, siblings in itertools.groupby(measured, key=lambda found: found.problem_id):
            yield from self._choose(list(siblings))

    def _choose(self, siblings: list[Measured]) -> Iterator[Ruling]:
        is_judged = any(found.values[1] != "unverifiable" for found in siblings)
        answers = Counter(found.values[2] for found in siblings if found.values[2] is not None)
        best, count = answers.most_common(1)[0] if answers else (None, 0)
        detail = f"{count} of {answers.total()} answers agree"
        has_majority = count > self.min_share * answers.total()
        for found in siblings:
            _, outcome, answer = found.values
            if is_judged:
                drop = None if outcome == "correct" else Drop(str(outcome))
            elif answer is None:
                drop = Drop("no answer")
            elif not has_majority:
                drop = Drop("no majority", detail)
            else:
                drop = None if answer == best else Drop("not the majority's answer", detail)
            yield Ruling(found.row, drop)
