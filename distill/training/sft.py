"""Supervised fine-tuning of the student on examples, by TRL's SFTTrainer: full or LoRA, resumed where it was killed.

The loss covers the completion alone. Examples longer than `max_length` are dropped and counted, never cut: a student
taught on traces without an end learns not to stop.
"""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from distill import plugins, progress
from distill.errors import RecipeError, TrainingError, did_you_mean
from distill.recipe import Train
from distill.training.buckets import BucketSampler
from distill.training.student import Student
from distill.types import Example

# Sound for a first run; each can be overridden in the recipe by its own name.
DEFAULTS: dict[str, Any] = {
    "save_strategy": "steps",
    "save_steps": 0.2,
    "save_total_limit": 1,
    "logging_steps": 10,
    "report_to": "none",
    "disable_tqdm": True,
    "max_length": 32768,
    "lr_scheduler_type": "cosine",
    "learning_rate": 1e-5,
}
LORA_DEFAULTS: dict[str, Any] = {"r": 64, "lora_alpha": 64, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
LORA_LEARNING_RATE = 1e-4
"""About ten times that of full training (Thinking Machines, "LoRA Without Regret")."""


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
        TrainingError: If no example is left to train on.
    """
    transformers = plugins.need("transformers", "training", "train")
    args = sft_config(train, checkpoints_dir, seed)
    rows, num_long = fitting(examples, student.tokenizer, args.max_length)
    if not rows:
        raise TrainingError(
            f"no example to train on: {num_long} are longer than max_length {args.max_length}; "
            f"raise train.sft.max_length, or filter for shorter traces"
        )
    if num_long:
        progress.say(f"train: {num_long} examples are longer than max_length {args.max_length} and are left out")
    trainer = trainer_class(train)(
        model=student.model,
        args=args,
        train_dataset=_dataset(rows),
        processing_class=student.tokenizer,
        peft_config=lora_config(train) if train.method == "lora" else None,
    )
    checkpoint = last_checkpoint(checkpoints_dir)
    started = time.monotonic()
    with progress.track("train", trainer_steps(trainer)) as tracker:
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.add_callback(_callback(tracker, logs_dir / "training_log.jsonl"))
        if checkpoint:
            progress.say(f"train: going on from {checkpoint.name}")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    log = [entry for entry in trainer.state.log_history if "loss" in entry]
    facts = {
        "method": train.method,
        "steps": trainer.state.global_step,
        "examples": len(rows),
        "left_out_too_long": num_long,
        "tokens": max((int(entry.get("num_tokens", 0)) for entry in trainer.state.log_history), default=0),
        "final_loss": log[-1]["loss"] if log else None,
        "trainable_parameters": sum(p.numel() for p in trainer.model.parameters() if p.requires_grad),
        "seconds_of_last_start": round(time.monotonic() - started, 1),
    }
    return Outcome(Student(trainer.model, student.tokenizer), facts, log)


def sft_config(train: Train, output_dir: Path, seed: int) -> Any:
    """The recipe's `sft` block as a trl.SFTConfig, our defaults under it.

    Raises:
        RecipeError: If an option is not one of SFTConfig's, or has a value that it refuses.
    """
    trl = plugins.need("trl", "training", "train")
    torch = plugins.need("torch", "training", "train")
    learning_rate = {"learning_rate": LORA_LEARNING_RATE} if train.method == "lora" else {}
    has_gpu = torch.cuda.is_available()
    machine = {"use_cpu": not has_gpu, "bf16": True, "gradient_checkpointing": has_gpu}
    options = {**DEFAULTS, **learning_rate, **machine, "seed": seed, **train.sft, "output_dir": str(output_dir)}
    return _library_config(trl.SFTConfig, options, "train.sft")


def lora_config(train: Train) -> Any:
    """The recipe's `lora` block as a peft.LoraConfig, our defaults under it.

    Raises:
        RecipeError: If an option is not one of LoraConfig's.
    """
    peft = plugins.need("peft", "method lora", "train")
    return _library_config(peft.LoraConfig, {**LORA_DEFAULTS, **train.lora}, "train.lora")


def _library_config(config_class: Any, options: dict[str, Any], place: str) -> Any:
    import dataclasses

    names = [field.name for field in dataclasses.fields(config_class)]
    for name in options:
        if name not in names:
            hint = did_you_mean(name, names)
            raise RecipeError(f"{place}.{name} is not an option of {config_class.__name__}.{hint}")
    try:
        return config_class(**options)
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{place} is refused by {config_class.__name__}: {error}") from error


def trainer_class(train: Train) -> Any:
    """TRL's trainer, with batches of like length unless the recipe packs or names a sampling strategy of its own."""
    trl = plugins.need("trl", "training", "train")
    if train.sft.get("packing") or "train_sampling_strategy" in train.sft:
        return trl.SFTTrainer

    class BucketTrainer(trl.SFTTrainer):
        """SFTTrainer, reading its data through `BucketSampler`."""

        def _get_train_sampler(self, train_dataset: Any = None) -> Any:
            dataset: Any = self.train_dataset if train_dataset is None else train_dataset
            lengths = [len(ids) for ids in dataset["input_ids"]]
            return BucketSampler(lengths, self.args.train_batch_size, self.args.seed)

    return BucketTrainer


class Row(NamedTuple):
    """An example as the trainer takes it."""

    prompt: list[Any]
    completion: list[Any]


def fitting(examples: Iterable[Example], tokenizer: Any, max_length: int | None) -> tuple[list[Row], int]:
    """The examples that fit into `max_length` tokens, and how many do not."""
    rows: list[Row] = []
    num_long = 0
    for example in examples:
        messages = [*example.prompt, *example.completion]
        length = len(tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True)["input_ids"])
        if max_length is None or length <= max_length:
            rows.append(Row(list(example.prompt), list(example.completion)))
        else:
            num_long += 1
    return rows, num_long


def _dataset(rows: list[Row]) -> Any:
    import datasets

    return datasets.Dataset.from_list([row._asdict() for row in rows])


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
        """Shows steps and loss, and keeps the log beside the run."""

        note = ""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            tracker.reach(state.global_step, self.note)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if logs and "loss" in logs:
                self.note = f"loss {float(logs['loss']):.4f}"
            with log_path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"step": state.global_step, **(logs or {})}, default=float) + "\n")

    return Progress()
