"""The game of Countdown: what two numbers can become, what a set of numbers can reach, how a search is written down.

The search is depth first over pairs and operations, in the manner of Stream of Search (arXiv 2404.03683): it tries, it
compares with the target, it leaves dead ends behind, and it ends at the first match.
"""

import random
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple


class Operation(NamedTuple):
    """Two numbers combined, the larger first, so that no result is negative."""

    left: int
    sign: str
    right: int
    result: int

    @property
    def text(self) -> str:
        """As it is written in a search: ``7*3``."""
        return f"{self.left}{self.sign}{self.right}"


class Leaf(NamedTuple):
    """The end of a branch: the last two numbers combined, and compared with the target."""

    text: str
    operation: Operation
    is_match: bool


class Solution(NamedTuple):
    """A search as it is written down, and the expression it ends with."""

    text: str
    expression: str
    """Empty if the search found none."""


def operations(a: int, b: int, largest: int | None = None) -> list[Operation]:
    """Every way to combine two whole numbers into a positive whole number; division by 1 says nothing and is left out.

    Args:
        a: One number.
        b: The other.
        largest: No result may be above it; None sets no bound.
    """
    a, b = max(a, b), min(a, b)
    ways = [Operation(a, "+", b, a + b)]
    if a > b:
        ways.append(Operation(a, "-", b, a - b))
    ways.append(Operation(a, "*", b, a * b))
    if b > 1 and a % b == 0:
        ways.append(Operation(a, "/", b, a // b))
    return [way for way in ways if largest is None or way.result <= largest]


def leaves(first: int, second: int, target: int, largest: int | None = None) -> Iterator[Leaf]:
    """Combine the last two numbers in every way, comparing each outcome with the target, until one meets it."""
    for operation in operations(first, second, largest):
        text = f"{operation.text}={operation.result}{compare(operation.result, target)}{target}"
        yield Leaf(text, operation, operation.result == target)
        if operation.result == target:
            return


def search_line(operation: Operation, rest: int, target: int, largest: int | None = None) -> str:
    """One line of a search over three numbers: ``5*3=15: 15+7=22=22``.

    A model of a million parameters learns a search only if the comparison is written out (`docs/tiny-world.md`).
    """
    ends = leaves(operation.result, rest, target, largest)
    return f"{operation.text}={operation.result}: " + " ".join(leaf.text for leaf in ends)


def compare(value: int, target: int) -> str:
    """The sign between them: ``<``, ``=`` or ``>``."""
    return "=" if value == target else "<" if value < target else ">"


def reachable(numbers: Sequence[int], largest: int | None = None) -> set[int]:
    """Every value that uses each number exactly once, over positive whole numbers up to `largest`."""
    if len(numbers) == 1:
        return {numbers[0]}
    values: set[int] = set()
    for i, j in combinations(range(len(numbers)), 2):
        rest = [n for k, n in enumerate(numbers) if k not in (i, j)]
        for operation in operations(numbers[i], numbers[j], largest):
            values |= reachable([operation.result, *rest], largest)
    return values


class _Term(NamedTuple):
    value: int
    text: str


def search(
    numbers: Sequence[int],
    target: int,
    *,
    largest: int | None = None,
    slips: float = 0.0,
    rng: random.Random | None = None,
) -> Solution:
    """Search depth first for an expression, and write the search down.

    Args:
        numbers: The given numbers, tried in this order.
        target: What the expression shall equal.
        largest: Results above it are not tried; None sets no bound.
        slips: Chance that a comparison goes wrong: a result is miswritten, so that a match is passed over or a false
            one taken. 0 is a flawless search.
        rng: Source of the slips; needed only if there are any.
    """
    writer = _Search(target, largest, slips, rng or random.Random(0))
    found = writer.explore([_Term(n, str(n)) for n in numbers])
    return Solution("\n".join(writer.lines), found or "")


class _Search:
    """A search and the lines it has written so far."""

    def __init__(self, target: int, largest: int | None, slips: float, rng: random.Random) -> None:
        self.target, self.largest, self.slips, self.rng = target, largest, slips, rng
        self.lines: list[str] = []

    def explore(self, terms: list[_Term]) -> str | None:
        """Combine any two terms and search on with what is left; the expression found, if any."""
        if len(terms) == 2:
            return self._close(*terms)
        for i, j in combinations(range(len(terms)), 2):
            rest = [term for k, term in enumerate(terms) if k not in (i, j)]
            for operation in operations(terms[i].value, terms[j].value, self.largest):
                combined = _combine(terms[i], terms[j], operation)
                head = f"{operation.text}={operation.result}:"
                left = " ".join(str(term.value) for term in [combined, *rest])
                self.lines.append(head if len(rest) == 1 else f"{head} left {left}")
                if found := self.explore([combined, *rest]):
                    return found
        return None

    def _close(self, a: _Term, b: _Term) -> str | None:
        for leaf in leaves(a.value, b.value, self.target, self.largest):
            written = self._slip(leaf) if self.slips and self.rng.random() < self.slips else leaf
            self.lines[-1] += " " + written.text
            if written.is_match:
                return _combine(a, b, leaf.operation).text[1:-1]  # the outermost parentheses say nothing
        return None

    def _slip(self, leaf: Leaf) -> Leaf:
        result = leaf.operation.result
        wrong = self.target if self.rng.random() < 0.5 else max(result + self.rng.choice((-10, -1, 1, 10)), 0)
        text = f"{leaf.operation.text}={wrong}{compare(wrong, self.target)}{self.target}"
        return Leaf(text, leaf.operation, wrong == self.target)


def _combine(a: _Term, b: _Term, operation: Operation) -> _Term:
    large, small = (a, b) if a.value >= b.value else (b, a)
    return _Term(operation.result, f"({large.text}{operation.sign}{small.text})")
