"""Streams: searches that were written down as they went, taught with their dead ends, or with the way alone.

Stream of Search (arXiv 2404.03683) found that a model learns to search from such texts: with their dead ends they
taught 51 % of Countdown, the ways alone 26 %. A stream makes no error and so has none to take back: a dead end is
acknowledged by the comparison that ends it, ``26>22``, and its return is the next line. So nothing is put into the
text. What is held is that each line is true, that it begins with numbers that the text had left, that the text ends
at its first match, and that the answer is read off the way there.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from distill.builders import Builder, Lesson, Workshop
from distill.builders.journey.checks import broken, misjudged
from distill.builders.journey.countdown import countdown_slip
from distill.builders.plain import example, plain_examples
from distill.errors import PluginError
from distill.selectors import Candidate
from distill.selectors.answers import several
from distill.types import Example

_OPERATION = r"([0-9]{1,9})([-+*/])([0-9]{1,9})=([0-9]{1,9})"
_BRANCH = re.compile(rf"{_OPERATION}: left((?: [0-9]{{1,9}}){{2,12}})")
_ENDS = re.compile(rf"({_OPERATION}):((?: {_OPERATION}[<=>][0-9]{{1,9}})+)")
_LEAF = re.compile(rf" ({_OPERATION}([<=>])[0-9]{{1,9}})")
MOST_LINES = 10_000
"""Lines of a search that are read."""


class Operation(NamedTuple):
    """Two numbers combined, as they are written."""

    left: str
    sign: str
    right: str
    result: str


class Stream(NamedTuple):
    """A search that was written down."""

    way: list[str]
    """The lines that lead to the match, each without its dead ends; empty if the text does not end with one."""
    operations: list[Operation]
    """Those of the way, in their order."""
    dead_ends: int
    """Outcomes that were compared with the target and missed it."""
    passed_over: bool
    """It goes on behind a match."""


class _Open(NamedTuple):
    size: int
    line: str
    operation: Operation


def stream(*, dead_ends: str = "keep", most: int = 400, otherwise: str = "nothing") -> Builder:
    """For each kept trace that is a Countdown search as `distill.countdown` writes it, its text or the way alone.

    Args:
        dead_ends: `keep` teaches the text as it is. `drop` teaches the same searches' ways without any dead end: the
            control, which Stream of Search calls the optimal path.
        most: Most dead ends of a search; with more, or with none, it gives no example, whatever `dead_ends` says.
        otherwise: What a kept trace gives that is no such search: `plain` its plain example, `nothing` none.

    Raises:
        PluginError: If an option is not what it should be.
    """
    if dead_ends not in ("keep", "drop"):
        raise PluginError(f"filter.build: dead_ends is {dead_ends!r}; choose keep or drop")
    if most < 1:
        raise PluginError(f"filter.build: most is {most}; from 1 up")
    if otherwise not in ("plain", "nothing"):
        raise PluginError(f"filter.build: otherwise is {otherwise!r}; choose plain or nothing")
    return _Streams(dead_ends == "keep", most, otherwise == "plain")


@dataclass(frozen=True)
class _Streams:
    """The builder; see `stream`."""

    keeps: bool
    most: int
    falls_back: bool

    async def __call__(self, lesson: Lesson, workshop: Workshop) -> list[Example]:
        examples: list[Example] = []
        for candidate in lesson.kept:
            found = await self._of(candidate, workshop)
            if isinstance(found, Example):
                workshop.tally("a stream" if self.keeps else "a way without dead ends")
                examples.append(found)
                continue
            workshop.tally(f"no stream: {found}")
            if self.falls_back:
                examples += plain_examples(Lesson(lesson.problem, [candidate]), workshop)
        return examples

    async def _of(self, candidate: Candidate, workshop: Workshop) -> Example | str:
        """A kept trace's example, or why there is none."""
        trace_format, trace = workshop.trace_format, candidate.trace
        search = read(trace.thinking)
        if search is None:
            return "not a search"
        answer = candidate.verdict.extracted or trace.answer
        reason = (
            broken(trace.thinking, trace.answer, trace_format)
            or faulty(candidate.problem.metadata, trace.thinking, search, answer)
            or ("several answers" if several(trace.answer) else None)
            or ("too many dead ends" if search.dead_ends > self.most else None)
            or await misjudged(trace.thinking, trace.answer, candidate.problem, workshop)
        )
        if reason:
            return reason
        thinking = trace.thinking if self.keeps else "\n".join(search.way)
        return example(candidate, trace_format, trace_format.render(thinking, trace.answer))


def faulty(metadata: Mapping[str, Any], thinking: str, search: Stream, answer: str) -> str | None:
    """Why a search is not taught; None if it is.

    Args:
        metadata: The problem's: its numbers and its target.
        thinking: The search.
        search: The same, read.
        answer: The expression that is said to come of it.
    """
    if not isinstance(metadata.get("numbers", metadata.get("nums")), list) or type(metadata.get("target")) is not int:
        return "no numbers and target to hold it against"
    slip = countdown_slip(metadata, thinking)
    if slip is not None:
        return "a leap" if slip.kind.startswith("a number") else "an error left standing"
    if search.passed_over:
        return "a match passed over"
    if not search.way:
        return "the detour does not return"
    if not search.dead_ends:
        return "no dead end"
    return None if is_read_off(answer, search.operations) else "the answer is not that of the search"


def read(thinking: str) -> Stream | None:
    r"""A search, taken apart; None if a line of the text is none of one.

    Example:
        >>> found = read("7+3=10: 10+5=15<22 10-5=5<22\n7*3=21: 21+5=26>22 21-5=16<22 21+1=22=22")
        >>> found.way, found.dead_ends
        (['7*3=21: 21+1=22=22'], 4)
    """
    above: list[_Open] = []
    way: list[str] = []
    operations: list[Operation] = []
    num_dead, passed_over = 0, False
    lines = [line for line in thinking.split("\n") if line.strip()]
    for line in lines[:MOST_LINES]:
        passed_over = passed_over or bool(way)
        if branch := _BRANCH.fullmatch(line):
            size = len(branch[5].split()) + 1
            above = [one for one in above if one.size > size] + [_Open(size, line, Operation(*branch.groups()[:4]))]
        elif ends := _ENDS.fullmatch(line):
            leaves = [*_LEAF.finditer(ends[6])]
            is_match = [leaf[6] == "=" for leaf in leaves]
            num_dead += is_match.count(False)
            passed_over = passed_over or any(is_match[:-1])
            if is_match[-1]:
                way = [*(one.line for one in above), f"{ends[1]}: {leaves[-1][1]}"]
                last = [Operation(*ends.groups()[1:5]), Operation(*leaves[-1].groups()[1:5])]
                operations = [*(one.operation for one in above), *last]
        else:
            return None
    return Stream(way, operations, num_dead, passed_over) if 0 < len(lines) <= MOST_LINES else None


def is_read_off(answer: str, operations: Sequence[Operation]) -> bool:
    """Whether an expression is what the operations do, one after the other.

    Example:
        >>> is_read_off("(7*3)+1", [Operation("7", "*", "3", "21"), Operation("21", "+", "1", "22")])
        True
    """
    text = "".join(answer.split())
    for left, sign, right, result in operations:
        orders = ((left, right), (right, left)) if sign in "+*" else ((left, right),)
        for first, second in orders:
            done = f"{first}{re.escape(sign)}{second}"
            # with its parentheses if it has them; not a part of a longer number
            text, times = re.subn(rf"\({done}\)|(?<![0-9]){done}(?![0-9])", result, text, count=1)
            if times:
                break
        else:
            return False
    return bool(operations) and text == operations[-1].result
