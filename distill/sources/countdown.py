"""Countdown: make a target from a few numbers, each used exactly once. Problems without end, and an exact verifier.

    {"prompt": "3 5 7 -> 22", "metadata": {"numbers": [3, 5, 7], "target": 22}, "verifier": "countdown"}

The task of TinyZero (github.com/Jiayi-Pan/TinyZero) and of Stream of Search (arXiv 2404.03683). Training and held-out
problems can never overlap, whatever the seed, the count or the order of the numbers: the split is decided by a hash of
the numbers' multiset and the target.
"""

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Literal

from distill.countdown import operations, reachable, search_line
from distill.errors import DataError
from distill.recipe import digest
from distill.sources import make_problem
from distill.types import Problem

Split = Literal["train", "heldout"]
Task = Literal["search", "step"]

PROMPT = (
    "Using the numbers {numbers}, create an equation that equals {target}. You can use +, -, * and / and parentheses, "
    "and each number must be used exactly once. Return the final expression in <answer> </answer> tags, "
    "for example <answer>(1+2)/3</answer>."
)
MAX_TRIES = 2000
"""Draws in a row that may give nothing new before the world counts as used up."""


class CountdownSource:
    """Seeded Countdown problems that all have a solution.

    Args:
        count: How many problems.
        numbers: How many numbers each problem has.
        low: Smallest number.
        high: Largest number.
        largest: No result on the way may be above it, in the search that solves it; None sets no bound.
        target_low: Smallest target.
        target_high: Largest target.
        split: `train`, or the `heldout` part that training never sees.
        heldout_percent: Share of all problems that is held out.
        seed: Decides which problems, and the order of their numbers.
        reorder: Count another order of the same numbers as another problem. Without it every problem is another
            multiset of numbers or another target.
        prompt: Text with ``{numbers}`` and ``{target}``.
        domain: What the problems are said to be about, for steps of the filter that go by it.
        task: `search` asks for the expression. `step` gives one operation on two of three numbers and asks only for
            the arithmetic that follows from it: what the tiny base student is taught, before it ever sees a search.
    """

    fingerprint = ""
    """The options decide everything."""

    def __init__(
        self,
        *,
        count: int = 1000,
        numbers: int = 3,
        low: int = 1,
        high: int = 12,
        largest: int | None = None,
        target_low: int = 10,
        target_high: int = 99,
        split: Split = "train",
        heldout_percent: int = 20,
        seed: int = 0,
        reorder: bool = False,
        prompt: str = PROMPT,
        task: Task = "search",
        domain: str = "arithmetic",
    ) -> None:
        if task == "step" and numbers != 3:
            raise DataError(f"countdown: task 'step' is written for 3 numbers, and numbers is {numbers}")
        if numbers < 2 or low < 1 or high < low or target_high < target_low or count < 1:
            raise DataError(
                f"countdown: no problems with numbers={numbers}, low={low}, high={high}, target_low={target_low}, "
                f"target_high={target_high}, count={count}; at least two numbers from 1 up, and low <= high"
            )
        self.count, self.numbers, self.low, self.high = count, numbers, low, high
        self.largest = largest
        self.targets = range(target_low, target_high + 1)
        self.split, self.heldout_percent, self.seed = split, heldout_percent, seed
        self.reorder, self.prompt, self.task, self.domain = reorder, prompt, task, domain

    def __iter__(self) -> Iterator[Problem]:
        """The problems; a larger `count` only adds to the end.

        Raises:
            DataError: If the world has fewer different problems than `count`.
        """
        rng = random.Random(digest([self.seed, self.split, self.task]))
        seen: set[str] = set()
        misses = 0
        while len(seen) < self.count:
            problem = self._draw(rng)
            misses += 1
            if problem is not None and (key := self._key(problem)) not in seen:
                seen.add(key)
                misses = 0
                yield problem
            if misses > MAX_TRIES:
                raise DataError(
                    f"countdown: found only {len(seen)} different {self.split} problems of {self.numbers} numbers "
                    f"from {self.low} to {self.high}, and count is {self.count}; ask for fewer, or widen the range"
                )

    def _key(self, problem: Problem) -> str:
        if self.task == "step" or self.reorder:
            return problem.id
        return canonical(problem.metadata["numbers"], problem.metadata["target"])

    def _draw(self, rng: random.Random) -> Problem | None:
        drawn = [rng.randint(self.low, self.high) for _ in range(self.numbers)]
        targets = [t for t in sorted(reachable(drawn, self.largest)) if t in self.targets]
        if not targets:
            return None
        target = rng.choice(targets)
        if split_of(drawn, target, self.heldout_percent) != self.split:
            return None
        return self._step(drawn, target, rng) if self.task == "step" else self._search(drawn, target)

    def _search(self, drawn: list[int], target: int) -> Problem:
        return make_problem(
            prompt=self.prompt.format(numbers=" ".join(map(str, drawn)), target=target),
            verifier="countdown",
            source="countdown",
            domain=self.domain,
            metadata={"numbers": drawn, "target": target, "largest": self.largest},
        )

    def _step(self, drawn: list[int], target: int, rng: random.Random) -> Problem:
        rng.shuffle(drawn)
        first, second, rest = drawn[:3]
        operation = rng.choice(operations(first, second, self.largest))
        line = search_line(operation, rest, target, self.largest)
        return make_problem(
            prompt=f"{operation.text} {rest} -> {target}",
            verifier="exact",
            reference=line,
            source="countdown-step",
            domain=self.domain,
        )


def canonical(numbers: Sequence[int], target: int) -> str:
    """One name for a problem, whatever the order of its numbers."""
    return f"{' '.join(map(str, sorted(numbers)))} -> {target}"


def split_of(numbers: Sequence[int], target: int, heldout_percent: int) -> Split:
    """The split a problem belongs to, by a hash that neither seed nor order of the numbers can move."""
    digest_bytes = hashlib.sha256(canonical(numbers, target).encode()).digest()
    return "heldout" if int.from_bytes(digest_bytes[:4], "big") % 100 < heldout_percent else "train"
