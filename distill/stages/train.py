"""train: the student learns the examples, and is saved with all that is needed to ask it as it was taught."""

import shutil
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill import progress
from distill.errors import RunError, TrainingError
from distill.evaluation.suites import load_suite
from distill.journal import Journal
from distill.recipe import Recipe, Train
from distill.reporting.card import write_card
from distill.reporting.scores import best_of_roles, read_scores
from distill.run import Run, file_digest, write_json
from distill.training import advisor, trackers
from distill.training.fit import fit, partial_dir, saved_facts
from distill.training.launch import launch_training
from distill.types import Example

if TYPE_CHECKING:
    from rich.console import Console

NUM_CHECKED = 16
"""Examples on which merged weights are compared with the adapter."""


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
        trackers.check(section)
        started = time.monotonic()
        warn_of_strong_bases(run)
        facts = trained(run, section, limit)
        try_out(run, section, facts)
        record.update(facts)
        spent = (time.monotonic() - started) * num_gpus(section)
        record["gpu_seconds"] = round(record.get("gpu_seconds", 0.0) + spent, 1)
        accept(run, section, facts)
    progress.say(
        f"train: {record['steps']} steps on {record['examples']} examples; the student is in {run.student_dir}"
    )


def num_gpus(section: Train) -> int:
    """GPUs that a training uses: one for each process; the Trainer of transformers, alone, takes all that it sees."""
    import torch

    if section.launch and section.launch.is_distributed:
        return (section.launch.num_processes or 0) * torch.cuda.is_available()
    return torch.cuda.device_count()


def trained(run: Run, section: Train, limit: int | None) -> dict[str, Any]:
    """Train, here or in several processes, and save beside the place of the student; the facts of the training.

    Raises:
        RunError: If this machine is not the one that leads.
    """
    launch = section.launch
    if launch is None or not launch.is_distributed:
        return fit(run, section, limit)
    if launch.machine_rank:
        raise RunError(
            f"train.launch.args.machine_rank is {launch.machine_rank}, and only machine 0 works in {run.dir}; the "
            f"others join its training with `distill train`"
        )
    launch_training(launch, section.method, run.dir, limit)
    return saved_facts(run)


def joins(recipe: Recipe) -> bool:
    """Whether this machine only lends its processes to a training that another one leads."""
    return recipe.train is not None and recipe.train.launch is not None and recipe.train.launch.machine_rank > 0


def join(recipe: Recipe, directory: Path, limit: int | None = None) -> None:
    """Lend this machine's processes to the training that machine 0 leads in the same run's folder, on a shared disk.

    Args:
        recipe: One that `joins`.
        directory: The run's.
        limit: As on machine 0.

    Raises:
        TrainingError: If a process fails.
    """
    assert recipe.train is not None
    assert recipe.train.launch is not None
    launch = recipe.train.launch
    progress.say(f"train: machine {launch.machine_rank} of {launch.num_machines} joins the training in {directory}")
    launch_training(launch, recipe.train.method, directory, limit)


def section_of(run: Run) -> Train:
    """The recipe's train section.

    Raises:
        RunError: If it has none.
    """
    if run.recipe.train is None:
        raise RunError(f"recipe {run.recipe.name} has no section train, so there is no student to train")
    return run.recipe.train


def warn_of_strong_bases(run: Run) -> None:
    """Say so where a base was measured to be as good as the teacher: `distill eval` may come before `train`."""
    for suite, measured in read_scores(run.dir, ()).items():
        best = best_of_roles(measured)
        if "base" in best and "teacher" in best:
            warning = advisor.outdone(suite, best["base"][0].pass_at_1, best["teacher"][0].pass_at_1)
            if warning:
                progress.say(f"train: warning: {warning}")


def set_aside(run: Run) -> None:
    """Keep the student of the examples before, and forget its checkpoints."""
    if run.student_dir.exists():
        number = 1 + len(list(run.dir.glob("student.old-*")))
        kept = run.student_dir.rename(run.dir / f"student.old-{number}")
        progress.say(f"train: the examples changed; training again. The student of before is kept in {kept}")
    shutil.rmtree(run.checkpoints_dir, ignore_errors=True)


def try_out(run: Run, section: Train, facts: dict[str, Any]) -> None:
    """Ask the saved student a few held-out questions, to see whether it stops; adds to the facts what came of it."""
    from distill.training.smoke import smoke

    prompts = list(islice(held_out(run), section.smoke.prompts))
    if not prompts:
        return
    longest = section.smoke.max_tokens or int(1.1 * facts["reply_tokens_p90"]) + 16
    tried = smoke(partial_dir(run), prompts, run.recipe.student_format, longest, run.recipe.seed)
    facts["smoke"] = tried._asdict()
    progress.say(f"train: {tried}")


def held_out(run: Run) -> Iterator[str]:
    """Prompts that were not taught: those of the recipe's suites, else those of problems that no example came from."""
    if run.recipe.eval is not None:
        for name in run.recipe.eval.suites:
            yield from (problem.prompt for problem in load_suite(name).problems())
        return
    taught = {example.problem_id for example in run.examples}
    yield from (problem.prompt for problem in run.problems if problem.id not in taught)


def accept(run: Run, section: Train, facts: dict[str, Any]) -> None:
    """Call what was saved the student.

    Raises:
        TrainingError: If too few of its replies stop; it is kept nevertheless.
    """
    partial = partial_dir(run)
    write_json(partial / "training.json", facts)
    write_card(run, partial)
    partial.rename(run.student_dir)
    shutil.rmtree(run.checkpoints_dir, ignore_errors=True)
    tried = facts.get("smoke")
    if tried and tried["stopped"] < section.smoke.min_stopped * tried["asked"]:
        raise TrainingError(
            f"the student does not stop: {tried['stopped']} of {tried['asked']} held-out replies ended within "
            f"{tried['max_tokens']} tokens, and train.smoke.min_stopped is {section.smoke.min_stopped:g}. One that did "
            f"not ends with {tried['unstopped_tail']!r}. It is kept in {run.student_dir}; train longer, or on shorter "
            f"traces, or see docs/training.md, and the same command goes on with it"
        )


def show_rows(run: Run, count: int, console: "Console") -> None:
    """Print rows as the student reads them, prompt, loss and what is in neither.

    Raises:
        ContractError: If a rule of the contract does not hold; the rows are printed first.
    """
    from distill.training import contract
    from distill.training.show import shown
    from distill.training.student import load_chat

    run.needs(run.examples.path, "filter")
    chat = load_chat(section_of(run), run.recipe.student_format)
    broken: list[contract.Finding] = list(contract.chat_findings(chat, len(chat.tokenizer)))
    for example in islice(run.examples, count):
        row = chat.row(example)
        for line in shown(chat, row):
            console.print(line, soft_wrap=True)
        broken += contract.row_findings(chat, example, row)
    contract.refuse(broken)


def export(directory: Path, target: Path, *, push: str | None = None, public: bool = False) -> str:
    """Write a run's student as a folder that a server takes; upload it if told so.

    Returns:
        What was written, in a sentence.

    Raises:
        RunError: If the run has no student.
        TrainingError: If it cannot be merged, or the Hub refuses.
    """
    from distill.training import export as exporting

    student = directory / "student"
    if not student.is_dir():
        raise RunError(f"{directory} has no student: run `distill train` first")
    examples = Journal(directory / "train.jsonl", Example)
    texts = ["".join(m["content"] for m in (*e.prompt, *e.completion)) for e in islice(examples, NUM_CHECKED)]
    exported = exporting.export(student, target, texts)
    return f"{exported}{exporting.push(target, push, public=public) if push else ''}"
