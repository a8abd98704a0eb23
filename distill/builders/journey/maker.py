"""What makes journeys: it goes through a problem's samples until a journey stands, and counts why others do not."""

import inspect
import random
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from distill.builders import Lesson, Workshop
from distill.builders.journey.checks import Bounds, refused
from distill.builders.journey.draft import Draft
from distill.builders.journey.finders import Case, Finder
from distill.builders.journey.splice import Turn, spliced
from distill.builders.journey.tree import Tree
from distill.builders.plain import plain_examples
from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example

MOST_TRIED = 8
"""Wrong samples in which an error is looked for, for one right one: a finder may ask a model."""


class Told(NamedTuple):
    """What is taught of a trace that makes a journey, and of one that makes none; as `journey` has it."""

    teach_errors: bool
    share_of_journeys: float
    otherwise: str

    def draws(self, seed: str) -> bool:
        """Whether a journey is taught as one."""
        return random.Random(f"{seed}/told").random() < self.share_of_journeys


@dataclass(frozen=True)
class Journeys:
    """The builder; see `journey`."""

    finders: Sequence[Finder]
    bounds: Bounds
    phrases: Sequence[str]
    told: Told
    tree: Tree | None = None
    """Searches for turns where it is given, instead of taking them from wrong samples."""

    async def __call__(self, lesson: Lesson, workshop: Workshop) -> list[Example]:
        """See `distill.builders.Builder`."""
        return [one for right in lesson.kept for one in await self._taught(right, lesson, workshop)]

    async def _taught(self, right: Candidate, lesson: Lesson, workshop: Workshop) -> Iterable[Example]:
        found = await self.of(right, lesson, workshop)
        as_it_is = Lesson(lesson.problem, [right])
        if isinstance(found, str):
            workshop.tally(f"no journey: {found}")
            return plain_examples(as_it_is, workshop) if self.told.otherwise == "plain" else ()
        if not self.told.draws(f"{workshop.seed}/{right.trace.id}"):
            workshop.tally("a plain example beside the journeys")
            return plain_examples(as_it_is, workshop)
        workshop.tally("a journey")
        sources = [right.trace.id] if self.tree else [*found.thoughts]
        return [taught(found, right, sources, workshop.trace_format, teach_errors=self.told.teach_errors)]

    async def of(self, right: Candidate, lesson: Lesson, workshop: Workshop) -> Draft | str:
        """A kept trace's journey that stands every check, or why there is none."""
        if right.verdict.outcome != "correct":
            return "the trace is not verified"
        if not right.trace.thinking.strip():
            return "the trace has no thought"
        rng = random.Random(f"{workshop.seed}/{right.trace.id}")
        most = self.bounds.max_detours
        if self.tree:
            grown = await self.tree.grow(right, most, workshop)
            if isinstance(grown, str):
                return grown
            return await self._first_that_stands(grown.right, grown.turns, rng, workshop)
        wrong, turns, reason = wrong_samples(lesson, rng), list[Turn](), ""
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


def taught(
    draft: Draft, right: Candidate, sources: Sequence[str], trace_format: TraceFormat, *, teach_errors: bool
) -> Example:
    """A journey as an example, with the ids of the traces that it was made from; its errors in the loss or not."""
    before = len(trace_format.open)
    return Example(
        prompt=trace_format.messages(right.problem.prompt),
        completion=[{"role": "assistant", "content": draft.rendered(trace_format)}],
        problem_id=right.problem.id,
        trace_ids=[*sources],
        masked=[] if teach_errors else [(before + start, before + end) for start, end in draft.errors],
    )
