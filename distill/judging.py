"""Whether a reply is right: the verifier's word, and where it has none, a judge's, if the recipe names one."""

import contextlib
import time
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path
from typing import TypedDict

import msgspec

from distill import plugins, progress
from distill.engines import Completion, Engine, Request
from distill.journal import Journal
from distill.recipe import Sampling, Teacher, Verify
from distill.types import Message, Problem, Trace, Usage, Verdict
from distill.verifiers.judge import Judge
from distill.verifiers.lanes import TIMEOUT
from distill.verifiers.pool import VerifierPool


class Bench:
    """Where traces are judged: a pool of verifiers and, perhaps, a judge. Made by `opened`."""

    def __init__(self, pool: VerifierPool, judge: Judge | None) -> None:
        self._pool, self._judge = pool, judge

    async def judge(self, problem: Problem, trace: Trace) -> Verdict:
        """Judge one trace; see `VerifierPool.judge`. Without a reference there is nothing a judge could compare."""
        verdict = await self._pool.judge(problem, trace)
        if self._judge is None or verdict.outcome != "unverifiable" or not (problem.reference or "").strip():
            return verdict
        started = time.perf_counter()
        ruling = await self._judge.judge(problem, trace.answer)
        said = ruling.judgement
        asked = msgspec.structs.replace(
            verdict,
            seconds=round(verdict.seconds + time.perf_counter() - started, 6),
            judge=Usage(
                requests=ruling.requests, prompt_tokens=ruling.prompt_tokens, completion_tokens=ruling.completion_tokens
            ),
        )
        if said.outcome == "unverifiable":  # the verifier's own failure stays in sight
            return msgspec.structs.replace(asked, reason=f"{verdict.reason}; {said.reason}")
        return msgspec.structs.replace(
            asked,
            outcome=said.outcome,
            extracted=verdict.extracted or said.extracted,
            method=said.method,
            reason=said.reason,
        )


class Ledger(TypedDict):
    """What the verdicts of a run took, besides the verifiers' time."""

    timeouts: int
    """Verdicts that the deadline cut off, and no judge gave."""
    asked: int
    """Verdicts for which a judge was asked."""
    requests: int
    prompt_tokens: int
    completion_tokens: int


class _Cost(msgspec.Struct, frozen=True):
    """A verdict without its words."""

    method: str = ""
    judge: Usage | None = None


def ledger(path: Path) -> Ledger:
    """Add up a file of verdicts: what is written there survives a kill, which a counter would not."""
    total = Ledger(timeouts=0, asked=0, requests=0, prompt_tokens=0, completion_tokens=0)
    for cost in Journal(path, _Cost):
        total["timeouts"] += cost.method == TIMEOUT
        if cost.judge is not None:
            total["asked"] += 1
            total["requests"] += cost.judge.requests
            total["prompt_tokens"] += cost.judge.prompt_tokens
            total["completion_tokens"] += cost.judge.completion_tokens
    return total


@contextlib.asynccontextmanager
async def opened(verify: Verify, verifiers: Iterable[str], logs_dir: Path, label: str) -> AsyncGenerator[Bench]:
    """A bench that judges as the recipe says; tells at the end how fast it was.

    Args:
        verify: The recipe's section.
        verifiers: Names of those that are needed, built once to be sure that they can be.
        logs_dir: Where the judge's engine may log.
        label: What the summary is called.

    Raises:
        PluginError: If nothing answers to a verifier's name.
        MissingExtraError: If its packages are not installed.
        EngineError: If the judge does not start.
    """
    pool = VerifierPool(timeout=verify.timeout, workers=verify.workers, options=verify.options)
    pool.check(verifiers)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(pool)
        judge = await stack.enter_async_context(_judge(verify.judge, logs_dir)) if verify.judge else None
        try:
            yield Bench(pool, judge)
        finally:
            if pool.num_judged:
                progress.say(f"{label}: {pool.summary()}")


@contextlib.asynccontextmanager
async def _judge(asked: Teacher, logs_dir: Path) -> AsyncGenerator[Judge]:
    engine: Engine = plugins.build("engines", asked.engine, asked.options)
    async with engine.session(logs_dir) as session:

        async def complete(messages: list[Message], *, choices: list[str], max_tokens: int) -> Completion:
            sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
            return await session.complete(Request(messages=messages, sampling=sampling, seed=0, choices=choices))

        yield Judge(complete, model_name=engine.identity)
