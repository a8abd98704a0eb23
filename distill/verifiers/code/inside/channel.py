"""What goes between the driver and the sandbox: requests and endings by one socket, frames of a process by another.

A frame is four bytes of length, then a byte that says what it is, then the rest.
"""

import os
import struct

REQUEST, KILL = b"run", b"kill"
"""To the process that forks: start a process, for which four file descriptors come along; end it."""
ENDING = struct.Struct("=id")
"""How a process ended: its wait status, or -1 if it could not start; its seconds of CPU time."""

FD = 3
"""The descriptor of the channel in the confined process."""
HEADER = 4

READY, FAILED = b"R", b"F"
"""Confinement is done; or could not be, and no program ran."""
LOADED, ERROR = b"L", b"E"
"""The program has been read to its end; or raised an exception, which follows as text."""
ANSWER, RAISED = b"A", b"X"
"""What a call gave; or the name and the message of the exception that it raised."""
QUESTION, PASSED, FAULT, BROKEN = b"Q", b"P", b"W", b"B"
"""From tests: a call to make; all held; one did not; they cannot be run."""


def send(frame: bytes) -> None:
    """Write a frame to the driver."""
    rest = memoryview(len(frame).to_bytes(HEADER, "little") + frame)
    while rest:
        rest = rest[os.write(FD, rest) :]


def receive() -> bytes:
    """Read a frame from the driver.

    Raises:
        EOFError: If the driver has gone.
    """
    return _exactly(int.from_bytes(_exactly(HEADER), "little"))


def _exactly(size: int) -> bytes:
    parts: list[bytes] = []
    while size:
        part = os.read(FD, min(size, 1 << 16))
        if not part:
            raise EOFError("the driver has gone")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
