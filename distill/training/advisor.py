"""What went wrong for others with such a student and such data, said before it is paid for."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from distill.training.rendering import Chat, Row

SMALL = 3_000_000_000
"""Parameters of a student that long thoughts make worse rather than better, as published so far."""
LONG = 4096
"""Tokens of a reply."""


def advice(
    chat: Chat, config: Any, num_parameters: int, rows: Sequence[Row], lora: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Warnings, each with its evidence and what to do.

    Args:
        chat: The student's.
        config: The model's.
        num_parameters: The model's, frozen ones included.
        rows: What is taught.
        lora: The adapter's options, if only an adapter is trained.
    """
    longest = max((len(row.input_ids) for row in rows), default=0)
    context: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)
    if context is not None and longest > context:
        over = sum(len(row.input_ids) > context for row in rows)
        yield (
            f"{over} of {len(rows)} examples are longer than the student's context of {context:,} tokens (the longest "
            f"has {longest:,}). Set train.sft.max_length: {context}, or raise max_position_embeddings and rope_theta "
            f"in the student's config.json: open-r1 took Qwen2.5-Math-7B from 4k to 32k with a rope_theta of 300,000"
        )
    replies = [len(row.completion_ids) for row in rows]
    median = statistics.median(replies) if replies else 0
    if num_parameters < SMALL and median > LONG:
        yield (
            f"the student has {num_parameters / 1e9:.1f}B parameters, and half of the replies have more than "
            f"{median:,.0f} tokens: a thousand such traces made 1.5B students worse (LIMO issue 15, "
            f"s1 issue 115), and 3B ones by 3 points on average (arXiv 2502.12143). Prefer shorter traces, mix four "
            f"short ones with each long one, or teach many more"
        )
    if _thinks(chat):
        yield (
            "the student's chat template knows thoughts, so it may reason already, and teaching one that does has made "
            "it worse: QwQ from 80 to 60 on AIME (LIMO issue 36), R1-Distill-7B (open-thoughts issue 26). Measure it "
            "first (`distill eval RECIPE --set eval.models=[base,teacher]`), or take the base model it was made from"
        )

    marks = _mark_tokens(chat)
    if lora is not None and marks and not lora.get("modules_to_save"):
        yield (
            f"{' and '.join(marks)} are tokens of their own, and an adapter on linear layers does not change their "
            f"embeddings: a base that never saw them may not learn to write them (the tiny base: 24.8 % with r 64 on "
            f"all linear layers, 60.0 % with its embedding trained, too). If your base is one, set "
            f"train.lora.modules_to_save: [embed_tokens] and train.lora.ensure_weight_tying: true"
        )


def _mark_tokens(chat: Chat) -> list[str]:
    """Marks of the trace format that are one token, and not a special one that every model of the family has seen."""
    form, added = chat.trace_format, chat.tokenizer.get_added_vocab()
    return [mark for mark in (form.open.strip(), form.close.strip()) if mark in added]


def _thinks(chat: Chat) -> bool:
    template = str(chat.tokenizer.chat_template)
    return "<think>" in template or "enable_thinking" in template


def outdone(suite: str, base: float, teacher: float) -> str | None:
    """A warning if a base is measured to be as good as the teacher already.

    Args:
        suite: On which both were measured.
        base: Its pass@1 there, in its best form.
        teacher: The teacher's.
    """
    if base < teacher:
        return None
    return (
        f"on {suite} the base is right in {base:.1%} of the problems and the teacher in {teacher:.1%}: there is "
        f"nothing that it could learn from this teacher there"
    )
