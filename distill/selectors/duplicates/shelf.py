"""Texts on the disk, in the order in which they are preferred, and which of them are copies of one before.

In memory are 25 bytes for each text, while one band is sorted.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_EARLIER = 16
"""Texts of a bucket, its first, with which a later one is compared: a bucket of thousands that are alike in nothing
but their phrases must not take millions of comparisons."""
BATCH = 10_000
REMEMBERED = 4_096
"""Texts that are compared several times are near each other in most cases."""

_SCHEMA = """
CREATE TABLE texts (place INTEGER PRIMARY KEY, id TEXT NOT NULL, answer TEXT, sketch BLOB NOT NULL);
CREATE TABLE members (row INTEGER NOT NULL, place INTEGER NOT NULL, is_copy INTEGER NOT NULL);
CREATE TABLE pairs (later INTEGER, earlier INTEGER, PRIMARY KEY (later, earlier)) WITHOUT ROWID;
CREATE TABLE copies (place INTEGER PRIMARY KEY, original INTEGER NOT NULL, similarity REAL NOT NULL);
"""
_FATES = """
SELECT members.row, original.id, copies.similarity, members.is_copy FROM members
LEFT JOIN copies USING (place) JOIN texts AS original ON original.place = coalesce(copies.original, members.place)
"""


class Stored(NamedTuple):
    """What two texts are compared by."""

    answer: str | None
    sketch: bytes


class Fate(NamedTuple):
    """What became of one row."""

    row: int
    original: str
    """The id of the text that stays, its own or another."""
    similarity: float | None
    """Of a near copy to it."""
    is_copy: bool
    """The same text as another row's, which came before it."""


class Shelf:
    """Texts, to which copies are found.

    Args:
        folder: Where to keep them; empty.
        num_bands: Buckets of each text; 0 finds no near copies.
    """

    def __init__(self, folder: Path, num_bands: int) -> None:
        self._db = sqlite3.connect(folder / "texts.sqlite", isolation_level=None)
        for pragma in ("journal_mode=OFF", "synchronous=OFF", "temp_store=FILE"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.executescript(_SCHEMA)
        self._paths = [folder / f"band-{band}" for band in range(num_bands)]
        self._texts: list[tuple[Any, ...]] = []
        self._members: list[tuple[Any, ...]] = []
        self._buckets: list[bytes] = []
        self._num_texts = 0

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, text_id: str, answer: str | None, buckets: bytes, sketch: bytes) -> None:
        """Put a text behind all others."""
        self._texts.append((self._num_texts, text_id, answer, sketch))
        self._buckets.append(buckets)
        self._num_texts += 1
        if len(self._texts) == BATCH:
            self._flush()

    def add_row(self, row: int, is_copy: bool) -> None:
        """A row that has the last text, or a copy of it."""
        self._members.append((row, self._num_texts - 1, is_copy))
        if len(self._members) == BATCH:
            self._flush()

    def _flush(self) -> None:
        self._write("INSERT INTO texts VALUES (?, ?, ?, ?)", self._texts)
        self._write("INSERT INTO members VALUES (?, ?, ?)", self._members)
        if self._paths:
            buckets = np.frombuffer(b"".join(self._buckets), dtype=np.uint64).reshape(-1, len(self._paths))
            for band, path in enumerate(self._paths):
                with path.open("ab") as file:
                    file.write(buckets[:, band].tobytes())
        self._texts.clear()
        self._members.clear()
        self._buckets.clear()

    def _write(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        iterator = iter(rows)
        while batch := list(islice(iterator, BATCH)):
            self._db.execute("BEGIN")
            self._db.executemany(statement, batch)
            self._db.execute("COMMIT")

    def find_near(self, compare: Callable[[Stored, Stored], float | None]) -> None:
        """Find the near copies: each text in turn, to those before it that stay.

        Args:
            compare: Gives the similarity of two texts of one bucket, or None if neither is a copy of the other.
        """
        self._flush()
        for path in self._paths if self._num_texts else ():
            self._write("INSERT OR IGNORE INTO pairs VALUES (?, ?)", _pairs(np.fromfile(path, dtype=np.uint64)))
            path.unlink()
        stored = lru_cache(REMEMBERED)(self._stored)
        is_dropped = bytearray(self._num_texts)

        def copies() -> Iterator[tuple[int, int, float]]:
            pairs = self._db.cursor().execute("SELECT later, earlier FROM pairs ORDER BY later, earlier")
            for later, candidates in groupby(pairs, key=lambda pair: pair[0]):
                found = [
                    (compare(stored(earlier), stored(later)) or 0.0, -earlier)
                    for _, earlier in candidates
                    if not is_dropped[earlier]
                ]
                similarity, place = max(found, default=(0.0, 0))
                if similarity:
                    is_dropped[later] = True
                    yield later, -place, similarity

        self._write("INSERT INTO copies VALUES (?, ?, ?)", copies())

    def _stored(self, place: int) -> Stored:
        return Stored(*self._db.execute("SELECT answer, sketch FROM texts WHERE place = ?", (place,)).fetchone())

    def fates(self) -> Iterator[Fate]:
        """What became of each row."""
        self._flush()
        for row, original, similarity, is_copy in self._db.cursor().execute(_FATES):
            yield Fate(row, original, similarity, bool(is_copy))


def _pairs(buckets: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Places of texts in one bucket: a later one, and one of the first of them."""
    order = np.argsort(buckets, kind="stable")  # stable: in each bucket the places ascend
    buckets = buckets[order]
    first: list[int] = []
    previous = -1
    for index in np.flatnonzero(buckets[1:] == buckets[:-1]):
        if index != previous + 1 or not first:
            first = [int(order[index])]
        later = int(order[index + 1])
        for earlier in first:
            yield later, earlier
        if len(first) < MOST_EARLIER:
            first.append(later)
        previous = index
