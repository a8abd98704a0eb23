"""The chat template of a student that has none: base models, and those whose template is given in the recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distill.errors import TrainingError
from distill.training.byte_tokenizer import CHAT_TEMPLATE, END, START

LLAMA3 = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")
"""Tokens that Llama 3 bases have, untrained, for the template of their instruct models."""


def give_template(tokenizer: Any, sft: Mapping[str, Any]) -> list[str]:
    """Give a tokenizer the template of the recipe, or one that suits it if it has none.

    A Llama 3 base gets the template of Llama 3 Instruct, for which it has the tokens; any other base gets ChatML, and
    the two tokens of ChatML if they are not in its vocabulary.

    Args:
        tokenizer: Of transformers, changed in place.
        sft: The recipe's `train.sft`: `chat_template_path` (a Jinja file) and `eos_token` are looked at.

    Returns:
        What was done, a sentence each.

    Raises:
        TrainingError: If the file of the recipe cannot be read, or the tokenizer does not know `eos_token`.
    """
    said: list[str] = []
    if given := sft.get("chat_template_path"):
        try:
            tokenizer.chat_template = Path(given).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise TrainingError(
                f"cannot read train.sft.chat_template_path {given!r}: {error}. Give a Jinja file"
            ) from error
    elif tokenizer.chat_template is None:
        said.append(_fitting_template(tokenizer))
    if (end := sft.get("eos_token")) is not None:
        if end not in tokenizer.get_vocab():
            raise TrainingError(f"train.sft.eos_token {end!r} is not in the student's vocabulary")
        tokenizer.eos_token = end
    return said


def _fitting_template(tokenizer: Any) -> str:
    from tokenizers import AddedToken

    known = tokenizer.get_vocab()
    if all(token in known for token in LLAMA3):
        tokenizer.chat_template = _of_trl("llama3")
        return "the student has no chat template, and gets that of Llama 3 Instruct, whose tokens it has"
    missing = [token for token in (START, END) if token not in known]
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in missing])
    tokenizer.chat_template = CHAT_TEMPLATE
    added = f", with the new tokens {' and '.join(missing)}" if missing else ""
    return f"the student has no chat template, and gets ChatML{added}"


def _of_trl(name: str) -> str:
    from importlib.resources import files

    return (files("trl") / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")
