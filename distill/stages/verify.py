"""verify: pairs of a reference and a response from a file, a verdict for each, in their order and in flat memory."""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Generator, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from distill import progress
from distill.errors import DataError
from distill.types import Outcome
from distill.verifiers import rows
from distill.verifiers.lanes import TIMEOUT
from distill.verifiers.pool import VerifierPool

IN_FLIGHT = 256
"""Rows for each worker that are read ahead of the verdict that is written next."""
BAD_ROW = "row"
"""The method of a verdict on a row that cannot be used."""
SHOWN_BAD_ROWS = 5


class RowVerdict(msgspec.Struct, frozen=True):
    """A line of what comes out."""

    id: str | int
    """The row's own, or the number of its line."""
    outcome: Outcome
    extracted: str | None
    method: str
    reason: str
    seconds: float


@dataclass
class Counts:
    """What came of a file."""

    outcomes: Counter[str] = field(default_factory=Counter[str])
    methods: Counter[str] = field(default_factory=Counter[str])
    bad_rows: list[str] = field(default_factory=list[str])
    """What is wrong with the first of them."""
    seconds: float = 0.0

    def add(self, verdict: RowVerdict) -> None:
        """Count one verdict."""
        self.outcomes[verdict.outcome] += 1
        self.methods[verdict.method] += 1
        if verdict.method == BAD_ROW and len(self.bad_rows) < SHOWN_BAD_ROWS:
            self.bad_rows.append(verdict.reason)

    def lines(self) -> Iterator[str]:
        """The summary, for people."""
        total = self.outcomes.total()
        yield f"verify: {total:,} pairs in {self.seconds:.1f} s, {total / max(self.seconds, 1e-6):,.0f} a second"
        yield f"outcomes: {_listed(self.outcomes)}"
        yield f"methods: {_listed(self.methods)}"
        if late := self.methods[TIMEOUT]:
            yield f"{late:,} cut off by the deadline (--timeout, or a longer one of the verifier's own)"


class _Job(NamedTuple):
    path: Path
    verifier: str
    pool: VerifierPool


def verify_file(path: Path, *, verifier: str, out: Path | None, workers: int, timeout: float) -> Counts:
    """Judge every row of a JSONL file.

    Args:
        path: Rows with `response` and `reference`; see `Row`.
        verifier: Judges rows that neither their kind, options nor tests decide.
        out: Where the verdicts go; standard output if not given.
        workers: Processes that judge.
        timeout: Seconds for one row.

    Raises:
        DataError: If the file cannot be read or written, or its first row cannot be used, before anything is judged;
            if a later row cannot be used, after all are judged.
        PluginError: If nothing answers to the verifier's name.
    """
    counts = Counts()
    job = _Job(path, verifier, VerifierPool(timeout=timeout, workers=workers))
    with _opened(path, out) as (file, sink):
        started = time.monotonic()
        asyncio.run(_verify(file, sink, job, counts))
        counts.seconds = time.monotonic() - started
    for line in counts.lines():
        progress.say(line)
    if counts.bad_rows:
        raise DataError(_said_of_bad_rows(counts))
    return counts


@contextlib.contextmanager
def _opened(path: Path, out: Path | None) -> Generator[tuple[BinaryIO, BinaryIO]]:
    """The file, and where the verdicts go; refused before anything is overwritten if the first row is of no use."""
    if out is not None and out.exists() and path.exists() and out.samefile(path):
        raise DataError(f"--out {out} is the file that is read: give the verdicts a file of their own")
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(path.open("rb"))
            for number, line in islice(_numbered(file), 1):
                rows.read(line, f"{path}, line {number}")
            yield file, sys.stdout.buffer if out is None else stack.enter_context(out.open("wb"))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at its end
        raise DataError("standard output was closed before the last verdict; --out FILE keeps them all") from None
    except OSError as error:
        raise DataError(f"{error.filename or out or path}: {error.strerror}; look at FILE and --out") from None


def _numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    file.seek(0)
    return ((number, line) for number, line in enumerate(file, start=1) if not line.isspace())


async def _verify(file: BinaryIO, sink: BinaryIO, job: _Job, counts: Counts) -> None:
    job.pool.check([job.verifier])
    total = sum(1 for _ in _numbered(file))
    async with job.pool, contextlib.aclosing(_judged(file, job)) as judged:
        with progress.track("verify", total) as tracker:
            async for verdict in judged:
                sink.write(msgspec.json.encode(verdict) + b"\n")
                counts.add(verdict)
                tracker.advance(f"{100 * counts.outcomes['correct'] / counts.outcomes.total():.0f} % correct")
    sink.flush()


async def _judged(file: BinaryIO, job: _Job) -> AsyncGenerator[RowVerdict]:
    """The verdicts in the order of the rows; a bounded number of rows is at work, and no others are held."""
    waiting: deque[asyncio.Task[RowVerdict]] = deque()
    try:
        for number, line in _numbered(file):
            waiting.append(asyncio.create_task(_judge(line, number, job)))
            if len(waiting) == IN_FLIGHT * job.pool.num_workers:
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _judge(line: bytes, number: int, job: _Job) -> RowVerdict:
    try:
        row = rows.read(line, f"{job.path}, line {number}")
    except DataError as error:  # must not cost the other rows their verdicts; the summary and the exit code tell
        return RowVerdict(number, "unverifiable", None, BAD_ROW, str(error), 0.0)
    verdict = await job.pool.judge(row.problem(number, job.verifier), row.trace(number))
    return RowVerdict(
        number if row.id is None else row.id,
        verdict.outcome,
        verdict.extracted,
        verdict.method,
        verdict.reason,
        verdict.seconds,
    )


def _listed(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common()) or "none"


def _said_of_bad_rows(counts: Counts) -> str:
    count = counts.methods[BAD_ROW]
    more = count - len(counts.bad_rows)
    shown = [*counts.bad_rows, *([f"... and {more:,} more"] if more else [])]
    return (
        f"{count:,} of {counts.outcomes.total():,} rows cannot be used; their verdict is unverifiable, method "
        f"{BAD_ROW!r}. The others are judged.\n" + "\n".join(shown)
    )
