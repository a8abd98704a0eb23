"""What is chosen for the user where the recipe says nothing, each with its reason. All are options of SFTConfig."""

import importlib.metadata
from pathlib import Path
from typing import Any, NamedTuple

from distill.recipe import Train


class Machine(NamedTuple):
    """What the choices hang on."""

    has_gpu: bool
    has_bf16: bool
    """Whether it multiplies in bfloat16 itself. One that does not takes many times as long for it as for float32."""
    has_flash: bool
    """Whether the package flash-attn is installed."""


class Choice(NamedTuple):
    """An option, its value and why."""

    option: str
    value: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.option}: {str(self.value).lower()} ({self.reason})"


def this_machine() -> Machine:
    """The machine that this process runs on."""
    import torch

    has_gpu = torch.cuda.is_available()
    try:
        importlib.metadata.version("flash-attn")
        has_flash = has_gpu
    except importlib.metadata.PackageNotFoundError:
        has_flash = False
    has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False) if has_gpu else processor_has_bf16()
    return Machine(has_gpu, has_bf16, has_flash)


def processor_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the processor's flags name bfloat16: AVX-512's, AMX's or Arm's. False where no such file tells."""
    try:
        return "bf16" in cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def frozen_dtype(machine: Machine) -> str:
    """What the weights under an adapter are held and multiplied in, by torch's name."""
    if machine.has_bf16:
        return "bfloat16"
    return "float16" if machine.has_gpu else "float32"


def attention(machine: Machine) -> str:
    """The attention that a model is loaded with, by transformers' name."""
    return "flash_attention_2" if machine.has_flash else "sdpa"


def choices(train: Train, machine: Machine) -> list[Choice]:
    """Options that the recipe does not set."""
    chosen: list[Choice] = []
    if not machine.has_gpu:
        chosen.append(Choice("use_cpu", True, "no GPU here"))
    if machine.has_bf16:
        chosen.append(Choice("bf16", True, "half the memory of activations, and no loss scaling"))
    elif not machine.has_gpu:
        chosen.append(Choice("bf16", False, "this processor would emulate it, several times slower than float32"))
    else:
        chosen.append(Choice("bf16", False, "this GPU has none"))
        chosen.append(Choice("fp16", True, "this GPU has no bfloat16"))
    if machine.has_gpu:
        chosen.append(Choice("gradient_checkpointing", True, "long replies: activations are computed again, not kept"))
        if train.method == "qlora":
            reason = "as QLoRA has it: its state takes a quarter, and may leave the GPU"
            chosen.append(Choice("optim", "paged_adamw_8bit", reason))
    else:
        chosen.append(Choice("gradient_checkpointing", False, "memory is not short here, time is"))
    if machine.has_flash and not train.sft.get("packing"):
        chosen.append(
            Choice("padding_free", True, "flash attention keeps the examples of a batch apart without padding")
        )
    return [choice for choice in chosen if choice.option not in train.sft]
