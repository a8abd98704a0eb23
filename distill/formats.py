r"""How a reply marks its thinking and its answer: one object that teacher, filter, trainer and evaluation all load.

A trace format renders (thinking, answer) to the text a student is taught, and parses a model's text back. For every
format and every pair of stripped strings without its marks, ``parse(render(thinking, answer))`` gives the pair back.
It is stored with the student as `trace_format.json`, so a student is never asked in another form than it was taught.
"""

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from distill.errors import DataError, RecipeError
from distill.types import Message

FORMAT_FILE = "trace_format.json"
OpenedBy = Literal["model", "template", "harness"]
"""Who writes the opening mark: the model, the chat template's generation prompt, or we, as the start of the reply."""


class Reply(NamedTuple):
    """A model's text, taken apart."""

    thinking: str
    answer: str
    malformed: str | None
    """Why the text lacks the format's shape; None if it has it."""


class TraceFormat(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The marks around thinking and answer, and the system prompt they are asked with."""

    name: str
    open: str = ""
    """What stands before the thinking; empty for a format without a thought."""
    close: str = ""
    answer_open: str = ""
    """What stands between the thought's end and the answer."""
    answer_close: str = ""
    answer_label: str = ""
    """A word that every answer begins with. No mark: a reply may lack it, and any text may hold it."""
    system_prompt: str = ""
    opened_by: OpenedBy = "model"

    @property
    def prefill(self) -> str:
        """What the engine writes as the start of the reply, for the model to go on from."""
        return self.open if self.opened_by == "harness" else ""

    @property
    def marks(self) -> tuple[str, ...]:
        """All that is written around thinking and answer, in order."""
        return tuple(mark for mark in (self.open, self.close, self.answer_open, self.answer_close) if mark)

    def messages(self, prompt: str) -> list[Message]:
        """The conversation that asks for a reply."""
        system: list[Message] = [{"role": "system", "content": self.system_prompt}] if self.system_prompt else []
        return [*system, {"role": "user", "content": prompt}]

    def render(self, thinking: str, answer: str) -> str:
        """The text of a whole reply. A format without a thought has it as the first part of its answer."""
        if not self.open:
            return "\n\n".join(part for part in (thinking, answer) if part)
        return f"{self.open}{thinking}{self.close}{self.answer_open}{self.answer_label}{answer}{self.answer_close}"

    def parse(self, text: str) -> Reply:
        """Take a reply's text apart. Never fails: what is missing is said in `Reply.malformed`.

        A thought that is not closed has no answer, even where the text holds something that looks like one.
        """
        if not self.open:
            answer = text.strip()
            return Reply("", answer, None if answer else "no answer")
        opening, closing = self.open.strip(), self.close.strip()
        head, opened, rest = text.partition(opening)
        if not opened:
            head, rest = "", text
        thinking, closed, tail = rest.partition(closing)
        if not closed:
            return Reply(rest.strip(), "", "the thought is not closed")
        answer = tail.strip().removeprefix(self.answer_open.strip()).removesuffix(self.answer_close.strip()).strip()
        answer = answer.removeprefix(self.answer_label.strip()).strip()
        return Reply(thinking.strip(), answer, self._defect(head, opened, thinking, tail, answer))

    def parse_part(self, text: str) -> Reply:
        """Take a reply apart that is still coming: what may be the beginning of a mark, or half a character, waits."""
        text = text.rstrip("\ufffd")
        marks = [mark.strip() for mark in (*self.marks, self.answer_label)]
        waiting = max((size for mark in marks for size in range(len(mark)) if text.endswith(mark[:size])), default=0)
        return self.parse(text[: len(text) - waiting])

    def holds(self, thinking: str, answer: str) -> bool:
        """Whether a rendered reply would be read as the same thought and answer: not if they hold the format's marks.

        A format without a thought reads all as the answer, and holds any text.
        """
        if not self.open:
            return True
        found = self.parse(self.render(thinking, answer))
        is_whole = found.malformed is None or not answer.strip()
        return is_whole and (found.thinking, found.answer) == (thinking.strip(), answer.strip())

    def _defect(self, head: str, opened: str, thinking: str, tail: str, answer: str) -> str | None:
        opening, closing = self.open.strip(), self.close.strip()
        if not opened and self.opened_by == "model":
            return "the thought is not opened"
        if head.strip():
            return "text before the thought"
        if opening in thinking or opening in tail or closing in tail:
            return "more than one thought"
        if not answer:
            return "no answer after the thought"
        return None


FORMATS: dict[str, TraceFormat] = {
    known.name: known
    for known in (
        # DeepSeek-R1, QwQ, Qwen3: arXiv 2501.12948, table 1
        TraceFormat(name="think", open="<think>\n", close="\n</think>\n\n"),
        # R1's usage notes and QwQ's template open the thought in the prompt
        TraceFormat(name="think-open", open="<think>\n", close="\n</think>\n\n", opened_by="template"),
        # A model that was never taught to think is made to begin a thought
        TraceFormat(name="think-forced", open="<think>\n", close="\n</think>\n\n", opened_by="harness"),
        # NovaSky-AI/SkyThought, recipes/sky-t1-preview
        TraceFormat(
            name="sky-t1",
            open="<|begin_of_thought|>\n\n",
            close="\n\n<|end_of_thought|>\n\n",
            answer_open="<|begin_of_solution|>\n\n",
            answer_close="\n\n<|end_of_solution|>",
        ),
        # simplescaling/s1, data/tokenization.py: there the label is left out where the answer holds it anywhere; here
        # it is always written, so that it can be taken off again
        TraceFormat(name="s1", open="<|im_start|>think\n", close="\n<|im_start|>answer\n", answer_label="Answer: "),
        TraceFormat(name="plain"),
    )
}


def convert(text: str, source: TraceFormat, target: TraceFormat) -> str:
    r"""A reply of one format in the marks of another; thought and answer stay as they are, character by character.

    To a format without a thought is a way without return: there both are one text.

    Raises:
        DataError: If the reply lacks its format's shape, or holds marks of the other.

    Example:
        >>> convert("<think>\n2 + 2\n</think>\n\n4", FORMATS["think"], FORMATS["s1"])
        '<|im_start|>think\n2 + 2\n<|im_start|>answer\nAnswer: 4'
    """
    found = source.parse(text)
    if found.malformed:
        raise DataError(f"{text[:60]!r} is no reply in the trace format {source.name!r}: {found.malformed}")
    if not target.holds(found.thinking, found.answer):
        raise DataError(
            f"{text[:60]!r} holds a mark of the trace format {target.name!r}, in which it would be read as another "
            f"reply: drop it (the filter step `structure` does), or choose another format"
        )
    return target.render(found.thinking, found.answer)


def taught_format(student_dir: Path) -> TraceFormat:
    """The form a student was taught in, as it lies with its weights."""
    return msgspec.json.decode((student_dir / FORMAT_FILE).read_bytes(), type=TraceFormat)


def named_format(name: str) -> TraceFormat:
    """The format of that name.

    Raises:
        RecipeError: If there is none.
    """
    if name not in FORMATS:
        raise RecipeError(f"no trace format named {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]
