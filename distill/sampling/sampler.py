"""The scheduler: which request goes out next, what happens when its reply comes, and when to stop.

There is no batch barrier. As long as slots are free, they go to the problem with the fewest samples; when no problem
waits any more, a problem that is being asked may get siblings. A reply is judged while others are written; a problem
that has enough has its other requests cancelled, on which a server stops working on them.
"""

import asyncio
import time
from collections import deque
from typing import Any

import msgspec

from distill import progress
from distill.engines import Completion, Request, Session
from distill.errors import EngineError
from distill.formats import Reply, TraceFormat
from distill.judging import Bench
from distill.sampling.case import Case, with_outcome
from distill.sampling.plan import Plan
from distill.sampling.pulse import Pulse
from distill.sampling.store import Store
from distill.types import FinishReason, Problem, Trace

MAX_FAILURES_IN_A_ROW = 20
"""So many requests that fail one after another, with no reply between them, mean that nothing answers any more."""
FETCH = 256
"""Problems read ahead."""


class Sampler:
    """One call's work. `run` does it; `stop` may be called meanwhile."""

    def __init__(self, session: Session, bench: Bench, plan: Plan, store: Store, pulse: Pulse) -> None:
        self.session, self.bench, self.plan, self.store, self.pulse = session, bench, plan, store, pulse
        self._waiting: deque[Case] = deque()
        self._wave: deque[tuple[Case, Problem, int]] = deque()
        self._active: dict[str, tuple[Case, Problem]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._may_have_more = True
        self._failed_in_a_row = 0
        self.is_stopped = self.is_spent = False

    async def run(self, retried: list[Case] | None = None) -> None:
        """Ask until nothing is wanted, the budget is spent, or the user stops.

        Args:
            retried: Ask only these again, instead of what the store wants.
        """
        if retried is not None:
            self._waiting.extend(retried)
            self._may_have_more = False
        try:
            async with asyncio.TaskGroup() as self._group:
                self._group.create_task(self._keep_launching())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the first failure ended the others

    def stop(self) -> None:
        """Ask for nothing more; give what is in flight a while, and a second call ends it at once."""
        if self.is_stopped:
            self._cancel_all()
            return
        self.is_stopped = True
        self._wave.clear()
        count = self.pulse.in_flight
        progress.say(f"stopping: {count} requests in flight have {self.plan.drain:g} s; again stops at once")
        asyncio.get_running_loop().call_later(self.plan.drain, self._cancel_all)

    @property
    def is_waiting(self) -> bool:
        """Nothing is left to ask but what is in flight."""
        return not self._waiting and not self._wave

    def _cancel_all(self) -> None:
        for case, _ in self._active.values():
            self._cancel(case)

    async def _keep_launching(self) -> None:
        while True:
            self._wake.clear()
            self._launch()
            if not self._tasks:
                return
            await self._wake.wait()

    def _launch(self) -> None:
        # Twice as many may wait for their verdict as are in flight: a slow verifier slows the asking, not the memory.
        while self.pulse.in_flight < self.plan.concurrency and len(self._tasks) < 3 * self.plan.concurrency:
            if self.is_stopped:
                return
            if self.pulse.is_budget_spent():
                self.is_spent = True
                return
            job = self._next()
            if job is None:
                return
            self._start(*job)

    def _next(self) -> tuple[Case, Problem, int] | None:
        while not self._wave:
            case = self._next_case()
            if case is None:
                return self._sibling()
            problem = self.store.problem_at(case.start)
            self._active[case.problem_id] = case, problem
            self._wave.extend((case, problem, sample) for sample in case.first_wave(self.plan.samples))
        return self._wave.popleft()

    def _next_case(self) -> Case | None:
        if not self._waiting and self._may_have_more:
            found = self.store.cases(len(self._active) + FETCH)
            self._waiting.extend(case for case in found if case.problem_id not in self._active)
            self._may_have_more = bool(self._waiting)  # else not before one that is being asked comes back
        return self._waiting.popleft() if self._waiting else None

    def _sibling(self) -> tuple[Case, Problem, int] | None:
        if self.plan.samples.at_once == 1 or not self._active:
            return None
        case, problem = min(self._active.values(), key=lambda active: len(active[0].asked))
        sample = case.sibling(self.plan.samples)
        return None if sample is None else (case, problem, sample)

    def _start(self, case: Case, problem: Problem, sample: int) -> None:
        request = self.plan.request(problem, sample)
        task = self._group.create_task(self._ask(case, problem, sample, request))
        case.asked[sample] = task
        case.replying.add(sample)
        self._tasks.add(task)
        self.pulse.begin(request)
        task.add_done_callback(lambda ended: self._ended(case, sample, ended, request))

    def _ended(self, case: Case, sample: int, task: asyncio.Task[None], request: Request) -> None:
        self._tasks.discard(task)
        self.pulse.end(request)  # here too, for a task that was cancelled before it ever ran
        case.asked.pop(sample, None)
        case.replying.discard(sample)
        if not case.asked and not any(waiting is case for waiting, _, _ in self._wave):
            self._active.pop(case.problem_id, None)
            self._may_have_more = self._may_have_more or not case.retries
            self.pulse.closed += bool(case.retries)
        self._wake.set()

    async def _ask(self, case: Case, problem: Problem, sample: int, request: Request) -> None:
        started = time.monotonic()
        try:
            completion = await self.session.complete(request)
        except EngineError as error:
            self._fail(case, sample, request, error, time.monotonic() - started)
            return
        except asyncio.CancelledError:
            self._keep_unfinished(case, sample, request, time.monotonic() - started, "aborted", "cancelled")
            raise
        finally:
            self.pulse.end(request)
            case.replying.discard(sample)
        self._failed_in_a_row = 0
        trace = self._trace(case, sample, request, completion, time.monotonic() - started)
        self.store.add_trace(trace)
        self._wake.set()
        verdict = await self.bench.judge(problem, trace)
        wants_more = self.store.add_verdict(verdict)
        case.outcomes = with_outcome(case.outcomes, sample, verdict.outcome)
        if not wants_more and not case.retries and case.problem_id in self._active:
            self.pulse.closed += not case.is_closed
            case.is_closed = True
            self._cancel(case)

    def _cancel(self, case: Case) -> None:
        for sample in list(case.replying):
            case.asked[sample].cancel()

    def _trace(self, case: Case, sample: int, request: Request, completion: Completion, seconds: float) -> Trace:
        reply = read_reply(self.plan.trace_format, completion)
        return self._record(
            case,
            sample,
            request,
            thinking=reply.thinking,
            answer=reply.answer,
            malformed=reply.malformed,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            cached_tokens=completion.cached_tokens,
            completion_tokens=completion.completion_tokens,
            is_estimated=completion.is_estimated,
            dollars=completion.dollars,
            seconds=round(seconds, 3),
            error=completion.reason or None,
            metadata=completion.metadata,
        )

    def _keep_unfinished(
        self, case: Case, sample: int, request: Request, seconds: float, reason: FinishReason, error: str
    ) -> None:
        record = self._record(
            case,
            sample,
            request,
            thinking="",
            answer="",
            finish_reason=reason,
            prompt_tokens=request.meter.prompt_tokens,
            completion_tokens=request.meter.completion_tokens,
            dollars=request.meter.dollars or None,
            seconds=round(seconds, 6),  # tells two failures of one request apart, when runs are merged
            error=error,
        )
        self.store.add_unfinished(record)

    def _record(self, case: Case, sample: int, request: Request, *, dollars: float | None, **said: Any) -> Trace:
        """What became of a request; `dollars` is None where the engine has no prices of its own."""
        retry = case.retries.get(sample, 0)
        trace = Trace(
            id=f"{case.problem_id}-{self.store.teacher}-{sample}{f'.{retry}' if retry else ''}",
            problem_id=case.problem_id,
            sample=sample,
            teacher=self.store.teacher,
            retry=retry,
            max_tokens=self.plan.sampling.max_tokens,
            tries=max(request.meter.tries, 1),
            seed=request.seed,
            **said,
        )
        if dollars is None and self.plan.price:
            dollars = self.plan.price.dollars(trace.prompt_tokens, trace.cached_tokens, trace.completion_tokens)
        return msgspec.structs.replace(trace, dollars=dollars) if dollars else trace

    def _fail(self, case: Case, sample: int, request: Request, error: EngineError, seconds: float) -> None:
        self._failed_in_a_row += 1
        self.pulse.failed += 1
        case.has_failed = True
        self.store.set_aside(case.problem_id)
        self._keep_unfinished(case, sample, request, seconds, "error", str(error))
        if self._failed_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise EngineError(
                f"{self._failed_in_a_row} requests failed one after another, the last with: {error} "
                f"What finished is kept; the same command goes on from there."
            )


def read_reply(trace_format: TraceFormat, completion: Completion) -> Reply:
    """A completion taken apart, whether the server sent the thought apart or in the text."""
    if completion.reasoning is None:
        return trace_format.parse(trace_format.prefill + completion.text)
    answer = completion.text.strip()
    return Reply(completion.reasoning.strip(), answer, None if answer else "no answer after the thought")
