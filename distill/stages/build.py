"""From the traces that were kept to what the student is taught: the second half of the filter."""

import asyncio
import contextlib
import inspect
import json
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from distill import plugins, progress
from distill.builders import Builder, Lesson
from distill.engines import Completion, Engine, Request, Session
from distill.errors import DistillError, EngineError, EngineStartError, PluginError
from distill.filtering import Table, Tools
from distill.journal import Appender
from distill.judging import Bench, opened
from distill.ledger import Asked, Ledger
from distill.recipe import Recipe, Teacher
from distill.run import Run
from distill.types import Example, FinishReason, Problem, Trace, Verdict

AT_ONCE = 64
"""Lessons in work at once: a builder that asks a model waits most of its time."""
TOLD = 1_000
"""Examples between two lines of progress."""


def lessons(table: Table, tools: Tools) -> Iterator[Lesson]:
    """The problems that have a kept trace, sorted by their ids."""
    reader, choices = tools.reader, {place for place, step in enumerate(tools.steps) if step.choice}
    for _, group in groupby(table.decided(), key=lambda found: found.problem_id):
        found = list(group)
        kept = [reader.candidate(trace.place) for trace in found if trace.step is None]
        if kept:
            dropped = [trace.place for trace in found if trace.step is not None]
            yield Lesson(
                kept[0].problem,
                kept,
                lambda places=dropped: [reader.candidate(place) for place in places],
                frozenset(trace.trace_id for trace in found if trace.step in choices),
            )


class Built(NamedTuple):
    """What became of the kept traces."""

    examples: int
    tallies: dict[str, int]
    """What the builder said of its examples, counted, the most frequent first."""


def write_examples(run: Run, table: Table, tools: Tools, ledger: Ledger) -> Built:
    """Build what the kept traces teach and write `train.jsonl`.

    Args:
        run: The run.
        table: What the steps made of each trace.
        tools: The steps.
        ledger: Gets the GPU time of the models that the builder asks.
    """
    tallies = Counter[str]()
    count = run.examples.write_all(_examples(run, table, tools, tallies, ledger))
    for what, times in tallies.most_common():
        progress.say(f"filter: {what}: {times:,}")
    return Built(count, dict(tallies.most_common()))


def _examples(run: Run, table: Table, tools: Tools, tallies: Counter[str], ledger: Ledger) -> Iterator[Example]:
    """As `built`, from the outside of an event loop."""
    with asyncio.Runner() as runner, progress.track("filter: examples", table.num_kept) as tracker:
        made = built(run, lessons(table, tools), tools.count_tokens, tallies, ledger)
        told = 0
        try:
            while (lesson := runner.run(anext(made, None))) is not None:
                kept, examples = lesson
                yield from examples
                told += kept
                if told >= TOLD:
                    tracker.advance(by=told)
                    told = 0
        finally:
            runner.run(made.aclose())


async def built(
    run: Run,
    found: Iterable[Lesson],
    count_tokens: Callable[[Trace], int],
    tallies: Counter[str],
    ledger: Ledger,
) -> AsyncGenerator[tuple[int, list[Example]]]:
    """What each lesson gives, in their order, with the number of its kept traces. Many are in work at once.

    Args:
        run: The run.
        found: The lessons.
        count_tokens: Length of a trace's reply in the student's tokens.
        tallies: Counts what the builder says of its examples.
        ledger: Gets the GPU time of the models that the builder asks.

    Raises:
        PluginError: If the builder failed on a problem; names both.
    """
    name, options = run.recipe.filter.build.use, run.recipe.filter.build.options
    build: Builder = plugins.build("builders", name, options)
    async with contextlib.AsyncExitStack() as stack:
        workshop = OpenWorkshop(run, count_tokens, stack, tallies, ledger)
        waiting: deque[tuple[int, asyncio.Task[list[Example]]]] = deque()
        try:
            for lesson in found:
                waiting.append((len(lesson.kept), asyncio.create_task(_build(name, build, lesson, workshop))))
                if len(waiting) >= AT_ONCE:
                    kept, task = waiting.popleft()
                    yield kept, await task
            while waiting:
                kept, task = waiting.popleft()
                yield kept, await task
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)


async def _build(name: str, build: Builder, lesson: Lesson, workshop: "OpenWorkshop") -> list[Example]:
    try:
        given = build(lesson, workshop)
        return list(await given if inspect.isawaitable(given) else given)
    except DistillError:
        raise
    except Exception as error:
        raise PluginError(
            f"filter: the builder {name!r} failed on problem {lesson.problem.id}: {type(error).__name__}: {error}. "
            f"No example was written; mend the builder or take another"
        ) from error


class OpenWorkshop:
    """The `Workshop` of a run: starts verifiers and models when a builder first needs them.

    Args:
        run: The run.
        count_tokens: Length of a trace's reply in the student's tokens.
        stack: Ends what was started.
        tallies: Counts what the builder says of its examples.
        ledger: Gets the GPU time of the models that it asks.
    """

    def __init__(
        self,
        run: Run,
        count_tokens: Callable[[Trace], int],
        stack: contextlib.AsyncExitStack,
        tallies: Counter[str],
        ledger: Ledger,
    ) -> None:
        recipe: Recipe = run.recipe
        self.trace_format, self.folder = recipe.student_format, run.dir
        self.seed = f"{recipe.seed}/{recipe.filter.build.use}"
        self._run, self._stack, self._lock, self._tallies = run, stack, asyncio.Lock(), tallies
        self._bench: Bench | None = None
        self._sessions: dict[str, Session] = {}
        self._ledger = ledger
        self._asked: Appender[Asked] | None = None
        self._count_tokens = count_tokens

    def count_tokens(self, trace: Trace) -> int:
        """See `Workshop.count_tokens`."""
        return self._count_tokens(trace)

    async def judge(self, problem: Problem, answer: str) -> Verdict:
        """See `Workshop.judge`."""
        async with self._lock:
            if self._bench is None:
                verify = self._run.recipe.generate.verify
                bench = opened(verify, {problem.verifier}, self._run.logs_dir, "filter: examples")
                self._bench = await self._stack.enter_async_context(bench)
        trace = Trace(
            id="", problem_id=problem.id, sample=0, teacher="", thinking="", answer=answer, finish_reason="stop"
        )
        return await self._bench.judge(problem, trace)

    async def ask(self, engine: Mapping[str, Any], request: Request) -> Completion:
        """See `Workshop.ask`."""
        key, asked = json.dumps(engine, sort_keys=True, default=str), Teacher.model_validate(engine)
        async with self._lock:
            if key not in self._sessions:
                self._sessions[key] = await self._start(asked)
        try:
            said = await self._sessions[key].complete(request)
        except EngineError:
            self._note(asked, request, None, "error")
            raise
        except asyncio.CancelledError:
            if request.meter.tries:  # else it was never sent, as far as the engine tells
                self._note(asked, request, None, "aborted")
            raise
        self._note(asked, request, said, said.finish_reason)
        return said

    async def _start(self, asked: Teacher) -> Session:
        made: Engine = plugins.build("engines", asked.engine, asked.options)
        started, num_gpus = time.monotonic(), getattr(made, "num_gpus", 0)
        try:
            session = await self._stack.enter_async_context(made.session(self._run.logs_dir))
        except EngineError as error:
            raise EngineStartError(str(error)) from error
        self._stack.callback(lambda: self._took((time.monotonic() - started) * num_gpus))
        return session

    def _took(self, gpu_seconds: float) -> None:
        self._ledger.gpu_seconds += round(gpu_seconds, 1)

    def _note(self, asked: Teacher, request: Request, said: Completion | None, reason: FinishReason) -> None:
        """Write down what a request took, whether a reply came of it or not."""
        if self._asked is None:
            self._asked = self._stack.enter_context(self._run.asked.appender())
        meter, problem_id = request.meter, str(request.metadata.get("problem_id", ""))
        prompt, cached, completion = (
            (said.prompt_tokens, said.cached_tokens, said.completion_tokens)
            if said
            else (meter.prompt_tokens, 0, meter.completion_tokens)
        )
        dollars = (said.dollars if said else meter.dollars) or 0.0
        spent = Asked(
            is_reply=said is not None,
            id=problem_id,
            problem_id=problem_id,
            sample=0,
            teacher=asked.engine,
            finish_reason=reason,
            max_tokens=request.sampling.max_tokens,
            prompt_tokens=prompt,
            cached_tokens=cached,
            completion_tokens=completion,
            is_estimated=bool(said and said.is_estimated),
            tries=max(meter.tries, 1),
            dollars=dollars or (asked.price.dollars(prompt, cached, completion) if asked.price else 0.0),
        )
        self._asked.append(spent)

    def tally(self, what: str) -> None:
        """See `Workshop.tally`."""
        self._tallies[what] += 1
