"""Passes over the traces that are still kept, in as many processes as there are cores.

A process is sent the places of some traces and reads them itself; what comes back is a verdict and a few numbers for
each. So nothing is copied, and no more traces are in memory than there are processes.
"""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Self

from distill.errors import DistillError, RunError
from distill.filtering.reader import Place
from distill.filtering.steps import Seen, Tools
from distill.filtering.table import batched

CHUNK = 128
"""Traces that a process is sent at once."""
AHEAD = 3
"""Chunks for each process that wait for it."""
WORTH_A_PROCESS = 16_000_000
"""Bytes of traces below which starting processes takes longer than it spares."""

BuildTools = Callable[[], Tools]


class Passes:
    """Sends traces through steps; a context manager, which ends the processes.

    Args:
        build_tools: Makes the steps; it is pickled, and called once in each process.
        num_bytes: Of all traces.
        workers: Processes; one for each core if not given, and none for so little that they would not pay.
    """

    def __init__(self, build_tools: BuildTools, num_bytes: int, workers: int | None) -> None:
        self.num_workers = workers or num_cores()
        self._build, self._pool, self._tools = build_tools, None, None
        if self.num_workers > 1 and (workers or num_bytes > WORTH_A_PROCESS):
            # spawn: a fork would copy this process's threads and its SQLite handles
            self._pool = ProcessPoolExecutor(
                self.num_workers, multiprocessing.get_context("spawn"), _start, (build_tools,)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool:
            self._pool.shutdown(wait=error is None, cancel_futures=True)

    def run(self, places: Iterable[Place], steps: range) -> Iterator[list[Seen]]:
        """Send traces through steps.

        Args:
            places: Where the traces lie.
            steps: Places of the steps: gates, and perhaps a choice at the end.

        Yields:
            What was found, some traces at a time, in their order.

        Raises:
            RunError: If a process died.
            PluginError: If a selector failed.
        """
        chunks = batched(places, CHUNK)
        if self._pool is None:
            self._tools = self._tools or self._build()
            yield from (_look(self._tools, chunk, steps) for chunk in chunks)
            return
        waiting: deque[Future[list[Seen]]] = deque()
        try:
            for chunk in chunks:
                waiting.append(self._pool.submit(_look_here, chunk, steps))
                if len(waiting) >= AHEAD * self.num_workers:
                    yield waiting.popleft().result()
            for future in waiting:
                yield future.result()
        except BrokenProcessPool:
            raise RunError(
                "filter: a process that looked at traces died, most likely for want of memory. Nothing that the run "
                f"holds is lost; try again with fewer processes: --set filter.workers={max(1, self.num_workers // 2)}"
            ) from None


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _look(tools: Tools, places: Sequence[Place], steps: range) -> list[Seen]:
    return [tools.look(place.row, tools.reader.candidate(place), steps) for place in places]


_here: dict[str, Tools | DistillError] = {}
"""The tools of this process, if it is one of the pool's: built once, as some of them read whole benchmarks."""


def _start(build_tools: BuildTools) -> None:
    try:
        _here["tools"] = build_tools()
    except DistillError as error:  # an initializer that raises breaks the pool, and nobody learns why
        _here["tools"] = error


def _look_here(places: Sequence[Place], steps: range) -> list[Seen]:
    tools = _here["tools"]
    if isinstance(tools, DistillError):
        raise tools
    return _look(tools, places, steps)
