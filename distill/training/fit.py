"""One training of a run's student, in this process or in one of several: trained by all, saved by the first."""

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

from distill.recipe import Train
from distill.run import Run, write_json
from distill.training import ranks


def fit(run: Run, section: Train, limit: int | None) -> dict[str, Any]:
    """Train, and save beside the place of the student; returns the facts of the training.

    Whatever is in `student.partial` before is a save that was killed, and is replaced.
    """
    from distill.training.sft import train_sft
    from distill.training.student import load_student

    student = load_student(section, run.recipe.student_format, run.recipe.seed)
    if ranks.is_main():
        (run.logs_dir / "training_log.jsonl").unlink(missing_ok=True)
    examples = islice(run.examples, limit)
    outcome = train_sft(student, examples, section, run.checkpoints_dir, run.logs_dir, run.recipe.seed)
    if ranks.is_main():
        _save(run, section, outcome)
    ranks.wait_for_all()
    return outcome.facts


def partial_dir(run: Run) -> Path:
    """Where a student is saved before it is called one: a killed save leaves no half a student behind."""
    return run.dir / "student.partial"


def saved_facts(run: Run) -> dict[str, Any]:
    """The facts of the training that saved what is in `partial_dir`."""
    return json.loads((partial_dir(run) / "training.json").read_text(encoding="utf-8"))


def _save(run: Run, section: Train, outcome: Any) -> None:
    from distill.training.student import save_student

    partial = partial_dir(run)
    shutil.rmtree(partial, ignore_errors=True)
    save_student(partial, outcome.student, section)
    _write_log(partial / "training_log.jsonl", outcome.log)
    write_json(partial / "training.json", outcome.facts)


def _write_log(path: Path, log: list[dict[str, Any]]) -> None:
    """The loss curve, one line for each logged step."""
    with path.open("w", encoding="utf-8") as file:
        for entry in log:
            file.write(json.dumps(entry, default=float) + "\n")
