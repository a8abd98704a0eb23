"""A teacher that was recorded: it gives each problem the traces of an earlier run again, token counts included."""

import contextlib
import hashlib
from collections.abc import AsyncGenerator
from pathlib import Path

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
        """Read the traces into memory.

        Raises:
            EngineError: If two teachers' traces are in the file, and the recipe does not say which.
            DataError: If a line is not a trace.
        """
        traces = [trace for trace in Journal(self.path, Trace) if self.teacher in (None, trace.teacher)]
        teachers = sorted({trace.teacher for trace in traces})
        if len(teachers) > 1:
            raise EngineError(
                f"{self.path} holds traces of {len(teachers)} teachers; choose one with "
                f"`teacher:` in the recipe: {', '.join(teachers)}"
            )
        yield ReplaySession(self.path, {(trace.problem_id, trace.sample): trace for trace in traces})


class ReplaySession:
    """The recorded traces, by problem and sample."""

    def __init__(self, path: Path, traces: dict[tuple[str, int], Trace]) -> None:
        self.path, self.traces = path, traces

    def chat_prompt(self, request: Request) -> str | None:
        """The prompt was rendered when the trace was recorded, and is not kept."""
        return None

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
        trace = self.traces.get((problem_id, sample))
        if trace is None:
            raise EngineError(
                f"{self.path} has no sample {sample} of problem {problem_id}; "
                f"ask for fewer samples, or for the problems it was recorded with"
            )
        if trace.finish_reason == "error":
            raise EngineError(trace.error or f"{self.path} recorded a failure as trace {trace.id}")
        return Completion(
            text=trace.answer,
            reasoning=trace.thinking,
            finish_reason=trace.finish_reason,
            prompt_tokens=trace.prompt_tokens,
            completion_tokens=trace.completion_tokens,
        )
