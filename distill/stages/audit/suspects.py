"""Suspect gold: problems on which the teacher gives one answer again and again, and the reference says another."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from distill.run import Run
from distill.types import Problem, Trace, Verdict
from distill.verifiers.pool import VerifierPool

FEWEST = 3
"""Traces that must agree: two may be wrong in the same way by chance."""


class SuspectGold(msgspec.Struct, kw_only=True, frozen=True):
    """A problem whose reference may be wrong."""

    problem_id: str
    prompt: str
    reference: str | None
    answer: str
    """What the teacher says instead, as its first trace writes it."""
    traces: int
    """How many say so: all of the problem's traces that have an answer."""
    verifier: str
    trace_ids: list[str]


def suspects_of(run: Run) -> list[SuspectGold]:
    """The problems of a run on which the teacher is unanimous against the reference."""
    refused = {problem_id: found for problem_id, found in _all_refused(run).items() if len(found) >= FEWEST}
    problems = {problem.id: problem for problem in run.problems if problem.id in refused}
    return asyncio.run(_unanimous(run, refused, problems)) if problems else []


def _all_refused(run: Run) -> dict[str, list[Verdict]]:
    """The verdicts on answers, of the problems on which no answer was accepted."""
    refused: defaultdict[str, list[Verdict]] = defaultdict(list)
    solved: set[str] = set()
    for verdict in run.verdicts:
        problem_id = verdict.trace_id.rsplit("-", 2)[0]  # see `Trace.id`
        if verdict.outcome == "correct":
            solved.add(problem_id)
            refused.pop(problem_id, None)
        elif verdict.outcome == "incorrect" and verdict.extracted and problem_id not in solved:
            refused[problem_id].append(verdict)
    return refused


async def _unanimous(
    run: Run, refused: Mapping[str, Sequence[Verdict]], problems: Mapping[str, Problem]
) -> list[SuspectGold]:
    verify = run.recipe.generate.verify
    async with VerifierPool(timeout=verify.timeout, workers=verify.workers, options=verify.options) as pool:
        agreed = await asyncio.gather(*(_agree(problem, refused[problem.id], pool) for problem in problems.values()))
    return [
        SuspectGold(
            problem_id=problem.id,
            prompt=problem.prompt,
            reference=problem.reference,
            answer=refused[problem.id][0].extracted or "",
            traces=len(refused[problem.id]),
            verifier=problem.verifier,
            trace_ids=[verdict.trace_id for verdict in refused[problem.id]],
        )
        for problem, is_unanimous in zip(problems.values(), agreed, strict=True)
        if is_unanimous
    ]


async def _agree(problem: Problem, verdicts: Sequence[Verdict], pool: VerifierPool) -> bool:
    """Whether all answers are the first one, in the eyes of the problem's own verifier."""
    first, *others = dict.fromkeys(verdict.extracted or "" for verdict in verdicts)
    as_reference = msgspec.structs.replace(problem, reference=first)
    for other in others:
        verdict = await pool.judge(as_reference, _saying(other, problem))
        if verdict.outcome != "correct":
            return False
    return True


def _saying(answer: str, problem: Problem) -> Trace:
    return Trace(id="", problem_id=problem.id, sample=0, teacher="", thinking="", answer=answer, finish_reason="stop")
