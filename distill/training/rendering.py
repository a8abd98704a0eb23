"""How an example becomes tokens: what the student reads in training is what it will read when it is asked.

The prompt is rendered by the chat template, as a server renders it for the next reply. What the student is taught is
put behind it as it stands, byte for byte, and never goes through the template: stock templates strip a thought from an
assistant's turn (R1-Distill), keep it in the last turn only (Qwen3), or trim it (Llama). So three things hold by
construction, and `distill.training.contract` looks whether tokenizer, template and data let them hold: the thought
survives, the inference prompt is a prefix of the training text, and the loss covers the reply with its end-of-turn.
"""

import itertools
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from distill.formats import TraceFormat
from distill.types import Example, Message

PROBE = "7f3a-probe"
"""Stands for a reply, to see what a template puts behind one."""
IGNORED = -100
"""The label of a token that is not in the loss: torch's `ignore_index`."""


class Row(NamedTuple):
    """An example as the student reads it."""

    problem_id: str
    trace_ids: Sequence[str]
    input_ids: "array[int]"
    num_prompt: int
    """Tokens of the prompt; the loss covers all that follow, but for the masked ones."""
    masked: Sequence[tuple[int, int]] = ()
    """Tokens, from and to, that hold what the example masks; a span of tokens for each of its spans of characters."""

    @property
    def completion_ids(self) -> "array[int]":
        """The reply, end-of-turn included."""
        return self.input_ids[self.num_prompt :]

    @property
    def labels(self) -> "array[int]":
        """The tokens, with `IGNORED` in place of the prompt's and the masked ones."""
        labels = array("i", [IGNORED]) * self.num_prompt + self.completion_ids
        for start, end in self.masked:
            labels[start:end] = array("i", [IGNORED]) * (end - start)
        return labels

    @property
    def num_taught(self) -> int:
        """Tokens in the loss."""
        return len(self.input_ids) - self.labels.count(IGNORED)

    def stretches(self) -> Iterator[tuple[bool, int, int]]:
        """The tokens in order, from and to, as long as they are all in the loss or all not: whether they are first."""
        start = 0
        for is_taught, group in itertools.groupby(label != IGNORED for label in self.labels):
            end = start + sum(1 for _ in group)
            yield is_taught, start, end
            start = end


BLANK = Row(problem_id="", trace_ids=(), input_ids=array("i", [0]), num_prompt=1)
"""A row of one token, that teaches nothing."""


class Chat:
    """A tokenizer with its chat template, and the trace format that is taught through them.

    Args:
        tokenizer: Of transformers, with a chat template.
        trace_format: What the student answers in.

    Raises:
        jinja2.TemplateError: If the template cannot render a conversation of one turn.
    """

    def __init__(self, tokenizer: Any, trace_format: TraceFormat) -> None:
        self.tokenizer, self.trace_format = tokenizer, trace_format
        self.special_ids = {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
        self.special_ids |= set(tokenizer.all_special_ids)
        self.foreign_ids = self.special_ids - {id for mark in trace_format.marks for id in self.ids(mark)}
        """Special tokens that no mark of the trace format holds, and so no reply may."""
        self.ending = self._ending()
        """What stands behind a reply: tokens up to the end-of-turn; empty if the template ends no turn."""

    @property
    def end_of_turn(self) -> int | None:
        """The token that ends a reply; None if the template ends none."""
        return self.ending[-1] if self.ending else None

    @property
    def begun(self) -> str:
        """The part of a reply that is written before the student writes its first token."""
        return "" if self.trace_format.opened_by == "model" else self.trace_format.open

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The text that a server reads when it is asked for the next turn."""
        text: str = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return text + self.trace_format.prefill

    def reply_text(self, example: Example) -> str:
        """What the student is to write: the completion without what is written for it."""
        return example.completion[0]["content"].removeprefix(self.begun)

    def row(self, example: Example) -> Row:
        """The example's tokens."""
        prompt_ids, reply_ids = self.ids(self.prompt_text(example.prompt)), self.ids(self.reply_text(example))
        return Row(
            example.problem_id,
            example.trace_ids,
            array("i", [*prompt_ids, *reply_ids, *self.ending]),
            len(prompt_ids),
            [(len(prompt_ids) + start, len(prompt_ids) + end) for start, end in self._masked(example)],
        )

    def ids(self, text: str) -> list[int]:
        """Tokens of a text in which the template has written all special ones already."""
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def text(self, ids: Sequence[int], *, as_served: bool = False) -> str:
        """The text of tokens; as a server gives it back by default, or with special tokens and all."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=as_served, clean_up_tokenization_spaces=False)

    def _masked(self, example: Example) -> list[tuple[int, int]]:
        """Tokens of the reply that hold any of what is masked; none where the tokenizer cannot tell their places."""
        if not example.masked or not self.tokenizer.is_fast:
            return []
        reply = self.reply_text(example)
        begun = len(example.completion[0]["content"]) - len(reply)
        encoded = self.tokenizer(reply, add_special_tokens=False, return_offsets_mapping=True)
        spans: list[tuple[int, int]] = []
        for start, end in example.masked:
            places = enumerate(encoded["offset_mapping"])
            held = [place for place, (left, right) in places if left < end - begun and right > start - begun]
            spans.append((held[0], held[-1] + 1) if held else (0, 0))
        return spans

    def _ending(self) -> list[int]:
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": PROBE}]
        rendered: str = self.tokenizer.apply_chat_template(messages, tokenize=False)
        ids = self.ids(rendered.rpartition(PROBE)[2])
        return next((ids[: place + 1] for place, id in enumerate(ids) if id in self.special_ids), [])
