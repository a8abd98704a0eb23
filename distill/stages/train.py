"""train: the student learns the examples, and is saved with all that is needed to ask it as it was taught."""

import json
import shutil
import time
from pathlib import Path

from distill import progress
from distill.errors import RunError
from distill.recipe import Train
from distill.run import Run, file_digest, write_json


def train(run: Run, limit: int | None = None) -> None:
    """Train the student on the run's examples; resume a killed training; do nothing if it is done.

    When the examples changed since the student was trained (the run grew), a new student is trained and the old one
    is kept beside it as `student.old-N`.

    Args:
        run: Open, and filtered.
        limit: Only the first so many examples.
    """
    section = section_of(run)
    run.needs(run.examples.path, "filter")
    with run.stage("train") as record:
        inputs = f"{file_digest(run.examples.path)}-{limit or 'all'}"
        if record.get("inputs") not in (None, inputs):
            set_aside(run)
        record["inputs"] = inputs
        run.write_manifest()
        if run.student_dir.exists():
            progress.say(f"train: nothing new; the student is in {run.student_dir}")
            return
        started = time.monotonic()
        record.update(fit(run, section, limit))
        record["gpu_seconds"] = round(record.get("gpu_seconds", 0.0) + (time.monotonic() - started) * num_gpus(), 1)
    progress.say(
        f"train: {record['steps']} steps on {record['examples']} examples; the student is in {run.student_dir}"
    )


def num_gpus() -> int:
    """GPUs that a training in this process uses: the Trainer of transformers takes all that it sees."""
    import torch

    return torch.cuda.device_count()


def section_of(run: Run) -> Train:
    """The recipe's train section.

    Raises:
        RunError: If it has none.
    """
    if run.recipe.train is None:
        raise RunError(f"recipe {run.recipe.name} has no section train, so there is no student to train")
    return run.recipe.train


def set_aside(run: Run) -> None:
    """Keep the student of the examples before, and forget its checkpoints."""
    if run.student_dir.exists():
        number = 1 + len(list(run.dir.glob("student.old-*")))
        kept = run.student_dir.rename(run.dir / f"student.old-{number}")
        progress.say(f"train: the examples changed; training again. The student of before is kept in {kept}")
    shutil.rmtree(run.checkpoints_dir, ignore_errors=True)


def fit(run: Run, section: Train, limit: int | None) -> dict[str, object]:
    """Train, save, and only then call it the student: a killed save leaves no half a student behind."""
    from itertools import islice

    from distill.training.sft import train_sft
    from distill.training.student import load_student, save_student

    student = load_student(section, run.recipe.student_format, run.recipe.seed)
    examples = islice(run.examples, limit)
    log_path = run.logs_dir / "training_log.jsonl"
    log_path.unlink(missing_ok=True)
    outcome = train_sft(student, examples, section, run.checkpoints_dir, run.logs_dir, run.recipe.seed)
    partial = run.dir / "student.partial"
    shutil.rmtree(partial, ignore_errors=True)
    save_student(partial, outcome.student, run.recipe, outcome.facts)
    write_log(partial / "training_log.jsonl", outcome.log)
    write_json(partial / "training.json", outcome.facts)
    partial.rename(run.student_dir)
    shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    return outcome.facts


def write_log(path: Path, log: list[dict[str, object]]) -> None:
    """The loss curve, one line for each logged step."""
    with path.open("w", encoding="utf-8") as file:
        for entry in log:
            file.write(json.dumps(entry, default=float) + "\n")
