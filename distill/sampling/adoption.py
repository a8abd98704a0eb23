"""Traces that were made elsewhere enter a store as if a teacher had written them, and are judged as theirs are.

What is there already is not taken again, so the same call goes on where a killed one stopped.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from distill import judging
from distill.judging import Bench
from distill.recipe import Verify
from distill.sampling.store import Store
from distill.types import Outcome, Problem, Trace, Verdict

IN_FLIGHT = 256
"""Traces for each worker that may wait for their verdict; no others are held."""


class Taken(NamedTuple):
    """What one call did."""

    traces: int
    """That were not there before."""
    known: int
    """That were."""


def adopt(
    found: Iterable[tuple[Problem, Trace]],
    store: Store,
    verify: Verify,
    verifiers: Iterable[str],
    logs_dir: Path,
    label: str,
    *,
    tell: Callable[[Outcome], None],
) -> Taken:
    """Keep and judge every trace that the store does not hold yet, and judge those whose verdict a kill has lost.

    Args:
        found: The traces with their problems; gone through once.
        store: Of all teachers, where everything goes.
        verify: How they are judged.
        verifiers: Names of those that are needed.
        logs_dir: Where a judge's engine may log.
        label: What the summary is called.
        tell: Called with every verdict.

    Raises:
        KeyboardInterrupt: If the user stopped it. What finished is kept.
    """

    async def call() -> Taken:
        async with judging.opened(verify, {*verifiers, *store.index.verifiers}, logs_dir, label) as bench:
            return await _adopt(found, _Line(store, bench, IN_FLIGHT * verify.workers, tell))

    try:
        return asyncio.run(call())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _adopt(found: Iterable[tuple[Problem, Trace]], line: "_Line") -> Taken:
    taken = known = 0
    try:
        for problem, trace in line.store.unjudged():
            await line.push(problem, trace)
        for problem, trace in found:
            if line.store.adopt(problem, trace):
                taken += 1
                await line.push(problem, trace)
            else:
                known += 1
                await asyncio.sleep(0)  # so that Ctrl-C is heard
        await line.drain(0)
    finally:
        await line.leave()
    return Taken(taken, known)


class _Line:
    """Traces that wait for their verdict; verdicts are kept in the order of the traces."""

    def __init__(self, store: Store, bench: Bench, longest: int, tell: Callable[[Outcome], None]) -> None:
        self.store, self._bench, self._longest, self._tell = store, bench, longest, tell
        self._waiting: deque[asyncio.Task[Verdict]] = deque()

    async def push(self, problem: Problem, trace: Trace) -> None:
        """Have one judged."""
        self._waiting.append(asyncio.create_task(self._bench.judge(problem, trace)))
        await asyncio.sleep(0)  # reading the next one may take long: this one is on its way first
        await self.drain(self._longest)

    async def drain(self, longest: int) -> None:
        """Keep verdicts until no more than so many are waited for, and those that are there."""
        while self._waiting and (len(self._waiting) > longest or self._waiting[0].done()):
            verdict = await self._waiting[0]
            self._waiting.popleft()
            self.store.add_verdict(verdict)
            self._tell(verdict.outcome)

    async def leave(self) -> None:
        """Give up what is still waited for; a later call judges it."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
