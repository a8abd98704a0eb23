"""What the journals of a folder say of each problem, in a SQLite file, so that nothing needs to be read twice.

The index is derived: delete it, and the next command makes it again from the journals. It remembers up to which byte it
has read each journal, in the same transaction as what it learned there; so after a kill it reads the few lines that it
has not seen, and a run of a million traces goes on in seconds and in flat memory.
"""

import contextlib
import errno
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill.journal import storage_errors
from distill.ledger import Ledger, Spent
from distill.recipe import Samples
from distill.sampling.case import num_done, wants_more, with_outcome
from distill.types import Outcome

VERSION = "1"
COMMIT_EVERY = 2_000
"""Changes; what is not committed at a kill is read again from the journals."""

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- is_open: 1 wants samples, 0 does not, -1 does, but failed in this call
CREATE TABLE problems (
    position INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, start INTEGER NOT NULL, call INTEGER NOT NULL,
    outcomes TEXT NOT NULL DEFAULT '', done INTEGER NOT NULL DEFAULT 0, is_open INTEGER NOT NULL DEFAULT 0);
CREATE INDEX open_problems ON problems (done, position) WHERE is_open = 1;
-- traces without a verdict
CREATE TABLE unjudged (
    id TEXT PRIMARY KEY, problem TEXT NOT NULL, start INTEGER NOT NULL, sample INTEGER NOT NULL,
    retry INTEGER NOT NULL, max_tokens INTEGER NOT NULL, is_truncated INTEGER NOT NULL) WITHOUT ROWID;
-- samples whose last retry was truncated
CREATE TABLE truncated (
    problem TEXT NOT NULL, sample INTEGER NOT NULL, retry INTEGER NOT NULL, max_tokens INTEGER NOT NULL,
    PRIMARY KEY (problem, sample)) WITHOUT ROWID;
"""


class Standing(NamedTuple):
    """How one problem stands."""

    problem_id: str
    start: int
    """Byte offset of its line in `problems.jsonl`."""
    outcomes: str
    """See `distill.sampling.case`."""


class Truncated(NamedTuple):
    """A sample whose last retry was truncated."""

    problem_id: str
    start: int
    """Byte offset of its problem's line in `problems.jsonl`."""
    sample: int
    retry: int


class _Unjudged(NamedTuple):
    """A trace without a verdict: a row of the table `unjudged`."""

    id: str
    problem_id: str
    start: int
    sample: int
    retry: int
    max_tokens: int
    is_truncated: bool


class Index:
    """The index of one folder and one teacher. Only `Store` writes to it, while it holds the run's lock.

    Args:
        path: The file; made if need be, and made anew if it is damaged or another teacher's.
        teacher: Key of the teacher whose samples are counted; None counts those of all, in the order of their verdicts,
            and remembers which there are. The ledger counts all teachers.
    """

    def __init__(self, path: Path, teacher: str | None) -> None:
        self.path, self.teacher = path, teacher
        self._num_changes = 0
        self._fresh: dict[str, _Unjudged] = {}
        """Traces since the last commit: most are judged before the next one, and never go through the table."""
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._discard()
            self._open()

    def _open(self) -> None:
        with storage_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(self.path, isolation_level=None, cached_statements=64)
        # Exclusive: no shared memory, which network file systems lack. Off: the journals are the truth, not this file.
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=OFF", "cache_size=-4000"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.create_function("wants", 1, self._is_wanted, deterministic=True)
        if not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone():
            self._db.executescript(_SCHEMA)
            self._put("made", [VERSION, self.teacher])
        if self._get("made", None) != [VERSION, self.teacher]:
            self._db.close()
            raise sqlite3.DatabaseError("made for another teacher, or by another version")
        if self.teacher is None:
            self._db.execute("CREATE TABLE IF NOT EXISTS adopted (id TEXT PRIMARY KEY) WITHOUT ROWID")
        self.offsets: dict[str, int] = self._get("offsets", {})
        self.ledger = msgspec.convert(self._get("ledger", {}), Ledger)
        self.verifiers = set[str](self._get("verifiers", []))
        """Names of all that the folder's problems need."""
        self.samples: dict[str, Any] | None = self._get("samples", None)
        """What the last call wanted of each problem."""
        self._policy = Samples(**self.samples) if self.samples else Samples()
        self.call: int = self._get("call", 0)
        self.asked: str | None = self._get("asked", None)
        self._db.execute("BEGIN")

    def _is_wanted(self, outcomes: str) -> bool:
        return wants_more(outcomes, self._policy)

    def _discard(self) -> None:
        with contextlib.suppress(sqlite3.Error, AttributeError):
            self._db.close()
        for suffix in ("", "-wal", "-shm", "-journal"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _get(self, key: str, default: Any) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return msgspec.json.decode(row[0]) if row else default

    def _put(self, key: str, value: object) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, msgspec.json.encode(value).decode()))

    def commit(self) -> None:
        """Keep what is known so far, with how far each journal is read."""
        self._db.executemany("INSERT OR IGNORE INTO unjudged VALUES (?, ?, ?, ?, ?, ?, ?)", self._fresh.values())
        self._fresh.clear()
        for key in ("offsets", "ledger", "verifiers", "samples", "call", "asked"):
            self._put(key, getattr(self, key))
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")
        self._num_changes = 0

    def close(self) -> None:
        """Commit, and close the file."""
        self.commit()
        self._db.execute("COMMIT")
        self._db.close()

    def abandon(self) -> None:
        """Close the file as it was last committed; what came since is read again from the journals."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()

    def start_again(self) -> None:
        """Forget everything."""
        self._fresh.clear()
        self._discard()
        self._open()

    def _changed(self) -> None:
        self._num_changes += 1
        if self._num_changes >= COMMIT_EVERY:
            self.commit()

    # What the journals say, a line at a time.

    def add_problem(self, problem_id: str, verifier: str, start: int, *, is_wanted: bool = False) -> None:
        """A line of `problems.jsonl`; it is wanted once a call asks for it."""
        self.verifiers.add(verifier)
        row = (problem_id, start, self.call if is_wanted else 0)
        self._db.execute("INSERT OR IGNORE INTO problems (id, start, call) VALUES (?, ?, ?)", row)
        self._changed()

    def add_trace(self, spent: Spent, start: int) -> None:
        """A line of `traces.jsonl`."""
        self.ledger.add(spent, is_trace=True)
        if self.teacher is None:
            self._db.execute("INSERT OR IGNORE INTO adopted VALUES (?)", (spent.id,))
        if self.teacher in (None, spent.teacher):
            is_truncated = spent.finish_reason == "length"
            self._fresh[spent.id] = _Unjudged(
                spent.id, spent.problem_id, start, spent.sample, spent.retry, spent.max_tokens, is_truncated
            )
        self._changed()

    def add_unfinished(self, spent: Spent) -> None:
        """A line of `unfinished.jsonl`."""
        self.ledger.add(spent, is_trace=False)
        self._changed()

    def add_verdict(self, trace_id: str, outcome: Outcome) -> bool | None:
        """A line of `verdicts.jsonl`.

        Returns:
            Whether its problem wants more; None if the trace is not one of this teacher's.
        """
        self.ledger.judge(outcome)
        trace = self._fresh.pop(trace_id, None) or self._take_unjudged(trace_id)
        if trace is None:
            return None
        sample = trace.sample if self.teacher is not None else self._next_sample(trace.problem_id)
        if trace.is_truncated:
            sample_row = (trace.problem_id, sample, trace.retry, trace.max_tokens)
            self._db.execute("INSERT OR REPLACE INTO truncated VALUES (?, ?, ?, ?)", sample_row)
        elif trace.retry:
            which = (trace.problem_id, trace.sample)
            self._db.execute("DELETE FROM truncated WHERE problem = ? AND sample = ?", which)
        wants_more = self._settle(trace.problem_id, sample, outcome)
        self._changed()
        return wants_more

    def _take_unjudged(self, trace_id: str) -> "_Unjudged | None":
        row = self._db.execute("SELECT * FROM unjudged WHERE id = ?", (trace_id,)).fetchone()
        if row is None:
            return None
        self._db.execute("DELETE FROM unjudged WHERE id = ?", (trace_id,))
        return _Unjudged(*row)

    def _next_sample(self, problem: str) -> int:
        row = self._db.execute("SELECT LENGTH(outcomes) FROM problems WHERE id = ?", (problem,)).fetchone()
        return row[0] if row else 0

    def _settle(self, problem: str, sample: int, outcome: Outcome) -> bool:
        row = self._db.execute("SELECT outcomes, call FROM problems WHERE id = ?", (problem,)).fetchone()
        if row is None:
            return False  # a trace of a problem that the folder does not hold
        outcomes = with_outcome(row[0], sample, outcome)
        wants_more = row[1] == self.call and self._is_wanted(outcomes)
        self._db.execute(
            "UPDATE problems SET outcomes = ?, done = ?, is_open = IIF(is_open = -1, -1, ?) WHERE id = ?",
            (outcomes, num_done(outcomes), wants_more, problem),
        )
        return wants_more

    # What a call asks for.

    def begin_call(self) -> None:
        """A new call, which says with `want` which problems it is about."""
        self.call, self.asked, self.samples = self.call + 1, None, None

    def want(self, problem_id: str) -> bool | None:
        """This call is about that problem.

        Returns:
            True; False if the call said so before; None if the problem is not known yet.
        """
        row = self._db.execute("SELECT call FROM problems WHERE id = ?", (problem_id,)).fetchone()
        if row is None:
            return None
        if row[0] == self.call:
            return False
        self._db.execute("UPDATE problems SET call = ? WHERE id = ?", (self.call, problem_id))
        self._changed()
        return True

    def apply(self, samples: Samples) -> None:
        """From now on a problem of this call is open if it wants more by these rules."""
        if self.samples == samples.model_dump():
            self._db.execute("UPDATE problems SET is_open = 1 WHERE is_open = -1")
        else:
            self.samples, self._policy = samples.model_dump(), samples
            self._db.execute("UPDATE problems SET is_open = (call = ? AND wants(outcomes))", (self.call,))
        self.commit()

    def set_aside(self, problem_id: str) -> None:
        """Do not give out this problem again in this call."""
        self._db.execute("UPDATE problems SET is_open = -1 WHERE id = ?", (problem_id,))

    # What is known.

    def has_trace(self, trace_id: str) -> bool:
        """Whether a trace is here; only an index of all teachers knows."""
        return self._db.execute("SELECT 1 FROM adopted WHERE id = ?", (trace_id,)).fetchone() is not None

    def num_wanted(self) -> int:
        """Problems of this call."""
        return self._count("call = ?", self.call)

    def num_open(self) -> int:
        """Problems of this call that want more."""
        return self._count("is_open = 1")

    def num_problems(self) -> int:
        """Problems of the folder."""
        return self._count("1")

    def _count(self, where: str, *values: object) -> int:
        return self._db.execute(f"SELECT COUNT(*) FROM problems WHERE {where}", values).fetchone()[0]

    def open_problems(self, limit: int) -> list[Standing]:
        """The open problems that have the fewest samples first, and of those the first."""
        rows = self._db.execute(
            "SELECT id, start, outcomes FROM problems WHERE is_open = 1 ORDER BY done, position LIMIT ?", (limit,)
        )
        return [Standing(*row) for row in rows]

    def standings(self) -> Iterator[Standing]:
        """Every problem with an outcome, in the order of the journal."""
        rows = self._db.execute("SELECT id, start, outcomes FROM problems WHERE done > 0 ORDER BY position")
        return (Standing(*row) for row in rows)

    def unjudged(self) -> list[tuple[str, int]]:
        """Problem and byte offset of each trace whose verdict is missing."""
        self.commit()
        return self._db.execute("SELECT problem, start FROM unjudged").fetchall()

    def start_of(self, problem_id: str) -> int | None:
        """Where a problem's line begins; None if it is not known."""
        row = self._db.execute("SELECT start FROM problems WHERE id = ?", (problem_id,)).fetchone()
        return row[0] if row else None

    def truncated(self, below: int) -> Iterator[Truncated]:
        """Truncated samples of this call's problems whose limit was below so many tokens."""
        rows = self._db.execute(
            "SELECT t.problem, p.start, t.sample, t.retry FROM truncated t JOIN problems p ON p.id = t.problem "
            "WHERE t.max_tokens < ? AND p.call = ? ORDER BY p.position, t.sample",
            (below, self.call),
        )
        return (Truncated(*row) for row in rows)

    def num_truncated(self, problem_id: str) -> int:
        """Samples of a problem that are truncated."""
        return self._db.execute("SELECT COUNT(*) FROM truncated WHERE problem = ?", (problem_id,)).fetchone()[0]


@contextlib.contextmanager
def sqlite_errors(path: Path) -> Generator[None]:
    """Turn a full disk, as SQLite says it, into the error that a journal raises for it."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "full" in str(error) or "I/O" in str(error):
            with storage_errors(path):
                raise OSError(errno.ENOSPC, str(error)) from None
        raise
