"""A file of one record type, a JSON line each, that survives kill -9, a full disk and a reader at the same time.

Each line is written by one system call on a descriptor in append mode, so a reader never sees half of two lines. A
killed writer can leave a torn last line: readers pass over it, and the next writer cuts it off. Lines in the middle
are never torn by us, so a bad one there is an error that names file and line. What this does not protect from: power
loss (lines are flushed to the operating system, not to the platter) and two writers (the run's lock forbids them).
"""

import contextlib
import errno
import os
from collections.abc import Generator, Iterable, Iterator
from io import BufferedReader
from pathlib import Path
from types import TracebackType
from typing import Generic, NamedTuple, Self, TypeVar

import msgspec

from distill.errors import DataError, RunStorageError

Record = TypeVar("Record", bound=msgspec.Struct)

CHUNK = 1 << 16


class Entry(NamedTuple, Generic[Record]):
    """A record, and the bytes of the file that hold it."""

    record: Record
    start: int
    end: int


class Journal(Generic[Record]):
    """An append-only file of `Record` lines.

    Args:
        path: The file; it need not exist yet.
        record_type: What each line holds.

    Example:
        >>> with Journal(path, Trace).appender() as journal:  # doctest: +SKIP
        ...     journal.append(trace)
    """

    def __init__(self, path: Path, record_type: type[Record]) -> None:
        self.path = path
        self.record_type = record_type
        self._decoder = msgspec.json.Decoder(record_type)
        self._looked_up: BufferedReader | None = None

    def __iter__(self) -> Iterator[Record]:
        """Every whole record, in the order of writing, in flat memory.

        Raises:
            DataError: If a line, other than a torn last one, is not a record.
        """
        for entry in self.since(0):
            yield entry.record

    def since(self, offset: int) -> Iterator["Entry[Record]"]:
        """Every whole record from a byte offset on, which must be where a line begins.

        Raises:
            DataError: If a line, other than a torn last one, is not a record.
        """
        if not self.path.exists():
            return
        knows_number = offset == 0
        with self.path.open("rb") as file:
            file.seek(offset)
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return  # the torn tail of a killed writer
                start, offset = offset, offset + len(line)
                if not line.isspace():
                    yield Entry(self._decode(line, number if knows_number else 0, start), start, offset)

    def at(self, offset: int) -> Record:
        """The record whose line begins at a byte offset.

        Raises:
            DataError: If that line is not a record.
        """
        if self._looked_up is None:  # kept open: opening costs more than reading a line
            self._looked_up = self.path.open("rb")
        self._looked_up.seek(offset)
        return self._decode(self._looked_up.readline(), 0, offset)

    def _decode(self, line: bytes, number: int, start: int) -> Record:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            shown = line[:80].decode(errors="replace").rstrip()
            place = f"line {number}" if number else f"byte {start}"
            raise DataError(
                f"{self.path}, {place}: not a {self.record_type.__name__}: {error}. The line starts with "
                f"{shown!r}. Mend or delete that line; the other lines are untouched."
            ) from None

    def write_all(self, records: Iterable[Record]) -> int:
        """Replace the file by `records`, all or nothing; returns how many."""
        partial = self.path.with_name(self.path.name + ".partial")
        count = 0
        with storage_errors(partial), partial.open("wb") as file:
            for record in records:
                file.write(msgspec.json.encode(record) + b"\n")
                count += 1
        partial.replace(self.path)
        return count

    def appender(self) -> "Appender[Record]":
        """Open for appending, after cutting off a torn last line."""
        return Appender(self.path)


class Appender(Generic[Record]):
    """The writing end of a journal; a context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
            self.end = cut_torn_tail(self._fd)
            """The file's length in bytes."""

    def append(self, record: Record) -> int:
        """Write one record; it is safe from kill -9 when this returns.

        Returns:
            The byte offset at which its line begins.

        Raises:
            RunStorageError: If the disk refuses. Nothing of the record stays in the file then.
        """
        line = msgspec.json.encode(record) + b"\n"
        with storage_errors(self.path):
            written = os.write(self._fd, line)
            if written < len(line):
                self._take_back(written)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        start = self.end
        self.end += len(line)
        return start

    def _take_back(self, num_bytes: int) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, os.fstat(self._fd).st_size - num_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def cut_torn_tail(fd: int) -> int:
    """Cut a file back to its last line end; returns its length after that, in bytes."""
    size = end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - CHUNK)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            end = start + newline + 1
            break
        end = start
    if end < size:
        os.ftruncate(fd, end)
    return end


@contextlib.contextmanager
def storage_errors(path: Path) -> Generator[None]:
    """Turn the disk's refusals into a `RunStorageError` that says what to do."""
    ways_out = {
        errno.ENOSPC: "The disk is full: free some room, then run the same command again; it resumes.",
        errno.EDQUOT: "Your disk quota is used up: free some room, then run the same command again; it resumes.",
        errno.EFBIG: "The file reached its size limit (ulimit -f): raise it, then run the same command again.",
        errno.EROFS: "The file system is read-only: choose another place with --runs DIR.",
        errno.EACCES: "You may not write there: mend its permissions, or choose another place with --runs DIR.",
        errno.EPERM: "You may not write there: mend its permissions, or choose another place with --runs DIR.",
        errno.ENOTDIR: "A part of that path is a file: choose another place with --runs DIR.",
    }
    try:
        yield
    except RunStorageError:
        raise
    except OSError as error:
        way_out = ways_out.get(error.errno or 0)
        if way_out is None:
            raise
        raise RunStorageError(
            f"cannot write {path}: {error.strerror}. {way_out} Nothing that finished is lost."
        ) from None
