"""The first error of a Countdown search, exactly: a false result, a false comparison, a number that is not there.

Searches are written as in `distill.countdown`, a line for each branch: ``7*3=21: 21+5=26>22``, or with more numbers
``7*3=21: left 21 5 2``. In other text each calculation may use the given numbers and the results that came before it.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import cast

from distill.builders.journey.slips import Slip
from distill.countdown import compare

_CLAIM = re.compile(
    r"(?<![0-9.*/+^)-])([0-9]{1,9})[ ]?([-+*/])[ ]?([0-9]{1,9})[ ]?=[ ]?([0-9]{1,9})(?![0-9.]|[ ]?[-+*/^(])"
    r"(?:([<=>])([0-9]{1,9})(?![0-9.]))?"
)
_LEFT = re.compile(r":[ ]left((?:[ ][0-9]{1,9}){2,12})$")


def countdown_slip(metadata: Mapping[str, object], thinking: str) -> Slip | None:
    """The first error of a search.

    Args:
        metadata: The problem's: ``numbers`` (or ``nums``) and ``target``. Without them nothing is found.
        thinking: The search.
    """
    given, target = metadata.get("numbers", metadata.get("nums")), metadata.get("target")
    if not isinstance(given, list) or type(target) is not int:
        return None
    numbers = [number for number in cast(list[object], given) if type(number) is int]
    search = _Search(numbers, target)
    for start, line in _lines(thinking):
        slip = search.read(start, line)
        if slip:
            return slip
    return None


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    for line in text.split("\n"):
        yield start, line
        start += len(line) + 1


class _Search:
    """What a search may use at the line that is read."""

    def __init__(self, numbers: list[int], target: int) -> None:
        self.target = target
        self.states = [Counter(numbers)]
        self.results = Counter[int](numbers)

    def read(self, start: int, line: str) -> Slip | None:
        claims = [*_CLAIM.finditer(line)]
        is_branch = bool(claims) and claims[0].start() == 0 and line[claims[0].end() : claims[0].end() + 1] == ":"
        left = _LEFT.search(line) if is_branch else None
        # a branch leaves one number less than it begins with, and the last two are compared with the target
        size = len(left[1].split()) + 1 if left else 3 if len(claims) > 1 else None
        begun = [state for state in self.states if size in (None, state.total())]
        after: list[Counter[int]] = []
        for number, claim in enumerate(claims):
            operands = Counter((int(claim[1]), int(claim[3])))
            places = begun if number == 0 else after
            missing = not any(operands <= state for state in places) if is_branch else not operands <= self.results
            if slip := self._wrong(claim, start) or (
                _absent(claim, start, operands, self.results) if missing else None
            ):
                return slip
            result = int(claim[4])
            self.results[result] += 1
            if is_branch and number == 0:
                after = [state - operands + Counter((result,)) for state in begun if operands <= state]
        if left:
            state = Counter(map(int, left[1].split()))
            if state not in after:
                return Slip(start + left.start() + 2, start + left.end(), left[0][2:], "", "a number that is not there")
            self._enter(state)
        return None

    def _enter(self, state: Counter[int]) -> None:
        """Go into a branch, out of those that are as deep."""
        self.states = [above for above in self.states if above.total() > state.total()] + [state]

    def _wrong(self, claim: re.Match[str], start: int) -> Slip | None:
        left, right, said = int(claim[1]), int(claim[3]), int(claim[4])
        value = _worth(left, claim[2], right)
        equation_end = claim.end() if claim[5] is None else claim.start(5)
        if value != said:
            truth = f"{claim[1]}{claim[2]}{claim[3]}={value}" if value is not None and value.denominator == 1 else ""
            equation = claim.string[claim.start() : equation_end].rstrip()
            return Slip(start + claim.start(), start + claim.end(), equation, truth, "a false equation")
        if claim[5] is None or claim[6] is None:
            return None
        compared = f"{claim[4]}{claim[5]}{claim[6]}"
        truth = f"{said}{compare(said, self.target)}{self.target}"
        if int(claim[6]) != self.target or claim[5] != compare(said, self.target):
            return Slip(start + claim.start(), start + claim.end(), compared, truth, "a false comparison")
        return None


def _absent(claim: re.Match[str], start: int, operands: Counter[int], ever: Counter[int]) -> Slip:
    is_known = all(number in ever for number in operands)
    kind = "a number used twice" if is_known else "a number that is not there"
    return Slip(start + claim.start(), start + claim.end(), f"{claim[1]}{claim[2]}{claim[3]}", "", kind)


def _worth(left: int, sign: str, right: int) -> Fraction | None:
    match sign:
        case "+":
            return Fraction(left + right)
        case "-":
            return Fraction(left - right)
        case "*":
            return Fraction(left * right)
        case _:
            return Fraction(left, right) if right else None
