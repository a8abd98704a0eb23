"""The rejection sampler: asks for replies, judges them as they come, and asks again only where that is needed.

What is finished is in a store; `sample` looks there first, so the same call goes on where a killed one stopped, and a
call for more problems or more samples keeps what is there.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from distill import judging, progress
from distill.engines import Engine, Session
from distill.errors import RecipeError
from distill.judging import Bench
from distill.ledger import Ledger
from distill.sampling.case import Case
from distill.sampling.plan import Plan
from distill.sampling.pulse import Pulse
from distill.sampling.sampler import Sampler
from distill.sampling.stopping import listening
from distill.sampling.store import Store, Wanted
from distill.types import Problem

__all__ = ["Outcome", "Plan", "Store", "finished", "sample"]

LOOK_EVERY = 0.5
"""Seconds between two looks at how it goes."""
TELL_EVERY = 15.0
"""Seconds between two notes of what was spent."""


class Outcome(NamedTuple):
    """How a call of `sample` ended."""

    problems: int
    open: int
    """Of them, those that want more samples than they have."""
    failed: int
    """Requests that failed; the same call asks for them again."""
    gpu_seconds: float
    """Of this call."""
    is_stopped: bool
    """By the user."""
    is_spent: bool
    """The budget does not allow what is left."""


async def sample(
    problems: Iterable[Problem],
    engine: Engine,
    plan: Plan,
    store: Store,
    logs_dir: Path,
    label: str,
    *,
    asked: str | None = None,
    retry_truncated: bool = False,
    tell: Callable[[Ledger, float], None] = lambda ledger, gpu_seconds: None,
) -> Outcome:
    """Ask and judge until every problem has what the plan wants; see the module's promise.

    Args:
        problems: In the order in which they are asked. Gone through once; they may be more than memory holds.
        engine: Who answers; started only if something is missing.
        plan: How many replies, and of which kind.
        store: Of the plan's teacher key; where everything goes.
        logs_dir: Where an engine may log.
        label: What the progress is called.
        asked: What decides `problems`; if the store knows it, they are not gone through again.
        retry_truncated: Ask only for samples again that were truncated under a smaller `max_tokens`.
        tell: Called now and then with the ledger, and with the GPU-seconds of this call.

    Raises:
        EngineError: If the engine, or the judge, does not start, or nothing answers any more.
        RecipeError: If the plan wants what the engine cannot do.
        asyncio.CancelledError: If the user stops it before the engine is up.
    """
    if plan.sampling.thinking_token_budget and not getattr(engine, "budgets_thinking", False):
        raise RecipeError(
            f"sampling.thinking_token_budget is {plan.sampling.thinking_token_budget}, and this engine cannot end a "
            f"thought: use engine vllm or openai, or leave it out"
        )
    wanted = store.want(problems, plan.samples, asked=asked)
    if wanted.repeated:
        progress.say(f"{label}: {wanted.repeated:,} problems were given more than once and are asked once")
    call = _Call(engine, plan, store, label, tell)
    async with judging.opened(plan.verify, store.index.verifiers, logs_dir, label) as bench:
        for problem, trace in store.unjudged():
            store.add_verdict(await bench.judge(problem, trace))
        retried = store.truncated(plan.sampling.max_tokens) if retry_truncated else None
        num_open = store.index.num_open() if retried is None else len(retried)
        if num_open:
            total, kind = (wanted.problems, "problems") if retried is None else (num_open, "problems cut short")
            progress.say(f"{label}: {num_open:,} of {total:,} {kind} to ask; starting the engine")
            with listening(call.stop), progress.track(label, total, total - num_open) as tracker:
                async with engine.session(logs_dir) as session:
                    await call.run(session, bench, tracker, retried)
    return call.outcome(wanted)


def finished(call: Coroutine[Any, Any, Outcome]) -> Outcome:
    """How a call of `sample` ended, from code that is not asynchronous.

    Raises:
        KeyboardInterrupt: If the user stopped it before the engine was up.
    """
    try:
        return asyncio.run(call)
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


class _Call:
    """One call of `sample`, from the start of its engine to the end."""

    def __init__(
        self, engine: Engine, plan: Plan, store: Store, label: str, tell: Callable[[Ledger, float], None]
    ) -> None:
        self.plan, self.store, self.label, self.tell = plan, store, label, tell
        self.pulse = Pulse(plan, store, getattr(engine, "num_gpus", 0))
        self.sampler: Sampler | None = None
        self.task = asyncio.current_task()

    def stop(self) -> None:
        """The user wants it to end: while the engine starts at once, later as `Sampler.stop` does."""
        if self.sampler is not None:
            self.sampler.stop()
        elif self.task is not None:
            self.task.cancel()

    async def run(self, session: Session, bench: Bench, tracker: progress.Tracker, retried: list[Case] | None) -> None:
        self.pulse.begin_asking()
        done_before = tracker.done
        self.sampler = Sampler(session, bench, self.plan, self.store, self.pulse)
        watch = asyncio.create_task(self.watch(tracker, done_before))
        try:
            await self.sampler.run(retried)
        finally:
            watch.cancel()
        tracker.reach(done_before + self.pulse.closed, self.pulse.note(is_waiting=False))

    async def watch(self, tracker: progress.Tracker, done_before: int) -> None:
        """Show how it goes, and tell what it took, again and again."""
        told = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            num_open = tracker.total - done_before - self.pulse.closed
            is_waiting = self.sampler is not None and self.sampler.is_waiting
            tracker.reach(
                done_before + self.pulse.closed,
                self.pulse.note(is_waiting=is_waiting),
                self.pulse.seconds_left(num_open),
            )
            if time.monotonic() - told >= TELL_EVERY:
                told = time.monotonic()
                self.tell(self.store.ledger, self.pulse.gpu_seconds)

    def outcome(self, wanted: Wanted) -> Outcome:
        """How it ended."""
        sampler, num_open = self.sampler, self.store.index.num_open()
        return Outcome(
            problems=wanted.problems,
            open=num_open,
            failed=self.pulse.failed,
            gpu_seconds=self.pulse.gpu_seconds if sampler else 0.0,
            is_stopped=sampler is not None and sampler.is_stopped,
            is_spent=sampler is not None and sampler.is_spent and num_open > 0,
        )
