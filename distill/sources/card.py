"""Dataset cards: what a hub's set is called there, which revision, which columns, how it is judged, and who wrote it.

A card is a YAML file in `datasets/`, or one of your own. Its keys are closed.
"""

import re
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from distill import yaml12
from distill.errors import DataError, RecipeError, did_you_mean
from distill.formats import named_format


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Columns(_Closed):
    """Where a row holds what."""

    prompt: str | None = None
    """None where the messages of `traces` hold it."""
    reference: str | None = None
    """None where the verifier needs only metadata, or where the set has none."""
    metadata: list[str] | dict[str, str | list[str]] = []
    """Columns that the verifier needs besides; as a mapping, columns by the names under which it looks for them.
    Several columns with tests make one list of tests."""
    domain: str | None = None
    """Column of the row's domain; the card's `domain` for rows where it is empty."""


class Choices(_Closed):
    """How a row holds the options of multiple choice: as a list with the place of the right one, or each by itself.

    The prompt's ``{options}`` are their texts with letters; the reference is the letter of the right one.
    """

    options: str | None = None
    """Column of a list of texts."""
    answer: str | None = None
    """Column of the right one's place in it, counted from 0, or of its letter."""
    correct: str | None = None
    """Column of the right text."""
    incorrect: list[str] = []
    """Columns of the wrong ones. All are put in an order that the row's own text decides, the same on every machine."""

    @model_validator(mode="after")
    def _have_one_form(self) -> Self:
        if (self.options and self.answer and not (self.correct or self.incorrect)) or (
            self.correct and self.incorrect and not (self.options or self.answer)
        ):
            return self
        raise ValueError("give options and answer, or correct and incorrect")


class Between(_Closed):
    """Values from one to before another, such as dates."""

    at_least: str | int
    below: str | int


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Traces(_Closed):
    """How a row holds what a model wrote: as `messages`, as a `reply`, or as `thinking` and `answer` apart.

    Columns may hold one text, or a list with one for each trace of the row.
    """

    model: str
    """Who wrote them, by its hub id or vendor's name."""
    messages: str | None = None
    """Column of a conversation: a list of ``{from, value}`` or ``{role, content}``. Its user's turn is the prompt,
    unless the card has a prompt of its own."""
    reply: str | None = None
    """Column of whole replies."""
    thinking: str | None = None
    """Column of thoughts."""
    answer: str | None = None
    """Column of the answers that follow them."""
    format: str = "think"
    """The trace format that takes a reply apart."""
    answer_from: Annotated[list[str], BeforeValidator(_as_list)] = []
    """Regular expressions, for replies without the format's marks: the answer begins where the first of them that
    matches at all matches last."""
    system: str | None = None
    """Column of the system prompt, where it is not among the messages."""
    complete: str | None = None
    """Column that says whether the reply was written to its end."""
    finish: str | None = None
    """Column that is ``length`` where the reply was cut off."""
    metadata: list[str] = []
    """Columns to keep with the trace, such as what the set's own grader said. They decide nothing."""

    @field_validator("format")
    @classmethod
    def _is_known(cls, value: str) -> str:
        try:
            return named_format(value).name
        except RecipeError as error:
            raise ValueError(str(error)) from None

    @field_validator("answer_from")
    @classmethod
    def _compile(cls, value: list[str]) -> list[str]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a regular expression: {error}") from None
        return value

    @model_validator(mode="after")
    def _have_one_form(self) -> Self:
        forms = [self.messages is not None, self.reply is not None, self.answer is not None]
        if sum(forms) != 1:
            raise ValueError("give one of messages, reply, or thinking and answer")
        if self.thinking is not None and self.answer is None:
            raise ValueError("thinking needs answer: the column of what follows the thought")
        return self


class Size(_Closed):
    """How large a set is, for plans that are made without it."""

    rows: int = Field(gt=0)
    tokens: float | None = Field(default=None, gt=0)
    """Of a row's prompt and trace together, on average, by a tokenizer like Qwen's."""
    source: str = Field(min_length=1)
    """Where both are written down, or how they follow from what is."""


class Card(_Closed):
    """One problem set."""

    path: str
    """A hub id, or a local folder or file that `datasets` can load."""
    revision: str = Field(min_length=1)
    """A commit or a tag, so that the same card always means the same rows. A branch is not pinned."""
    config: str | None = None
    """The hub's name for a subset."""
    split: str
    files: list[str] = []
    """The set's own files to read, where the hub's page needs code to load it, which is never run."""
    where: dict[str, list[str | int] | Between] = {}
    """Only rows whose columns hold one of these values, or one between two."""
    columns: Columns
    choices: Choices | None = None
    """Options of multiple choice."""
    prompt: str | None = None
    """Text with ``{column}`` fields; the prompt column as it is, if not given."""
    reference_pattern: str | None = None
    """A regular expression whose first group is the reference; its last match in the column counts."""
    reference_boxed: bool = False
    r"""The reference is what the column's last ``\\boxed{}`` holds."""
    reference_parts: bool = False
    """The reference's column holds a list, the parts of one answer."""
    skip_without_reference: bool = False
    """Leave out rows without a reference, such as proofs. They are counted. Else they are problems that no verifier
    can judge."""
    verifier: str
    domain: str
    licence: str
    traces: Traces | None = None
    """What a model wrote on these problems, for `generate.adopt`; None for a set of problems alone."""
    size: Size | None = None
    """None where nobody says."""

    @model_validator(mode="after")
    def _has_prompt(self) -> Self:
        held = self.traces is not None and self.traces.messages is not None
        if self.columns.prompt is None and self.prompt is None and not held:
            raise ValueError("the key 'columns.prompt' is missing")
        return self

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
        """The prompt's text with its fields; empty where the messages hold it."""
        if self.prompt is not None:
            return self.prompt
        return "{" + self.columns.prompt + "}" if self.columns.prompt else ""


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
        raise DataError(_sentences(error, str(path))) from None


def traces_of(data: object, place: str) -> Traces:
    """The block `traces` of a recipe, which has no card.

    Raises:
        DataError: If it is not such a block; names the key.
    """
    try:
        return Traces.model_validate(data)
    except ValidationError as error:
        raise DataError(_sentences(error, f"{place}: traces", Traces)) from None


def _sentences(error: ValidationError, place: str, model: type[BaseModel] = Card) -> str:
    return "\n".join(f"{place}: {_sentence(item, model)}" for item in error.errors())


def _sentence(item: Any, model: type[BaseModel]) -> str:
    key = ".".join(map(str, item["loc"]))
    if item["type"] == "extra_forbidden":
        blocks: dict[object, type[BaseModel]] = {"columns": Columns, "traces": Traces, "choices": Choices}
        names = list((blocks[item["loc"][0]] if len(item["loc"]) > 1 else model).model_fields)
        hint = did_you_mean(str(item["loc"][-1]), names)
        return f"a card has no key {key!r}.{hint} It has: {', '.join(names)}"
    if item["type"] == "missing":
        return f"the key {key!r} is missing"
    said = item["msg"].removeprefix("Value error, ")
    if not key and item["type"] == "value_error":
        return said
    if not key:
        return f"a card is a mapping; this is {item['input']!r:.80}"
    return f"{key} is {item['input']!r:.80}: {said}"
