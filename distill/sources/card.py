"""Dataset cards: what a hub's problem set is called there, which revision, which columns, and how it is judged.

A card is a YAML file in `datasets/`, or one of your own. Its keys are closed.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from distill import yaml12
from distill.errors import DataError, did_you_mean


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Columns(_Closed):
    """Where a row holds what."""

    prompt: str
    reference: str | None = None
    """None where the verifier needs only metadata."""
    metadata: list[str] = []
    """Columns that the verifier needs besides."""


class Card(_Closed):
    """One problem set."""

    path: str
    """A hub id, or a local folder or file that `datasets` can load."""
    revision: str = Field(min_length=1)
    """A commit or a tag, so that the same card always means the same rows. A branch is not pinned."""
    config: str | None = None
    """The hub's name for a subset."""
    split: str
    columns: Columns
    prompt: str | None = None
    """Text with ``{column}`` fields; the prompt column as it is, if not given."""
    reference_pattern: str | None = None
    """A regular expression whose first group is the reference; its last match in the column counts."""
    reference_boxed: bool = False
    r"""The reference is what the column's last ``\\boxed{}`` holds."""
    skip_without_reference: bool = False
    """Leave out rows without a reference, such as proofs. They are counted. Else they are problems that no verifier
    can judge."""
    verifier: str
    domain: str
    licence: str

    @field_validator("reference_pattern")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        try:
            groups = 1 if value is None else re.compile(value).groups
        except re.error as error:
            raise ValueError(f"{value!r} is not a regular expression: {error}") from None
        if not groups:
            raise ValueError(f"{value!r} has no group; put parentheses around the reference")
        return value

    @property
    def template(self) -> str:
        """The prompt's text with its fields."""
        return "{" + self.columns.prompt + "}" if self.prompt is None else self.prompt


def load(path: Path) -> Card:
    """Read a card.

    Raises:
        DataError: If the file is not a card; names file and key.
    """
    try:
        data: Any = yaml12.load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not YAML: {error}") from None
    try:
        return Card.model_validate(data)
    except ValidationError as error:
        raise DataError("\n".join(f"{path}: {_sentence(item)}" for item in error.errors())) from None


def _sentence(item: Any) -> str:
    key = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        names = list(Columns.model_fields if len(item["loc"]) > 1 else Card.model_fields)
        hint = did_you_mean(str(item["loc"][-1]), names)
        return f"a card has no key {key!r}.{hint} It has: {', '.join(names)}"
    if item["type"] == "missing":
        return f"the key {key!r} is missing"
    if not key:
        return f"a card is a mapping; this is {item['input']!r:.80}"
    return f"{key} is {item['input']!r:.80}: {item['msg'].removeprefix('Value error, ')}"
