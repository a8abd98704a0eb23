"""The first error by trying: the first step after which no continuation reaches the right answer any more.

Math-Shepherd (arXiv 2312.08935) calls a step good if one of its sampled continuations is right (its hard estimate). We
suppose that once no way leads back, none does later either, and so halve the steps that are left rather than try each.
A model that notices and mends an error in a continuation hides that error; a model that is too weak for the problem
shows errors where there are none.
"""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple

from distill.builders import Workshop
from distill.builders.journey.asking import Asker
from distill.builders.journey.finders import Case
from distill.builders.journey.slips import Slip
from distill.builders.journey.steps import steps
from distill.formats import Reply, TraceFormat


@dataclass
class Rollouts:
    """Finds the first error by continuations of the thought's beginnings.

    Args:
        asker: Who goes on.
        trace_format: Its trace format; None is the student's.
        num_rollouts: Continuations of each beginning that is tried.
    """

    asker: Asker
    trace_format: TraceFormat | None
    num_rollouts: int

    async def __call__(self, case: Case, workshop: Workshop) -> Slip | None:
        """See `distill.builders.journey.finders.Finder`."""
        all_steps = steps(case.wrong)
        if not all_steps:
            return None
        good, bad = 0, len(all_steps)  # so many steps lead to the answer, and so many do not
        while bad - good > 1:
            middle = (good + bad) // 2
            reaches = await self.value(case, case.wrong[: all_steps[middle].start], workshop)
            if reaches is None:
                return None
            good, bad = (middle, bad) if reaches > 0 else (good, middle)
        return Slip.of_step(all_steps[bad - 1], "no continuation reaches the answer")

    async def value(self, case: Case, begun: str, workshop: Workshop) -> float | None:
        """The share of continuations of a thought's beginning that reach the answer; None if none came."""
        told = [one for one in await self._all(case, begun, workshop) if one is not None]
        return sum(one.is_right for one in told) / len(told) if told else None

    async def reached(self, case: Case, begun: str, workshop: Workshop) -> Reply | None:
        """A whole reply that begins so and is right; None if no continuation is."""
        tried = await self._all(case, begun, workshop)
        return next((one.reply for one in tried if one is not None and one.is_right), None)

    async def _all(self, case: Case, begun: str, workshop: Workshop) -> list["_Rollout | None"]:
        return await asyncio.gather(*(self._one(case, begun, workshop, n) for n in range(self.num_rollouts)))

    async def _one(self, case: Case, begun: str, workshop: Workshop, number: int) -> "_Rollout | None":
        trace_format = self.trace_format or workshop.trace_format
        said = await self.asker.ask(
            workshop,
            case.problem,
            trace_format.messages(case.problem.prompt),
            prefill=opening(trace_format) + begun,
            close=trace_format.close,
            number=number,
        )
        if said is None:
            return None
        found = trace_format.parse(f"{trace_format.open}{begun}{said.text}")
        is_right = (
            said.is_whole
            and bool(found.answer)
            and (await workshop.judge(case.problem, found.answer)).outcome == "correct"
        )
        return _Rollout(found, is_right)


class _Rollout(NamedTuple):
    reply: Reply
    is_right: bool


def opening(trace_format: TraceFormat) -> str:
    """What a reply's prefill begins with: the mark of the thought, where the chat template does not write it."""
    return "" if trace_format.opened_by == "template" else trace_format.open
