"""A server of ours that is started again when it ends by itself: so many times in one session, and then no more.

What was in flight is called back at once, waits for the next server, and is asked again there. A server that hangs is
left as it is: its requests run into their own time limit.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from distill import progress
from distill.engines.managed import ManagedServer, ServerDownError
from distill.errors import EngineError

ENDS_WITHIN = 10.0
"""Seconds from a server's last good answer to its end: vLLM's API server outlives its engine for a moment."""

Answer = TypeVar("Answer")


class KeptServer:
    """A server that is up, or will be again.

    Args:
        start: Starts it. Called here, and again with each restart.
        log_path: The log that all of them write to.
        startup_timeout: Seconds until one must be healthy.
        max_restarts: How many may follow the first; one that does not get healthy counts.
    """

    def __init__(
        self, start: Callable[[], ManagedServer], *, log_path: Path, startup_timeout: float, max_restarts: int
    ) -> None:
        self.server = start()
        """The one that was started last."""
        self.num_restarts = 0
        self._start, self._log_path = start, log_path
        self._startup_timeout, self._max_restarts = startup_timeout, max_restarts
        self._is_settled = asyncio.Event()
        """Set while one is healthy, and for good when there will be none."""
        self._failure: str | None = None
        self._calls: set[asyncio.Timeout] = set()

    async def outlived(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        """What a call of the server gives. If the server dies meanwhile, the next one is called.

        Args:
            call: Cancelled when the server dies.

        Raises:
            EngineError: The call's own, from a server that lives; or that there is no server any more.
        """
        while True:
            await self._is_settled.wait()
            if self._failure is not None:
                raise EngineError(self._failure)
            server = self.server
            with contextlib.suppress(ServerDownError):
                try:
                    return await self._until_called_back(call)
                except EngineError:
                    if not await self._is_dying(server):
                        raise

    async def _until_called_back(self, call: Callable[[], Awaitable[Answer]]) -> Answer:
        until_death = asyncio.timeout(None)
        try:
            async with until_death:
                self._calls.add(until_death)
                try:
                    return await call()
                finally:
                    self._calls.discard(until_death)
        except TimeoutError:
            if until_death.expired():
                raise ServerDownError("has died", "") from None
            raise

    async def _is_dying(self, server: ManagedServer) -> bool:
        """Whether a call failed because its server is dying, which the process may show only a moment later."""
        if await server.is_healthy():
            return False
        with contextlib.suppress(ServerDownError, TimeoutError):
            await asyncio.wait_for(server.ended(), ENDS_WITHIN)
        if server.exit_code is None:
            return False
        if self.server is server and self._failure is None:
            self._is_settled.clear()  # `keep` may not have seen it yet, and sets it again
        return True

    async def keep(self) -> None:
        """Watch the server, and start it again until that has been done often enough."""
        try:
            while True:
                down = await self._life()
                self._call_back()
                # What is left of its children holds the GPU's memory, which the next one needs.
                await asyncio.to_thread(self.server.end)
                self._begin_next(down)
        except (EngineError, OSError) as error:
            self._failure = str(error)
        finally:
            self._failure = self._failure or "nobody watches the server any more"
            self._is_settled.set()

    async def _life(self) -> ServerDownError:
        """From a server's start to what ended it."""
        try:
            await self.server.healthy(self._startup_timeout)
            self._is_settled.set()
            await self.server.ended()
        except ServerDownError as down:
            return down

    def _call_back(self) -> None:
        self._is_settled.clear()
        calls, self._calls = self._calls, set()
        for call in calls:
            call.reschedule(asyncio.get_running_loop().time())

    def _begin_next(self, down: ServerDownError) -> None:
        if self.num_restarts >= self._max_restarts:
            raise ServerDownError(f"{down.what}, after {self.num_restarts} restarts (`max_restarts`)", down.shown)
        self.num_restarts += 1
        told = f"the server {down.what}; restart {self.num_restarts} of {self._max_restarts}"
        with self._log_path.open("a") as log:
            log.write(f"distill: {time.strftime('%Y-%m-%d %H:%M:%S %z')}: {told}\n")
        progress.say(f"{told}. Its log is {self._log_path}")
        self.server = self._start()


@contextlib.asynccontextmanager
async def kept(
    start: Callable[[], ManagedServer], *, log_path: Path, startup_timeout: float, max_restarts: int
) -> AsyncGenerator[KeptServer, None]:
    """A server, from healthy to ended. For the arguments see `KeptServer`.

    Raises:
        EngineError: If the first one does not get healthy. That is a wrong flag far more often than an accident, so it
            is not tried again.
    """
    held = KeptServer(start, log_path=log_path, startup_timeout=startup_timeout, max_restarts=max_restarts)
    try:
        await held.server.healthy(startup_timeout)
        watch = asyncio.create_task(held.keep())
        try:
            yield held
        finally:
            watch.cancel()
            await asyncio.wait([watch])
    finally:
        # In a thread, which a second cancellation does not stop.
        await asyncio.to_thread(held.server.end)
