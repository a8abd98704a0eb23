"""The process that verifiers run in: judges what comes down a pipe until the pipe closes, or until it is killed.

The far side (`distill.verifiers.lanes`) sends chunks of ``(problem, answer)``. This side first answers each chunk with
"ready", or with why a verifier cannot be built, then with one reply for each item, in order, as soon as it is judged:
so the far side always knows which item is at work, and since when.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from distill import plugins
from distill.types import Judgement, Problem
from distill.verifiers import Verifier

Item = tuple[Problem, str]
"""A problem, and the answer to judge."""
OptionsByName = Mapping[str, Mapping[str, Any]]
"""What verifiers are built with, by their names; one that is not named takes none."""

MAX_REASON = 200
PR_SET_PDEATHSIG = 1


class Reply(msgspec.Struct, frozen=True):
    """What a verifier said of one item."""

    judgement: Judgement
    seconds: float


_DECODER = msgspec.msgpack.Decoder(Reply)


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is started with."""

    memory: int
    """Bytes of address space; past them Python raises MemoryError."""
    options: OptionsByName
    path: list[str]
    """Where the far side finds its modules."""


def main(fd: int, parent: int, setting: str) -> None:
    """Serve the pipe `fd` for as long as process `parent` lives."""
    given = msgspec.json.decode(setting, type=Setting)
    _confine(parent, given.memory)
    os.set_inheritable(fd, False)  # what a verifier starts must not keep the pipe open
    verifiers: dict[str, Verifier] = {}
    with Connection(fd) as pipe, contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            chunk: list[Item] = pipe.recv()
            names = {problem.verifier for problem, _ in chunk}
            pipe.send_bytes(_build(verifiers, names, given.options).encode())
            for problem, answer in chunk:
                pipe.send_bytes(_reply(verifiers[problem.verifier], problem, answer))


def _confine(parent: int, memory: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends us
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    if sys.platform == "linux":
        # a verifier deep in a C call would not see its pipe close, and outlive a killed parent by hours
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _build(verifiers: dict[str, Verifier], names: Iterable[str], options: OptionsByName) -> str:
    """Build the verifiers that are not built yet; returns why one cannot be, or nothing."""
    for name in names:
        if name not in verifiers:
            try:
                verifiers[name] = plugins.build("verifiers", name, options.get(name, {}))
            except Exception as error:
                return f"verifier {name!r} cannot start: {_said(error)}"
    return ""


def _reply(verifier: Verifier, problem: Problem, answer: str) -> bytes:
    start = time.perf_counter()
    try:
        judgement = verifier(problem, answer)
        if not isinstance(judgement, Judgement):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"the verifier returned {judgement!r:.80}, which is not a Judgement")
        encoded = msgspec.msgpack.encode(Reply(judgement, time.perf_counter() - start))
        _DECODER.decode(encoded)  # a field of a wrong type is the verifier's failure, found here and not over there
        return encoded
    except (Exception, SystemExit) as error:
        judgement = Judgement(outcome="unverifiable", method="error", reason=_said(error))
        return msgspec.msgpack.encode(Reply(judgement, time.perf_counter() - start))


def _said(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return text[:MAX_REASON].encode(errors="backslashreplace").decode()
