"""A teacher that was recorded: it gives each problem the traces of an earlier run again, token counts included."""

import contextlib
import hashlib
import sqlite3
from collections.abc import AsyncGenerator
from pathlib import Path

import msgspec

from distill.engines import Completion, Request
from distill.errors import EngineError
from distill.journal import Journal
from distill.types import Trace


class ReplayEngine:
    """Answers sample `k` of a problem with the trace that was recorded as its sample `k`.

    Args:
        path: A `traces.jsonl`.
        teacher: Key of the teacher whose traces are taken; needed only if the file holds several teachers' traces.

    Raises:
        EngineError: If the file cannot be read.
    """

    def __init__(self, *, path: str, teacher: str | None = None) -> None:
        self.path, self.teacher = Path(path), teacher
        try:
            with self.path.open("rb") as file:
                recorded = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        except OSError as error:
            raise EngineError(
                f"cannot read the recorded traces {path}: {error.strerror}; give a traces.jsonl"
            ) from None
        self.identity = f"replay({recorded}{f', {teacher}' if teacher else ''})"

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ReplaySession", None]:
        """Note where each trace lies; they stay on the disk.

        Raises:
            EngineError: If two teachers' traces are in the file, and the recipe does not say which.
            DataError: If a line is not a trace.
        """
        with contextlib.closing(sqlite3.connect("")) as places:  # a private file, which goes with the connection
            teachers = self._note_places(places)
            if len(teachers) > 1:
                raise EngineError(
                    f"{self.path} holds traces of {len(teachers)} teachers; choose one with "
                    f"`teacher:` in the recipe: {', '.join(sorted(teachers))}"
                )
            yield ReplaySession(self.path, places)

    def _note_places(self, places: sqlite3.Connection) -> set[str]:
        places.execute(
            "CREATE TABLE places (problem TEXT, sample INTEGER, start INTEGER, PRIMARY KEY (problem, sample))"
        )
        teachers: set[str] = set()
        for entry in Journal(self.path, _Place).since(0):
            found = entry.record
            if self.teacher in (None, found.teacher):
                teachers.add(found.teacher)
                row = (found.problem_id, found.sample, entry.start)
                places.execute("INSERT OR REPLACE INTO places VALUES (?, ?, ?)", row)
        return teachers


class _Place(msgspec.Struct, frozen=True):
    """Which sample of which problem a line holds."""

    problem_id: str
    sample: int
    teacher: str


class ReplaySession:
    """The recorded traces, by problem and sample."""

    def __init__(self, path: Path, places: sqlite3.Connection) -> None:
        self.path, self._places = path, places
        self._traces = Journal(path, Trace)

    async def complete(self, request: Request) -> Completion:
        """The recorded reply.

        Raises:
            EngineError: If none was recorded, or what was recorded is a failure.
        """
        problem_id, sample = request.metadata.get("problem_id"), request.metadata.get("sample")
        if not isinstance(problem_id, str) or not isinstance(sample, int):
            raise EngineError(
                f"replay needs problem_id and sample in a request's metadata, not {problem_id!r}, {sample!r}"
            )
        row = self._places.execute(
            "SELECT start FROM places WHERE problem = ? AND sample = ?", (problem_id, sample)
        ).fetchone()
        if row is None:
            raise EngineError(
                f"{self.path} has no sample {sample} of problem {problem_id}; "
                f"ask for fewer samples, or for the problems it was recorded with"
            )
        trace = self._traces.at(row[0])
        if trace.finish_reason == "error":
            raise EngineError(trace.error or f"{self.path} recorded a failure as trace {trace.id}")
        return Completion(
            text=trace.answer,
            reasoning=trace.thinking,
            finish_reason=trace.finish_reason,
            reason=trace.error or "",
            prompt_tokens=trace.prompt_tokens,
            cached_tokens=trace.cached_tokens,
            completion_tokens=trace.completion_tokens,
        )
