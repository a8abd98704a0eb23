"""What the teacher's journals say: counts, lengths, a few traces to read. Streamed, however many traces there are."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar, get_args

import msgspec

from distill.journal import Journal
from distill.judging import ledger
from distill.reporting.structure import GenerateFacts, Lengths, SampleTrace
from distill.types import FinishReason, Outcome, Problem, Trace, Verdict

SAMPLES_PER_KIND = 2
SHOWN_CHARACTERS = 6000
"""Longest text of a sample trace; of a longer one, the beginning and the end are shown."""
MOST_BINS = 30
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

Record = TypeVar("Record", bound=msgspec.Struct)


class TraceFacts(msgspec.Struct, frozen=True):
    """A trace without its text, which is most of its line."""

    id: str
    problem_id: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0


class VerdictFacts(msgspec.Struct, frozen=True):
    """A verdict without its reasons."""

    trace_id: str
    outcome: Outcome


@dataclass
class Tally:
    """Counts over the traces seen so far."""

    outcomes: Counter[Outcome | None] = field(default_factory=Counter[Outcome | None])
    finish_reasons: Counter[FinishReason] = field(default_factory=Counter[FinishReason])
    prompt_tokens: int = 0
    completion_tokens: int = 0
    solved: set[str] = field(default_factory=set[str])
    lengths: defaultdict[Outcome, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    picks: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, trace: TraceFacts, outcome: Outcome | None) -> None:
        """Count one trace."""
        self.outcomes[outcome] += 1
        self.finish_reasons[trace.finish_reason] += 1
        self.prompt_tokens += trace.prompt_tokens
        self.completion_tokens += trace.completion_tokens
        if outcome is not None:
            self.lengths[outcome][trace.completion_tokens] += 1
            self._pick("truncated" if trace.finish_reason == "length" else outcome, trace.id)
        if outcome == "correct":
            self.solved.add(trace.problem_id)

    def _pick(self, kind: str, trace_id: str) -> None:
        self.picks[kind] = drawn([*self.picks[kind], trace_id], SAMPLES_PER_KIND)


def drawn(ids: Iterable[str], count: int) -> list[str]:
    """So many of these ids, by checksum: a fair draw that needs no seed, and is the same whatever their order."""
    return sorted(ids, key=lambda one: (zlib.crc32(one.encode()), one))[:count]


def tally_of(run_dir: Path) -> Tally:
    """Count a run's traces in one pass over its journals."""
    tally = Tally()
    traces, verdicts = Journal(run_dir / "traces.jsonl", TraceFacts), Journal(run_dir / "verdicts.jsonl", VerdictFacts)
    for trace, outcome in judged(traces, verdicts):
        tally.add(trace, outcome)
    return tally


def judged(
    traces: Iterable[TraceFacts], verdicts: Iterable[VerdictFacts]
) -> Iterator[tuple[TraceFacts, Outcome | None]]:
    """Each trace with its outcome; None if it has none.

    The two journals grow side by side, so reading them side by side keeps only those whose other half is still to
    come: about as many as there were requests in flight.
    """
    traces_waiting: dict[str, TraceFacts] = {}
    outcomes_waiting: dict[str, Outcome] = {}
    for trace, verdict in zip_longest(traces, verdicts):
        if trace is not None:
            traces_waiting[trace.id] = trace
        if verdict is not None:
            outcomes_waiting[verdict.trace_id] = verdict.outcome
        arrived = {trace.id if trace else "", verdict.trace_id if verdict else ""}
        for trace_id in arrived & traces_waiting.keys() & outcomes_waiting.keys():
            yield traces_waiting.pop(trace_id), outcomes_waiting.pop(trace_id)
    for trace in traces_waiting.values():
        yield trace, None


def generate_facts(run_dir: Path, tally: Tally, seconds: float) -> GenerateFacts | None:
    """What the teacher did; None if it has not started."""
    num_problems = _count_lines(run_dir / "problems.jsonl")
    num_traces = tally.outcomes.total()
    if not num_problems and not num_traces:
        return None
    num_judged = num_traces - tally.outcomes[None]
    return GenerateFacts(
        problems=num_problems,
        traces=num_traces,
        accepted=tally.outcomes["correct"] / num_judged if num_judged else None,
        correct=tally.outcomes["correct"],
        incorrect=tally.outcomes["incorrect"],
        unverifiable=tally.outcomes["unverifiable"],
        unjudged=tally.outcomes[None],
        verify=ledger(run_dir / "verdicts.jsonl"),
        solved_problems=len(tally.solved) / num_problems if num_problems and num_judged else None,
        tokens=tally.prompt_tokens + tally.completion_tokens,
        prompt_tokens=tally.prompt_tokens,
        completion_tokens=tally.completion_tokens,
        errors=sum(spent.finish_reason == "error" for spent in Journal(run_dir / "unfinished.jsonl", TraceFacts)),
        finish_reasons=dict(sorted(tally.finish_reasons.items())),
        seconds=seconds,
        lengths=histogram(tally.lengths),
    )


def _count_lines(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return sum(line.endswith(b"\n") and not line.isspace() for line in file)


def histogram(lengths: Mapping[Outcome, Counter[int]]) -> Lengths:
    """Bin lengths by a round width, the same for all outcomes, into at most 30 bins."""
    longest = max((max(counter) for counter in lengths.values()), default=0)
    width = next(
        width
        for power in range(12)
        for width in (10**power, 2 * 10**power, 5 * 10**power)
        if longest < MOST_BINS * width
    )
    num_bins = longest // width + 1
    counts: dict[Outcome, list[int]] = {}
    for outcome in OUTCOMES:
        if outcome in lengths:
            counts[outcome] = [0] * num_bins
            for length, count in lengths[outcome].items():
                counts[outcome][length // width] += count
    return Lengths(edges=[width * index for index in range(num_bins + 1)], counts=counts)


def sample_traces(run_dir: Path, tally: Tally) -> list[SampleTrace]:
    """Up to two traces each that are correct, incorrect and truncated."""
    kinds = {trace_id: kind for kind in ("correct", "incorrect", "truncated") for trace_id in tally.picks.get(kind, [])}
    traces = find(Journal(run_dir / "traces.jsonl", Trace), "id", kinds)
    verdicts = find(Journal(run_dir / "verdicts.jsonl", Verdict), "trace_id", kinds)
    wanted = {trace.problem_id for trace in traces.values()}
    problems = find(Journal(run_dir / "problems.jsonl", Problem), "id", wanted)
    return [
        _sample(kind, traces[trace_id], verdicts[trace_id], problems.get(traces[trace_id].problem_id))
        for trace_id, kind in kinds.items()
    ]


def find(journal: Journal[Record], key: str, wanted: Iterable[str]) -> dict[str, Record]:
    """The records whose `key` is one of those wanted, by it; reads no further than the last of them."""
    missing, found = set(wanted), dict[str, Record]()
    records = iter(journal)
    while missing and (record := next(records, None)) is not None:
        if (value := getattr(record, key)) in missing:
            missing.remove(value)
            found[value] = record
    return found


def _sample(kind: str, trace: Trace, verdict: Verdict, problem: Problem | None) -> SampleTrace:
    return SampleTrace(
        kind=kind,
        id=trace.id,
        prompt=clipped(problem.prompt) if problem else "",
        reference=clipped(problem.reference) if problem and problem.reference else None,
        thinking=clipped(trace.thinking),
        answer=clipped(trace.answer),
        extracted=None if verdict.extracted is None else clipped(verdict.extracted),
        reason=clipped(verdict.reason),
        completion_tokens=trace.completion_tokens,
    )


def clipped(text: str) -> str:
    """A text as it is; of one that is very long, the beginning and the end."""
    left_out = len(text) - SHOWN_CHARACTERS
    if left_out <= 0:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]}\n[... {left_out:,} characters left out ...]\n{text[-half:]}"
