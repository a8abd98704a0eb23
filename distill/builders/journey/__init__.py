"""Journeys: examples that go wrong, say so, and come back, from the samples that rejection sampling has paid for.

Journey learning was proposed by O1-Journey (arXiv 2410.18982), which found 8 points more on MATH than with shortcuts.
"""

import inspect
import random
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distill import plugins
from distill.builders import Builder, Lesson, Workshop
from distill.builders.journey.asking import Asker
from distill.builders.journey.checks import Bounds, refused
from distill.builders.journey.draft import Draft
from distill.builders.journey.finders import JUDGE_FREE, Case, Finder
from distill.builders.journey.judge import Judge
from distill.builders.journey.phrases import check_phrases
from distill.builders.journey.rollouts import Rollouts
from distill.builders.journey.splice import Turn, spliced
from distill.builders.plain import plain
from distill.errors import PluginError
from distill.formats import named_format
from distill.recipe import Sampling
from distill.selectors import Candidate
from distill.types import Example

ASKING = ("rollouts", "judge")
"""Finders that ask a model."""
MOST_TRIED = 8
"""Wrong samples in which an error is looked for, for one right one: a finder may ask a model."""


def journey(
    *,
    find: str | Sequence[str] = ("countdown", "arithmetic"),
    detours: int = 1,
    max_share: float = Bounds.max_share,
    phrases: Sequence[str] = (),
    otherwise: str = "nothing",
    engine: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    format: str | None = None,
    rollouts: int = 8,
    votes: int = 1,
) -> Builder:
    """For each kept trace, a wrong sample of its problem up to its first error, an acknowledgement, and the right way.

    Args:
        find: Who finds the first error: `countdown`, `arithmetic`, `divergence`, `rollouts`, `judge`, or a finder of
            your own as ``package.module:my_finder``. They are asked in this order; the first that finds one is
            believed.
        detours: Most wrong samples in one journey, each with another error.
        max_share: Most of a thought's characters that its detours may take.
        phrases: Acknowledgements of your own, with ``{said}`` for the error and ``{truth}`` for what holds instead.
        otherwise: What a kept trace gives that makes no journey: `plain` its plain example, `nothing` none.
        engine: Whom `rollouts` and `judge` ask: a block like ``generate.teacher``.
        sampling: As ``generate.sampling``.
        format: The trace format of that model; the student's if not given.
        rollouts: Continuations of each beginning that is tried. Math-Shepherd (arXiv 2312.08935) samples 8.
        votes: Replies of a judge; more than half must name the same step.

    Raises:
        PluginError: If an option is not what it should be.
    """
    if min(detours, rollouts, votes) < 1:
        raise PluginError(f"filter.build: detours, rollouts and votes are {detours}, {rollouts}, {votes}; from 1 up")
    if not 0 < max_share < 1:
        raise PluginError(f"filter.build: max_share is {max_share!r}; give a share between 0 and 1")
    if otherwise not in ("plain", "nothing"):
        raise PluginError(f"filter.build: otherwise is {otherwise!r}; choose plain or nothing")
    check_phrases(phrases)
    asker = None if engine is None else Asker(engine, Sampling.model_validate(sampling or {}))
    asking = (
        {}
        if asker is None
        else {
            "rollouts": Rollouts(asker, named_format(format) if format else None, rollouts),
            "judge": Judge(asker, votes),
        }
    )
    finders = [_finder(name, asking) for name in ([find] if isinstance(find, str) else find)]
    return Journeys(finders, Bounds(detours, max_share), tuple(phrases), otherwise)


def _finder(name: str, asking: Mapping[str, Finder]) -> Finder:
    known = {**JUDGE_FREE, **asking}
    if name in known:
        return known[name]
    if name in ASKING:
        raise PluginError(f"filter.build: the finder {name!r} asks a model; name it as engine: {{engine: ..., ...}}")
    if ":" not in name:
        raise PluginError(
            f"filter.build: no finder named {name!r}; choose of {', '.join((*JUDGE_FREE, *ASKING))}, or name your own "
            f"as package.module:my_finder"
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
        wrong, turns, reason, most = wrong_samples(lesson, rng), list[Turn](), "", self.bounds.max_detours
        async for turn in self._turns(right, wrong, workshop):
            turns.append(turn)
            if len(turns) < most:
                continue
            found = await self._first_that_stands(right, turns, rng, workshop)
            if isinstance(found, Draft):
                return found
            reason, turns = reason or found, turns[: most - 1]
        if turns and most > 1:
            found = await self._first_that_stands(right, turns, rng, workshop)
            if isinstance(found, Draft):
                return found
            reason = reason or found
        return reason or ("no error found" if wrong else "no wrong sample")

    async def _first_that_stands(
        self, right: Candidate, turns: Sequence[Turn], rng: random.Random, workshop: Workshop
    ) -> Draft | str:
        """A journey of as many of the turns as can be, or why there is none."""
        reason = ""
        for chosen in [*(turns[:number] for number in range(len(turns), 1, -1)), *([turn] for turn in turns)]:
            draft = spliced(right, chosen, self.phrases, rng)
            fault = await refused(draft, self.bounds, right.problem, workshop)
            if fault is None:
                return draft
            reason = reason or fault
        return reason

    async def _turns(self, right: Candidate, wrong: Sequence[Candidate], workshop: Workshop) -> AsyncGenerator[Turn]:
        """Wrong samples with their first errors, each error once; looked for one after the other, as it may cost."""
        errors: set[str] = set()
        for candidate in wrong[:MOST_TRIED]:
            case = Case(right.problem, candidate.trace.thinking, right.trace.thinking)
            for finder in self.finders:
                found = finder(case, workshop)
                slip = await found if inspect.isawaitable(found) else found
                if slip is not None:
                    if slip.said not in errors:
                        errors.add(slip.said)
                        yield Turn(candidate, slip)
                    break


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
