"""Do the dataset cards of a recipe fit the sets that they describe? A row of each is read and held against its card."""

from collections.abc import Iterator
from typing import NamedTuple

from distill.errors import DataError
from distill.evaluation.suites import load_suite
from distill.recipe import Recipe
from distill.sections import Use
from distill.sources import card as cards
from distill.sources.rows import fields_of
from distill.sources.table import HubTable

OPTIONS = ("config", "split", "path", "revision")


class Checked(NamedTuple):
    """What was found of one set."""

    card: str
    place: str
    """Path, revision and split."""
    wanted: list[str]
    """Columns that the card names."""
    missing: list[str]
    has: list[str]
    """Columns of the set's first row; none if it could not be read."""
    error: str = ""
    """Why it could not."""

    @property
    def is_good(self) -> bool:
        """Whether the set was read and has every column."""
        return not self.error and not self.missing

    @property
    def line(self) -> str:
        """In words."""
        if self.error:
            return f"{self.card}: not checked, cannot be read: {self.error}"
        if self.missing:
            return (
                f"{self.card}: {self.place} has no column {', '.join(map(repr, self.missing))}; it has "
                f"{', '.join(self.has) or 'none'}. Mend the card, or name another set (path, config, split)"
            )
        return f"{self.card}: {self.place} has all {len(self.wanted)} columns: {', '.join(self.wanted)}"


def check(recipe: Recipe) -> Iterator[Checked]:
    """Hold every card that a recipe uses, for its traces, its problems and its suites, against its set."""
    uses = [*recipe.generate.adopt, *recipe.generate.sources]
    if recipe.eval:
        uses += [source for name in recipe.eval.suites for source in load_suite(name).sources]
    seen: list[Use] = []
    for use in uses:
        if use.use == "hub" and use not in seen:
            seen.append(use)
            yield _checked(use)


def _checked(use: Use) -> Checked:
    name = str(use.options["card"])
    chosen = {key: value for key, value in use.options.items() if key in OPTIONS}
    table = HubTable(name, what="recipes check", **chosen)
    wanted = columns_of(table.card)
    place = f"{table.path}, split {table.split}"
    try:
        row = next(iter(table.rows()), None)
    except DataError as error:
        return Checked(name, place, wanted, [], [], str(error))
    if row is None:
        return Checked(name, place, wanted, [], [], f"{place} has no row")
    return Checked(name, place, wanted, [column for column in wanted if column not in row], list(row))


def columns_of(card: cards.Card) -> list[str]:
    """Every column that a card names, each once."""
    columns, choices, traces = card.columns, card.choices, card.traces
    metadata = list(columns.metadata) if isinstance(columns.metadata, list) else _flat(list(columns.metadata.values()))
    named: list[str | None] = [columns.prompt, columns.reference, columns.domain, *metadata, *card.where]
    named += [field for field in fields_of(card.prompt or "") if not (choices and field == "options")]
    if choices:
        named += [choices.options, choices.answer, choices.correct, *choices.incorrect]
    if traces:
        named += [traces.messages, traces.reply, traces.thinking, traces.answer, traces.system, traces.complete]
        named += [traces.finish, *traces.metadata]
    return list(dict.fromkeys(name for name in named if name))


def _flat(values: list[str | list[str]]) -> list[str]:
    return [name for value in values for name in ([value] if isinstance(value, str) else value)]
