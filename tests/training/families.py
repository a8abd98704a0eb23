# ruff: noqa: RUF001  DeepSeek's tokens have wide bars
"""A tokenizer for each family of students, around the chat template that TRL's package ships: none can be downloaded.

Byte-level BPE with a few merges, those of line ends and of a mark's pieces among them, so that a text split at the
wrong place gives other tokens. Ends, pads and BOS are those of the family's real tokenizers.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

TEMPLATES = files("trl") / "chat_templates"
MERGES = [("Ċ", "Ċ"), ("<", "/"), ("t", "h"), ("th", "i"), ("thi", "n"), ("thin", "k"), ("<", "think"), (">", "Ċ")]


@dataclass(frozen=True)
class Family:
    """What is particular to a family."""

    template: str | None
    """File in TRL's chat_templates; None for a base without one."""
    end: str
    """Its end-of-turn."""
    special: tuple[str, ...]
    eos: str
    pad: str | None
    bos: str | None = None
    trace_format: str = "think"
    words: tuple[str, ...] = ()
    """Tokens that are not special: `<think>` in Qwen3 and R1-Distill."""
    training_template: str | None = None
    """TRL's, in which a thought survives and the loss is marked."""


QWEN = ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|fim_pad|>")
LLAMA = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>",
    "<|finetune_right_pad_id|>", "<|python_tag|>",
)  # fmt: skip
R1 = ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>")
THINK = ("<think>", "</think>")

FAMILIES = {
    "qwen2.5-base": Family(
        "qwen2_5", "<|im_end|>", QWEN, "<|endoftext|>", "<|endoftext|>", training_template="qwen2_5_training"
    ),
    "qwen2.5-instruct": Family(
        "qwen2_5", "<|im_end|>", QWEN, "<|im_end|>", "<|endoftext|>", training_template="qwen2_5_training"
    ),
    "qwen3": Family(
        "qwen3", "<|im_end|>", QWEN, "<|im_end|>", "<|endoftext|>", words=THINK, training_template="qwen3_training"
    ),
    "llama-3": Family(
        "llama3", "<|eot_id|>", LLAMA, "<|end_of_text|>", None, "<|begin_of_text|>", training_template="llama3_training"
    ),
    "llama-3.2": Family("llama3_2", "<|eot_id|>", LLAMA, "<|eot_id|>", None, "<|begin_of_text|>"),
    "llama-3-base": Family(None, "<|eot_id|>", LLAMA, "<|end_of_text|>", None, "<|begin_of_text|>"),
    "r1-distill": Family(
        "deepseek_r1_distill", "<｜end▁of▁sentence｜>", R1, "<｜end▁of▁sentence｜>", "<｜end▁of▁sentence｜>",
        "<｜begin▁of▁sentence｜>", "think-open", THINK, "deepseek_r1_distill_training",
    ),
    "plain-base": Family(None, "<|im_end|>", ("<s>", "</s>", "<unk>"), "</s>", None, "<s>"),
}  # fmt: skip


def template_text(name: str) -> str:
    return (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")


def tokenizer_of(family: Family, *, normalizer: Any = None, add_bos: bool = False) -> Any:
    """A fast tokenizer with the family's tokens and template."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(merge) for merge in MERGES)]
    core = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=MERGES))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    if normalizer is not None:
        core.normalizer = normalizer
    core.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in family.special])
    core.add_tokens([AddedToken(word, special=False, normalized=False) for word in family.words])
    if add_bos:
        assert family.bos
        core.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, core.token_to_id(family.bos))]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core,
        eos_token=family.eos,
        pad_token=family.pad,
        bos_token=family.bos,
        clean_up_tokenization_spaces=False,
    )
    if family.template:
        tokenizer.chat_template = template_text(family.template)
    return tokenizer
