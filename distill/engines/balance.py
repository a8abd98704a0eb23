"""Which server gets a request, and what becomes of it when the try fails.

Requests are served first come, first served; each goes to the server with the fewest in flight among those that may
have one now. A request fails only after its own tries, or where no other try can help.
"""

import asyncio
import contextlib
import math
from collections.abc import Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from distill import progress
from distill.engines import Completion, Request
from distill.engines.chat import prompt_estimate
from distill.engines.failures import FailedTry
from distill.engines.limits import Lane, Pauses, Ticket
from distill.errors import EngineError

FIRST_GUESS = 1000
"""Tokens that a reply is expected to take before one has come."""


class Attempts(Protocol):
    """What is asked of a server here."""

    lane: Lane

    async def attempt(self, request: Request) -> Completion:
        """One try.

        Raises:
            FailedTry: If it brings no reply.
        """
        ...

    async def explained(self, failure: FailedTry, num_tries: int) -> EngineError:
        """The failure as the user is told of it."""
        ...


S = TypeVar("S", bound=Attempts)


class _Lease(NamedTuple, Generic[S]):
    server: S
    ticket: Ticket


class _Failed(NamedTuple, Generic[S]):
    server: S
    failure: FailedTry


class Balancer(Generic[S]):
    """Servers of one model, and the requests that wait for them.

    Args:
        servers: At least one.
        max_retries: Further tries after a failed one. The probe of a server that is set aside speaks for all requests
            that wait for it, so that a dead server is given up as soon by a thousand requests as by one.
        pauses: How long to wait between them.
    """

    def __init__(self, servers: Sequence[S], *, max_retries: int, pauses: Pauses) -> None:
        self.servers = servers
        self._max_retries, self._pauses = max_retries, pauses
        self._turn, self._changed = asyncio.Lock(), asyncio.Event()
        self._num_replies = self._num_reply_tokens = 0
        self._num_failed_probes = 0
        self._failed_probe: _Failed[S] | None = None
        self._last_word: EngineError | None = None

    async def complete(self, request: Request) -> Completion:
        """One reply.

        Raises:
            EngineError: After the last try, or at once where no other try can help.
        """
        num_failures, last = 0, None
        while True:
            outcome = await self._tried(request, last)
            if isinstance(outcome, Completion):
                return outcome
            last, failure = outcome
            if failure.fault == "key" and len(self.servers) > 1:
                await self._close(last, failure)
                continue  # the others do not answer for this one's key
            num_failures += 1
            if failure.fault in ("request", "key") or num_failures > self._max_retries:
                raise await last.explained(failure, num_failures)
            if self._is_free(last) and not any(self._is_free(other) for other in self.servers if other is not last):
                await asyncio.sleep(self._pauses.after(num_failures))

    async def _tried(self, request: Request, avoided: S | None) -> Completion | _Failed[S]:
        """What one try brings, at a server other than `avoided` if there is a choice."""
        num_prompt = prompt_estimate(request)
        lease = await self._leased(num_prompt + self._expected(request.sampling.max_tokens), avoided)
        if isinstance(lease, _Failed):
            return lease
        server, ticket = lease
        try:
            completion = await server.attempt(request)
        except FailedTry as failure:
            server.lane.failed(ticket, failure, _now())
            if ticket.is_probe and server.lane.is_aside:
                self._num_failed_probes += 1
                self._failed_probe = _Failed(server, failure)
            return _Failed(server, failure)
        except BaseException:
            server.lane.left(ticket)
            raise
        finally:
            self._changed.set()
        server.lane.succeeded(ticket, completion.prompt_tokens + completion.completion_tokens, _now())
        self._num_replies += 1
        self._num_reply_tokens += completion.completion_tokens
        return completion

    async def _leased(self, num_tokens: int, avoided: S | None) -> _Lease[S] | _Failed[S]:
        """The right to send one request; or the failure of a probe that all servers left hung on."""
        num_seen = self._num_failed_probes
        async with self._turn:
            while True:
                usable = [server for server in self.servers if not server.lane.is_closed]
                if not usable and self._last_word:
                    raise EngineError(str(self._last_word))
                now = _now()
                delays = [server.lane.delay(now) for server in usable]
                free = [server for server, delay in zip(usable, delays, strict=True) if not delay]
                if free:
                    chosen = min(free, key=lambda server: (server is avoided, server.lane.num_in_flight))
                    return _Lease(chosen, chosen.lane.take(num_tokens, now))
                is_dark = usable and all(server.lane.is_aside for server in usable)
                if is_dark and self._failed_probe and self._num_failed_probes > num_seen:
                    return self._failed_probe
                await self._changes(min(delays, default=math.inf))

    async def _changes(self, seconds: float) -> None:
        """Wait until a request has ended, or some seconds are over."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if math.isinf(seconds) else seconds):
                await self._changed.wait()

    async def _close(self, server: S, failure: FailedTry) -> None:
        """Give nothing more to a server that refuses every request, and say so once."""
        if server.lane.is_closed:
            return
        server.lane.is_closed = True
        try:
            self._last_word = await server.explained(failure, 1)
        except BaseException:
            server.lane.is_closed = False
            raise
        finally:
            self._changed.set()
        num_left = sum(not other.lane.is_closed for other in self.servers)
        progress.say(f"{self._last_word}. It is asked no more; {num_left} of {len(self.servers)} servers are left.")

    def _is_free(self, server: S) -> bool:
        return not server.lane.delay(_now())

    def _expected(self, max_tokens: int) -> int:
        """Tokens of the next reply: as the others took on average."""
        guess = self._num_reply_tokens // self._num_replies if self._num_replies else FIRST_GUESS
        return min(guess, max_tokens)


def _now() -> float:
    return asyncio.get_running_loop().time()
