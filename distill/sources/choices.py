"""Multiple choice in a row: which texts are the options, in which order, and the letter of the right one."""

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, cast

from distill.errors import DataError

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Asked(Protocol):
    """Where a row holds its options; see `distill.sources.card.Choices`."""

    @property
    def options(self) -> str | None: ...  # noqa: D102
    @property
    def answer(self) -> str | None: ...  # noqa: D102
    @property
    def correct(self) -> str | None: ...  # noqa: D102
    @property
    def incorrect(self) -> Sequence[str]: ...  # noqa: D102


class Choice(NamedTuple):
    """The options as they are asked."""

    texts: list[str]
    letter: str
    """Of the right one."""

    @property
    def shown(self) -> str:
        """The options with their letters, one a line."""
        return "\n".join(f"{letter}) {text}" for letter, text in zip(LETTERS, self.texts, strict=False))


def arranged(asked: Asked, row: Mapping[str, object], place: str) -> Choice:
    """The options of a row.

    Raises:
        DataError: If a column is missing, or the answer is none of the options.
    """
    if asked.correct is not None:
        texts = [_text(row, name, place) for name in (asked.correct, *asked.incorrect)]
        # decided by the row alone: the same on every machine, and no place is right more often than by chance
        seed = hashlib.sha256("\0".join(texts).encode()).digest()
        order = sorted(range(len(texts)))
        random.Random(seed).shuffle(order)
        return Choice([texts[index] for index in order], LETTERS[order.index(0)])
    given, answer = _column(row, asked.options or "", place), _column(row, asked.answer or "", place)
    if not isinstance(given, list) or not given:
        raise DataError(f"{place}: column {asked.options!r} holds {given!r:.80}; a list of options is needed")
    texts = [str(text).strip() for text in cast(list[object], given)]
    index = LETTERS.find(answer.strip().upper()) if isinstance(answer, str) and len(answer.strip()) == 1 else answer
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < len(texts):
        raise DataError(
            f"{place}: column {asked.answer!r} holds {answer!r:.80}, which is none of {len(texts)} options: it is the "
            f"place of the right one, from 0, or its letter"
        )
    return Choice(texts, LETTERS[index])


def _column(row: Mapping[str, object], name: str, place: str) -> object:
    if name not in row:
        raise DataError(f"{place}: there is no column {name!r}; the row has {', '.join(map(repr, row)) or 'none'}")
    return row[name]


def _text(row: Mapping[str, object], name: str, place: str) -> str:
    value = _column(row, name, place)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{place}: column {name!r} holds {value!r:.80}; the text of an option is needed")
    return value.strip()
