"""A confined process, as the driver sees it: talked to, timed, ended.

It has two ways out, standard output and a channel of frames, and both are cut at a size. The kernel limits its CPU
time and its memory; the driver ends what takes too long by the clock.
"""

import contextlib
import os
import select
import socket
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from distill.errors import DistillError
from distill.verifiers.code.inside import channel

END_TIMEOUT = 30.0
"""Seconds in which a killed process must be gone."""
TICK = 0.1
"""Seconds between two looks at the clock. No look counts for more than two of them: time in which this process did not
run itself (a machine that is suspended, or overloaded) is not held against the program."""
CHUNK = 1 << 16

Cut = Literal["", "idle", "size", "budget", "done"]
"""Why the driver ended a process: too long, too much, the whole reply's time, no need of it any more; or not at all."""


class SandboxError(DistillError, RuntimeError):
    """The sandbox cannot start, or was lost: no program's fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one process may use."""

    timeout: float = 6.0
    """Seconds of CPU time."""
    wall: float = 24.0
    """Seconds of wall clock."""
    memory: int = 1 << 30
    """Bytes of address space, Python's own included."""
    output: int = 1 << 20
    """Bytes of standard output, or of one frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a process ended."""

    status: int
    """Its wait status."""
    cpu: float
    """Seconds of CPU time."""
    wall: float
    """Seconds that were waited for it."""
    cut: Cut


class Process:
    """A confined process. Frames go over its channel; `output` grows until it ends.

    Args:
        control: The socket to the process that forks.
        link: The driver's end of the channel; taken over.
        stdout: The reading end of its standard output, or -1; taken over.
        limits: What it may use.
        deadline: When the whole reply's time is over, by `time.monotonic`.
    """

    def __init__(
        self, control: socket.socket, link: socket.socket, stdout: int, limits: Limits, deadline: float
    ) -> None:
        self._control, self._link, self._stdout = control, link, stdout
        self._limits, self._deadline = limits, deadline
        self._inbox, self._outbox = bytearray(), bytearray()
        self._is_linked = True
        self._cut: Cut = ""
        self._wall = 0.0
        self.output = bytearray()
        self.ending: Ending | None = None
        link.setblocking(False)
        if stdout >= 0:
            os.set_blocking(stdout, False)

    def send(self, frame: bytes) -> None:
        """Queue a frame; it goes out while something is waited for."""
        self._outbox += len(frame).to_bytes(channel.HEADER, "little") + frame

    def receive(self) -> bytes | None:
        """The next frame that the process sends; None if it ends without one."""
        while (frame := self._frame()) is None and self.ending is None:
            self._wait()
        return frame

    def wait(self) -> Ending:
        """Wait for its end."""
        while self.ending is None:
            self._wait()
        return self.ending

    def end(self, why: Cut = "done") -> Ending:
        """Kill it, if it has not ended by itself."""
        if self.ending is None:
            self._cut = self._cut or why
            with contextlib.suppress(OSError):
                self._control.send(channel.KILL)
            if self._control.fileno() not in self._ready(END_TIMEOUT, only_end=True):
                raise SandboxError(f"a program could not be ended within {END_TIMEOUT:g} s")
            self._note_end()
        return self.wait()

    def close(self) -> None:
        """End it and release what it holds here."""
        try:
            self.end()
        finally:
            self._link.close()
            if self._stdout >= 0:
                os.close(self._stdout)
                self._stdout = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _wait(self) -> None:
        """Pass on what there is to pass on, for a tick at most, and mind the limits."""
        started = time.monotonic()
        ready = self._ready(TICK)
        self._pass_on(ready)
        now = time.monotonic()
        self._wall += min(now - started, 2 * TICK)
        if self._control.fileno() in ready:
            self._note_end()
        elif max(len(self.output), len(self._inbox)) > self._limits.output:
            self.end("size")
        elif self._wall > self._limits.wall:
            self.end("idle")
        elif now > self._deadline:
            self.end("budget")

    def _ready(self, seconds: float, *, only_end: bool = False) -> set[int]:
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        if only_end:
            return {fd for fd, _ in poll.poll(seconds * 1000)}
        if self._is_linked:
            poll.register(self._link, select.POLLIN | (select.POLLOUT if self._outbox else 0))
        if self._stdout >= 0:
            poll.register(self._stdout, select.POLLIN)
        return {fd for fd, _ in poll.poll(seconds * 1000)}

    def _pass_on(self, ready: set[int]) -> None:
        if self._link.fileno() in ready:
            self._is_linked = self._is_linked and self._talk()
        if self._stdout in ready:
            self._read_output()

    def _talk(self) -> bool:
        """Send and receive what is possible; False when the process has closed its end."""
        try:
            with contextlib.suppress(BlockingIOError):
                while self._outbox:
                    del self._outbox[: self._link.send(self._outbox[:CHUNK])]
            with contextlib.suppress(BlockingIOError):
                while len(self._inbox) <= self._limits.output:
                    part = self._link.recv(CHUNK)
                    self._inbox += part
                    if not part:
                        return False
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def _read_output(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while len(self.output) <= self._limits.output:
                part = os.read(self._stdout, CHUNK)
                self.output += part
                if not part:
                    os.close(self._stdout)
                    self._stdout = -1
                    return

    def _note_end(self) -> None:
        """Take the report of its end, and what it had written before."""
        try:
            report = self._control.recv(channel.ENDING.size)
        except OSError:
            report = b""
        if not report:
            raise SandboxError("the sandbox has died")
        status, cpu = channel.ENDING.unpack(report)
        if status < 0:
            raise SandboxError("no process could be started")
        if not self._cut:
            self._pass_on(self._ready(0))
            self._cut = "size" if len(self.output) > self._limits.output else ""
        self.ending = Ending(status=status, cpu=cpu, wall=self._wall, cut=self._cut)

    def _frame(self) -> bytes | None:
        """Take a whole frame from the inbox, if there is one."""
        size = channel.HEADER + int.from_bytes(self._inbox[: channel.HEADER], "little")
        if len(self._inbox) < max(size, channel.HEADER + 1):
            return None
        frame = bytes(self._inbox[channel.HEADER : size])
        del self._inbox[:size]
        return frame
