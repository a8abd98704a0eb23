"""The memory that a training step needs on each GPU, known before one is rented: nothing is allocated.

The numbers come from a step of the real model class on fake tensors (`distill.training.dry_run`).

What is covered: dense models of transformers; full training on float32 weights under bfloat16 autocast, LoRA on a
bfloat16 base, QLoRA; gradient checkpointing, gradient accumulation, padding masks; weights that are sharded or not.
What is not: the CUDA context and fragments of the allocator (`ROOM` stands for both), temporaries inside kernels other
than attention's, the communication buffers of sharding (nor that it frees bfloat16 copies of weights between forward
and backward pass, where activations are kept), tensor and context parallelism, Liger kernels, buffers of offloading.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from distill.training import adapters, dry_run

Method = Literal["full", "lora", "qlora"]
NF4_BITS = 4 + 8 / 64 + 32 / (64 * 256)
"""Bits a weight: 4, an 8-bit constant for 64 weights, a 32-bit one for 256 constants. arXiv 2305.14314, section 3."""
ROOM = 0.92
"""Of a GPU's memory, what tensors can have. The rest: CUDA context, cuBLAS workspaces, fragments. Our choice."""
FEW_LAYERS = (4, 8)
"""Layers of the two models from which that of many is reckoned: each further one adds what the one before added. Exact
while the peak stays at the same place of the step; where it moves, with short rows, the estimate is a hundredth low."""
MANY_LAYERS = 12
STEPS: Mapping[str, Mapping[str, Any]] = {
    "adamw_torch_fused": {"fused": True},
    "adamw_torch": {"foreach": True},
}
"""Optimizers of transformers that are known here, by the options of torch.optim.AdamW that they set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How a step is taken, whatever its length."""

    method: Method = "full"
    batch_size: int = 1
    """Rows on one GPU. More than one under `sdpa` means padding, and a mask of tokens x tokens for each row."""
    gradient_accumulation_steps: int = 1
    gradient_checkpointing: bool = True
    lora: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Options of peft.LoraConfig, over those of `distill.training.adapters.LORA`."""
    attn: str = "sdpa"
    """Implementation of attention: `eager` holds tokens x tokens scores for each head; the others do not."""
    optim: str = "adamw_torch_fused"
    num_gpus: int = 1
    sharded: bool = False
    """Whether weights, gradients and optimizer are split over the GPUs (FSDP2, ZeRO-3) or whole on each (DDP)."""
    offloaded: bool = False
    """Whether what is split lies in the machine's memory, and a layer's part comes to the GPU when it is its turn."""


class Peak(NamedTuple):
    """Peak memory of one GPU in one step, in bytes."""

    weights: int
    gradients: int
    """Of every trained parameter."""
    optimizer: int
    activations: int
    """What the peak has beyond the others: saved activations and temporaries."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def peak(config: Any, step: Step, length: int, *, kernels: dry_run.Kernels = "cuda") -> Peak:
    """Estimate the peak memory of one GPU in one training step, in seconds and without a GPU.

    Args:
        config: Of a causal language model of transformers (a PretrainedConfig).
        step: How the step is taken.
        length: Tokens in the longest row.
        kernels: `cpu` to compare with a measurement on a CPU.

    Raises:
        ValueError: If the optimizer is not one of `STEPS`.
    """
    if step.optim not in STEPS:
        raise ValueError(f"optim {step.optim!r} is not known here; known are {', '.join(STEPS)}")
    layers = config.get_text_config().num_hidden_layers
    if layers <= MANY_LAYERS or not _is_uniform(config):
        return _peak(config, step, length, kernels)
    few, more = (_peak(_with_layers(config, number), step, length, kernels) for number in FEW_LAYERS)
    rest = (layers - FEW_LAYERS[1]) / (FEW_LAYERS[1] - FEW_LAYERS[0])
    return Peak(*(int(b + rest * (b - a)) for a, b in zip(few, more, strict=True)))


def _is_uniform(config: Any) -> bool:
    """Whether all layers are of one kind, so that each adds what the others add."""
    text = config.get_text_config()
    return text is config and len(set(getattr(text, "layer_types", None) or ())) <= 1


def _with_layers(config: Any, number: int) -> Any:
    changed = copy.deepcopy(config)
    if getattr(changed, "layer_types", None):
        changed.layer_types = changed.layer_types[:number]
    changed.num_hidden_layers = number
    return changed


def _peak(config: Any, step: Step, length: int, kernels: dry_run.Kernels) -> Peak:
    parts = _Parts()
    extents = dry_run.run_step(
        lambda: _student(config, step, kernels, parts),
        lambda trained: _optimizer(trained, step),
        length=length,
        batch_size=step.batch_size,
        is_padded=step.batch_size > 1 and step.attn == "sdpa",
        # Sharded gradients shrink, activations do not: only with all gradients there are the two told apart.
        accumulates=step.gradient_accumulation_steps > 1 or step.sharded,
        caches_casts=not step.sharded,
        kernels=kernels,
    )
    whole = Peak(
        extents.weights,
        extents.gradients,
        extents.optimizer,
        extents.peak - extents.weights - extents.gradients - extents.optimizer,
    )
    if step.method == "qlora":
        whole = whole._replace(
            weights=whole.weights - 2 * parts.num_quantized + int(parts.num_quantized * NF4_BITS / 8),
            # A 4-bit weight is unpacked to bfloat16 each time it is used.
            activations=whole.activations + 2 * parts.largest_quantized,
        )
    return _spread(whole, step, parts)


def largest_length(config: Any, memory_bytes: int, step: Step, *, longest: int = 1 << 20) -> int:
    """The most tokens in a row for which the estimate fits, within a hundredth; 0 if none do.

    The peak is close to linear in length (a padding mask adds a square), so that a few estimates find it.

    Args:
        config: Of a causal language model of transformers.
        memory_bytes: Of one GPU, whole; `ROOM` of it is used.
        step: How the step is taken.
        longest: Nothing much beyond it is tried.
    """
    from scipy import optimize

    limit = memory_bytes * ROOM
    tried: dict[int, float] = {}

    def excess(length: float) -> float:
        tried[int(length)] = peak(config, step, int(length)).total - limit
        return tried[int(length)]

    low, high = 256, 8192
    while excess(high) <= 0 and high < longest:
        low, high = high, 4 * high
    fits_somewhere = low in tried or excess(low) <= 0
    if fits_somewhere and tried[high] > 0:
        optimize.brentq(excess, low, high, xtol=max(low // 100, 1))
    return max((length for length, over in tried.items() if over <= 0), default=0)


@dataclass(slots=True)
class _Parts:
    """Sizes that the model tells while it is built."""

    num_quantized: int = 0
    """Parameters that QLoRA holds in 4 bits: the linear layers, without the head."""
    largest_quantized: int = 0
    gathered: float = 0.0
    """Share of the weights that is whole on each GPU at once when they are sharded: a layer, and what is in none."""
    gathered_trained: float = 0.0
    """The same of the trained parameters."""


def _student(config: Any, step: Step, kernels: dry_run.Kernels, parts: _Parts) -> Any:
    import peft
    import torch
    import transformers

    attention = "eager" if step.attn == "eager" else dry_run.register_attention(kernels)
    model: Any = transformers.AutoModelForCausalLM.from_config(
        copy.deepcopy(config),
        dtype=torch.float32 if step.method == "full" else torch.bfloat16,
        attn_implementation=attention,
    )
    dry_run.add_fused_head(model)
    if step.method != "full":
        linear = [
            module.weight.numel()
            for module in model.modules()
            if isinstance(module, torch.nn.Linear) and module is not model.get_output_embeddings()
        ]
        parts.num_quantized, parts.largest_quantized = sum(linear), max(linear, default=0)
        model = peft.get_peft_model(model, peft.LoraConfig(**{**adapters.LORA, **step.lora}))
    if step.method == "qlora":
        # As TRL does: the adapter of a 4-bit base is bfloat16.
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
    parts.gathered, parts.gathered_trained = _gathered(model, False), _gathered(model, True)
    model.train()
    if step.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        if step.method != "full":
            model.enable_input_require_grads()
    return model


def _optimizer(trained: list[Any], step: Step) -> Any:
    import torch

    return torch.optim.AdamW(trained, **STEPS[step.optim])


def _gathered(model: Any, only_trained: bool) -> float:
    def size(module: Any) -> int:
        return sum(p.nbytes for p in module.parameters() if p.requires_grad or not only_trained)

    layers = [size(module) for module in model.modules() if type(module).__name__ in (model._no_split_modules or ())]
    whole = size(model)
    return (whole - sum(layers) + max(layers, default=0)) / whole if whole else 0.0


def _spread(whole: Peak, step: Step, parts: _Parts) -> Peak:
    if step.num_gpus == 1:
        return whole
    if not step.sharded:
        # DistributedDataParallel sums gradients in buckets of its own.
        return whole._replace(gradients=2 * whole.gradients)
    share = 0 if step.offloaded else 1 / step.num_gpus
    return whole._replace(
        weights=int(whole.weights * min(share + parts.gathered, 1)),
        gradients=int(whole.gradients * min(share + parts.gathered_trained, 1)),
        optimizer=int(whole.optimizer * share),
    )
