"""From places in a run's journals to candidates."""

import functools
from pathlib import Path
from typing import NamedTuple

from distill.journal import Journal
from distill.selectors import Candidate
from distill.types import PassRate, Problem, Trace, Verdict

PROBLEMS_HELD = 1024
"""Siblings are close to each other in most runs, so few problems are read twice."""


class Place(NamedTuple):
    """Where all that is known of one trace lies: byte offsets of lines."""

    row: int
    trace: int
    verdict: int
    problem: int
    pass_rate: int | None


class Reader:
    """Reads single lines of a run's journals.

    Args:
        folder: The run's directory.
    """

    def __init__(self, folder: Path) -> None:
        self._traces = Journal(folder / "traces.jsonl", Trace)
        self._verdicts = Journal(folder / "verdicts.jsonl", Verdict)
        self._pass_rates = Journal(folder / "pass_rates.jsonl", PassRate)
        self._problem = functools.lru_cache(PROBLEMS_HELD)(Journal(folder / "problems.jsonl", Problem).at)

    def candidate(self, place: Place) -> Candidate:
        """The trace of that place, with all that is known of it."""
        return Candidate(
            problem=self._problem(place.problem),
            trace=self._traces.at(place.trace),
            verdict=self._verdicts.at(place.verdict),
            pass_rate=None if place.pass_rate is None else self._pass_rates.at(place.pass_rate),
        )
