"""What there is to train on: a run's examples, or, before there are any, what cards and routes say of their number."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from distill import assets
from distill.errors import DistillError
from distill.journal import Journal
from distill.recipe import Recipe, Use
from distill.sources import card as cards
from distill.training import lengths
from distill.training.student import load_chat
from distill.types import Example

SPREAD = 1.5
"""The mean length of a token's row over the mean length of a row: of long-tailed replies, about. Only attention's share
of the work hangs on it."""


class Work(NamedTuple):
    """What there is to train on."""

    rows: int
    tokens: int
    """Of all rows once."""
    length: int
    """Tokens in a token's row, on average."""
    longest: int | None
    """None where nobody knows."""
    said: list[str]
    """Where the figures are from, in lines."""


def of_run(recipe: Recipe, run_dir: Path, max_length: int | None) -> Work | None:
    """A run's examples that fit; None if it has none yet."""
    path = run_dir / "train.jsonl"
    if recipe.train is None or not path.exists():
        return None
    chat = load_chat(recipe.train, recipe.student_format)
    rows = [chat.row(example) for example in Journal(path, Example)]
    fitting = lengths.fitting(rows, max_length)
    kept = [len(row.input_ids) for row in fitting.kept]
    said = lengths.table([len(row.input_ids) for row in rows]).splitlines()
    if fitting.too_long:
        said.append(f"{len(fitting.too_long)} examples are longer than max_length {max_length} and are left out")
    tokens = sum(kept)
    squares = sum(length * length for length in kept)
    return Work(len(kept), tokens, squares // max(tokens, 1), max(kept, default=0), said)


def expected(recipe: Recipe) -> Work | None:
    """The examples that a recipe will have at most, by its cards and its route; None where they do not say."""
    route = recipe.route
    known = _of_cards(recipe.generate.adopt)
    if known is None and route and route.examples and route.tokens:
        known = Work(route.examples, int(route.examples * route.tokens), 0, None, ["as many as its source had"])
    if known is None:
        return None
    mean, bound = known.tokens / max(known.rows, 1), _bound(recipe.filter.select)
    rows = min(known.rows, bound or known.rows)
    said = [f"about {rows:,} examples of {mean:,.0f} tokens at most, before there are any:", *known.said]
    return Work(rows, int(rows * mean), int(SPREAD * mean), None, said)


def _of_cards(sets: Iterable[Use]) -> Work | None:
    """All rows of sets that have a size; None if one of them has none."""
    rows = tokens = 0
    said: list[str] = []
    for use in sets:
        size = size_of(use)
        if size is None or size.tokens is None:
            return None
        count = min(size.rows, use.options.get("limit") or size.rows)
        rows, tokens = rows + count, tokens + int(count * size.tokens)
        said.append(f"{use.options['card']}: {' '.join(size.source.split())}")
    return Work(rows, tokens, 0, None, said) if rows else None


def told_by_cards(sources: Iterable[Use]) -> str:
    """How many problems sources have, by what their cards say."""
    counts = [(use.options.get("limit"), size_of(use)) for use in sources]
    known = [min(size.rows, most or size.rows) for most, size in counts if size]
    return f"{sum(known):,} problems by its card" if len(known) == len(counts) else "nobody says how many problems"


def size_of(use: Use) -> cards.Size | None:
    """What the card of a source or a set says of its size; None where there is no card, or it says nothing.

    A recipe may take another subset, split or copy than the card's, of which the card says nothing.
    """
    name: Any = use.options.get("card")
    if use.use != "hub" or not isinstance(name, str) or {"config", "split", "path"} & use.options.keys():
        return None
    try:
        return cards.load(assets.find("datasets", name)).size
    except DistillError:
        return None


def _bound(steps: Iterable[Use]) -> int | None:
    """The most examples that steps of a filter let through by their counts."""
    bounds: list[int] = []
    for step in steps:
        counts: dict[str, int] = step.options.get("counts") or {}
        bounds += [sum(counts.values())] if counts else []
        bounds += [step.options[key] for key in ("total", "count") if isinstance(step.options.get(key), int)]
    return min(bounds, default=None)
