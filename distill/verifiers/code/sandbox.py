"""Where programs run: a bare Python inside its isolation, which forks a confined process for each job.

To fork one costs a fraction of a start. A process gets its job and its input as files in memory.
"""

import contextlib
import fcntl
import json
import math
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from types import TracebackType
from typing import IO, Any, Self

from distill.verifiers.code import isolation
from distill.verifiers.code.inside import channel
from distill.verifiers.code.process import CHUNK, Limits, Process, SandboxError

START_TIMEOUT = 60.0
"""Seconds in which the sandbox must be up, on a busy machine."""
CLOSE_TIMEOUT = 5.0


class Sandbox:
    """Where programs run, at one level of isolation. Starts when first used, and again when it was lost.

    Not for two threads at once: it runs one process at a time.

    Args:
        level: The level of isolation.
        limits: What each process may use.
    """

    def __init__(self, level: isolation.Level, limits: Limits) -> None:
        self.level: isolation.Level = level
        self.limits = limits
        self._server: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def start(
        self, job: dict[str, Any], *, stdin: bytes = b"", room: int = 0, deadline: float = float("inf")
    ) -> Process:
        """Start a process for a job of `inside.modes`. The one before must have been closed.

        Args:
            job: What it shall do.
            stdin: What it reads as standard input.
            room: Bytes of output that are allowed it, if more than the limits say.
            deadline: When it is ended at the latest, by `time.monotonic`.

        Raises:
            SandboxError: If it cannot be started.
        """
        try:
            return self._start(job, stdin, room, deadline)
        except (OSError, SandboxError):  # it was killed, perhaps with the thread that started it: one more try
            self.close()
        try:
            return self._start(job, stdin, room, deadline)
        except OSError as error:
            self.close()
            raise SandboxError(f"no program can be started: {error}") from error

    def _start(self, job: dict[str, Any], stdin: bytes, room: int, deadline: float) -> Process:
        control = self._open()
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe() if job["mode"] == "script" else (-1, os.open(os.devnull, os.O_WRONLY))
        files = [_in_memory(json.dumps(job).encode()), _in_memory(stdin), writing]
        try:
            socket.send_fds(control, [channel.REQUEST], [*files, theirs.fileno()])
        except OSError:
            ours.close()
            if reading >= 0:
                os.close(reading)
            raise
        finally:
            theirs.close()
            for file in files:
                os.close(file)
        limits = replace(self.limits, output=max(self.limits.output, room))
        process = Process(control, ours, reading, limits, deadline)
        self._await_ready(process)
        return process

    def _await_ready(self, process: Process) -> None:
        try:
            frame = process.receive()
            if frame != channel.READY and not (process.ending and process.ending.cut == "budget"):
                said = frame[1:200].decode(errors="replace") if frame else "it died"
                raise SandboxError(f"a program could not be confined: {said}")
        except BaseException:
            with contextlib.suppress(SandboxError):
                process.close()
            self.close()
            raise

    def _open(self) -> socket.socket:
        if self._control is None:
            if sys.platform != "linux":
                raise SandboxError(f"it needs Linux, and this is {sys.platform}")
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            self._control.settimeout(START_TIMEOUT)
            with tempfile.TemporaryFile() as said:
                with theirs:
                    self._server = self._serve(theirs, said)
                if self._greeting(self._control) != channel.REQUEST:
                    self.close()
                    said.seek(0)
                    lines = said.read(CHUNK).decode(errors="replace").strip().splitlines()
                    raise SandboxError(lines[-1][:200] if lines else "it does not start, and does not say why")
        return self._control

    def _greeting(self, control: socket.socket) -> bytes:
        try:
            return control.recv(len(channel.REQUEST))
        except OSError:
            return b""

    def _serve(self, control: socket.socket, said: IO[bytes]) -> subprocess.Popen[bytes]:
        settings: dict[str, object] = {
            "control": control.fileno(),
            "cpu_seconds": math.ceil(self.limits.timeout),
            "memory": self.limits.memory,
        }
        try:
            return subprocess.Popen(
                isolation.command(self.level, settings),
                pass_fds=[control.fileno()],
                env=isolation.ENVIRONMENT,
                cwd="/",  # a program may look for an input.txt, and should find none of the user's
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
            )
        except OSError as error:
            self.close()
            raise SandboxError(f"{error.filename} cannot be run: {error.strerror}") from error

    def close(self) -> None:
        """End it. It may be used again."""
        if self._control:
            self._control.close()
            self._control = None
        if self._server:
            try:
                self._server.wait(CLOSE_TIMEOUT)  # it ends when its socket does, and bwrap after all that is inside
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _in_memory(content: bytes) -> int:
    """A file descriptor to read the content from, which nobody can write to any more."""
    fd = os.memfd_create("distill", os.MFD_ALLOW_SEALING)
    with open(os.dup(fd), "wb") as file:
        file.write(content)
    os.lseek(fd, 0, os.SEEK_SET)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return fd
