"""The longest batch first: what would not fit fails in the first minute, not in the ninth hour.

Nothing is learnt from it: no optimizer step is taken, and gradients, random state and metrics are as before.
"""

import contextlib
import copy
from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

from distill.errors import TrainingError
from distill.training import memory
from distill.training.rendering import Row

GIB = 1 << 30


class Preflight(NamedTuple):
    """What the longest batch took."""

    length: int
    """Tokens in its longest row."""
    num_rows: int
    peak: int
    """Bytes, with room for the optimizer's states."""
    memory: int
    """Bytes of the GPU."""

    def __str__(self) -> str:
        return (
            f"the longest batch ({self.num_rows} rows of up to {self.length:,} tokens) takes {self.peak / GIB:.1f} of "
            f"{self.memory / GIB:.1f} GiB"
        )


def preflight(trainer: Any, rows: Sequence[Row]) -> Preflight | None:
    """Run the longest batch forward and backward; None where that says nothing: without a GPU, or on sharded weights.

    Args:
        trainer: A trl.SFTTrainer, before its first step.
        rows: What it trains on.

    Raises:
        TrainingError: If the GPU's memory is too small, with what would fit.
    """
    import torch

    if not torch.cuda.is_available() or trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        return None
    batch = longest_batch(trainer, rows)
    length, capacity = max(len(row["input_ids"]) for row in batch), torch.cuda.mem_get_info()[1]
    try:
        return Preflight(length, len(batch), _peak(trainer, batch), capacity)
    except torch.cuda.OutOfMemoryError as error:
        raise TrainingError(too_small(trainer, length, len(batch), capacity)) from error


def longest_batch(trainer: Any, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """As many rows as one GPU gets at once, the longest there are."""
    num_rows = trainer.args.per_device_train_batch_size
    if trainer.args.packing:
        # Packed rows are all as long as they may be.
        return list(trainer.train_dataset.select(range(min(num_rows, len(trainer.train_dataset)))))
    longest = sorted(rows, key=lambda row: len(row.input_ids), reverse=True)[:num_rows]
    return [{"input_ids": list(row.input_ids), "labels": list(row.labels)} for row in longest]


def _peak(trainer: Any, batch: list[dict[str, Any]]) -> int:
    import torch

    model, step = trainer.model, step_of(trainer)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    num_bytes = sum(parameter.nbytes for parameter in trained)
    _checkpoint(model, trainer.args)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices), _unlearnt(trainer):
        torch.cuda.reset_peak_memory_stats()
        # AdamW's two states come with its first step, and stay.
        states = torch.empty(2 * num_bytes if step.optim in memory.STEPS else 0, dtype=torch.uint8, device=model.device)
        # The second of several micro-batches finds the gradients of the first.
        for _ in range(min(step.gradient_accumulation_steps, 2)):
            inputs = trainer._prepare_inputs(trainer.data_collator(copy.deepcopy(batch)))
            with trainer.accelerator.autocast():
                loss = trainer.compute_loss(model, inputs)
            loss.backward()
        del states
        return torch.cuda.max_memory_allocated()


def _checkpoint(model: Any, args: Any) -> None:
    if args.gradient_checkpointing:
        options = dict(args.gradient_checkpointing_kwargs or {})
        ours = {name: options.pop(name) for name in ("every_n_layers", "offload") if name in options}
        # As the trainer itself does, later, when it starts.
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options or None, **ours)


@contextlib.contextmanager
def _unlearnt(trainer: Any) -> Generator[None]:
    """Leave no trace: gradients, mode, what the trainer counts for its log, cached memory."""
    import torch

    counted = ("_metrics", "_total_train_tokens")
    before = {name: copy.deepcopy(getattr(trainer, name)) for name in counted if hasattr(trainer, name)}
    was_training = trainer.model.training
    trainer.model.train()
    try:
        yield
    finally:
        trainer.model.train(was_training)
        trainer.model.zero_grad(set_to_none=True)
        for name, value in before.items():
            setattr(trainer, name, value)
        torch.cuda.empty_cache()


def step_of(trainer: Any) -> memory.Step:
    """How the trainer takes a step, for the estimate."""
    model, args = trainer.model, trainer.args
    adapter = next(iter(getattr(model, "peft_config", {}).values()), None)
    is_quantized = getattr(model, "is_loaded_in_4bit", False)
    names = ("r", "target_modules", "modules_to_save", "use_dora")
    return memory.Step(
        method="full" if adapter is None else "qlora" if is_quantized else "lora",
        batch_size=args.per_device_train_batch_size,
        gradient_accumulation_steps=args.gradient_accumulation_steps,
        gradient_checkpointing=args.gradient_checkpointing,
        lora={name: getattr(adapter, name) for name in names} if adapter else {},
        attn=model.config._attn_implementation,
        optim=str(getattr(args.optim, "value", args.optim)),
        num_gpus=args.world_size,
    )


def too_small(trainer: Any, length: int, num_rows: int, capacity: int) -> str:
    """What does not fit, what would, and what to change; the changes that cost least come first."""
    step = step_of(trainer)
    fits = memory.largest_length(trainer.model.config, capacity, step) if step.optim in memory.STEPS else 0
    changes: list[str] = []
    if not step.gradient_checkpointing:
        changes.append("train.sft.gradient_checkpointing: true")
    if step.batch_size > 1:
        rows_a_step = step.batch_size * step.gradient_accumulation_steps
        changes.append(
            f"train.sft.per_device_train_batch_size: 1 with gradient_accumulation_steps: {rows_a_step}, which learns "
            "the same"
        )
    if step.method != "qlora":
        changes.append(f"train.method: {'lora' if step.method == 'full' else 'qlora'}")
    changes.append(f"train.sft.max_length: {min(fits, length - 1)}" if fits else "a shorter train.sft.max_length")
    estimate = f"; by the estimate up to {fits:,} tokens a row fit" if fits and fits < length else ""
    return (
        f"the longest batch does not fit into the GPU's {capacity / GIB:.0f} GiB: {num_rows} "
        f"{'row' if num_rows == 1 else 'rows'} of {length:,} tokens{estimate}. Set one of: {'; '.join(changes)}"
    )
