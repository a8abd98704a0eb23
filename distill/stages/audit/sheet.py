"""The sheet of an audit: verdicts to read, and the marks that people put beside them. Written once, then only read."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from distill.errors import DataError
from distill.journal import Journal, storage_errors
from distill.reporting.text import printable
from distill.types import Outcome

TEXT = "audit.md"
ROWS = "audit.jsonl"

Mark = Literal["right", "wrong"]
"""Of the reply's answer, whatever the verdict says of it."""

_MARK = re.compile(r"mark (\d{1,9}): \[ ?([xX]?) ?\] right +\[ ?([xX]?) ?\] wrong")

HEAD = """\
# {count} verdicts to mark

Is the *answer* of the reply right? Put an x between the brackets, `[x]`, of `right` or of `wrong`, whatever the verdict
says; leave both empty where you cannot tell. Then run the same command again. (`{rows}` has the same rows with a field
`mark`: `"right"`, `"wrong"` or `null`. Fill in either file.)
"""


class Item(msgspec.Struct, kw_only=True, frozen=True):
    """A verdict to read."""

    number: int
    trace_id: str
    problem: str
    reference: str | None
    extracted: str | None
    tail: str
    """The end of the reply."""
    outcome: Outcome
    method: str
    reason: str
    mark: Mark | None = None


def exists(folder: Path) -> bool:
    """Whether a sheet was written."""
    return (folder / ROWS).exists()


def write(folder: Path, items: Sequence[Item]) -> None:
    """Write both files of a new sheet; the one whose being there means that there is a sheet comes last."""
    blocks = [HEAD.format(count=len(items), rows=ROWS), *(_block(item) for item in items)]
    with storage_errors(folder):
        (folder / TEXT).write_text("\n".join(blocks), encoding="utf-8", errors="backslashreplace", newline="\n")
    Journal(folder / ROWS, Item).write_all(items)


def _block(item: Item) -> str:
    shown = {
        "Problem": item.problem,
        "Reference": item.reference,
        "Extracted": item.extracted,
        "The reply ends": item.tail,
        "Verdict": f"{item.outcome}, by {item.method or 'its verifier'}{f': {item.reason}' if item.reason else ''}",
    }
    parts = "\n\n".join(f"{title}:\n\n{_indented(text)}" for title, text in shown.items() if text is not None)
    return f"## {item.number}. {printable(item.trace_id)}\n\n{parts}\n\nmark {item.number}: [ ] right  [ ] wrong\n"


def _indented(text: str) -> str:
    # indented, nothing that a model wrote can pass for a mark
    return "\n".join(f"    {line}" for line in printable(text).split("\n"))


def marks(folder: Path) -> dict[str, Mark | None]:
    """The marks of a sheet by trace id; None where there is none yet.

    Raises:
        DataError: If a mark cannot be read, or the two files contradict each other.
    """
    items = list(_items(folder / ROWS))
    written = dict(_marks_in(folder / TEXT))
    for number in written.keys() - {item.number for item in items}:
        raise DataError(f"{folder / TEXT} has a mark {number}, and {ROWS} has no such row: take that mark out")
    found: dict[str, Mark | None] = {}
    for item in items:
        other = written.get(item.number)
        if item.mark and other and item.mark != other:
            raise DataError(
                f"{folder}: number {item.number} is marked {other} in {TEXT}, {item.mark} in {ROWS}: mend one of them"
            )
        found[item.trace_id] = item.mark or other
    return found


def _items(path: Path) -> Iterator[Item]:
    # not as a journal, which passes over a last line without its end: an editor may well leave one
    for place, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=Item)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise DataError(f'{path}, line {place}: {error}. `mark` is "right", "wrong" or null') from None


def _marks_in(path: Path) -> Iterator[tuple[int, Mark | None]]:
    if not path.exists():
        return
    for place, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.startswith("mark "):
            continue
        found = _MARK.fullmatch(line.strip())
        if found is None or (found[2] and found[3]):
            raise DataError(
                f"{path}, line {place}: {line.strip()!r:.80} is no mark; it should look like "
                f"'mark 1: [x] right  [ ] wrong', with one x at most"
            )
        yield int(found[1]), "right" if found[2] else "wrong" if found[3] else None
