"""The lanes of a verifier pool: a thread each, that feeds one process after another.

Every process has a pipe of its own, so no lock is shared that a killed process could take with it, and a deadline is
always that of one item, however many were sent at once.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import NamedTuple

import msgspec

from distill.errors import DistillError
from distill.types import Judgement, Verdict
from distill.verifiers.worker import Item, Reply

MAX_CHUNK = 64
"""Items sent to a worker at once, when so many wait: a trip through the pipe costs more than a cheap verdict."""
MAX_ITEMS = 20_000
"""Items after which a worker is replaced, so that what a verifier leaks does not add up."""
START_TIMEOUT = 120.0
"""Seconds that a worker may take to import and build its verifiers. No item's deadline runs meanwhile."""

_COMMAND = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3]); "
    "from distill.verifiers.worker import main; main(int(sys.argv[1]), int(sys.argv[2]))"
)


class Job(NamedTuple):
    """An item, and who waits for its verdict."""

    item: Item
    trace_id: str
    future: asyncio.Future[Verdict]
    loop: asyncio.AbstractEventLoop

    def settle(self, outcome: Verdict | BaseException) -> None:
        """Hand the verdict to the waiting loop, from any thread."""
        with contextlib.suppress(RuntimeError):  # that loop has closed: nobody waits any more
            self.loop.call_soon_threadsafe(_settle, self.future, outcome)

    def verdict(self, judgement: Judgement, seconds: float) -> Verdict:
        """The judgement as a record of its trace."""
        return Verdict(trace_id=self.trace_id, seconds=round(seconds, 6), **msgspec.structs.asdict(judgement))


def _settle(future: asyncio.Future[Verdict], outcome: Verdict | BaseException) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


class _Closed(Exception):
    """The pool has been left."""


class Lane(threading.Thread):
    """A thread that feeds one worker after another."""

    def __init__(self, queue: "SimpleQueue[Job | None]", timeout: float, num_lanes: int) -> None:
        super().__init__(name="verifier-lane", daemon=True)
        self._queue, self._timeout, self._num_lanes = queue, timeout, num_lanes
        self._lock = threading.Lock()
        self._is_closed = False
        self._worker: Worker | None = None

    def run(self) -> None:
        """Judge what the queue holds, until the pool is left."""
        while chunk := self._take():
            waiting = deque(chunk)
            try:
                while waiting:
                    self._judge(waiting)
            except _Closed:
                break
            except Exception as error:  # of ours, or of the machine: the caller must hear of it, or it waits for ever
                for job in waiting:
                    job.settle(error)
                self._drop()  # what it would say next may answer another item
        self._drop()

    def close(self) -> None:
        """Kill the worker; called from the thread that leaves the pool."""
        with self._lock:
            self._is_closed = True
            if self._worker:
                self._worker.kill()

    def _take(self) -> list[Job]:
        """The next jobs: a fair share of those that wait."""
        jobs: list[Job] = []
        job = self._queue.get()
        share = min(MAX_CHUNK, 1 + self._queue.qsize() // self._num_lanes)
        with contextlib.suppress(Empty):
            while job is not None:
                jobs.append(job)
                if len(jobs) == share:
                    return jobs
                job = self._queue.get_nowait()
            self._queue.put(None)  # the end is for every lane
        return jobs

    def _judge(self, waiting: "deque[Job]") -> None:
        """Judge jobs in order, until none is left or the worker is lost with the first of them."""
        wanted = [job for job in waiting if not job.future.cancelled()]
        waiting.clear()
        waiting.extend(wanted)
        if not waiting:
            return
        worker = self._ready([job.item for job in waiting])
        start = time.perf_counter()
        try:
            while waiting:
                start = time.perf_counter()
                reply = worker.reply(self._timeout)
                job = waiting.popleft()
                job.settle(job.verdict(reply.judgement, reply.seconds))
        except (EOFError, OSError) as error:
            self._drop()
            if self._is_closed:
                raise _Closed from None
            job = waiting.popleft()
            job.settle(job.verdict(self._loss(error), time.perf_counter() - start))
        if worker.num_sent >= MAX_ITEMS:
            self._drop()

    def _loss(self, error: EOFError | OSError) -> Judgement:
        if isinstance(error, TimeoutError):
            reason = f"no verdict within {self._timeout:g} s"
            return Judgement(outcome="unverifiable", method="timeout", reason=reason)
        return Judgement(outcome="unverifiable", method="error", reason="the verifier's process died")

    def _ready(self, items: list[Item]) -> "Worker":
        """A worker that has begun with these items."""
        for worker in (self._worker, None):
            is_fresh = worker is None
            try:
                worker = worker or self._start()
                worker.begin(items)
                return worker
            except (EOFError, OSError) as error:  # an idle worker may have been killed by others; a fresh one may not
                self._drop()
                if is_fresh:
                    raise DistillError(
                        f"the process of the verifiers cannot start: {error or 'it died'}. Is there memory left?"
                    ) from error
        raise AssertionError("unreachable")

    def _start(self) -> "Worker":
        with self._lock:
            if self._is_closed:
                raise _Closed
            self._worker = Worker()
            return self._worker

    def _drop(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
            if worker:
                worker.kill()
                worker.pipe.close()


class Worker:
    """A process of `distill.verifiers.worker`, and the pipe to it."""

    def __init__(self) -> None:
        self.num_sent = 0
        self.pipe, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno()), str(os.getpid()), json.dumps(sys.path)],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a group of its own: what a verifier starts is killed with it
            )

    def begin(self, items: list[Item]) -> None:
        """Send items, and wait until their verifiers are built."""
        self.num_sent += len(items)
        self.pipe.send(items)
        if defect := self._receive(START_TIMEOUT).decode():
            raise DistillError(defect)

    def reply(self, timeout: float) -> Reply:
        """What the verifier says of the next item."""
        return msgspec.msgpack.decode(self._receive(timeout), type=Reply)

    def _receive(self, timeout: float) -> bytes:
        if not self.pipe.poll(timeout):
            raise TimeoutError
        return self.pipe.recv_bytes()

    def kill(self) -> None:
        """End the process and all that it started; does nothing the second time."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
