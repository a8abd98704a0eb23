"""How a call is going: what is in flight, what it took, when it will be done, and whether the budget is spent."""

import math
import time
from collections.abc import Callable

from distill.engines import Request
from distill.ledger import Ledger
from distill.sampling.plan import Plan
from distill.sampling.store import Store

FEW = 16
"""With no more requests than these in flight, and none waiting, the call is waiting for stragglers."""


class Pulse:
    """Counts what one call does, on top of what the store's ledger says of earlier ones."""

    def __init__(self, plan: Plan, store: Store, num_gpus: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.plan, self.store, self.num_gpus, self._clock = plan, store, num_gpus, clock
        self.started = self.asking = clock()
        self.before = Ledger.total([store.ledger])
        self.failed = 0
        self.closed = 0
        """Problems of this call that were open and are done."""
        self._begun: dict[int, tuple[float, Request]] = {}

    def begin_asking(self) -> None:
        """The engine is up."""
        self.asking = self._clock()

    def begin(self, request: Request) -> None:
        """A request goes out."""
        self._begun[id(request)] = self._clock(), request

    def end(self, request: Request) -> None:
        """It is back, or lost."""
        self._begun.pop(id(request), None)

    @property
    def in_flight(self) -> int:
        """Requests whose reply is to come."""
        return len(self._begun)

    @property
    def gpu_seconds(self) -> float:
        """Of this call, the start of its engine included."""
        return (self._clock() - self.started) * self.num_gpus

    def tokens(self) -> int:
        """Completion tokens of this call, those in flight included."""
        flying = sum(request.meter.completion_tokens for _, request in self._begun.values())
        return self.store.ledger.completion_tokens - self.before.completion_tokens + flying

    def dollars(self) -> float:
        """Of all calls, those of this one included."""
        this_call = Ledger(gpu_seconds=self.gpu_seconds)
        return Ledger.total([self.store.ledger, this_call]).dollars(self.plan.gpu_hour)

    def is_budget_spent(self) -> bool:
        """Whether one request more would go over the budget, if those in flight take what others took on average.

        Before anything has come back a reply is expected to reach its limit, so a small budget is not overrun.
        """
        budget = self.plan.budget
        if budget.tokens is None and budget.dollars is None:
            return False
        tokens, dollars = self._per_request()
        ledger, expected = self.store.ledger, self.in_flight + 1
        if budget.tokens is not None and ledger.tokens + expected * tokens > budget.tokens:
            return True
        return budget.dollars is not None and self.dollars() + expected * dollars > budget.dollars

    def _per_request(self) -> tuple[float, float]:
        ledger, longest = self.store.ledger, self.plan.sampling.max_tokens
        if ledger.replies:
            return ledger.tokens / ledger.replies, ledger.token_dollars / ledger.replies
        price = self.plan.price
        return longest, price.dollars(0, 0, longest) if price else 0.0

    def seconds_left(self, num_open: int) -> float | None:
        """Until the open problems are done, at the rate and the accepted share of this call; None if not known yet."""
        replies = self.store.ledger.replies - self.before.replies
        correct = self.store.ledger.correct - self.before.correct
        seconds = self._clock() - self.asking
        if not replies or not num_open:
            return None
        per_problem = expected_replies(correct / replies, self.plan.samples.until_correct, self.plan.samples.max)
        return num_open * max(per_problem, self.plan.samples.min) / (replies / max(seconds, 1e-6))

    def note(self, *, is_waiting: bool) -> str:
        """How it goes, in a few words.

        Args:
            is_waiting: Nothing is left to ask but what is in flight.
        """
        ledger, before = self.store.ledger, self.before
        judged = ledger.judged - before.judged
        seconds = max(self._clock() - self.asking, 1e-6)
        accepted = f"{100 * (ledger.correct - before.correct) / judged:.0f} % correct" if judged else "no reply yet"
        parts = [accepted, f"{self.tokens() / seconds:,.0f} tokens/s", f"{self.in_flight} in flight"]
        if is_waiting and 0 < self.in_flight <= FEW:
            longest = max(self._clock() - begun for begun, _ in self._begun.values())
            parts[-1] = f"waiting for the last {self.in_flight}, the longest for {longest:.0f} s"
        if dollars := self.dollars():
            parts.append(f"${dollars:,.2f}")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return ", ".join(parts)


def expected_replies(p: float, until: int, most: int) -> float:
    """Replies that a problem takes on average until so many are correct, if each is with chance `p`: at most `most`."""
    if p <= 0:
        return most
    return min(most, until / p * (1 - math.pow(1 - p, most)))
