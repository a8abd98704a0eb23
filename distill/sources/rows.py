"""From a row of a table, of any file or hub, to a problem."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from distill.errors import DataError
from distill.sources import choices, make_problem, packed
from distill.sources.choices import Asked
from distill.types import Problem
from distill.verifiers.extraction import last_boxed

Row = Mapping[str, object]
MetadataColumns = Sequence[str] | Mapping[str, str | list[str]]
"""Columns that a verifier needs, by the names under which it looks for them; a list names each after itself."""

_FIELD = re.compile(r"\{\{|\}\}|\{(\w+)\}")


class Reading(NamedTuple):
    """How rows are read."""

    verifier: str
    prompt: str
    """Text with ``{column}`` fields."""
    reference_column: str | None
    source: str
    domain: str = ""
    reference_pattern: re.Pattern[str] | None = None
    """Its first group is the reference; the last match in the column counts."""
    is_reference_boxed: bool = False
    r"""The reference is what the column's last ``\boxed{}`` holds."""
    has_reference_parts: bool = False
    """The column holds a list, the parts of one answer."""
    metadata_columns: MetadataColumns = ()
    domain_column: str | None = None
    """The domain, where the row names one."""
    choices: Asked | None = None
    """Where the options of multiple choice are."""

    def problem(self, row: Row, place: str, prompt: str | None = None) -> Problem:
        """The problem that a row states.

        Args:
            row: Values by the names of their columns.
            place: Where the row stands, for errors.
            prompt: The prompt, where it is not to be read from columns.

        Raises:
            DataError: If a column is missing, or holds what it should not.
        """
        choice = None if self.choices is None else choices.arranged(self.choices, row, place)
        if choice is not None:
            row = {**row, "options": choice.shown}
        prompt = render(self.prompt, row, place) if prompt is None else prompt
        if not prompt.strip():
            raise DataError(f"{place}: the prompt is empty")
        metadata = {**self._metadata(row, place), **({"options": choice.texts} if choice else {})}
        return make_problem(
            prompt=prompt,
            verifier=self.verifier,
            reference=choice.letter if choice else self.reference(row, place),
            source=self.source,
            domain=self._domain_of(row, place),
            metadata=metadata,
        )

    def _metadata(self, row: Row, place: str) -> dict[str, object]:
        named = self.metadata_columns
        wanted = named if isinstance(named, Mapping) else {name: name for name in named}
        return {
            name: column(row, columns, place)
            if isinstance(columns, str)
            else packed.joined([column(row, each, place) for each in columns], place)
            for name, columns in wanted.items()
        }

    def _domain_of(self, row: Row, place: str) -> str:
        if self.domain_column is None:
            return self.domain
        return (text_in(row, self.domain_column, place) or "").strip() or self.domain

    def reference(self, row: Row, place: str) -> str | None:
        """The reference that a row holds; None if it has none."""
        if self.reference_column is None:
            return None
        value = column(row, self.reference_column, place)
        if self.has_reference_parts and isinstance(value, list):
            value = ", ".join(as_text(part, self.reference_column, place) or "" for part in value)
        text = as_text(value, self.reference_column, place)
        if text is not None and self.reference_pattern is not None:
            found = list(self.reference_pattern.finditer(text))
            text = found[-1][1] if found else None
        if text is not None and self.is_reference_boxed:
            text = last_boxed(text)
        return (text or "").strip() or None


def render(template: str, row: Row, place: str) -> str:
    """Fill a template's ``{column}`` fields; ``{{`` and ``}}`` are braces, and so is a brace around no name."""

    def fill(match: re.Match[str]) -> str:
        if match[1] is None:
            return match[0][0]
        value = column(row, match[1], place)
        lines = value if isinstance(value, list) else [value]  # tests, one a line
        return "\n".join(as_text(line, match[1], place) or "" for line in lines)

    return _FIELD.sub(fill, template)


def fields_of(template: str) -> list[str]:
    """The columns that a template names.

    Example:
        >>> fields_of("{question} of {{1, 2}}")
        ['question']
    """
    return [name for name in _FIELD.findall(template) if name]


def column(row: Row, name: str, place: str) -> object:
    """The value of a column.

    Raises:
        DataError: If the row has none of that name; says which it has.
    """
    if name not in row:
        raise DataError(f"{place}: there is no column {name!r}; the row has {', '.join(map(repr, row)) or 'none'}")
    return row[name]


def text_in(row: Row, name: str, place: str) -> str | None:
    """What a column holds, as text; None if it is empty.

    Raises:
        DataError: If there is no such column, or it holds neither a text nor a number.
    """
    return as_text(column(row, name, place), name, place)


def as_text(value: object, name: str, place: str) -> str | None:
    """A value of a column as text.

    Raises:
        DataError: If it is neither a text nor a number.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value)
    raise DataError(f"{place}: column {name!r} holds a {type(value).__name__}; a text or a number is needed")


def check_limit(limit: int | None, what: str) -> None:
    """Refuse a limit that would give nothing.

    Raises:
        DataError: If it is below 1.
    """
    if limit is not None and limit < 1:
        raise DataError(f"{what}: limit is {limit}; give 1 or more, or leave it out for all")
