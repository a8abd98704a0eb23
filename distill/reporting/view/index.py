"""The index: what lists, counts and filters need of every trace, in an SQLite file outside the run.

One row for each trace and each example. A verdict or a decision may be read before its trace: its row is then made
without a `start`, and is not shown until the trace has come.
"""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path

from distill.reporting.view.places import Place

SCHEMA = """
CREATE TABLE places (place INTEGER PRIMARY KEY, key TEXT UNIQUE, run TEXT, stage TEXT, suite TEXT);
CREATE TABLE problems (id TEXT PRIMARY KEY, place INTEGER, start INTEGER, prompt TEXT);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY, place INTEGER NOT NULL, id TEXT NOT NULL, start INTEGER,
    problem TEXT, sample INTEGER, model TEXT, ended TEXT, tokens INTEGER, trace TEXT,
    verdict TEXT NOT NULL DEFAULT 'unjudged', verdict_start INTEGER,
    decision TEXT NOT NULL DEFAULT 'undecided', reason TEXT NOT NULL DEFAULT '', decision_start INTEGER,
    UNIQUE (place, id));
CREATE INDEX rows_by_place ON rows (place, start);
CREATE INDEX rows_by_problem ON rows (problem);
CREATE INDEX rows_by_tokens ON rows (tokens);
CREATE INDEX rows_by_choice ON rows (place, verdict, decision, reason, ended, model) WHERE start IS NOT NULL;
CREATE INDEX rows_by_trace ON rows (trace) WHERE trace IS NOT NULL;
"""
TRACE = """
INSERT INTO rows (place, id, start, problem, sample, model, ended, tokens) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (place, id) DO UPDATE SET start = excluded.start, problem = excluded.problem, sample = excluded.sample,
model = excluded.model, ended = excluded.ended, tokens = excluded.tokens
"""
EXAMPLE = "INSERT OR REPLACE INTO rows (place, id, start, problem, trace) VALUES (?, ?, ?, ?, ?)"
PROBLEM = "INSERT OR REPLACE INTO problems (id, place, start, prompt) VALUES (?, ?, ?, ?)"
VERDICT = """
INSERT INTO rows (place, id, verdict_start, verdict) VALUES (?, ?, ?, ?)
ON CONFLICT (place, id) DO UPDATE SET verdict = excluded.verdict, verdict_start = excluded.verdict_start
"""
DECISION = """
INSERT INTO rows (place, id, decision_start, decision, reason) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (place, id) DO UPDATE SET
decision = excluded.decision, reason = excluded.reason, decision_start = excluded.decision_start
"""
# An example of one trace is as long, and as right, as that.
LEARN = """
UPDATE rows SET tokens = t.tokens, model = t.model, ended = t.ended, verdict = t.verdict, sample = t.sample
FROM rows AS t
WHERE rows.place = ? AND rows.tokens IS NULL AND t.place = ? AND t.id = rows.trace AND t.start IS NOT NULL
"""
UNJUDGE = "UPDATE rows SET verdict = 'unjudged', verdict_start = NULL WHERE place = ?"
UNDECIDE = "UPDATE rows SET decision = 'undecided', reason = '', decision_start = NULL WHERE place = ?"


class Index:
    """The index's file. One thread writes; any number read, each by a connection of its own.

    Args:
        path: Where to make it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        """Grows with each change."""
        self.places: list[Place] = []
        # made here and used by the thread that follows the journals, one after the other
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-64000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the writing end."""
        self._db.close()

    def add_place(self, place: Place) -> int:
        """Take a place in; its number."""
        number = len(self.places)
        self._db.execute(
            "INSERT INTO places VALUES (?, ?, ?, ?, ?)",
            (number, place.key, place.run, place.stage, place.suite),
        )
        self.places.append(place)
        self.version += 1
        return number

    def write(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Run a statement for each of the values, as one change."""
        self._db.execute("BEGIN")
        self._db.executemany(statement, values)
        self._db.execute("COMMIT")
        self.version += 1

    def forget(self, place: int) -> None:
        """Forget the rows of a place."""
        self.write("DELETE FROM rows WHERE place = ?", [(place,)])

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """A connection that cannot write."""
        db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, isolation_level=None)
        db.row_factory = sqlite3.Row
        try:
            yield db
        finally:
            db.close()

    def stages(self) -> list[str]:
        """The stages that have something to show."""
        exists = "EXISTS (SELECT 1 FROM rows WHERE rows.place = places.place AND start IS NOT NULL)"
        with self.reading() as db:
            return [
                stage for (stage,) in db.execute(f"SELECT DISTINCT stage FROM places WHERE {exists} ORDER BY stage")
            ]

    def place_at(self, key: str) -> int | None:
        """A place's number by its key."""
        return next((number for number, place in enumerate(self.places) if place.key == key), None)
