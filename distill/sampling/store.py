"""What a sampler writes and reads: the journals of one folder, and the index over them.

    problems.jsonl     a line for each problem that was ever asked for
    traces.jsonl       a line for each reply
    verdicts.jsonl     a line for each verdict
    unfinished.jsonl   a line for each request that gave no reply: it failed, or was cancelled; with what it took
    index.sqlite       derived from them; see `distill.sampling.index`

A line is on its way to the disk when a method returns, so kill -9 loses nothing that finished.
"""

import contextlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from distill.errors import RunStorageError
from distill.journal import Appender, Entry, Journal
from distill.ledger import Ledger, Spent
from distill.recipe import Samples
from distill.sampling.case import Case, num_done
from distill.sampling.index import Index, sqlite_errors
from distill.types import Outcome, PassRate, Problem, Trace, Verdict

JOURNALS = ("problems", "traces", "verdicts", "unfinished")


class _Asked(msgspec.Struct, frozen=True):
    id: str
    verifier: str


class _Ruling(msgspec.Struct, frozen=True):
    trace_id: str
    outcome: Outcome


Slim = TypeVar("Slim", _Asked, Spent, _Ruling)


class Wanted(NamedTuple):
    """What a call asks for."""

    problems: int
    repeated: int
    """Problems that the sources gave more than once."""


class Store:
    """The journals of one folder, for one teacher. A context manager; only the holder of the run's lock makes one.

    Args:
        folder: Where they lie.
        teacher: Its key; None for traces that were adopted, whoever wrote them.
    """

    def __init__(self, folder: Path, teacher: str | None) -> None:
        self.folder, self.teacher = folder, teacher or ""
        self.problems = Journal(folder / "problems.jsonl", Problem)
        self.traces = Journal(folder / "traces.jsonl", Trace)
        self._path = folder / "index.sqlite"
        self._is_torn = False
        with self._indexed():
            self.index = Index(self._path, teacher)
        self._problems, self._traces, self._verdicts, self._unfinished = self._writers = [
            Appender[Problem | Trace | Verdict](folder / f"{name}.jsonl") for name in JOURNALS
        ]
        with self._indexed():
            if any(self.index.offsets.get(w.path.name, 0) > w.end for w in self._writers):
                self.index.start_again()  # a journal was cut or replaced
            self._catch_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._is_torn:
                self.index.abandon()
            else:
                with self._indexed():
                    self.index.close()
        finally:
            for writer in self._writers:
                writer.__exit__(kind, error, trace)

    @contextlib.contextmanager
    def _indexed(self) -> Generator[None]:
        """Change or read the index. A failure rolls back what it learned last, so from then on it is left alone."""
        if self._is_torn:
            raise RunStorageError(f"{self._path} failed before; the same command makes it whole again")
        try:
            with sqlite_errors(self._path):
                yield
        except BaseException:
            self._is_torn = True
            raise

    def _catch_up(self) -> None:
        """Read what was appended since the index was last committed."""
        for entry in self._unread(self._problems, _Asked):
            self.index.add_problem(entry.record.id, entry.record.verifier, entry.start)
        for entry in self._unread(self._traces, Spent):
            self.index.add_trace(entry.record, entry.start)
        for entry in self._unread(self._verdicts, _Ruling):
            self.index.add_verdict(entry.record.trace_id, entry.record.outcome)
        for entry in self._unread(self._unfinished, Spent):
            self.index.add_unfinished(entry.record)

    def _unread(self, writer: Appender[Any], record_type: type[Slim]) -> Iterator[Entry[Slim]]:
        name = writer.path.name
        for entry in Journal(writer.path, record_type).since(self.index.offsets.get(name, 0)):
            self.index.offsets[name] = entry.end
            yield entry

    def _append(self, writer: Appender[Any], record: Problem | Trace | Verdict) -> int:
        start = writer.append(record)
        self.index.offsets[writer.path.name] = writer.end
        return start

    def want(self, problems: Iterable[Problem], samples: Samples, *, asked: str | None = None) -> Wanted:
        """Say what this call is about; problems that are not known yet are added.

        Args:
            problems: In the order in which they are asked.
            samples: How many of each.
            asked: What decides `problems`. If it is what the last call said, they are not gone through again.
        """
        repeated = 0
        with self._indexed():
            if asked is None or asked != self.index.asked:
                self.index.begin_call()
                for problem in problems:
                    repeated += not self._want(problem)
                self.index.asked = asked
            self.index.apply(samples)
            return Wanted(self.index.num_wanted(), repeated)

    def _want(self, problem: Problem) -> bool:
        is_first = self.index.want(problem.id)
        if is_first is None:
            start = self._append(self._problems, problem)
            self.index.add_problem(problem.id, problem.verifier, start, is_wanted=True)
        return is_first is not False

    def cases(self, limit: int) -> list[Case]:
        """The next problems that want samples: those with the fewest come first, so that every problem gets its first
        sample before any gets its second.
        """
        with self._indexed():
            standings = self.index.open_problems(limit)
        return [Case(problem_id=found.problem_id, start=found.start, outcomes=found.outcomes) for found in standings]

    def truncated(self, max_tokens: int) -> list[Case]:
        """The problems of this call with samples that were truncated at fewer tokens than these."""
        cases: dict[str, Case] = {}
        for found in self.index.truncated(max_tokens):
            new = Case(problem_id=found.problem_id, start=found.start, outcomes="")
            case = cases.setdefault(found.problem_id, new)
            case.retries[found.sample] = found.retry + 1
        return list(cases.values())

    def problem_at(self, start: int) -> Problem:
        """The problem whose line begins at a byte offset."""
        return self.problems.at(start)

    def unjudged(self) -> Iterator[tuple[Problem, Trace]]:
        """Traces whose verdict was lost in a kill."""
        for problem_id, start in self.index.unjudged():
            place = self.index.start_of(problem_id)
            if place is not None:
                yield self.problem_at(place), self.traces.at(start)

    def adopt(self, problem: Problem, trace: Trace) -> bool:
        """Keep a trace that was made elsewhere, with its problem.

        Returns:
            Whether it was not here yet.
        """
        with self._indexed():
            if self.index.has_trace(trace.id):
                return False
            self._want(problem)
        self.add_trace(trace)
        return True

    def add_trace(self, trace: Trace) -> None:
        """Keep a reply."""
        start = self._append(self._traces, trace)
        with self._indexed():
            self.index.add_trace(spent_on(trace), start)

    def add_verdict(self, verdict: Verdict) -> bool:
        """Keep a verdict; returns whether its problem wants more samples."""
        self._append(self._verdicts, verdict)
        with self._indexed():
            return bool(self.index.add_verdict(verdict.trace_id, verdict.outcome))

    def add_unfinished(self, trace: Trace) -> None:
        """Keep what a request took that gave no reply."""
        self._append(self._unfinished, trace)
        with self._indexed():
            self.index.add_unfinished(spent_on(trace))

    def set_aside(self, problem_id: str) -> None:
        """Do not give out this problem again in this call."""
        with self._indexed():
            self.index.set_aside(problem_id)

    @property
    def ledger(self) -> Ledger:
        """What all requests of this folder took so far."""
        return self.index.ledger

    def write_pass_rates(self) -> int:
        """Write `pass_rates.jsonl` anew; returns how many problems have one."""
        return Journal(self.folder / "pass_rates.jsonl", PassRate).write_all(
            pass_rate(found.problem_id, found.outcomes, self.index.num_truncated(found.problem_id))
            for found in self.index.standings()
        )

    def judged(self) -> Iterator[tuple[Trace, Verdict]]:
        """Every judged trace of this teacher."""
        verdicts = {verdict.trace_id: verdict for verdict in Journal(self.folder / "verdicts.jsonl", Verdict)}
        for trace in self.traces:
            if trace.teacher == self.teacher and trace.id in verdicts:
                yield trace, verdicts[trace.id]


def spent_on(trace: Trace) -> Spent:
    """A trace without its words."""
    return Spent(**{name: getattr(trace, name) for name in Spent.__struct_fields__})


def pass_rate(problem_id: str, outcomes: str, num_truncated: int) -> PassRate:
    """How a teacher fared that had these outcomes."""
    correct, unverifiable = outcomes.count("c"), outcomes.count("u")
    replies = num_done(outcomes) - unverifiable
    return PassRate(
        problem_id=problem_id,
        replies=replies,
        correct=correct,
        truncated=num_truncated,
        unverifiable=unverifiable,
        pass_rate=round(correct / replies, 4) if replies else 0.0,
        difficulty=round(1 - (1 + correct) / (2 + replies), 4),
    )
