"""Judge replies off the event loop, each with a deadline that holds, in processes that can be killed.

A verifier may hang in a C call, eat memory, or die: its process is killed, its item is `unverifiable`, and the next
process goes on with the next item. No SIGALRM, so it works from any thread. It guards against accidents: a verifier
is trusted code that reads hostile text.
"""

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Self

import msgspec

from distill import plugins
from distill.types import Judgement, Problem, Trace, Verdict
from distill.verifiers.lanes import MEMORY, TIMEOUT, Job, Lane
from distill.verifiers.worker import OptionsByName, Reply


class VerifierPool:
    """Processes that judge traces. An async context manager; `judge` may be called any number of times at once.

    Args:
        timeout: Seconds a verifier may take for one reply; one whose class names a longer `DEADLINE` has that.
        workers: Processes.
        memory: Bytes of address space of each.
        options: What verifiers are built with, by their names.

    Example:
        >>> async with VerifierPool(timeout=10) as pool:  # doctest: +SKIP
        ...     verdict = await pool.judge(problem, trace)
    """

    def __init__(
        self,
        *,
        timeout: float,
        workers: int = 1,
        memory: int = MEMORY,
        options: OptionsByName | None = None,
    ) -> None:
        if timeout <= 0 or workers < 1 or memory <= 0:
            raise ValueError(f"timeout {timeout}, workers {workers}, memory {memory}: each must be above 0")
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self.num_workers = workers
        self._timeout, self._options = timeout, options or {}
        self._lanes = [
            Lane(self._queue, num_lanes=workers, memory=memory, options=self._options) for _ in range(workers)
        ]
        self._deadlines: dict[str, float] = {}
        self.num_judged = self.num_late = 0
        self.seconds = 0.0
        """Of the verifiers' own time, in all workers together."""
        self._is_open = False
        self._open: set[Future[Reply]] = set()

    def check(self, names: Iterable[str]) -> None:
        """Make sure that verifiers of these names can be built, before there is anything to judge.

        Raises:
            PluginError: If nothing answers to a name.
            MissingExtraError: If a verifier's packages are not installed.
        """
        for name in names:
            if name not in self._deadlines:
                plugins.build("verifiers", name, self._options.get(name, {}))
                own: float = getattr(plugins.resolve("verifiers", name), "DEADLINE", 0.0)
                self._deadlines[name] = max(self._timeout, own)

    async def judge(self, problem: Problem, trace: Trace) -> Verdict:
        """Judge one trace. A failure of the verifier is an `unverifiable` verdict, not an exception.

        Raises:
            PluginError: If nothing answers to the name of the problem's verifier.
            MissingExtraError: If that verifier's packages are not installed.
            DistillError: If its process cannot start.
        """
        if not self._is_open:
            raise RuntimeError("the verifier pool is not open: use `async with VerifierPool(...)`")
        self.check([problem.verifier])
        if reason := no_answer(trace):
            return Verdict(trace_id=trace.id, outcome="incorrect", method="structure", reason=reason)
        future: Future[Reply] = Future()
        self._open.add(future)
        try:
            self._queue.put(Job((problem, trace.answer), self._deadlines[problem.verifier], future))
            reply = await asyncio.wrap_future(future)
        finally:
            self._open.discard(future)
        self.num_judged += 1
        self.num_late += reply.judgement.method == TIMEOUT
        self.seconds += reply.seconds
        return verdict_of(trace.id, reply.judgement, reply.seconds)

    def summary(self) -> str:
        """How many verdicts, how fast, and how many were cut off."""
        rate = self.num_judged / max(self.seconds, 1e-6)
        late = f", {self.num_late:,} cut off by the deadline" if self.num_late else ""
        return f"{self.num_judged:,} verdicts, {rate:,.0f} a second of a verifier's time{late}"

    async def __aenter__(self) -> Self:
        for lane in self._lanes:
            lane.start()
        self._is_open = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # No await in here: a second cancellation could leave processes behind.
        self._is_open = False
        for lane in self._lanes:
            lane.close()
        for _ in self._lanes:
            self._queue.put(None)
        for lane in self._lanes:
            lane.join()
        for future in list(self._open):  # a cancelled one leaves the set
            future.cancel()


def verdict_of(trace_id: str, judgement: Judgement, seconds: float) -> Verdict:
    """A judgement as the record of its trace."""
    return Verdict(trace_id=trace_id, seconds=round(seconds, 6), **msgspec.structs.asdict(judgement))


def no_answer(trace: Trace) -> str:
    """Why a trace has no answer that a verifier could judge; empty if it has one."""
    if trace.finish_reason == "length" and (not trace.answer.strip() or trace.malformed == "the thought is not closed"):
        return "truncated"
    return "" if trace.answer.strip() else "no answer"
