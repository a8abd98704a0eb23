"""A journey from a search: a tree of steps that a model proposes, its failed branches told on the way to the answer.

O1-Journey (arXiv 2410.18982) grows a tree of reasoning steps, scores them, and writes it down depth first, with a
bounded number of failed branches. Here the search goes down the best step at each level; the steps from which no way
leads to the answer are the failed trials. They become turns like those of wrong samples, so the same splice writes the
text and the same checks hold it.
"""

import asyncio
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec

from distill.builders import Workshop
from distill.builders.journey.asking import Asker
from distill.builders.journey.finders import Case
from distill.builders.journey.judge import Judge
from distill.builders.journey.rollouts import Rollouts, opening
from distill.builders.journey.slips import Slip
from distill.builders.journey.splice import Turn
from distill.builders.journey.steps import Step, steps
from distill.selectors import Candidate
from distill.types import Problem, Verdict


class Score(Protocol):
    """Says how good a thought's beginning is; 0 is a failed branch, None that nothing is known."""

    async def __call__(self, case: Case, begun: str, workshop: Workshop) -> float | None:
        """A score from 0 to 1."""
        ...


class Grown(NamedTuple):
    """What a search gives to the splice."""

    right: Candidate
    """The way to the answer, as if it were a sample."""
    turns: list[Turn]
    """Failed branches, from the root down."""


class _Child(NamedTuple):
    step: str
    score: float


@dataclass
class Tree:
    """Grows a tree for one problem.

    Args:
        asker: Who proposes steps.
        rollouts: Ends the thought once the tree is grown.
        score: Scores steps.
        width: Steps proposed at each level. O1-Journey has 3.
        depth: Most levels. O1-Journey has 10.
    """

    asker: Asker
    rollouts: Rollouts
    score: Score
    width: int = 3
    depth: int = 10

    async def grow(self, sample: Candidate, most_turns: int, workshop: Workshop) -> Grown | str:
        """Search for the answer of a sample's problem, or say why none came of it.

        Args:
            sample: A right sample of the problem, whose verdict stands for the search's own.
            most_turns: Failed branches that are told.
            workshop: Where models are asked.
        """
        case = Case(sample.problem, "", "")
        path, failed = "", list[tuple[str, str]]()
        for _ in range(self.depth):
            children = await self._children(case, path, workshop)
            if not children:
                break
            failed += [(path, child.step) for child in children if child.score == 0]
            best = max(children, key=lambda child: child.score)  # the first of equals
            if best.score == 0:
                failed = [(before, step) for before, step in failed if before != path]
                break
            path += best.step + "\n"
        found = await self.rollouts.reached(case, path, workshop)
        if found is None:
            return "the search finds no answer"
        verdict = await workshop.judge(sample.problem, found.answer)
        right = _as_sample("right", found.thinking, found.answer, sample, verdict)
        wrong = Verdict(trace_id="", outcome="incorrect")
        turns = [
            Turn(_as_sample(f"failed-{n}", before + step, "", sample, wrong), _slip(before, step))
            for n, (before, step) in enumerate(_spread(failed, most_turns))
        ]
        return Grown(right, turns) if turns else "the search takes no wrong turn"

    async def _children(self, case: Case, path: str, workshop: Workshop) -> list[_Child]:
        """The steps proposed after a path that are new, whole and have a score."""
        proposed = await asyncio.gather(*(self._propose(case.problem, path, n, workshop) for n in range(self.width)))
        told = {step.key for step in steps(path)}
        fresh = [step for step in dict.fromkeys(proposed) if step and step not in told]
        scores = await asyncio.gather(*(self.score(case, f"{path}{step}\n", workshop) for step in fresh))
        return [_Child(step, score) for step, score in zip(fresh, scores, strict=True) if score is not None]

    async def _propose(self, problem: Problem, path: str, number: int, workshop: Workshop) -> str:
        trace_format = self.rollouts.trace_format or workshop.trace_format
        said = await self.asker.ask(
            workshop,
            problem,
            trace_format.messages(problem.prompt),
            prefill=opening(trace_format) + path,
            close=trace_format.close,
            stop=("\n",),
            number=number,
        )
        # an engine may know no stop texts; and a step that closes the thought is no step
        step = said.text.partition("\n")[0].rstrip() if said and said.is_whole else ""
        return "" if any(mark.strip() in step for mark in trace_format.marks) else step


def judged(judge: Judge) -> Score:
    """A model's word for a score: 0 where it names the last step, or one before it, as the first wrong one."""

    async def score(case: Case, begun: str, workshop: Workshop) -> float | None:
        found = await judge(Case(case.problem, begun, case.right), workshop)
        return 1.0 if found is None else 0.0

    return score


def _slip(before: str, step: str) -> Slip:
    return Slip.of_step(Step(len(before), len(before) + len(step), step), "a failed branch")


def _spread(failed: list[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """At most so many failed branches, one from each level before a second from any, in their order."""
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int]] = []
    for place, (before, _) in enumerate(failed):
        seen[before] = seen.get(before, -1) + 1
        ranked.append((seen[before], place))
    return [failed[place] for place in sorted(place for _, place in sorted(ranked)[:most])]


def _as_sample(name: str, thinking: str, answer: str, sample: Candidate, verdict: Verdict) -> Candidate:
    trace = msgspec.structs.replace(sample.trace, id=f"{sample.trace.id}/{name}", thinking=thinking, answer=answer)
    return Candidate(problem=sample.problem, trace=trace, verdict=verdict)
