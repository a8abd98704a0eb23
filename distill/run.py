"""A run: one directory that holds all that a recipe asked for and all that came out.

    runs/<name>/
      recipe.yaml      resolved, re-runnable as it is
      manifest.json    versions, hardware, git commit, and for each stage its section, times and counts
      problems.jsonl traces.jsonl verdicts.jsonl unfinished.jsonl pass_rates.jsonl index.sqlite     generate
      decisions.jsonl train.jsonl pairs.jsonl dropped.md asked.jsonl                                filter
      checkpoints/ student/                                                                         train
      eval/<suite>/<model>/                                                                         eval
      report.md report.html                                                                         report

One process works in a run at a time (a lock that dies with its holder). A stage whose section changed since it made its
files is refused, except for the keys that only let it grow or say where the work is done.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, TextIO

from distill import environment
from distill.errors import RecipeError, RunChangedError, RunError, RunLockedError
from distill.journal import Journal, storage_errors
from distill.ledger import Asked
from distill.recipe import STAGES, Recipe, Stage
from distill.types import Decision, Example, Pair, PassRate, Problem, Trace, Verdict

# Options of an engine that say where it works, and how fast; not what it answers.
WHERE = (
    *("args", "command", "base_url", "batch_size", "api_key_env", "timeout", "startup_timeout", "max_retries"),
    *("max_restarts", "stream", "requests_per_minute", "tokens_per_minute"),
)
VERIFY = ("verify.timeout", "verify.workers", *(f"verify.judge.{key}" for key in WHERE))

# Keys that let a stage grow, or say where its work is done: they may change without a new run.
ELASTIC: Mapping[Stage, tuple[str, ...]] = {
    "generate": (
        "samples",
        "sampling.max_tokens",
        "concurrency",
        "budget",
        "cut_loops",
        "drain",
        "teacher.price",
        "teacher.tokenizer",
        *VERIFY,
        "sources.*.count",
        "sources.*.limit",
        "adopt.*.limit",
        *(f"teacher.{key}" for key in WHERE),
    ),
    "filter": (
        "workers",
        *(f"{place}.engine.{key}" for place in ("build", "build.of") for key in (*WHERE, "price", "tokenizer")),
    ),
    "train": ("launch.args", "sft.report_to", "sft.run_name"),
    "eval": ("samples", "suites", "models", "concurrency", "engine", "scorer", *VERIFY),
}

OUTPUTS: Mapping[Stage, tuple[str, ...]] = {
    "generate": (
        "problems.jsonl",
        "traces.jsonl",
        "verdicts.jsonl",
        "unfinished.jsonl",
        "pass_rates.jsonl",
        "index.sqlite",
        "index.sqlite-wal",
    ),
    "filter": ("decisions.jsonl", "train.jsonl", "pairs.jsonl", "dropped.md", ".filter"),
    "train": ("checkpoints", "student", "student.partial"),
    "eval": ("eval", "report.md", "report.html", "plots"),
}


class Run:
    """A run directory, opened and locked. Make one with `open_run`."""

    def __init__(self, directory: Path, recipe: Recipe) -> None:
        self.dir = directory
        self.recipe = recipe
        self.problems = Journal(directory / "problems.jsonl", Problem)
        self.traces = Journal(directory / "traces.jsonl", Trace)
        self.verdicts = Journal(directory / "verdicts.jsonl", Verdict)
        self.unfinished = Journal(directory / "unfinished.jsonl", Trace)
        self.pass_rates = Journal(directory / "pass_rates.jsonl", PassRate)
        self.decisions = Journal(directory / "decisions.jsonl", Decision)
        self.examples = Journal(directory / "train.jsonl", Example)
        self.asked = Journal(directory / "asked.jsonl", Asked)
        self.pairs = Journal(directory / "pairs.jsonl", Pair)
        self.student_dir = directory / "student"
        self.checkpoints_dir = directory / "checkpoints"
        self.logs_dir = directory / "logs"
        self.manifest = read_manifest(directory)

    def eval_dir(self, suite: str, model: str) -> Path:
        """Where one model's traces, verdicts and scores on one suite lie."""
        return self.dir / "eval" / suite / model

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Generator[dict[str, Any]]:
        """Do a stage's work: refuse a changed section first, record times and what the work says of itself after.

        Yields:
            The stage's record in the manifest, for the work to write its counts into.

        Raises:
            RunChangedError: If the section differs from the one that made the run's files.
        """
        self.refuse_changes(stage)
        record: dict[str, Any] = self.manifest["stages"].setdefault(stage, {"seconds": 0.0})
        record["section"] = self._section(stage)
        with storage_errors(self.dir):
            (self.dir / "recipe.yaml").write_text(self.recipe.to_yaml(), encoding="utf-8")
        self.write_manifest()
        started = time.monotonic()
        try:
            yield record
            record["finished"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        finally:
            record["seconds"] = round(record["seconds"] + time.monotonic() - started, 3)
            self.write_manifest()

    def _section(self, stage: Stage) -> dict[str, Any]:
        section = {"seed": self.recipe.seed, **self.recipe.section(stage)}
        if stage == "filter" and self.recipe.train:  # lengths are counted, and examples written, for the student
            train = self.recipe.section("train")
            section |= {"for": {key: train[key] for key in ("student", "format", "system_prompt")}}
        if stage == "eval":  # a score is also the verifier's
            section |= {"verify": self.recipe.section("generate")["verify"]}
        return section

    def refuse_changes(self, stage: Stage) -> None:
        """Refuse a section that differs from the one that made the stage's files.

        Raises:
            RunChangedError: Names every key that differs, both values and the two ways out.
        """
        record = self.manifest["stages"].get(stage)
        if record is None:
            return
        if changed := differences(stage, record["section"], self._section(stage)):
            raise RunChangedError(
                f"{self.dir} holds work of another recipe: {'; '.join(changed)}. "
                f"Start a new run with --run NAME, or discard this stage's files and redo it with --restart {stage}."
            )

    def restart(self, stage: Stage) -> list[str]:
        """Discard what a stage and the stages after it made.

        Returns:
            What was discarded, in words: ``"1200 lines of traces.jsonl"``.
        """
        discarded: list[str] = []
        for later in STAGES[STAGES.index(stage) :]:
            for name in OUTPUTS[later]:
                path = self.dir / name
                if path.is_dir():
                    discarded.append(f"{name}/")
                    shutil.rmtree(path)
                elif path.exists():
                    discarded.append(name if path.suffix != ".jsonl" else f"{num_lines(path)} lines of {name}")
                    path.unlink()
            self.manifest["stages"].pop(later, None)
        self.write_manifest()
        return discarded

    def needs(self, path: Path, verb: Stage) -> None:
        """Refuse a stage whose input is not there.

        Raises:
            RunError: Names the verb to run first.
        """
        if not path.exists():
            raise RunError(f"{path} does not exist yet: run `distill {verb} {self.recipe.name}` first")

    def write_manifest(self) -> None:
        """Write the manifest, all or nothing."""
        write_json(self.dir / "manifest.json", self.manifest)


def num_lines(path: Path) -> int:
    """Lines of a file."""
    with path.open("rb") as file:
        return sum(1 for _ in file)


def differences(stage: Stage, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two sections of a stage so that their work cannot be one, each in words."""
    old, new = flatten(before), flatten(now)
    return [
        f"{key if key == 'seed' else f'{stage}.{key}'} was {old.get(key)!r} and is now {new.get(key)!r}"
        for key in sorted(old.keys() | new.keys())
        if old.get(key) != new.get(key) and not is_elastic(stage, key)
    ]


def is_elastic(stage: Stage, key: str) -> bool:
    """Whether a key may change in the middle of a run: it, or a block it lies in, is in `ELASTIC`."""
    parts = key.split(".")
    for pattern in ELASTIC[stage]:
        wanted = pattern.split(".")
        if len(parts) >= len(wanted) and all(w in ("*", p) for w, p in zip(wanted, parts, strict=False)):
            return True
    return False


def flatten(data: object, prefix: str = "") -> dict[str, Any]:
    """Nested data as one level, by dotted keys."""
    if isinstance(data, dict):
        items = [(str(key), value) for key, value in data.items()]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    elif isinstance(data, list):
        items = [(str(index), value) for index, value in enumerate(data)]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    else:
        return {prefix: data}
    flat: dict[str, Any] = {}
    for key, value in items:
        flat |= flatten(value, f"{prefix}.{key}" if prefix else key)
    return flat


@contextlib.contextmanager
def open_run(recipe: Recipe, runs_dir: Path, name: str | None = None) -> Generator[Run]:
    """Open a run's directory, making it if need be, and hold its lock.

    Raises:
        RunLockedError: If another process works in it.
        RunStorageError: If the disk refuses.
    """
    directory = runs_dir / (name or recipe.name)
    with locked(directory):
        run = Run(directory, recipe)
        with storage_errors(directory):
            run.write_manifest()
        yield run


@contextlib.contextmanager
def locked(directory: Path) -> Generator[None]:
    """Hold the lock of a directory, which is made if need be.

    Raises:
        RunLockedError: If another process works in it.
        RunStorageError: If the disk refuses.
    """
    with storage_errors(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("a+")
    with lock:
        _lock(lock, directory)
        yield


def _lock(lock: TextIO, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise RunLockedError(
            f"{directory} is in use by process {holder}. Wait for it, end it (its finished work stays), "
            f"or start another run with --run NAME."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()


def read_manifest(directory: Path) -> dict[str, Any]:
    """A run's manifest, or a new one.

    Raises:
        RecipeError: If the file there is not JSON.
    """
    path = directory / "manifest.json"
    if not path.exists():
        return {"environment": environment.describe(), "stages": {}}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{path} is not JSON ({error}): restore it, or start another run with --run NAME") from None


def write_json(path: Path, data: object) -> None:
    """Write JSON all or nothing: a reader sees the old file or the new one."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False, default=str) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text all or nothing, and the folder that it lies in.

    Raises:
        RunStorageError: If the disk refuses.
    """
    partial = path.with_name(path.name + ".partial")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, 16 hex digits; empty if there is no such file."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
