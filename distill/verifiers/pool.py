"""Judge replies off the event loop, each with a deadline that holds, in processes that can be killed.

A verifier may hang in a C call, eat memory, or die: its process is killed, its item is `unverifiable`, and the next
process goes on with the next item. No SIGALRM, so it works from any thread. It guards against accidents: a verifier
is trusted code that reads hostile text.
"""

import asyncio
from collections.abc import Iterable
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from distill import plugins
from distill.types import Problem, Trace, Verdict
from distill.verifiers.lanes import Job, Lane


class VerifierPool:
    """Processes that judge traces. An async context manager; `judge` may be called any number of times at once.

    Args:
        timeout: Seconds a verifier may take for one reply.
        workers: Processes.

    Example:
        >>> async with VerifierPool(timeout=10) as pool:  # doctest: +SKIP
        ...     verdict = await pool.judge(problem, trace)
    """

    def __init__(self, *, timeout: float, workers: int = 1) -> None:
        if timeout <= 0 or workers < 1:
            raise ValueError(f"timeout is {timeout} and workers is {workers}; both must be above 0")
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._lanes = [Lane(self._queue, timeout, workers) for _ in range(workers)]
        self._checked: set[str] = set()
        self._is_open = False
        self._open: set[asyncio.Future[Verdict]] = set()

    def check(self, names: Iterable[str]) -> None:
        """Make sure that verifiers of these names can be built, before there is anything to judge.

        Raises:
            PluginError: If nothing answers to a name.
            MissingExtraError: If a verifier's packages are not installed.
        """
        for name in names:
            if name not in self._checked:
                plugins.build("verifiers", name, {})
                self._checked.add(name)

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
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        self._open.add(future)
        try:
            self._queue.put(Job((problem, trace.answer), trace.id, future, loop))
            return await future
        finally:
            self._open.discard(future)

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
        for future in self._open:
            future.cancel()


def no_answer(trace: Trace) -> str:
    """Why a trace has no answer that a verifier could judge; empty if it has one."""
    if trace.finish_reason == "length" and (not trace.answer.strip() or trace.malformed == "the thought is not closed"):
        return "truncated"
    return "" if trace.answer.strip() else "no answer"
