"""GPUs by name, and the hours that training takes on them.

The hours count matrix multiplications against the GPU's peak; how much of the peak is reached is `utilisation`, which
only a measurement tells. Left out: reading data, evaluation, checkpoints, padding.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from distill.training.memory import Method


class Gpu(NamedTuple):
    """What one GPU has."""

    memory_gib: int
    """What `nvidia-smi` shows, rounded down."""
    tflops: float
    """Peak of dense bfloat16 matrix multiplication that sums in float32, 10^12 operations a second."""


GPUS: Mapping[str, Gpu] = {
    "B200": Gpu(179, 2250),  # 183,359 MiB; Blackwell architecture brief, HGX B200: 4,500 with sparsity
    "H200": Gpu(140, 989),  # 143,771 MiB; H200 data sheet, SXM: 1,979 with sparsity
    "H100": Gpu(79, 989),  # 81,559 MiB; H100 data sheet, SXM: 1,979 with sparsity; white paper, table 3: 989.4
    "H100-PCIe": Gpu(79, 756),  # 81,559 MiB; H100 data sheet, PCIe: 1,513 with sparsity
    "A100-80GB": Gpu(79, 312),  # 81,251 MiB and more; A100 data sheet: 312, 624 with sparsity
    "A100-40GB": Gpu(39, 312),  # 40,536 MiB and more; the same
    "L40S": Gpu(44, 362),  # 46,068 MiB; L40S data sheet: 362.05, 733 with sparsity
    "L4": Gpu(22, 121),  # 23,034 MiB; L4 data sheet: 242 with sparsity
    "A10": Gpu(22, 125),  # 23,028 MiB; A10 data sheet: 125, 250 with sparsity
    "RTX4090": Gpu(23, 165.2),  # 24,564 MiB; Ada architecture white paper, appendix A: 165.2, 330.4 with sparsity
    "RTX3090": Gpu(23, 71),  # 24,268 MiB; GA102 architecture white paper, appendix A: 71, 142 with sparsity
    "T4": Gpu(14, 65),  # 15,109 MiB; T4 data sheet: 65 in float16, in which it trains, for it has no bfloat16
}
"""By the names that clouds rent them under.

The MiB are those that `nvidia-smi` shows. Rates are NVIDIA's own, by the document beside each; one that is given "with
sparsity" alone is halved.
"""


def training_flops(
    config: Any,
    num_tokens: int,
    *,
    length: int,
    method: Method = "full",
    gradient_checkpointing: bool = True,
) -> float:
    """Floating-point operations of training on so many tokens.

    For N weights that are multiplied with (the embedding is looked up, the head multiplies), a token costs 2N forward
    and 4N backward: Kaplan et al., arXiv 2001.08361, section 2.1; PaLM, arXiv 2204.02311, appendix B, which adds
    12 x layers x heads x head size x length for attention. That is the whole square of scores; flash attention leaves
    out the upper half, so half of it counts here. Checkpointing runs the forward pass twice. Under an adapter the
    frozen weights need no gradients of their own, 2N of the 4N; the adapter itself, about a hundredth, is left out.

    Args:
        config: Of a causal language model of transformers. Each expert of a mixture counts, used or not.
        num_tokens: All epochs together.
        length: Tokens in a row, on average over the tokens: a long row has more of them.
        method: Of training.
        gradient_checkpointing: Whether activations are computed again in the backward pass.
    """
    text = config.get_text_config()
    head_size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    forward_weights = 2 * multiplied_weights(config)
    forward_attention = 2 * text.num_hidden_layers * text.num_attention_heads * head_size * length
    forwards = 2 if gradient_checkpointing else 1
    of_weights = forward_weights * (forwards + (2 if method == "full" else 1))
    return num_tokens * (of_weights + forward_attention * (forwards + 2))


def multiplied_weights(config: Any) -> int:
    """Weights of the layers and the head; norms and biases are too few to matter, and counted."""
    import torch
    import transformers

    with torch.device("meta"):
        model: Any = transformers.AutoModelForCausalLM.from_config(config)
    num_embedding = model.get_input_embeddings().weight.numel()
    is_tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return sum(p.numel() for p in model.parameters()) - (0 if is_tied else num_embedding)


def hours(
    config: Any,
    num_tokens: int,
    gpu: str,
    count: int = 1,
    *,
    length: int,
    method: Method = "full",
    gradient_checkpointing: bool = True,
    utilisation: float = 0.4,
) -> float:
    """Hours of wall clock that training takes on so many GPUs.

    Args:
        config: See `training_flops`, also for the others that are not here.
        num_tokens: All epochs together.
        gpu: One of `GPUS`.
        count: GPUs that share the work evenly.
        length: Tokens in a row.
        method: Of training.
        gradient_checkpointing: Whether activations are computed again.
        utilisation: Share of the peak that is reached, recomputation counted as work. Between 0.3 and 0.5 is usual for
            dense models of 1B and more on one machine.

    Raises:
        ValueError: If the GPU is not one of `GPUS`.
    """
    if gpu not in GPUS:
        raise ValueError(f"the GPU {gpu!r} is not known; known are {', '.join(GPUS)}")
    flops = training_flops(
        config, num_tokens, length=length, method=method, gradient_checkpointing=gradient_checkpointing
    )
    return flops / (GPUS[gpu].tflops * 1e12 * count * utilisation) / 3600
