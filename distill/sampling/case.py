"""One problem on its way: which of its samples are done, which are in flight, and whether it needs more.

Outcomes are kept as a text, one letter for each sample: `c` correct, `i` incorrect, `u` unverifiable, `.` not there.
"""

import asyncio
from dataclasses import dataclass, field

from distill.recipe import Samples
from distill.types import Outcome

MISSING = "."
LETTERS: dict[Outcome, str] = {"correct": "c", "incorrect": "i", "unverifiable": "u"}


def with_outcome(outcomes: str, sample: int, outcome: Outcome) -> str:
    """The text of outcomes with one more, or another, in it."""
    padded = outcomes.ljust(sample + 1, MISSING)
    return padded[:sample] + LETTERS[outcome] + padded[sample + 1 :]


def num_done(outcomes: str) -> int:
    """Samples that have an outcome."""
    return len(outcomes) - outcomes.count(MISSING)


def wants_more(outcomes: str, samples: Samples) -> bool:
    """Whether a problem that stands so gets another sample."""
    done, correct = num_done(outcomes), outcomes.count(LETTERS["correct"])
    if done >= samples.max:
        return False
    if done < samples.min:
        return True
    is_hopeless = samples.give_up_after is not None and not correct and done >= samples.give_up_after
    return correct < samples.until_correct and not is_hopeless


@dataclass(kw_only=True)
class Case:
    """A problem that is being asked."""

    problem_id: str
    start: int
    """Byte offset of its line in `problems.jsonl`."""
    outcomes: str
    retries: dict[int, int] = field(default_factory=dict[int, int])
    """Samples to ask again with a larger limit, and which retry it will be. If there are any, they are all it wants."""
    asked: dict[int, "asyncio.Task[None]"] = field(default_factory=dict[int, "asyncio.Task[None]"])
    """Samples from their request to their verdict."""
    replying: set[int] = field(default_factory=set[int])
    """Those of them whose reply is still to come: what is judged already is paid for, and never cancelled."""
    has_failed: bool = False
    is_closed: bool = False
    """It has enough."""

    def first_wave(self, samples: Samples) -> list[int]:
        """The samples to ask for at once: all those that are wanted in any case."""
        if self.retries:
            return sorted(self.retries)
        return self._missing(samples)[: max(samples.min - num_done(self.outcomes), 1)]

    def sibling(self, samples: Samples) -> int | None:
        """One sample more, asked before it is known whether it is needed; None if there may be none."""
        if self.retries or self.has_failed or self.is_closed or len(self.asked) >= samples.at_once:
            return None
        return next(iter(self._missing(samples)), None)

    def _missing(self, samples: Samples) -> list[int]:
        known = self.outcomes.ljust(samples.max, MISSING)
        return [index for index in range(samples.max) if known[index] == MISSING and index not in self.asked]
