"""From marks to rates for the whole run: strata weighted by their size, and Wilson's interval."""

from collections.abc import Mapping
from typing import NamedTuple

from distill.evaluation.metrics import Interval, wilson
from distill.types import Outcome, Verdict


class Stratum(NamedTuple):
    """Verdicts of one outcome that one method found."""

    outcome: Outcome
    method: str


def stratum_of(verdict: Verdict) -> Stratum:
    """Verdicts of one outcome that were found in one way are wrong about equally often."""
    return Stratum(verdict.outcome, verdict.method)


class Marked(NamedTuple):
    """A stratum, and how the answers that were drawn from it were marked."""

    size: int
    """Verdicts of the run in it."""
    marked: int
    right: int

    @property
    def wrong(self) -> int:
        """Answers that were marked wrong."""
        return self.marked - self.right

    def mistakes(self, outcome: Outcome) -> int:
        """Marks that contradict the outcome: of unverifiable ones, those whose answer was right all along."""
        return self.wrong if outcome == "correct" else self.right


class Rate(NamedTuple):
    """How often an outcome is mistaken, in the whole run."""

    share: float
    interval: Interval
    """95 %."""
    mistakes: int
    marked: int
    size: int
    """Verdicts of that outcome in strata that have a mark."""
    uncovered: int
    """Verdicts of that outcome in strata without any mark, of which nothing is known."""


def mistaken(strata: Mapping[Stratum, Marked], outcome: Outcome) -> Rate | None:
    """How many verdicts of an outcome are mistaken, as a share of all of them; None without a mark.

    The share of each stratum counts by the stratum's size. The interval is Wilson's with Kish's effective number of
    marks, ``1 / sum(weight**2 / marks)`` (Kish 1965, Survey Sampling): unequal weights make a sample worth less. It
    takes marks as independent; two traces of one problem are not quite.
    """
    all_of = [(stratum, marked) for stratum, marked in strata.items() if stratum.outcome == outcome]
    known = [marked for _, marked in all_of if marked.marked]
    if not known:
        return None
    size = sum(marked.size for marked in known)
    weighted = [(marked.size / size, marked) for marked in known]
    share = min(1.0, sum(weight * marked.mistakes(outcome) / marked.marked for weight, marked in weighted))
    effective = 1 / sum(weight**2 / marked.marked for weight, marked in weighted)
    return Rate(
        share,
        wilson(share, effective),
        sum(marked.mistakes(outcome) for marked in known),
        sum(marked.marked for marked in known),
        size,
        sum(marked.size for _, marked in all_of) - size,
    )


def by_method(strata: Mapping[Stratum, Marked]) -> dict[str, tuple[int, int]]:
    """For each method that has a mark: marks that contradict its verdict, and marks."""
    found: dict[str, tuple[int, int]] = {}
    for stratum, marked in strata.items():
        if marked.marked:
            mistakes, total = found.get(stratum.method, (0, 0))
            found[stratum.method] = (mistakes + marked.mistakes(stratum.outcome), total + marked.marked)
    return found
