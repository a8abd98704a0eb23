"""Which trace of a problem is to be preferred to which: pairs for DPO and SimPO.

A chosen trace is correct, ended by itself, and passed every gate of the filter; it need not be an example, as a step
like `per_problem` may have left it out. A rejected one ended by itself too: one that was cut off would teach that the
text before the cut is bad. So none of these is ever a truncated trace, on either side.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from distill.builders import Lesson, Match, Pairing
from distill.errors import PluginError
from distill.selectors import Candidate
from distill.types import Trace


class Sized(NamedTuple):
    """A trace and its length."""

    tokens: int
    trace_id: str
    """Orders traces of the same length."""
    candidate: Candidate


class _Traces(NamedTuple):
    """A problem's traces that can be in a pair, from the shortest to the longest."""

    good: Sequence[Sized]
    """Those that may be chosen."""
    correct: Sequence[Sized]
    incorrect: Sequence[Sized]


def shortest_against_longest(*, min_gap: int = 1, min_correct: int = 2, silc: bool = False) -> Pairing:
    """The shortest correct trace against the longest correct one, to teach brevity.

    Source: NovaSky-AI/SkyThought, recipes/sky-t1-flash. There the chosen one is rewritten besides, to end after its
    first correct solution and one more; here it is taken as it is.

    Args:
        min_gap: Least difference in the student's tokens.
        min_correct: Correct traces that a problem must have.
        silc: Besides, the longest correct trace against the shortest incorrect one ("short incorrect, long correct"),
            so that brevity is not learned at the price of correctness.
    """
    _check(min_gap=min_gap, min_correct=min_correct)

    def pairing(lesson: Lesson, count_tokens: Callable[[Trace], int]) -> Iterable[Match]:
        traces = _traces(lesson, count_tokens)
        if not traces.good:
            return
        shortest, longest = traces.good[0], traces.correct[-1]
        if len(traces.correct) >= max(min_correct, 2) and longest.tokens - shortest.tokens >= min_gap:
            yield Match("shortest against longest", shortest.candidate, longest.candidate)
        if silc and traces.incorrect:
            chosen, rejected = traces.good[-1], traces.incorrect[0]
            if chosen.tokens - rejected.tokens >= min_gap:
                yield Match("long correct against short incorrect", chosen.candidate, rejected.candidate)

    return pairing


def correct_against_incorrect(*, count: int = 1, min_gap: int = 0) -> Pairing:
    """Correct traces against incorrect ones, to teach correctness.

    Shorter correct ones come first, each with the incorrect one that is nearest to it in length and not yet taken, so
    that length tells little of which is right.

    Args:
        count: Pairs of one problem, at most. (O1-Journey takes 5: arXiv 2410.18982.)
        min_gap: Least difference in the student's tokens.
    """
    _check(count=count, min_gap=min_gap)

    def pairing(lesson: Lesson, count_tokens: Callable[[Trace], int]) -> Iterable[Match]:
        traces = _traces(lesson, count_tokens)
        left = list(traces.incorrect)
        made = 0
        for chosen in traces.good:
            far_enough = [wrong for wrong in left if abs(wrong.tokens - chosen.tokens) >= min_gap]
            if made == count or not far_enough:
                continue
            rejected = min(far_enough, key=lambda wrong: (abs(wrong.tokens - chosen.tokens), wrong.trace_id))
            left.remove(rejected)
            made += 1
            yield Match("correct against incorrect", chosen.candidate, rejected.candidate)

    return pairing


def _traces(lesson: Lesson, count_tokens: Callable[[Trace], int]) -> _Traces:
    sized = sorted(
        (
            Sized(count_tokens(found.trace), found.trace.id, found)
            for found in (*lesson.kept, *lesson.dropped)
            if _ended(found)
        ),
        key=lambda found: found[:2],
    )
    passed = {*lesson.spared, *(found.trace.id for found in lesson.kept)}
    correct = [found for found in sized if found.candidate.verdict.outcome == "correct"]
    incorrect = [found for found in sized if found.candidate.verdict.outcome == "incorrect"]
    good = [found for found in correct if found.trace_id in passed and found.candidate.trace.malformed is None]
    return _Traces(good, correct, incorrect)


def _ended(candidate: Candidate) -> bool:
    return candidate.trace.finish_reason == "stop"


def _check(**options: int) -> None:
    for name, value in options.items():
        least = 1 if name == "count" else 0
        if value < least:
            raise PluginError(f"filter.pairs: {name} is {value!r}; give a whole number from {least} on")
