"""The lanes of a verifier pool: a thread each, that feeds one process after another.

Every process has a pipe of its own, so no lock is shared that a killed process could take with it, and a deadline is
always that of one item, however many were sent at once.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, InvalidStateError
from queue import Empty, SimpleQueue
from typing import NamedTuple

import msgspec

from distill.errors import DistillError
from distill.types import Judgement
from distill.verifiers.worker import Item, OptionsByName, Reply, Setting

TIMEOUT = "timeout"
"""The method of a judgement that a deadline cut off."""
MAX_CHUNK = 64
"""Items sent to a worker at once, when so many wait: a trip through the pipe costs more than a cheap verdict."""
MAX_ITEMS = 20_000
"""Items after which a worker is replaced, so that what a verifier leaks does not add up."""
MEMORY = 4 << 30
"""Bytes of address space of a worker, if nobody says otherwise."""
START_TIMEOUT = 120.0
"""Seconds that a worker may take to import and build its verifiers. No item's deadline runs meanwhile."""

# the path first: it is by that path that distill is found
_COMMAND = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[3])['path']; "
    "from distill.verifiers.worker import main; main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])"
)


class Job(NamedTuple):
    """An item, and who waits for the verdict on it."""

    item: Item
    timeout: float
    """Seconds that its verifier may take."""
    future: Future[Reply]

    def settle(self, outcome: Reply | BaseException) -> None:
        """Hand over what came of it; from any thread."""
        with contextlib.suppress(InvalidStateError):  # nobody waits any more
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)


class _Closed(Exception):
    """The pool has been left."""


class Lane(threading.Thread):
    """A thread that feeds one worker after another.

    Args:
        queue: Of all lanes of a pool; None ends them.
        num_lanes: How many share the queue.
        memory: Bytes of address space of a worker.
        options: What verifiers are built with, by their names.
    """

    def __init__(
        self, queue: "SimpleQueue[Job | None]", *, num_lanes: int, memory: int, options: OptionsByName
    ) -> None:
        super().__init__(name="verifier-lane", daemon=True)
        self._queue, self._num_lanes = queue, num_lanes
        self._setting = Setting(memory=memory, options=options, path=sys.path)
        self._lock = threading.Lock()
        self._is_closed = False
        self._worker: Worker | None = None

    def run(self) -> None:
        """Judge what the queue holds, until the pool is left."""
        with contextlib.suppress(_Closed):
            while self._serve():  # a frame for each chunk: while it waits for the next, it holds nothing of the last
                pass
        self._drop()

    def _serve(self) -> bool:
        """Judge the next jobs; false if there will be none."""
        waiting = deque(self._take())
        is_open = bool(waiting)
        try:
            while waiting:
                self._judge(waiting)
        except _Closed:
            raise
        except Exception as error:  # of ours, or of the machine: the caller must hear of it, or it waits for ever
            for job in waiting:
                job.settle(error)
            self._drop()  # what it would say next may answer another item
        return is_open

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
                reply = worker.reply(waiting[0].timeout)
                waiting.popleft().settle(reply)
        except (EOFError, OSError) as error:
            self._drop()
            if self._is_closed:
                raise _Closed from None
            job = waiting.popleft()
            job.settle(Reply(_loss(error, job.timeout), time.perf_counter() - start))
        if worker.num_sent >= MAX_ITEMS:
            self._drop()

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
            self._worker = Worker(self._setting)
            return self._worker

    def _drop(self) -> None:
        with self._lock:
            worker, self._worker = self._worker, None
            if worker:
                worker.kill()
                worker.pipe.close()


def _loss(error: EOFError | OSError, timeout: float) -> Judgement:
    if isinstance(error, TimeoutError):
        return Judgement(outcome="unverifiable", method=TIMEOUT, reason=f"no verdict within {timeout:g} s")
    return Judgement(outcome="unverifiable", method="error", reason="the verifier's process died")


class Worker:
    """A process of `distill.verifiers.worker`, and the pipe to it."""

    def __init__(self, setting: Setting) -> None:
        self.num_sent = 0
        self.pipe, theirs = multiprocessing.Pipe()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND, str(theirs.fileno()), str(os.getpid()), _encoded(setting)],
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


def _encoded(setting: Setting) -> str:
    return msgspec.json.encode(setting).decode()
