"""Adapters: LoRA and its kin on a frozen base, which is 4-bit for QLoRA."""

from collections.abc import Mapping
from typing import Any

from distill import plugins
from distill.recipe import Train
from distill.training.choices import frozen_dtype, this_machine
from distill.training.library import library_config

LORA: dict[str, Any] = {"r": 64, "lora_alpha": 64, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
"""All linear layers: attention alone learns less (Thinking Machines, "LoRA Without Regret")."""
LEARNING_RATE = 1e-4
"""About ten times that of full training (the same source)."""
NF4: dict[str, Any] = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
}
"""As QLoRA has it: arXiv 2305.14314, section 3. It multiplies in bfloat16, and we too where the machine can."""


def lora_config(train: Train) -> Any:
    """The recipe's `lora` block as a peft.LoraConfig, our defaults under it.

    Raises:
        RecipeError: If an option is not one of LoraConfig's.
    """
    peft = plugins.need("peft", f"method {train.method}", "train")
    return library_config(peft.LoraConfig, {**LORA, **train.lora}, "train.lora")


def quantization_config(quantization: Mapping[str, Any]) -> Any:
    """The recipe's `quantization` block as a transformers.BitsAndBytesConfig, QLoRA's choices under it.

    Raises:
        RecipeError: If an option is not one of BitsAndBytesConfig's.
    """
    transformers = plugins.need("transformers", "method qlora", "train")
    plugins.need("bitsandbytes", "method qlora", "train")
    defaults = {**NF4, "bnb_4bit_compute_dtype": frozen_dtype(this_machine())}
    return library_config(transformers.BitsAndBytesConfig, {**defaults, **quantization}, "train.quantization")


def loading(quantization: Mapping[str, Any]) -> dict[str, Any]:
    """What `from_pretrained` needs to load a base in 4 bit.

    Args:
        quantization: The recipe's `train.quantization`.

    Raises:
        RecipeError: If an option is not one of BitsAndBytesConfig's.
    """
    return {"quantization_config": quantization_config(quantization), "device_map": _device_map()}


def _device_map() -> dict[str, Any]:
    # 4-bit weights cannot move once they are packed.
    import torch
    from accelerate import PartialState

    return {"": PartialState().local_process_index if torch.cuda.is_available() else "cpu"}
