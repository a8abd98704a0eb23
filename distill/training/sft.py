"""Supervised fine-tuning of the student on examples, by TRL's SFTTrainer; resumed where it was killed.

The trainer gets tokens that are ready: it renders nothing, masks nothing and cuts nothing (see `rendering`).
"""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from distill import plugins, progress
from distill.errors import TrainingError
from distill.recipe import Train
from distill.training import adapters, contract, hyperparameters, lengths, ranks, trackers
from distill.training.advisor import advice
from distill.training.buckets import BucketSampler
from distill.training.choices import choices, this_machine
from distill.training.library import library_config
from distill.training.packing import prove_isolation
from distill.training.preflight import preflight
from distill.training.rendering import BLANK, Row
from distill.training.student import Student
from distill.types import Example

# Sound for a first run; each can be overridden in the recipe by its own name.
DEFAULTS: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 0.2,
    "save_total_limit": 1,
    "logging_steps": 10,
    "report_to": "none",
    "project": trackers.PROJECT,
    "disable_tqdm": True,
    "max_length": 32768,
    "lr_scheduler_type": "cosine",
    "learning_rate": 1e-5,
}
OURS = ("chat_template_path", "eos_token")
"""Options of SFTConfig that are ours to obey, since the trainer renders nothing."""


class Outcome(NamedTuple):
    """What training came to."""

    student: Student
    facts: dict[str, Any]
    log: list[dict[str, Any]]


def train_sft(
    student: Student, examples: Iterable[Example], train: Train, checkpoints_dir: Path, logs_dir: Path, seed: int
) -> Outcome:
    """Train, going on from the last whole checkpoint if there is one.

    Raises:
        RecipeError: If `sft` or `lora` has an option that the library does not take.
        ContractError: If the student would be taught something else than it will be asked.
        TrainingError: If no example is left to train on, packed examples would see each other, or a tracker refuses.
    """
    args = sft_config(train, checkpoints_dir, seed)
    for choice in choices(train, this_machine()):
        progress.say(f"train: {choice}")
    rows = _fitting(student, examples, train, args.max_length, logs_dir / "too_long.jsonl")
    settings = hyperparameters.of_training(args, train)
    started = time.monotonic()
    with trackers.inside(logs_dir):
        trainer = make_trainer(student, rows.kept, train, args)
        _run(trainer, rows.kept, last_checkpoint(checkpoints_dir), logs_dir / "training_log.jsonl")
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    facts = {
        "method": train.method,
        **({"quantization": {**adapters.NF4, **train.quantization}} if train.method == "qlora" else {}),
        "steps": trainer.state.global_step,
        "examples": len(rows.kept),
        "left_out_too_long": len(rows.too_long),
        "tokens": max((int(entry.get("num_tokens", 0)) for entry in trainer.state.log_history), default=0),
        "final_loss": log[-1]["loss"] if log else None,
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "seconds_of_last_start": round(time.monotonic() - started, 1),
        "contract": contract.summary(student.chat, rows.kept),
        "reply_tokens_p90": lengths.percentile([len(row.completion_ids) for row in rows.kept], 90),
        "hyperparameters": settings,
        "adapter": hyperparameters.of_adapter(trainer.model),
    }
    return Outcome(student._replace(model=ranks.whole_model(trainer)), facts, log)


def _run(trainer: Any, rows: Sequence[Row], checkpoint: Path | None, log_path: Path) -> None:
    from transformers import PrinterCallback

    if longest := preflight(trainer, rows):
        progress.say(f"train: {longest}")
    with progress.track("train", trainer_steps(trainer)) as tracker:
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_callback(tracker, log_path))
        if checkpoint:
            progress.say(f"train: going on from {checkpoint.name}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)


def _fitting(
    student: Student, examples: Iterable[Example], train: Train, max_length: int | None, list_path: Path
) -> lengths.Fitting:
    """The rows that are trained on, once the contract holds for all."""
    chat = student.chat
    rows = contract.hold(
        chat,
        examples,
        num_embeddings=student.model.get_input_embeddings().num_embeddings,
        generation_config=student.model.generation_config,
    )
    lora = None if train.method == "full" else train.lora
    for warning in advice(chat, student.model.config, student.model.num_parameters(), rows, lora):
        progress.say(f"train: warning: {warning}")
    # Examples come in the order in which replies came, which no two runs share; ids are of the content alone.
    rows.sort(key=lambda row: (row.problem_id, *row.trace_ids))
    fitting = lengths.fitting(rows, max_length)
    if ranks.is_main():
        lengths.write_too_long(fitting.too_long, list_path)
    if fitting.too_long:
        progress.say(
            f"train: {len(fitting.too_long)} of {len(rows)} examples are longer than max_length {max_length} and are "
            f"left out; they are listed in {list_path}\n{lengths.table([len(row.input_ids) for row in rows])}"
        )
    if not fitting.kept:
        raise TrainingError(
            f"no example to train on: {len(rows)} are longer than max_length {max_length}; "
            f"raise train.sft.max_length, or filter for shorter traces"
            if rows
            else "no example to train on: train.jsonl is empty; look at the funnel of `distill report`"
        )
    return fitting


def sft_config(train: Train, output_dir: Path, seed: int) -> Any:
    """The recipe's `sft` block as a trl.SFTConfig, our defaults under it.

    Raises:
        RecipeError: If an option is not one of SFTConfig's, or has a value that it refuses.
    """
    trl = plugins.need("trl", "training", "train")
    plugins.need("torch", "training", "train")
    learning_rate = {} if train.method == "full" else {"learning_rate": adapters.LEARNING_RATE}
    chosen = {choice.option: choice.value for choice in choices(train, this_machine())}
    # One name for all starts of a run, or a resumed training would be another one to wandb and trackio.
    own = {"seed": seed, "run_name": output_dir.absolute().parent.name}
    options = {**DEFAULTS, **learning_rate, **chosen, **own, **train.sft, "output_dir": str(output_dir)}
    return library_config(trl.SFTConfig, options, "train.sft")


def make_trainer(student: Student, rows: Sequence[Row], train: Train, args: Any) -> Any:
    """TRL's trainer on rows that are ready.

    Batches are of like length unless the recipe packs, or names a sampling strategy of its own.

    Args:
        student: Its weights are changed by training.
        rows: Each at most `max_length` tokens long.
        train: The recipe's section.
        args: A trl.SFTConfig, changed in place.

    Raises:
        RecipeError: If `lora` has an option that peft does not take.
        TrainingError: If packed examples would see each other.
    """
    trl = plugins.need("trl", "training", "train")
    for name in OURS:
        setattr(args, name, None)
    if args.padding_free and not args.packing:
        args.max_length = None  # nothing is longer, and the trainer refuses a limit that it cannot hold
    if not args.packing:
        # Nothing is left to prepare, and above all nothing to cut.
        args.dataset_kwargs = {**(args.dataset_kwargs or {}), "skip_prepare_dataset": True}
    keeps_order = args.packing or "train_sampling_strategy" in train.sft
    # Blank rows fill the last batch of several processes; accelerate would show some examples twice in an epoch.
    shared = args.world_size > 1 and not keeps_order
    num_blank = -len(rows) % (args.train_batch_size * args.world_size) if shared else 0

    class Trainer(trl.SFTTrainer):
        """SFTTrainer, reading its data through `BucketSampler`."""

        def _run_epoch(self, **kwargs: Any) -> None:
            # Killed between its last step and the saved student, and that in the middle of an epoch: transformers
            # looks at max_steps after a step only, and would take one more.
            if self.state.global_step >= self.state.max_steps:
                self.control.should_training_stop = True
            else:
                super()._run_epoch(**kwargs)

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            if keeps_order:
                return super()._get_train_sampler(train_dataset)
            # What one optimizer step sees is of like length, however many processes and micro-batches share it.
            batch_size = self.args.train_batch_size * self.args.gradient_accumulation_steps * self.args.world_size
            return BucketSampler([len(row.input_ids) for row in rows], batch_size, self.args.seed, num_blank)

    trainer = Trainer(
        model=student.model,
        args=args,
        train_dataset=_dataset([*rows, *[BLANK] * num_blank]),
        processing_class=student.tokenizer,
        peft_config=None if train.method == "full" else adapters.lora_config(train),
    )
    if args.packing or args.padding_free:
        prove_isolation(trainer)
    return trainer


def _dataset(rows: Sequence[Row]) -> Any:
    import datasets
    import numpy as np

    columns = {
        "input_ids": [np.asarray(row.input_ids, dtype=np.int32) for row in rows],
        "labels": [np.asarray(row.labels, dtype=np.int32) for row in rows],
    }
    return datasets.Dataset.from_dict(columns)


def trainer_steps(trainer: Any) -> int:
    """Optimizer steps of the whole training."""
    if trainer.args.max_steps > 0:
        return trainer.args.max_steps
    batches = len(trainer.get_train_dataloader())
    per_epoch = max(batches // trainer.args.gradient_accumulation_steps, 1)
    return round(per_epoch * trainer.args.num_train_epochs)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole: the trainer writes `trainer_state.json` last."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]), reverse=True)
    for path in found:
        try:
            json.loads((path / "trainer_state.json").read_text())
        except (OSError, ValueError):
            continue
        return path
    return None


def _callback(tracker: progress.Tracker, log_path: Path) -> Any:
    from transformers import TrainerCallback

    log_path.parent.mkdir(parents=True, exist_ok=True)

    class Progress(TrainerCallback):
        """Shows steps and loss, keeps the log beside the run, and the sampler in its epoch."""

        note = ""

        def on_epoch_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # transformers 5.19 loses the epoch on its way to the sampler when several processes resume in the middle
            # of one: set_epoch goes two wrappers deep, and skip_first_batches adds a third.
            kwargs["train_dataloader"].set_epoch(int(state.epoch or 0))

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tracker.reach(state.global_step, self.note)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                self.note = f"loss {float(logs['loss']):.4f}"
            if not state.is_world_process_zero:
                return
            with log_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **(logs or {})}, default=float) + "\n")

    return Progress()
