"""The journal: what was appended is there after any kill, and nothing that was not."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import DataError, RunStorageError
from distill.journal import Appender, Journal
from distill.types import Decision


def decision(name: str, reason: str = "") -> Decision:
    return Decision(trace_id=name, kept=not reason, reason=reason)


def append_all(path: Path, records: list[Decision]) -> None:
    with Journal(path, Decision).appender() as journal:
        for record in records:
            journal.append(record)


@given(reasons=st.lists(st.text(), max_size=20))
def test_any_text_comes_back_as_it_went_in(reasons: list[str], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("journal") / "decisions.jsonl"
    records = [decision(str(index), reason) for index, reason in enumerate(reasons)]
    append_all(path, records)
    assert list(Journal(path, Decision)) == records
    assert path.read_bytes().count(b"\n") == len(records)


@given(cut=st.integers(min_value=0, max_value=400))
def test_a_file_cut_anywhere_keeps_every_whole_line_and_takes_new_ones(
    cut: int, tmp_path_factory: pytest.TempPathFactory
):
    path = tmp_path_factory.mktemp("journal") / "decisions.jsonl"
    records = [decision(f"trace-{index}", "é" * index) for index in range(5)]
    append_all(path, records)
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    whole = records[: data.count(b"\n")]
    assert list(Journal(path, Decision)) == whole
    append_all(path, [decision("after")])
    assert list(Journal(path, Decision)) == [*whole, decision("after")]


def test_a_torn_tail_longer_than_one_read_is_cut_off(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    append_all(path, [decision("first")])
    with path.open("ab") as file:
        file.write(b'{"trace_id": "' + b"x" * 200_000)
    append_all(path, [decision("second")])
    assert [record.trace_id for record in Journal(path, Decision)] == ["first", "second"]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"trace_id": "a"}', '{"trace_id": "a", "kept": "yes"}', "nonsense", '"\udcff"'],
)
def test_a_bad_line_in_the_middle_names_file_and_line(tmp_path: Path, line: str):
    path = tmp_path / "decisions.jsonl"
    append_all(path, [decision("first")])
    with path.open("ab") as file:
        file.write(line.encode(errors="surrogateescape") + b"\n")
    with pytest.raises(DataError, match=r"decisions\.jsonl, line 2: not a Decision"):
        list(Journal(path, Decision))


WRITER = """
import sys
from pathlib import Path
from distill.journal import Journal
from distill.types import Decision
with Journal(Path(sys.argv[1]), Decision).appender() as journal:
    for number in range(10**9):
        journal.append(Decision(trace_id=str(number), kept=True, reason="x" * (number % 5000)))
        print(number, flush=True)
"""


def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    writer.stdout.readline()
    time.sleep(0.3)
    writer.send_signal(signal.SIGKILL)
    acknowledged = [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    kept = [int(record.trace_id) for record in Journal(path, Decision)]
    assert kept == list(range(len(kept)))
    assert len(kept) > max(acknowledged)


def test_a_full_disk_is_said_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "decisions.jsonl"
    append_all(path, [decision("first")])
    real_write = os.write

    def short_write(fd: int, data: bytes) -> int:
        return real_write(fd, data[: len(data) // 2])

    with Appender[Decision](path) as journal:
        monkeypatch.setattr(os, "write", short_write)
        with pytest.raises(RunStorageError, match=r"decisions\.jsonl: No space left on device.*free some room"):
            journal.append(decision("second"))
    monkeypatch.undo()
    assert path.read_bytes().endswith(b"\n")
    assert list(Journal(path, Decision)) == [decision("first")]


def test_a_real_full_device_is_said(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    path.symlink_to("/dev/full")
    with Appender[Decision](path) as journal, pytest.raises(RunStorageError) as caught:
        journal.append(decision("first"))
    assert caught.value.args
    assert os.strerror(errno.ENOSPC) in str(caught.value)


def test_replacing_a_journal_is_all_or_nothing(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    append_all(path, [decision("before")])

    def records():
        yield decision("one")
        raise RuntimeError("the writer fails half way")

    with pytest.raises(RuntimeError):
        Journal(path, Decision).write_all(records())
    assert list(Journal(path, Decision)) == [decision("before")]
    assert Journal(path, Decision).write_all([decision("after")]) == 1
    assert list(Journal(path, Decision)) == [decision("after")]
