"""Replies that were paid for, in `rewrites.jsonl` in the run's folder: a second run asks for none of them again.

Only replies in the form that was asked for are kept, whether they pass the checks or not. An error, or the text of one
where a reply should be, is forgotten and asked for again. `--restart` leaves the file alone: delete it to pay anew.
"""

from pathlib import Path

import msgspec

from distill.engines import Completion
from distill.journal import Journal
from distill.types import FinishReason

FILE = "rewrites.jsonl"


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """One reply. A line of `rewrites.jsonl`."""

    key: str
    """Digest of the question, the model, the sampling and the try."""
    problem_id: str
    text: str
    finish_reason: FinishReason
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Shelf:
    """Finds and keeps paid replies. In memory are their keys alone.

    Args:
        folder: The run's.
        file: Its name there.
    """

    def __init__(self, folder: Path, file: str = FILE) -> None:
        self._journal = Journal(folder / file, Paid)
        self._starts = {entry.record.key: entry.start for entry in self._journal.since(0)}

    def find(self, key: str) -> Paid | None:
        """The reply of that key, if it was paid for."""
        start = self._starts.get(key)
        return None if start is None else self._journal.at(start)

    def keep(self, key: str, problem_id: str, said: Completion) -> None:
        """Write a reply down; it is safe from kill -9 when this returns."""
        paid = Paid(
            key=key,
            problem_id=problem_id,
            text=said.text,
            finish_reason=said.finish_reason,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
        )
        with self._journal.appender() as journal:
            self._starts[key] = journal.append(paid)
