"""The rejection sampler: asks for replies, judges them as they come, and asks again only where that is needed.

There is no batch barrier: a problem's next reply is asked for as soon as its last one is judged, while the others go
on. What is finished is in the journals; `sample` looks there first, so the same call goes on where a killed one
stopped, and a call for more problems or more samples keeps what is there.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from distill import judging, progress
from distill.engines import Completion, Engine, Request, Session
from distill.errors import EngineError
from distill.formats import Reply, TraceFormat
from distill.journal import Appender, Journal
from distill.judging import Bench
from distill.recipe import Samples, Sampling, Verify, digest
from distill.types import Outcome, Problem, Trace, Verdict

MAX_FAILURES_IN_A_ROW = 20
"""So many requests that fail one after another, with no reply between them, mean that nothing answers any more."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How problems are asked."""

    trace_format: TraceFormat
    samples: Samples
    sampling: Sampling
    seed: int
    concurrency: int = 256
    verify: Verify = field(default_factory=Verify)

    def teacher_key(self, engine: Engine) -> str:
        """Digest of all that decides what a reply will be: model, sampling, form and prompt."""
        asked = [self.trace_format.name, self.trace_format.system_prompt, self.trace_format.prefill]
        return digest([engine.identity, self.sampling.model_dump(), asked], length=8)

    def request(self, problem: Problem, sample: int) -> Request:
        """The request for one reply; its seed is a function of the run's seed, the problem and the sample."""
        return Request(
            messages=self.trace_format.messages(problem.prompt),
            sampling=self.sampling,
            seed=int(digest([self.seed, problem.id, sample], length=8), 16) % 2**31,
            prefill=self.trace_format.prefill,
            metadata={
                **problem.metadata,
                "problem_id": problem.id,
                "sample": sample,
                "reference": problem.reference,
            },
        )


@dataclass(frozen=True, kw_only=True)
class Books:
    """The journals that one sampler writes."""

    traces: Journal[Trace]
    verdicts: Journal[Verdict]
    errors: Journal[Trace]

    @classmethod
    def in_folder(cls, folder: Path) -> "Books":
        """The three journals of a folder, by their usual names."""
        return cls(
            traces=Journal(folder / "traces.jsonl", Trace),
            verdicts=Journal(folder / "verdicts.jsonl", Verdict),
            errors=Journal(folder / "errors.jsonl", Trace),
        )

    def of_teacher(self, key: str) -> Iterator[tuple[Trace, Verdict]]:
        """Every judged trace of one teacher."""
        verdicts = {verdict.trace_id: verdict for verdict in self.verdicts}
        for trace in self.traces:
            if trace.teacher == key and trace.id in verdicts:
                yield trace, verdicts[trace.id]


@dataclass
class Tally:
    """How one problem stands: the outcome of each sample that is done."""

    outcomes: dict[int, Outcome] = field(default_factory=dict[int, Outcome])

    def wanted(self, samples: Samples) -> list[int]:
        """The samples to ask for next, all at once; empty if the problem is done."""
        done = len(self.outcomes)
        correct = sum(outcome == "correct" for outcome in self.outcomes.values())
        if done >= samples.max or (done >= samples.min and correct >= samples.until_correct):
            return []
        count = max(samples.min - done, 1)
        return [index for index in range(samples.max) if index not in self.outcomes][:count]


async def sample(
    problems: Sequence[Problem], engine: Engine, plan: Plan, books: Books, logs_dir: Path, label: str
) -> int:
    """Ask and judge until every problem has what the plan wants; see the module's promise.

    Args:
        problems: Asked in this order.
        engine: Who answers; started only if something is missing.
        plan: How many replies, and of which kind.
        books: Where replies, verdicts and failures go.
        logs_dir: Where an engine may log.
        label: What the progress is called.

    Returns:
        How many requests failed; the same call asks for them again.

    Raises:
        EngineError: If the engine, or the judge, does not start, or nothing answers any more.
    """
    key = plan.teacher_key(engine)
    verifiers = {problem.verifier for problem in problems}
    async with judging.opened(plan.verify, verifiers, logs_dir, label) as bench:
        with (
            books.traces.appender() as traces,
            books.verdicts.appender() as verdicts,
            books.errors.appender() as errors,
        ):
            tallies = await _pick_up(problems, key, books, bench, verdicts)
            todo = [problem for problem in problems if tallies[problem.id].wanted(plan.samples)]
            with progress.track(label, len(problems), len(problems) - len(todo)) as tracker:
                if not todo:
                    return 0
                progress.say(f"{label}: {len(todo)} of {len(problems)} problems to ask; starting the engine")
                async with engine.session(logs_dir) as session:
                    sampler = _Sampler(session, bench, plan, key, traces, verdicts, errors, tracker)
                    await sampler.run(todo, tallies)
                    return sampler.failed


async def _pick_up(
    problems: Sequence[Problem], key: str, books: Books, bench: Bench, verdicts: Appender[Verdict]
) -> defaultdict[str, Tally]:
    """What earlier calls finished; a trace whose verdict was lost in a kill is judged now."""
    known: dict[str, Outcome] = {verdict.trace_id: verdict.outcome for verdict in books.verdicts}
    by_id = {problem.id: problem for problem in problems}
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for trace in books.traces:
        if trace.teacher != key or trace.problem_id not in by_id:
            continue
        outcome = known.get(trace.id)
        if outcome is None:
            verdict = await bench.judge(by_id[trace.problem_id], trace)
            verdicts.append(verdict)
            outcome = verdict.outcome
        tallies[trace.problem_id].outcomes[trace.sample] = outcome
    return tallies


class _Sampler:
    """One call's work: workers that each take a problem and see it to its end."""

    def __init__(
        self,
        session: Session,
        bench: Bench,
        plan: Plan,
        key: str,
        traces: Appender[Trace],
        verdicts: Appender[Verdict],
        errors: Appender[Trace],
        tracker: progress.Tracker,
    ) -> None:
        self.session, self.bench, self.plan, self.key = session, bench, plan, key
        self.traces, self.verdicts, self.errors, self.tracker = traces, verdicts, errors, tracker
        self.slots = asyncio.Semaphore(plan.concurrency)
        self.failed = self.failed_in_a_row = 0
        self.replies = self.correct = self.tokens = 0
        self.started = time.monotonic()

    async def run(self, problems: Sequence[Problem], tallies: defaultdict[str, Tally]) -> None:
        queue = iter(problems)

        async def work() -> None:
            for problem in queue:
                await self.solve(problem, tallies[problem.id])
                self.tracker.advance(self.note())

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self.plan.concurrency, len(problems))):
                    group.create_task(work())
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None  # the first failure ended the others

    async def solve(self, problem: Problem, tally: Tally) -> None:
        while wanted := tally.wanted(self.plan.samples):
            verdicts = await asyncio.gather(*(self.ask(problem, index) for index in wanted))
            if None in verdicts:
                return  # a failed request is not asked again in this call
            for index, verdict in zip(wanted, verdicts, strict=True):
                if verdict:
                    tally.outcomes[index] = verdict.outcome

    async def ask(self, problem: Problem, index: int) -> Verdict | None:
        request = self.plan.request(problem, index)
        async with self.slots:
            started = time.monotonic()
            try:
                completion = await self.session.complete(request)
            except EngineError as error:
                self._fail(problem, index, request, error)
                return None
        trace = self._trace(problem, index, request, completion, time.monotonic() - started)
        self.traces.append(trace)
        verdict = await self.bench.judge(problem, trace)
        self.verdicts.append(verdict)
        self.failed_in_a_row = 0
        self.replies += 1
        self.correct += verdict.outcome == "correct"
        self.tokens += trace.completion_tokens
        return verdict

    def _trace(self, problem: Problem, index: int, request: Request, completion: Completion, seconds: float) -> Trace:
        reply = read_reply(self.plan.trace_format, completion)
        return Trace(
            id=f"{problem.id}-{self.key}-{index}",
            problem_id=problem.id,
            sample=index,
            teacher=self.key,
            thinking=reply.thinking,
            answer=reply.answer,
            malformed=reply.malformed,
            finish_reason=completion.finish_reason,
            prompt_tokens=completion.prompt_tokens,
            completion_tokens=completion.completion_tokens,
            seed=request.seed,
            seconds=round(seconds, 3),
        )

    def _fail(self, problem: Problem, index: int, request: Request, error: EngineError) -> None:
        self.failed += 1
        self.failed_in_a_row += 1
        self.errors.append(
            Trace(
                id=f"{problem.id}-{self.key}-{index}",
                problem_id=problem.id,
                sample=index,
                teacher=self.key,
                thinking="",
                answer="",
                finish_reason="error",
                seed=request.seed,
                error=str(error),
            )
        )
        if self.failed_in_a_row >= MAX_FAILURES_IN_A_ROW:
            raise EngineError(
                f"{self.failed_in_a_row} requests failed one after another, the last with: {error} "
                f"What finished is kept; the same command goes on from there."
            )

    def note(self) -> str:
        """How it goes, in a few words."""
        seconds = max(time.monotonic() - self.started, 1e-6)
        accepted = f"{100 * self.correct / self.replies:.0f} % correct" if self.replies else "no reply yet"
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{accepted}, {self.tokens / seconds:.0f} tokens/s{failed}"


def read_reply(trace_format: TraceFormat, completion: Completion) -> Reply:
    """A completion taken apart, whether the server sent the thought apart or in the text."""
    if completion.reasoning is None:
        return trace_format.parse(trace_format.prefill + completion.text)
    answer = completion.text.strip()
    return Reply(completion.reasoning.strip(), answer, None if answer else "no answer after the thought")
