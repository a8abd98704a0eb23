"""A server process of ours: started on a free port, waited for, and ended whatever happens.

It runs in a process group of its own, so that Ctrl-C reaches us and not it, and so that its children end with it.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from distill.engines import guard
from distill.engines.chat import redacted
from distill.errors import EngineError

if TYPE_CHECKING:
    import aiohttp

HOST = "127.0.0.1"
LOOK_EVERY = 0.2
"""Seconds between two looks at it: whether it is healthy, whether it still runs."""
HEALTH_TIMEOUT = 5.0
"""Seconds that it may take to say that it is healthy."""
TAIL_LINES = 15
REAPED_WITHIN = 5.0
"""Seconds that killed children may take to go; a container whose first process reaps nothing keeps them as zombies."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


class ServerDownError(EngineError):
    """A server of ours that does not run, or does not get healthy.

    Args:
        what: What became of it, as the end of a sentence that begins with "the server".
        shown: Its command, its log and the log's end.
    """

    def __init__(self, what: str, shown: str) -> None:
        super().__init__(f"the server {what}. {shown}")
        self.what, self.shown = what, shown


class ManagedServer:
    """A server that was started here.

    Args:
        command: Its words.
        port: Where it will listen, on the loopback interface.
        log_path: Takes what it prints, after what is there already.
        secret: Cut out of whatever an error repeats of the log.
        env: Its environment.
    """

    def __init__(
        self, command: Sequence[str], *, port: int, log_path: Path, secret: str, env: Mapping[str, str]
    ) -> None:
        self.command, self.port, self.log_path, self._secret = command, port, log_path, secret
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "-I", guard.__file__, str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def group(self) -> int:
        """Id of the process group that holds the server, its children and their guard."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    async def healthy(self, timeout: float) -> None:
        """Wait until `/health` answers 200.

        Args:
            timeout: Seconds.

        Raises:
            ServerDownError: If the process ends before, or the time is up; names the log and shows its end.
        """
        try:
            async with asyncio.timeout(timeout), _client() as client:
                while not await self._answers(client):
                    self.check_alive()
                    await asyncio.sleep(LOOK_EVERY)
        except TimeoutError:
            what = f"is not healthy after {timeout:g} s; a large model needs a longer `startup_timeout`"
            raise ServerDownError(what, self.shown()) from None

    async def is_healthy(self) -> bool:
        """Whether `/health` answers 200 now."""
        async with _client() as client:
            return await self._answers(client)

    async def _answers(self, client: "aiohttp.ClientSession") -> bool:
        import aiohttp

        try:
            async with client.get(f"http://{HOST}:{self.port}/health") as reply:
                return reply.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    async def ended(self) -> NoReturn:
        """Wait for its end.

        Raises:
            ServerDownError: When it has ended; names the log and shows its end.
        """
        while True:
            self.check_alive()
            await asyncio.sleep(LOOK_EVERY)

    def check_alive(self) -> None:
        """Do nothing while the server runs.

        Raises:
            ServerDownError: If it has ended; names the log and shows its end.
        """
        if self.exit_code is not None:
            raise ServerDownError(f"ended by itself, with exit code {self.exit_code}", self.shown())

    def end(self, grace: float = 15.0) -> None:
        """SIGTERM to the group, and SIGKILL to what is left of it when the server is gone or the time is up.

        Args:
            grace: Seconds between the two, if the server does not end before.
        """
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=grace)
        self._signal(signal.SIGKILL)
        self._process.wait()
        # Its children are not ours to wait for, but they hold the GPU's memory, which the next stage may want.
        last_look = time.monotonic() + REAPED_WITHIN
        while self._signal(signal.SIGKILL) and time.monotonic() < last_look:
            time.sleep(0.02)

    def _signal(self, number: int) -> bool:
        """Signal the group; False if nothing is left of it."""
        try:
            os.killpg(self.group, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def shown(self) -> str:
        """Its command, its log, and the log's end since this start."""
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read()[-20_000:].decode(errors="replace").splitlines()[-TAIL_LINES:]
        end = redacted("\n".join(line[:300] for line in lines), self._secret)
        return f"Its command: {' '.join(self.command)}. Its log, {self.log_path}, ends with:\n{end or '(nothing)'}"


def _client() -> "aiohttp.ClientSession":
    import aiohttp

    # A proxy from the environment does not know our loopback.
    return aiohttp.ClientSession(trust_env=False, timeout=aiohttp.ClientTimeout(total=HEALTH_TIMEOUT))
