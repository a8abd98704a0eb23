"""What is known of each trace while a filter runs, in a SQLite file: where it lies, which step dropped it and why."""

import itertools
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

import msgspec

from distill.errors import PluginError
from distill.filtering.reader import Place
from distill.filtering.steps import Seen
from distill.journal import Journal
from distill.selectors import Measured, Ruling

CACHE_KIB = 2_000
"""Of the table's pages; four times as much makes a million traces no faster."""
BATCH = 1_000
MOST_VALUES = 8

_SCHEMA = f"""
CREATE TABLE problems (id TEXT PRIMARY KEY, start INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pass_rates (id TEXT PRIMARY KEY, start INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE verdicts (id TEXT PRIMARY KEY, start INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE traces (
    row INTEGER PRIMARY KEY, id TEXT NOT NULL, problem TEXT NOT NULL, start INTEGER NOT NULL,
    step INTEGER, reason TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
    scores TEXT NOT NULL DEFAULT '{{}}');
CREATE TABLE measures (row INTEGER PRIMARY KEY, {", ".join(f"v{n}" for n in range(MOST_VALUES))});
CREATE TABLE rulings (row INTEGER PRIMARY KEY, reason TEXT, detail TEXT);
"""
_PLACES = """
SELECT traces.row, traces.start, verdicts.start, problems.start, pass_rates.start FROM traces
JOIN verdicts ON verdicts.id = traces.id JOIN problems ON problems.id = traces.problem
LEFT JOIN pass_rates ON pass_rates.id = traces.problem
"""


class _Id(msgspec.Struct, frozen=True):
    id: str


class _ProblemId(msgspec.Struct, frozen=True):
    problem_id: str


class _TraceId(msgspec.Struct, frozen=True):
    trace_id: str


class _TraceIds(msgspec.Struct, frozen=True):
    id: str
    problem_id: str


class Decided(NamedTuple):
    """A trace as the steps left it."""

    place: Place
    trace_id: str
    problem_id: str
    step: int | None
    reason: str
    detail: str
    scores: str
    """JSON."""


class Table:
    """The table of one filter; a context manager. The file is a work file: it is of no use afterwards.

    Args:
        path: Where to make it.
    """

    def __init__(self, path: Path) -> None:
        self._num_values = 0
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}", "temp_store=FILE"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def read(self, folder: Path) -> None:
        """Note where each line of a run's journals lies. Traces that nobody has judged yet are left out."""
        self._note("problems", ((e.record.id, e.start) for e in Journal(folder / "problems.jsonl", _Id).since(0)))
        self._note(
            "pass_rates",
            ((e.record.problem_id, e.start) for e in Journal(folder / "pass_rates.jsonl", _ProblemId).since(0)),
        )
        self._note(
            "verdicts", ((e.record.trace_id, e.start) for e in Journal(folder / "verdicts.jsonl", _TraceId).since(0))
        )
        places = (
            (entry.record.id, entry.record.problem_id, entry.start)
            for entry in Journal(folder / "traces.jsonl", _TraceIds).since(0)
        )
        self._write("INSERT INTO traces (id, problem, start) VALUES (?, ?, ?)", places)
        self._db.execute(f"DELETE FROM traces WHERE row NOT IN (SELECT row FROM ({_PLACES}))")

    def _note(self, name: str, places: Iterable[tuple[str, int]]) -> None:
        self._write(f"INSERT OR REPLACE INTO {name} VALUES (?, ?)", places)

    def _write(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        for batch in batched(rows, BATCH):
            self._db.execute("BEGIN")
            self._db.executemany(statement, batch)
            self._db.execute("COMMIT")

    def __len__(self) -> int:
        """Traces in all."""
        return self._count("SELECT count(*) FROM traces")

    @property
    def num_kept(self) -> int:
        """Traces that no step has dropped."""
        return self._count("SELECT count(*) FROM traces WHERE step IS NULL")

    def _count(self, query: str) -> int:
        return self._db.execute(query).fetchone()[0]

    def kept(self) -> Iterator[Place]:
        """Places of the traces that no step has dropped, in the order of the file."""
        return map(Place._make, self._rows(f"{_PLACES} WHERE step IS NULL ORDER BY traces.row"))

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        cursor = self._db.cursor()  # of its own: others read and write meanwhile
        yield from map(tuple, cursor.execute(query))  # map: else an end before its time closes the cursor, too late

    def settle(self, seen: Sequence[Seen]) -> None:
        """Keep what a pass found."""
        dropped = [(s.step, s.drop.reason, s.drop.detail, s.row) for s in seen if s.drop is not None]
        scored = [(msgspec.json.encode(s.scores).decode(), s.row) for s in seen if s.scores]
        measured = [(s.row, *s.values) for s in seen if s.values is not None]
        self._write("UPDATE traces SET step = ?, reason = ?, detail = ? WHERE row = ?", dropped)
        self._write("UPDATE traces SET scores = json_patch(scores, ?) WHERE row = ?", scored)
        if measured:
            self._num_values = len(measured[0]) - 1
            self._write(
                f"INSERT INTO measures ({self._measure_columns}) VALUES (?{', ?' * self._num_values})", measured
            )

    @property
    def _measure_columns(self) -> str:
        return ", ".join(["row", *(f"v{number}" for number in range(self._num_values))])

    def measured(self) -> Iterator[Measured]:
        """What the last pass measured, sorted by the values, then by the trace's id."""
        columns = self._measure_columns.removeprefix("row, ")
        query = f"SELECT row, id, problem, {columns} FROM measures JOIN traces USING (row) ORDER BY {columns}, id"
        for row, trace_id, problem_id, *found in self._rows(query):
            yield Measured(row, trace_id, problem_id, tuple(found))

    def rule(self, rulings: Iterable[Ruling], step: int, name: str) -> None:
        """Keep what a choice said of all that was measured, and forget the measures.

        Raises:
            PluginError: If it ruled twice on a trace, or not at all.
        """
        rows = ((r.row, r.drop and r.drop.reason, r.drop.detail if r.drop else "") for r in rulings)
        try:
            self._write("INSERT INTO rulings VALUES (?, ?, ?)", rows)
        except sqlite3.IntegrityError:
            raise PluginError(f"filter: the step {name!r} ruled twice on the same trace") from None
        missing = self._count("SELECT count(*) FROM measures WHERE row NOT IN (SELECT row FROM rulings)")
        if missing:
            raise PluginError(f"filter: the step {name!r} did not rule on {missing:,} of the traces that it was given")
        self._db.execute(
            "UPDATE traces SET step = ?, reason = rulings.reason, detail = rulings.detail FROM rulings "
            "WHERE rulings.row = traces.row AND rulings.reason IS NOT NULL",
            (step,),
        )
        self._db.execute("DELETE FROM rulings")
        self._db.execute("DELETE FROM measures")

    def decided(self) -> Iterator[Decided]:
        """Every trace as the steps left it, sorted by problem and trace: the same for every order of arrival."""
        columns = _PLACES.replace(
            " FROM traces\n", ", traces.id, problem, step, reason, detail, scores FROM traces\n", 1
        )
        for *place, trace_id, problem, step, reason, detail, scores in self._rows(
            f"{columns} ORDER BY problem, traces.id"
        ):
            yield Decided(Place(*place), trace_id, problem, step, reason, detail, scores)

    def reasons(self) -> Iterator[tuple[int, str, int]]:
        """Step, reason and how many traces it dropped, the most frequent of each step first."""
        query = "SELECT step, reason, count(*) FROM traces WHERE step IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
        return self._rows(query)  # pyright: ignore[reportReturnType]

    def samples(self, count: int) -> Iterator[Decided]:
        """A few traces of each reason, those whose ids sort first."""
        query = (
            "SELECT row, id, problem, step, reason, detail, scores FROM (SELECT *, row_number() OVER "
            f"(PARTITION BY step, reason ORDER BY id) AS place FROM traces WHERE step IS NOT NULL) "
            f"WHERE place <= {count} ORDER BY step, reason, id"
        )
        for row, trace_id, problem, step, reason, detail, scores in list(self._rows(query)):
            place = Place._make(next(self._rows(f"{_PLACES} WHERE traces.row = {row}")))
            yield Decided(place, trace_id, problem, step, reason, detail, scores)

    def find(self, trace_id: str) -> Place | None:
        """Where a trace lies; None if the filter has none of that id."""
        found = self._db.execute(f"{_PLACES} WHERE traces.id = ?", (trace_id,)).fetchone()
        return Place._make(found) if found else None


Item = TypeVar("Item")


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of so many items; the last may be shorter."""
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch
