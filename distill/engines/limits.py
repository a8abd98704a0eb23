"""How much one server is given: its pace, its requests in flight, and its pauses. Nothing here waits or sends.

A server whose rate limit nobody knows is found out as TCP finds a line's capacity: a 429 halves what may be in flight,
each reply adds one. A server that fails is set aside, and one request finds out when it is well again.
"""

import math
import random
from dataclasses import dataclass
from typing import NamedTuple

from distill.engines.failures import FailedTry

SLACK = 0.1
"""Seconds of an unused pace that may be made up for, since a waiter wakes up late."""
ILL_AFTER = 3
"""Failures in a row that set a server aside."""


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """How long to wait after a failure, in seconds."""

    first: float = 0.5
    """After the first; it doubles with each further one."""
    longest: float = 60.0
    aside: float = 1.0
    """The first pause of a server that is set aside; it doubles each time its probe fails."""
    longest_asked: float = 600.0
    """Longest pause that a server may ask for."""

    def after(self, num_failures: int) -> float:
        """The pause after so many failures, up to half of it left to chance, lest all come back together."""
        return min(self.first * 2.0 ** (num_failures - 1), self.longest) * random.uniform(0.5, 1.0)

    def set_aside(self, num_failures: int) -> float:
        """The pause of a server set aside whose probes have failed so often, less one."""
        return min(self.aside * 2.0 ** (num_failures - 1), self.longest)


class Pace:
    """Spreads an amount per minute evenly over time; a large one is taken at once and paid off before the next.

    The limiters on PyPI take nothing back once the true amount is known, and allow a minute's worth in one burst.
    """

    def __init__(self, per_minute: float) -> None:
        self._per_second = per_minute / 60
        self._free_at = -math.inf

    def delay(self, now: float) -> float:
        """Seconds until more may be taken."""
        return max(self._free_at - now, 0.0)

    def take(self, amount: float, now: float) -> None:
        """Take an amount; a negative one gives back."""
        self._free_at = max(self._free_at, now - SLACK) + amount / self._per_second


class Ticket(NamedTuple):
    """The right to send one request."""

    sent_at: float
    num_tokens: float
    """Prompt and reply, as they were expected."""
    is_probe: bool


class Lane:
    """What one server may be given now. Times are seconds of the event loop's clock."""

    def __init__(
        self,
        *,
        pauses: Pauses,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
    ) -> None:
        self.num_in_flight = 0
        self.is_closed = False
        """Whether it gets nothing any more."""
        self.is_aside = False
        """Whether it failed, and gets one probe at a time."""
        self._pauses = pauses
        self._requests = Pace(requests_per_minute) if requests_per_minute else None
        self._tokens = Pace(tokens_per_minute) if tokens_per_minute else None
        self._limit = math.inf
        self._closed_until = self._halved_at = -math.inf
        self._is_probed = False
        self._num_failures = self._num_refusals = self._num_aside = 0

    def delay(self, now: float) -> float:
        """Seconds until it may get a request; infinite if that hangs on a reply."""
        if self.is_closed or self.num_in_flight >= self._limit or (self.is_aside and self._is_probed):
            return math.inf
        paces = [pace.delay(now) for pace in (self._requests, self._tokens) if pace]
        return max(self._closed_until - now, 0.0, *paces)

    def take(self, num_tokens: float, now: float) -> Ticket:
        """Send one; to be followed by one of `succeeded`, `failed` and `left`."""
        if self._requests:
            self._requests.take(1, now)
        if self._tokens:
            self._tokens.take(num_tokens, now)
        self.num_in_flight += 1
        self._is_probed = self._is_probed or self.is_aside
        return Ticket(now, num_tokens, self.is_aside)

    def left(self, ticket: Ticket) -> None:
        """Its caller went away, and nothing is known of the server."""
        self.num_in_flight -= 1
        if ticket.is_probe:
            self._is_probed = False

    def succeeded(self, ticket: Ticket, num_tokens: int, now: float) -> None:
        """A reply came, and took so many tokens with its prompt."""
        self.left(ticket)
        if self._tokens:
            self._tokens.take(num_tokens - ticket.num_tokens, now)
        self._limit += 1
        self._num_refusals = 0
        self._is_well()

    def failed(self, ticket: Ticket, failure: FailedTry, now: float) -> None:
        """A try failed; may pause the server, or set it aside."""
        pause = 0.0 if failure.wait is None else min(failure.wait, self._pauses.longest_asked)
        if failure.fault in ("server", "unreachable"):
            pause = max(pause, self._ill(ticket, failure))
        else:
            self._is_well()
        if failure.fault == "limit":
            # What was sent before the last refusal says nothing about what is in flight since.
            if ticket.sent_at >= self._halved_at:
                self._limit, self._halved_at = max(self.num_in_flight // 2, 1), now
                self._num_refusals += 1
            pause = pause if failure.wait is not None else self._pauses.after(self._num_refusals)
        self._closed_until = max(self._closed_until, now + pause)
        self.left(ticket)

    def _ill(self, ticket: Ticket, failure: FailedTry) -> float:
        """Note a failure of the server; the pause in seconds, where it is set aside by it."""
        self._num_failures += 1
        is_ill = failure.fault == "unreachable" or self._num_failures >= ILL_AFTER
        # Those that were in flight when it was set aside fail too, and do not make its pause longer.
        if not ticket.is_probe and (self.is_aside or not is_ill):
            return 0.0
        self.is_aside = True
        self._num_aside += 1
        return self._pauses.set_aside(self._num_aside)

    def _is_well(self) -> None:
        self.is_aside = self._is_probed = False
        self._num_failures = self._num_aside = 0
