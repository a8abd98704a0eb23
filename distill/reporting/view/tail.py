"""The reading end of a journal that grows, is cut, or is replaced while it is read; slice by slice."""

import os
from pathlib import Path
from typing import BinaryIO, Generic, NamedTuple, TypeVar

import msgspec

Record = TypeVar("Record", bound=msgspec.Struct)
MARK = 256
"""Bytes before the offset by which a file is known again."""


class Slice(NamedTuple, Generic[Record]):
    """Some lines of a journal."""

    entries: list[tuple[Record, int]]
    """Records, and the byte offsets at which their lines begin."""
    has_more: bool
    bad: list[str]
    """What is wrong with the lines that were passed over, with the place of each."""


class Tail(Generic[Record]):
    """What was read of one journal, and what was not yet.

    Args:
        path: The journal; it need not exist.
        record_type: What a line holds, as far as it is wanted.
    """

    def __init__(self, path: Path, record_type: type[Record]) -> None:
        self.path = path
        self.offset = 0
        self._decoder = msgspec.json.Decoder(record_type)
        self._mark = b""
        self._seen = (0, 0, 0)

    def restart(self) -> None:
        """Read from the beginning again."""
        self.offset, self._mark, self._seen = 0, b"", (0, 0, 0)

    def was_replaced(self) -> bool:
        """Whether what was read is not what the file holds there now."""
        if not self.offset or not self._has_changed():
            return False
        try:
            with self.path.open("rb") as file:
                file.seek(max(0, self.offset - MARK))
                return file.read(min(MARK, self.offset)) != self._mark
        except OSError:
            return True

    def _has_changed(self) -> bool:
        return self._state() != self._seen

    def _state(self) -> tuple[int, int, int]:
        try:
            found = os.stat(self.path)
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def read(self, count: int) -> Slice[Record]:
        """The next whole lines, so many at most. A torn last line waits until it is whole."""
        state = self._state()
        if state == self._seen or state[1] <= self.offset:
            self._seen = state
            return Slice([], False, [])
        found = Slice[Record]([], False, [])
        try:
            with self.path.open("rb") as file:
                found = self._slice(file, count)
        except FileNotFoundError:
            return found  # a stage is being restarted
        if not found.has_more:
            self._seen = state
        return found

    def _slice(self, file: BinaryIO, count: int) -> Slice[Record]:
        entries: list[tuple[Record, int]] = []
        bad: list[str] = []
        has_more = True
        file.seek(self.offset)
        for _ in range(count):
            line = file.readline()
            if not line.endswith(b"\n"):
                has_more = False
                break
            start, self.offset = self.offset, self.offset + len(line)
            if not line.isspace():
                self._take(line, start, entries, bad)
        file.seek(max(0, self.offset - MARK))
        self._mark = file.read(min(MARK, self.offset))
        return Slice(entries, has_more, bad)

    def _take(self, line: bytes, start: int, entries: list[tuple[Record, int]], bad: list[str]) -> None:
        try:
            entries.append((self._decoder.decode(line), start))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            bad.append(f"{self.path.name}, byte {start}: {error}")


def line_at(path: Path, start: int | None, record_type: type[Record]) -> Record | None:
    """The record whose line begins at a byte offset; None if there is none, as after the file was replaced."""
    if start is None:
        return None
    try:
        with path.open("rb") as file:
            file.seek(start)
            return msgspec.json.decode(file.readline(), type=record_type)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
