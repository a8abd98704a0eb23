"""What the page asks of the index: a page of rows, and how many rows each choice of each filter would leave."""

import functools
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from distill.errors import DataError
from distill.reporting.text import one_line
from distill.reporting.view.index import Index

PAGE = 100
MOST_CHOICES = 60
PROMPT_CHARACTERS = 240

FACETS = {
    "stage": "stage",
    "verdict": "verdict",
    "decision": "decision",
    "reason": "reason",
    "ended": "ended",
    "model": "rows.model",
    "suite": "suite",
    "run": "run",
}
"""Filters by their names in a link, and the columns that they look at."""

ORDERS = {
    "file": "rows.place, rows.start",
    "newest": "rows.row DESC",
    "long": "rows.tokens DESC, rows.row DESC",
    "short": "rows.tokens, rows.row",
    "problem": "rows.problem, rows.place, rows.start",
}


class Wanted(NamedTuple):
    """What the page is filtered by."""

    chosen: Mapping[str, Sequence[str]]
    """For each facet the values of which one must hold; no values, no filter."""
    text: str = ""
    """In the problem's text, or the beginning of an id."""
    least: int | None = None
    """Tokens of the reply, from."""
    most: int | None = None
    """Tokens of the reply, to."""

    @property
    def scope(self) -> tuple[str, int | None, int | None]:
        """The filters that have no counted choices."""
        return self.text, self.least, self.most


def wanted(parameters: Mapping[str, str], values: Mapping[str, Sequence[str]]) -> Wanted:
    """The filters that a link holds.

    Args:
        parameters: The link's parameters, the last of each name.
        values: All values of each facet.

    Raises:
        DataError: If a length is not a number.
    """
    chosen = {name: values[name] for name in FACETS if values.get(name)}
    least, most = number(parameters, "least"), number(parameters, "most")
    return Wanted(chosen, parameters.get("text", "").strip(), least, most)


def number(parameters: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number; None if it is not given.

    Raises:
        DataError: If it is something else.
    """
    text = parameters.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise DataError(f"{name} is {text[:40]!r}; give a whole number")
    return int(text)


def conditions(asked: Wanted) -> tuple[str, list[object]]:
    """The filters as SQL, with the values that it names by question marks."""
    parts, values = [_scope_sql(asked)[0]], _scope_sql(asked)[1]
    for name, choices in asked.chosen.items():
        parts.append(f"{FACETS[name]} IN ({', '.join('?' * len(choices))})")
        values += choices
    return " AND ".join(parts), values


def _scope_sql(asked: Wanted) -> tuple[str, list[object]]:
    parts, values = ["rows.start IS NOT NULL"], list[object]()
    if asked.text:
        literal = asked.text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        found = "SELECT id FROM problems WHERE prompt LIKE ? ESCAPE '\\'"
        parts.append(f"(rows.problem IN ({found}) OR rows.id LIKE ? ESCAPE '\\' OR rows.problem LIKE ? ESCAPE '\\')")
        values += [f"%{literal}%", f"{literal}%", f"{literal}%"]
    for limit, sign in ((asked.least, ">="), (asked.most, "<=")):
        if limit is not None:
            parts.append(f"rows.tokens {sign} ?")
            values.append(limit)
    return " AND ".join(parts), values


class Questions:
    """Answers from the index.

    Args:
        index: What to ask.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self._cube = functools.lru_cache(maxsize=8)(self._count)

    def page(self, asked: Wanted, order: str, offset: int) -> dict[str, Any]:
        """Rows from an offset on, and how many there are in all.

        Raises:
            DataError: If there is no such order.
        """
        if order not in ORDERS:
            raise DataError(f"order is {order[:40]!r}; choose one of {', '.join(ORDERS)}")
        sql, values = conditions(asked)
        version = self.index.version
        with self.index.reading() as db:
            found = db.execute(
                f"SELECT places.key, run, stage, suite, rows.*, substr(prompt, 1, {2 * PROMPT_CHARACTERS}) AS prompt "
                f"FROM rows JOIN places USING (place) LEFT JOIN problems ON problems.id = rows.problem WHERE row IN "
                f"(SELECT row FROM rows JOIN places USING (place) WHERE {sql} ORDER BY {ORDERS[order]} "
                f"LIMIT {PAGE} OFFSET ?) ORDER BY {ORDERS[order]}",
                [*values, offset],
            ).fetchall()
        total = sum(count for *_, count in self._matching(version, asked))
        return {"version": version, "total": total, "offset": offset, "rows": [shown(row) for row in found]}

    def facets(self, asked: Wanted) -> dict[str, Any]:
        """For each filter its choices, each with the rows that it would leave if the other filters stay."""
        version = self.index.version
        counts: dict[str, Counter[str]] = {name: Counter() for name in FACETS}
        for *cell, count in self._cube(version, asked.scope):
            misses = [name for name, value in zip(FACETS, cell, strict=True) if self._refuses(asked, name, value)]
            for name, value in zip(FACETS, cell, strict=True):
                if not misses or misses == [name]:
                    counts[name][value or ""] += count
        return {
            "version": version,
            "facets": {
                name: [{"value": value, "count": count} for value, count in found.most_common(MOST_CHOICES) if value]
                for name, found in counts.items()
            },
        }

    def _matching(self, version: int, asked: Wanted) -> list[tuple[Any, ...]]:
        return [
            cell
            for cell in self._cube(version, asked.scope)
            if not any(self._refuses(asked, name, value) for name, value in zip(FACETS, cell, strict=False))
        ]

    @staticmethod
    def _refuses(asked: Wanted, name: str, value: str | None) -> bool:
        return name in asked.chosen and (value or "") not in asked.chosen[name]

    def _count(self, version: int, scope: tuple[str, int | None, int | None]) -> list[tuple[Any, ...]]:
        # Every combination of choices that occurs, counted in one pass: a thousand at most, whatever the traces.
        sql, values = _scope_sql(Wanted({}, *scope))
        with self.index.reading() as db:
            db.row_factory = None
            return db.execute(
                f"SELECT {', '.join(f'places.{c}' if c in ('stage', 'suite', 'run') else c for c in FACETS.values())}, "
                f"count FROM (SELECT place, verdict, decision, reason, ended, model, count(*) AS count FROM rows "
                f"WHERE {sql} GROUP BY 1, 2, 3, 4, 5, 6) AS rows JOIN places USING (place)",
                values,
            ).fetchall()


def shown(row: sqlite3.Row) -> dict[str, Any]:
    """A row as the list shows it. The text is a model's, or a dataset's: control characters are made visible."""
    return {
        "in": row["key"],
        **{name: row[name] for name in ("id", "run", "stage", "suite", "model", "sample", "problem")},
        **{name: row[name] for name in ("verdict", "decision", "reason", "ended", "tokens")},
        "prompt": one_line((row["prompt"] or "")[:PROMPT_CHARACTERS]),
    }
