"""The processes of one training, as `accelerate launch` numbers them: rank 0 writes and speaks, the others compute."""

import os
from typing import Any


def rank() -> int:
    """This process's number; 0 where it trains alone."""
    return int(os.environ.get("RANK", "0"))


def is_main() -> bool:
    """Whether this process is the one that writes files."""
    return rank() == 0


def wait_for_all() -> None:
    """Wait until every process is here; at once where it trains alone."""
    import accelerate

    accelerate.PartialState().wait_for_everyone()


def whole_model(trainer: Any) -> Any:
    """The trained model with all its weights, in rank 0; the other processes help to gather it, and keep their shards.

    Args:
        trainer: Of transformers, after training.
    """
    accelerator = trainer.accelerator
    if accelerator.distributed_type.value not in ("FSDP", "DEEPSPEED"):
        return trainer.model
    weights = accelerator.get_state_dict(trainer.model_wrapped)
    return _rebuilt(trainer.model, weights) if is_main() else trainer.model


def _rebuilt(model: Any, weights: Any) -> Any:
    """The same model without the machinery of shards: what is saved, and how, is not that machinery's affair."""
    import torch
    import transformers

    with torch.device("meta"):
        whole: Any = transformers.AutoModelForCausalLM.from_config(model.config)
        if hasattr(model, "peft_config"):
            import peft

            whole = peft.get_peft_model(whole, model.peft_config["default"])
    whole.load_state_dict(weights, assign=True)
    whole.tie_weights()
    whole.generation_config = model.generation_config
    return whole
