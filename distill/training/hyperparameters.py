"""The settings that a training really had, defaults and choices included, for the model card."""

import enum
from typing import Any

from distill.recipe import Train

SHOWN = (
    *("learning_rate", "lr_scheduler_type", "warmup_steps", "num_train_epochs", "max_steps"),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "max_length", "packing", "padding_free"),
    *("optim", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm"),
    *("bf16", "fp16", "gradient_checkpointing", "seed"),
)
"""Options of SFTConfig that a reader of the card wants whether the recipe sets them or not."""
NOT_SHOWN = ("hub_token", "output_dir", "report_to", "run_name")
"""Options that say nothing of what was learned, or are nobody's business."""


def of_training(args: Any, train: Train) -> dict[str, Any]:
    """What the trainer was given: the options that matter, and all that the recipe sets.

    Args:
        args: The trl.SFTConfig, before the trainer is made of it.
        train: The recipe's section.
    """
    names = dict.fromkeys((*SHOWN, *train.sft))
    idle = "num_train_epochs" if args.max_steps > 0 else "max_steps"
    found = {name: _plain(getattr(args, name)) for name in names if name not in (*NOT_SHOWN, idle)}
    return {**found, "num_processes": args.world_size}


def of_adapter(model: Any) -> dict[str, Any] | None:
    """The settings of the adapter that differ from peft's own, by peft's names; None if all weights are trained."""
    configs: dict[str, Any] = getattr(model, "peft_config", {})
    if "default" not in configs:
        return None
    config = configs["default"]
    usual = type(config)().to_dict()
    skipped = ("base_model_name_or_path", "inference_mode", "task_type", "peft_type", "revision")
    return {
        name: _plain(value)
        for name, value in sorted(config.to_dict().items())
        if name not in skipped and _plain(value) != _plain(usual.get(name))
    }


def _plain(value: Any) -> Any:
    """A value as JSON has it: the same at every run, so sets are sorted."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)  # pyright: ignore[reportUnknownVariableType]
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
