"""merge: the problems, traces and verdicts of several runs in one, each once. The runs that are read stay as they are.

Memory does not grow with the traces: which lines are there already is kept in a file that goes with the command.
"""

import contextlib
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from distill import recipe as recipes
from distill.errors import RunError
from distill.journal import Journal
from distill.run import Run, differences, open_run, read_manifest
from distill.sampling import Store
from distill.types import Problem, Trace, Verdict

JOURNALS: dict[str, type[msgspec.Struct]] = {
    "problems": Problem,
    "traces": Trace,
    "verdicts": Verdict,
    "unfinished": Trace,
}


def merge(merged: Sequence[Path], target: Path) -> str:
    """Join runs of one recipe into `target`, which is made if need be and may hold work of that recipe already.

    Returns:
        What was joined, in a sentence.

    Raises:
        RunError: If one of them is no run, or holds work of another recipe.
    """
    for directory in merged:
        if not (directory / "problems.jsonl").exists():
            raise RunError(f"{directory} holds nothing that generate made: give folders of runs, such as runs/NAME")
        if directory.resolve() == target.resolve():
            raise RunError(f"{directory} cannot be merged into itself: leave it out, it keeps what it holds")
    records = [_generate_record(directory) for directory in merged]
    for directory, record in zip(merged[1:], records[1:], strict=True):
        _refuse_differences(records[0]["section"], record["section"], f"{merged[0]} and {directory}")
    recipe = recipes.load(merged[0] / "recipe.yaml")
    with open_run(recipe, target.parent, target.name) as run, run.stage("generate") as record:
        counts = {name: _join(run, merged, name, record_type) for name, record_type in JOURNALS.items()}
        gpu_seconds = _join_gpu_seconds(record, dict(zip(map(str, merged), records, strict=True)))
        with Store(run.dir, None if recipe.generate.adopt else _teacher_of(run)) as store:
            store.write_pass_rates()
            store.ledger.gpu_seconds = gpu_seconds
            record.update(rated=store.ledger.judged, ledger=msgspec.to_builtins(store.ledger))
    return (
        f"{run.dir}: {counts['problems']:,} problems and {counts['traces']:,} traces joined from {len(merged)} runs. "
        f"`distill generate {run.dir / 'recipe.yaml'} --run {run.dir.name}` asks for what is still missing"
    )


def _generate_record(directory: Path) -> dict[str, Any]:
    record = read_manifest(directory)["stages"].get("generate")
    if record is None:
        raise RunError(f"{directory}/manifest.json knows of no generate: give folders of runs, such as runs/NAME")
    return record


def _refuse_differences(first: dict[str, Any], second: dict[str, Any], what: str) -> None:
    if changed := differences("generate", first, second):
        raise RunError(f"{what} are runs of different recipes: {'; '.join(changed)}. Merge runs of one recipe only")


def _join(run: Run, merged: Sequence[Path], name: str, record_type: type[msgspec.Struct]) -> int:
    """Append what one journal lacks; returns how many lines that is."""
    own: Journal[Any] = Journal(run.dir / f"{name}.jsonl", record_type)
    count = 0
    with contextlib.closing(sqlite3.connect("")) as seen, own.appender() as appender:  # a file that goes with it
        seen.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")
        for record in own:
            _is_new(seen, _key(record, name))
        for directory in merged:
            for record in Journal(directory / f"{name}.jsonl", record_type):
                if _is_new(seen, _key(record, name)):
                    appender.append(record)
                    count += 1
    return count


def _key(record: Any, name: str) -> str:
    """What tells a line from others. A request may fail more than once, so there it is the whole line."""
    if name == "unfinished":
        return msgspec.json.encode(record).decode()
    return record.trace_id if name == "verdicts" else record.id


def _is_new(seen: sqlite3.Connection, key: str) -> bool:
    return seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1


def _join_gpu_seconds(record: dict[str, Any], records: dict[str, dict[str, Any]]) -> float:
    """GPU time is in no journal: it is kept for each run that was merged, so that merging twice counts it once."""
    merged: dict[str, float] = record.setdefault("merged", {})
    own: float = record.get("ledger", {}).get("gpu_seconds", 0.0) - sum(merged.values())
    merged |= {path: found.get("ledger", {}).get("gpu_seconds", 0.0) for path, found in records.items()}
    return round(own + sum(merged.values()), 1)


def _teacher_of(run: Run) -> str:
    return next((trace.teacher for trace in run.traces), "")
