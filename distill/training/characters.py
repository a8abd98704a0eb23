r"""A tokenizer with one token for each printable character: what the tiny world's models read and write.

    <|im_start|>user\n3 5 7 -> 22<|im_end|>\n<|im_start|>assistant\n<think>\n5+3=8: ...

It speaks ChatML (the form of Qwen's templates), so everything that works with it works with a real model. The marks of
a thought are tokens of their own but not special ones: `skip_special_tokens` must not strip them.
"""

import string
from typing import Any

END, START, PAD, UNKNOWN = "<|im_end|>", "<|im_start|>", "<|pad|>", "<|unknown|>"
WORDS = ("<think>", "</think>", "system", "user", "assistant")

# The line end stands before each later turn, not after each turn: a reply's last token is its end-of-turn.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- ('' if loop.first else '\\n') + '<|im_start|>' + message['role'] + '\\n' -}}"
    "{{- message['content'] + '<|im_end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '\\n<|im_start|>assistant\\n' -}}{%- endif -%}"
)


def character_tokenizer() -> Any:
    """A fast tokenizer of transformers, made here: no file, no download."""
    import tokenizers
    from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    characters = [*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n"]
    vocabulary = {token: index for index, token in enumerate([PAD, UNKNOWN, *characters])}
    backend = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")  # pyright: ignore[reportAttributeAccessIssue]
    backend.decoder = decoders.Fuse()  # pyright: ignore[reportAttributeAccessIssue]
    backend.add_tokens([AddedToken(word, normalized=False, special=False) for word in WORDS])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=END,
        pad_token=PAD,
        unk_token=UNKNOWN,
        additional_special_tokens=[START],
        clean_up_tokenization_spaces=False,
        model_max_length=1024,
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer
