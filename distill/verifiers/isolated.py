"""One verifier in a process of its own, called like a function: for a part that may hang, eat memory or die.

The process is started when it is first needed, killed at the deadline of an item with all that it started, and started
again when it is needed again. A thread holds it, so that it works from any thread, under asyncio and in a worker of a
pool, and so that the process does not depend on the life of the thread that happened to ask first. It ends with the
interpreter, however that ends.
"""

import os
import threading
import weakref
from collections.abc import Mapping
from concurrent.futures import Future
from functools import partial
from queue import SimpleQueue
from typing import Any

import msgspec

from distill.types import Judgement, Problem
from distill.verifiers.lanes import Job, Lane
from distill.verifiers.worker import Reply


class Isolated:
    """A verifier that cannot hurt its caller. Items from several threads are judged one after another.

    Args:
        name: Of the verifier, as a recipe names it.
        timeout: Seconds for one item. The start of the process, its imports among them, does not count.
        memory: Bytes of address space of the process.
        options: What the verifier is built with.

    Example:
        >>> judge = Isolated("math_verify", timeout=1.5)
        >>> judge(Problem(id="1", prompt="", verifier="math", reference="1/2"), "0.5").outcome  # doctest: +SKIP
        'correct'
    """

    def __init__(
        self, name: str, *, timeout: float = 1.5, memory: int = 1 << 30, options: Mapping[str, Any] | None = None
    ) -> None:
        if timeout <= 0 or memory <= 0:
            raise ValueError(f"timeout {timeout}, memory {memory}: each must be above 0")
        self.name, self.timeout, self.memory = name, timeout, memory
        self.options = options or {}
        self._lock = threading.Lock()
        self._lane: Lane | None = None
        self._queue: SimpleQueue[Job | None] = SimpleQueue()

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge an answer; a verifier that fails or is late gives `unverifiable`, method `error` or `timeout`.

        Raises:
            DistillError: If the process cannot start, or the verifier cannot be built there.
        """
        future: Future[Reply] = Future()
        item = (msgspec.structs.replace(problem, verifier=self.name), answer)
        self._running().put(Job(item, self.timeout, future))
        return future.result().judgement

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        # a copy elsewhere starts a process of its own
        return partial(Isolated, timeout=self.timeout, memory=self.memory, options=self.options), (self.name,)

    def _running(self) -> "SimpleQueue[Job | None]":
        """The queue of a lane that lives; after a fork, the parent's does not live here."""
        with self._lock:
            if self._lane is None or not self._lane.is_alive():
                self._queue = SimpleQueue()
                self._lane = Lane(self._queue, num_lanes=1, memory=self.memory, options={self.name: self.options})
                self._lane.start()
                weakref.finalize(self, _end, self._lane, self._queue, os.getpid())
            return self._queue


def _end(lane: Lane, queue: "SimpleQueue[Job | None]", owner: int) -> None:
    if os.getpid() == owner:  # a forked child must not kill its parent's process
        lane.close()
        queue.put(None)
