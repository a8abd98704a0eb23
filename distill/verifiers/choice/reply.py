r"""Where a reply makes its choice: the last clear statement, else the last hint, else its last or first line.

Clear are a box, ``<answer>``, ``####`` and "the answer is". A statement that is no choice ("the answer is not C", a box
with a number) says nothing; a later one takes an earlier one back.
"""

import re
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from distill.verifiers.choice.statement import HEDGE, SILENCE, Reader, Reading, plain
from distill.verifiers.choice.words import CUE, HINT
from distill.verifiers.extraction import boxed_at

MAX_READ = 100_000
"""Characters at the end of a reply that are looked at."""
MAX_STATEMENTS = 50
"""So many are read, from the last one: a reply of nothing but "answer" must not take long."""
MAX_BOXED = 4_000
"""Characters of a box; the brace of a longer one is not looked for."""

_MARK = re.compile(r"(\\(?:boxed|fbox)\s{0,4}\{|(?<![A-Za-z\\])boxed\{)|<answer>|####", re.IGNORECASE)
_END_TAG = re.compile(r"</answer>", re.IGNORECASE)
_IN_PROSE = re.compile(r"(?<![A-Za-z0-9])\(([A-Z])\)|\*\*([A-Z])[.)]?\*\*")


class _Statement(NamedTuple):
    start: int
    end: int
    text: str
    is_box: bool = False


def choice_of(reply: str, reader: Reader) -> Reading:
    """What a reply chooses; no letters, and why, if it chooses nothing."""
    text = unicodedata.normalize("NFKC", reply[-MAX_READ:])[-MAX_READ:].strip()
    whole = reader.exact(plain(text)) if len(text) <= reader.reach else None
    return whole or stated(text, reader) or _hinted(text, reader) or _bare(text, reader) or SILENCE


def stated(text: str, reader: Reader) -> Reading | None:
    """The last clear statement that is a choice."""
    for statement in reversed(_statements(text, reader)):
        reading = reader.read(statement.text) or (_in_prose(statement.text, reader) if statement.is_box else None)
        if reading:
            return reading
    return None


def _statements(text: str, reader: Reader) -> list[_Statement]:
    cues = (_Statement(m.start(), m.end(), _line(text, m.end(), reader.reach)) for m in _last(CUE.finditer(text)))
    found = sorted([*cues, *_marks(text, reader)], key=lambda statement: statement.end)
    return found[-MAX_STATEMENTS:]


def _marks(text: str, reader: Reader) -> Iterator[_Statement]:
    """Boxes and tags; boxes that an "and" joins are one."""
    last: _Statement | None = None
    for mark in (_marked(text, m, reader.reach) for m in _last(_MARK.finditer(text))):
        if last and last.is_box and mark.is_box and reader.joins(text[last.end : mark.start][:80]):
            gap = text[last.end : mark.start]
            mark = _Statement(last.start, mark.end, f"{last.text}{gap}{mark.text}", is_box=True)
        elif last:
            yield last
        last = mark
    if last:
        yield last


def _marked(text: str, mark: re.Match[str], reach: int) -> _Statement:
    start = mark.end()
    if mark[1]:
        inside = boxed_at(text[start : start + MAX_BOXED], 0)
        return _Statement(mark.start(), start + len(inside) + 1, inside, is_box=True)
    end = _END_TAG.search(text, start, start + MAX_BOXED) if mark[0] != "####" else None
    inside = text[start : end.start()] if end else _line(text, start, reach)
    return _Statement(mark.start(), start, inside)


def _hinted(text: str, reader: Reader) -> Reading | None:
    """What the last line with a hint chooses, if its hints agree."""
    hints = [(m.end(), _line(text, m.end(), reader.reach)) for m in _last(HINT.finditer(text))]
    hints += [(m.start(2), m[2]) for m in _last(reader.asserted.finditer(text)) if not m[1]]
    read = [(at, reading) for at, said in sorted(hints) if (reading := reader.read(said, clearly=True))]
    if not read:
        return None
    line = text.rfind("\n", 0, read[-1][0])
    agreed = {reading for at, reading in read if at > line}
    return agreed.pop() if len(agreed) == 1 else HEDGE


def _bare(text: str, reader: Reader) -> Reading | None:
    """The choice of a reply that is a choice and its explanation, in either order."""
    last, first = text.rpartition("\n")[2], text.partition("\n")[0]
    alone = reader.exact(plain(last)) if len(last) <= reader.reach else None
    if alone:
        return alone
    read = {reading for line in (first, last) if (reading := reader.read(line))}
    return _in_prose(last[: reader.reach], reader) or (read.pop() if len(read) == 1 else HEDGE if read else None)


def _in_prose(line: str, reader: Reader) -> Reading | None:
    """The one letter that stands in brackets or in bold type in a sentence."""
    # bold type is seen only in the line as it is, brackets under LaTeX only without it
    either_way = f"{plain(line)}\n{line}"
    letters = {found[1] or found[2] for found in _IN_PROSE.finditer(either_way)} & set(reader.letters)
    if len(letters) > 1:
        return HEDGE
    return Reading(frozenset(letters)) if letters else None


def _line(text: str, start: int, reach: int) -> str:
    return text[start : start + reach].lstrip().partition("\n")[0]


def _last(matches: Iterable[re.Match[str]]) -> deque[re.Match[str]]:
    return deque(matches, maxlen=MAX_STATEMENTS)
