r"""A tokenizer with one token for each byte: what the tiny world's models read and write.

    <|im_start|>user\n3 5 7 -> 22<|im_end|>\n<|im_start|>assistant\n<think>\n5+3=8: ...

It is Qwen2's own tokenizer class with no merges, speaking ChatML, so everything that works with it works with a real
Qwen. The marks of a thought are tokens of their own but not special ones: `skip_special_tokens` must not strip them.
"""

import re
from typing import Any

END, START, PAD = "<|im_end|>", "<|im_start|>", "<|pad|>"
WORDS = ("<think>", "</think>", "system", "user", "assistant")

# The line end stands before each later turn, not after each turn: a reply's last token is its end-of-turn.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- ('' if loop.first else '\\n') + '<|im_start|>' + message['role'] + '\\n' -}}"
    "{{- message['content'] + '<|im_end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '\\n<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def byte_tokenizer() -> Any:
    """A fast tokenizer of transformers, made here: no file, no download."""
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import Qwen2Tokenizer

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer: Any = Qwen2Tokenizer(
        vocab={token: index for index, token in enumerate([PAD, *alphabet])},
        merges=[],
        unk_token=PAD,  # every byte is known; the default would add another token
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
    tokenizer.add_tokens([AddedToken(word, normalized=False, special=False) for word in WORDS])
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def count_bytes(text: str) -> int:
    """How many tokens the byte tokenizer makes of a text, without loading it."""
    return len(re.sub("|".join(map(re.escape, (*WORDS, START, END))), "-", text).encode())
