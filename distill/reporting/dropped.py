"""dropped.md: a few of the traces that each step dropped, for each reason, to read whether the step is right."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from distill.filtering import Decided, Table, Tools
from distill.journal import storage_errors
from distill.reporting.markdown import fenced, inline
from distill.selectors import Candidate

SAMPLES = 3
SHOWN_CHARACTERS = 700
"""Of the beginning and of the end of each text."""


def write_dropped(path: Path, table: Table, tools: Tools) -> None:
    """Write the samples of every step and reason, all or nothing.

    Args:
        path: The file.
        table: As the steps left it.
        tools: For the steps' names and for reading the traces.
    """
    partial = path.with_name(path.name + ".partial")
    with storage_errors(partial), partial.open("w", encoding="utf-8") as file:
        file.writelines(f"{part}\n" for part in _parts(table, tools))
    partial.replace(path)


def _parts(table: Table, tools: Tools) -> Iterator[str]:
    counts = {(step, reason): count for step, reason, count in table.reasons()}
    yield "# Dropped traces\n"
    yield f"Up to {SAMPLES} of each reason. `distill filter RECIPE --explain TRACE_ID` says all about one of them.\n"
    for (step, reason), group in groupby(table.samples(SAMPLES), key=lambda found: (found.step or 0, found.reason)):
        yield f"## {inline(tools.steps[step].name)}: {inline(reason)} ({counts[step, reason]:,})\n"
        for found in group:
            yield from _sample(found, tools.reader.candidate(found.place))


def _sample(found: Decided, candidate: Candidate) -> Iterator[str]:
    yield f"### {inline(found.trace_id)}\n"
    if found.detail:
        yield f"{inline(found.detail)}\n"
    yield fenced(shortened(candidate.problem.prompt)) + "\n"
    if candidate.trace.thinking:
        yield fenced(shortened(candidate.trace.thinking)) + "\n"
    yield fenced(shortened(candidate.trace.answer) or "(no answer)") + "\n"


def shortened(text: str, length: int = SHOWN_CHARACTERS) -> str:
    """The beginning and the end of a text, and how much lies between them."""
    left_out = len(text) - 2 * length
    if left_out <= 0:
        return text
    return f"{text[:length]}\n[... {left_out:,} characters ...]\n{text[-length:]}"
