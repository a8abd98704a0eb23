"""Runs a command, and ends it with all its children when the process that asked for it is gone, even by kill -9.

Run by its path, with the standard library alone: ``python -I guard.py PARENT_PID COMMAND...``, as the leader of a
process group of its own. A pipe from the parent would be quicker to tell of its end than the look at the parent every
half second, but forked workers of the parent inherit such a pipe and hold it open.
"""

import contextlib
import os
import signal
import subprocess
import sys

LOOK_EVERY = 0.5
"""Seconds."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""


def main() -> int:
    """Run the command; its exit code, or 128 + N where signal N ended it."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    # A handler, and not SIG_IGN, which the command would inherit. The signal is for the command: it gets it too.
    signal.signal(signal.SIGTERM, _pass)
    try:
        server = subprocess.Popen(command)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
        return 127
    while os.getppid() == parent:
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = server.wait(timeout=LOOK_EVERY)
            return code if code >= 0 else 128 - code
    os.killpg(0, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(timeout=GRACE)
    os.killpg(0, signal.SIGKILL)
    return 1


def _pass(number: int, frame: object) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
