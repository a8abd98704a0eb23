"""From a row of a table to the replies that a model wrote, by the block `traces` of a card."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from distill.errors import DataError
from distill.formats import Reply, named_format
from distill.sources.card import Traces
from distill.sources.rows import Row, as_text, column, text_in
from distill.types import FinishReason

ROLES = {
    **{"system": "system", "developer": "system", "user": "user", "human": "user"},
    **{"assistant": "assistant", "gpt": "assistant", "model": "assistant"},
}
"""What sets call the speakers."""


class Told(NamedTuple):
    """One reply of a row."""

    reply: Reply
    finish_reason: FinishReason
    metadata: dict[str, Any]


class Held(NamedTuple):
    """What a row holds besides its problem."""

    told: list[Told]
    prompt: str | None
    """The user's turn; None where the row has no messages."""
    system: str
    reason: str
    """Why nothing is told; empty if something is."""


class _Turns(NamedTuple):
    system: list[str]
    user: list[str]
    assistant: list[str]


class ReplyReader:
    """Reads rows as a block `traces` says.

    Args:
        traces: The block.
    """

    def __init__(self, traces: Traces) -> None:
        self.traces = traces
        self._format = named_format(traces.format)
        self._starts = [re.compile(pattern) for pattern in traces.answer_from]

    def read(self, row: Row, place: str) -> Held:
        """The replies of a row. One without any is told as such, and is no error.

        Args:
            row: Values by the names of their columns.
            place: Where the row stands, for errors.

        Raises:
            DataError: If a column is missing, or holds what it should not; names it.
        """
        traces = self.traces
        system = (text_in(row, traces.system, place) or "") if traces.system else ""
        prompt = None
        if traces.messages is not None:
            turns = _turns(row, traces.messages, place)
            prompt, system = "\n\n".join(turns.user), "\n\n".join(turns.system) or system
            if max(len(turns.user), len(turns.assistant)) > 1:
                return Held([], prompt, system, "a conversation of several turns")
            texts: list[str | None] = [*turns.assistant]
            replies = [self._parse(text) for text in texts]
        elif traces.reply is not None:
            replies = [self._parse(text) for text in _texts(row, traces.reply, place)]
        else:
            replies = self._apart(row, place)
        told = self._told(replies, row, place)
        return Held(told, prompt, system, "" if told else "no trace")

    def _parse(self, text: str | None) -> Reply | None:
        if text is None or not text.strip():
            return None
        close = self._format.close.strip()
        if not self._starts or (close and close in text):
            return self._format.parse(text)
        for pattern in self._starts:
            if found := list(pattern.finditer(text)):
                start = found[-1].start()
                return Reply(text[:start].strip(), text[start:].strip(), None)
        return Reply(text.strip(), "", "the answer is not marked")

    def _apart(self, row: Row, place: str) -> list[Reply | None]:
        name = cast(str, self.traces.answer)
        answers = _texts(row, name, place)
        thoughts = answers if self.traces.thinking is None else _texts(row, self.traces.thinking, place)
        if len(thoughts) != len(answers):
            raise DataError(
                f"{place}: column {self.traces.thinking!r} holds {len(thoughts)} thoughts and {name!r} "
                f"{len(answers)} answers"
            )
        if self.traces.thinking is None:
            thoughts = [""] * len(answers)
        return [_joined(*pair) for pair in zip(thoughts, answers, strict=True)]

    def _told(self, replies: Sequence[Reply | None], row: Row, place: str) -> list[Told]:
        count = len(replies)
        complete = _aligned(row, self.traces.complete, count, place)
        finish = _aligned(row, self.traces.finish, count, place)
        kept = {name: _aligned(row, name, count, place, is_loose=True) for name in self.traces.metadata}
        return [
            Told(
                reply,
                "length" if complete[index] is False or finish[index] == "length" else "stop",
                {name: values[index] for name, values in kept.items() if values[index] is not None},
            )
            for index, reply in enumerate(replies)
            if reply is not None
        ]


def _joined(thinking: str | None, answer: str | None) -> Reply | None:
    thought, said = (thinking or "").strip(), (answer or "").strip()
    if not thought and not said:
        return None
    return Reply(thought, said, None if said else "no answer after the thought")


def _texts(row: Row, name: str, place: str) -> list[str | None]:
    value = column(row, name, place)
    return [as_text(item, name, place) for item in (value if isinstance(value, list) else [value])]


def _aligned(row: Row, name: str | None, count: int, place: str, *, is_loose: bool = False) -> list[Any]:
    """A column's values, one for each reply; a single value is that of all of them."""
    value = None if name is None else column(row, name, place)
    if not isinstance(value, list):
        return [value] * count
    values = cast(list[Any], value)
    if len(values) == count:
        return values
    if is_loose or not values:
        return [values or None] * count
    raise DataError(f"{place}: column {name!r} holds {len(values)} values for {count} replies")


def _turns(row: Row, name: str, place: str) -> _Turns:
    value = column(row, name, place)
    if isinstance(value, Mapping):  # a list of records, as some versions of `datasets` give it: columns by their names
        lists = cast(Mapping[str, list[Any]], value)
        value = [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]
    if value is None:
        value = []
    if not isinstance(value, list):
        raise DataError(f"{place}: column {name!r} holds a {type(value).__name__}; a list of messages is needed")
    turns = _Turns([], [], [])
    for item in cast(list[object], value):
        role, text = _turn(item, name, place)
        if text.strip():
            getattr(turns, role).append(text)
    return turns


def _turn(item: object, name: str, place: str) -> tuple[str, str]:
    if isinstance(item, Mapping):
        turn = cast(Mapping[str, object], item)
        for speaker, words in (("from", "value"), ("role", "content")):
            if speaker in turn and words in turn:
                role = ROLES.get(str(turn[speaker]))
                if role is None:
                    raise DataError(
                        f"{place}: column {name!r} has a turn of {turn[speaker]!r}; known are {', '.join(ROLES)}"
                    )
                return role, as_text(turn[words], name, place) or ""
    raise DataError(
        f"{place}: column {name!r} holds {item!r:.80}; each message needs from and value, or role and content"
    )
