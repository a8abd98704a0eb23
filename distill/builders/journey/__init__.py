"""Journeys: examples that go wrong, say so, and come back, from the samples that rejection sampling has paid for.

Journey learning was proposed by O1-Journey (arXiv 2410.18982), which found 8 points more on MATH than with shortcuts.
"""

import inspect
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distill import plugins
from distill.builders import Builder, Lesson, Workshop
from distill.builders.journey.checks import Bounds, refused
from distill.builders.journey.draft import Draft
from distill.builders.journey.finders import JUDGE_FREE, Case, Finder
from distill.builders.journey.phrases import check_phrases
from distill.builders.journey.splice import Turn, spliced
from distill.builders.plain import plain
from distill.errors import PluginError
from distill.selectors import Candidate
from distill.types import Example

MOST_TRIED = 8
"""Wrong samples in which an error is looked for, for one right one: a finder may ask a model."""


def journey(
    *,
    find: str | Sequence[str] = ("countdown", "arithmetic"),
    detours: int = 1,
    max_share: float = Bounds.max_share,
    phrases: Sequence[str] = (),
    otherwise: str = "nothing",
) -> Builder:
    """For each kept trace, a wrong sample of its problem up to its first error, an acknowledgement, and the right way.

    Args:
        find: Who finds the first error: `countdown`, `arithmetic`, `divergence`, or a finder of your own as
            ``package.module:my_finder``. They are asked in this order; the first that finds one is believed.
        detours: Most wrong samples in one journey, each with another error.
        max_share: Most of a thought's characters that its detours may take.
        phrases: Acknowledgements of your own, with ``{said}`` for the error and ``{truth}`` for what holds instead.
        otherwise: What a kept trace gives that makes no journey: `plain` its plain example, `nothing` none.

    Raises:
        PluginError: If an option is not what it should be.
    """
    if detours < 1 or not 0 < max_share < 1:
        raise PluginError(
            f"filter.build: detours is {detours!r} and max_share {max_share!r}; give a number from 1 up, and a share "
            f"between 0 and 1"
        )
    if otherwise not in ("plain", "nothing"):
        raise PluginError(f"filter.build: otherwise is {otherwise!r}; choose plain or nothing")
    check_phrases(phrases)
    finders = [_finder(name) for name in ([find] if isinstance(find, str) else find)]
    return Journeys(finders, Bounds(detours, max_share), tuple(phrases), otherwise)


def _finder(name: str) -> Finder:
    if name in JUDGE_FREE:
        return JUDGE_FREE[name]
    if ":" not in name:
        raise PluginError(
            f"filter.build: no finder named {name!r}; choose of {', '.join(JUDGE_FREE)}, or name your own as "
            f"package.module:my_finder"
        )
    return plugins.resolve("builders", name)


@dataclass(frozen=True)
class Journeys:
    """The builder; see `journey`."""

    finders: Sequence[Finder]
    bounds: Bounds
    phrases: Sequence[str]
    otherwise: str

    async def __call__(self, lesson: Lesson, workshop: Workshop) -> list[Example]:
        """See `distill.builders.Builder`."""
        examples: list[Example] = []
        for candidate in lesson.kept:
            found = await self.of(candidate, lesson, workshop)
            if isinstance(found, Draft):
                workshop.tally("a journey")
                examples.append(taught(found, candidate, workshop))
                continue
            workshop.tally(f"no journey: {found}")
            if self.otherwise == "plain":
                examples += plain()(Lesson(lesson.problem, [candidate]), workshop)  # type: ignore[arg-type]
        return examples

    async def of(self, right: Candidate, lesson: Lesson, workshop: Workshop) -> Draft | str:
        """A kept trace's journey that stands every check, or why there is none."""
        if right.verdict.outcome != "correct":
            return "the trace is not verified"
        if not right.trace.thinking.strip():
            return "the trace has no thought"
        rng = random.Random(f"{workshop.seed}/{right.trace.id}")
        turns = await self._turns(right, wrong_samples(lesson, rng), workshop)
        if isinstance(turns, str):
            return turns
        reason = ""
        for chosen in _choices(turns, self.bounds.max_detours):
            draft = spliced(right, chosen, self.phrases, rng)
            fault = await refused(draft, self.bounds, lesson.problem, workshop)
            if fault is None:
                return draft
            reason = reason or fault
        return reason

    async def _turns(self, right: Candidate, wrong: Sequence[Candidate], workshop: Workshop) -> list[Turn] | str:
        """Wrong samples with their first errors, each error once."""
        if not wrong:
            return "no wrong sample"
        turns: dict[str, Turn] = {}
        for candidate in wrong[:MOST_TRIED]:
            case = Case(right.problem, candidate.trace.thinking, right.trace.thinking)
            for finder in self.finders:
                found = finder(case, workshop)
                slip = await found if inspect.isawaitable(found) else found
                if slip is not None:
                    turns.setdefault(slip.said, Turn(candidate, slip))
                    break
        return [*turns.values()] or "no error found"


def wrong_samples(lesson: Lesson, rng: random.Random) -> list[Candidate]:
    """The traces that were judged wrong and ended by themselves, in an order of chance.

    A cut off one is no mistake: its text ends in the middle of a thought that may have been right.
    """
    wrong = [
        found
        for found in (*lesson.kept, *lesson.dropped)
        if found.verdict.outcome == "incorrect" and found.trace.finish_reason == "stop" and found.trace.thinking.strip()
    ]
    rng.shuffle(wrong)
    return wrong


def _choices(turns: Sequence[Turn], most: int) -> list[Sequence[Turn]]:
    """The turns to try, the most detours first, then each turn alone."""
    several = [turns[:number] for number in range(min(most, len(turns)), 1, -1)]
    return [*several, *([turn] for turn in turns)]


def taught(draft: Draft, right: Candidate, workshop: Workshop) -> Example:
    """A journey as an example, with the ids of all traces that it was made from."""
    trace_format = workshop.trace_format
    sources: Mapping[str, Any] = draft.thoughts
    return Example(
        prompt=trace_format.messages(right.problem.prompt),
        completion=[{"role": "assistant", "content": draft.rendered(trace_format)}],
        problem_id=right.problem.id,
        trace_ids=[*sources],
    )
