"""Loops, exact and near: a stretch of text that says nothing new, whatever its unit.

The measure is what a compressor that remembers the last 32 KB needs for the next few characters. Prose and mathematics
cost a quarter to a half of their length, a list of cases with its own numbers a sixth, a loop whose only news is a
counter a twelfth, a verbatim loop a fiftieth. So words, characters and lines, alternating sentences and counters need
no rule each. Not seen: the same thought in ever new words.
"""

import re
import statistics
import zlib
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from distill.selectors import Candidate, Context, Drop, Gate
from distill.selectors.layout import fences

REASON = "repeats itself"
BLOCK = 256
"""Characters that are priced at a time."""
FLUSH = 5
"""Bytes that the compressor writes to end a block, which are not the text's."""
VERBATIM, NEAR = 0.05, 0.15
"""Price of a character, in bytes for a byte, up to which a block is a copy; is a copy but for small changes."""
NUM_TIMES = 4
"""A draft is copied into the answer, code is shown again, a check is made twice: none of it four times."""
NUM_LETTERS_OF_WORDS = 8
"""Different letters in a stretch of words. Rules, boards, digits and grids of `False` have fewer, and may be longer."""
AT_END = 3
"""How many times shorter a verbatim stretch may be that a text ends in: nothing came after it."""
CLOSING = ("`", "~", "]", "}")
"""What ends a block of code, a list of data: not a loop."""
SIGNS = 2
"""How many times as long such a stretch may be."""
NUM_WORDS_OF_LINE = 4
"""Words in a line that is counted: fewer are markup and code, `\\end{aligned}`, `return False`."""
SHARE_OF_LINES = 0.1
"""Share of a text's lines that are the same, below which a long text has just a turn of phrase."""
IN_A_ROW = 20
"""How often one line, but for its number, may not stand in a row."""
SHORTEST_LINE = 12
"""Characters of such a line; fewer may be a move, a throw of a coin."""
NUM_WORDS_ALIKE = 40
"""How often one word may not stand in a row."""
NUM_PROBES, PROBE = 32, 24
"""Places of a stretch that are looked for elsewhere in the text, and their characters."""
LONGEST_SHOWN = 240
SHOWN = 60
"""Characters of the unit that a detail shows."""

_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_LINE = re.compile(r"^.*\S.*$", re.MULTILINE)
_COUNTER = re.compile(r"^(?:[-*+•]\s+)?[(\[#]?\d{1,4}[.):\]]\s+")
_VALUES = frozenset("true false none null nan inf infinity na undefined yes no heads tails".split())
_TABLE_ROW = re.compile(r"^\s*\||\|.*\||\t.*\t|&.*\\\\")


class Stretch(NamedTuple):
    """What is said again and again in a text."""

    unit: str
    """Its longest part that never changes."""
    times: int
    begins: int
    """Character of the text where it begins."""

    def __str__(self) -> str:
        shown = self.unit if len(self.unit) <= SHOWN else self.unit[: SHOWN - 3] + "..."
        return f"{shown!r} {self.times} times from character {self.begins}"


def repetition(*, verbatim: int = 1536, near: int = 4096, same_lines: int = 12) -> Gate:
    """Keep traces that do not repeat themselves.

    Args:
        verbatim: Characters of nothing but copies that are too many.
        near: Characters of copies with small changes, such as a counter, that are too many.
        same_lines: How often one line of words may not stand in a thought or an answer. 0 is off.
    """

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        trace = candidate.trace
        for part, text in (("thought", trace.thinking), ("answer", trace.answer)):
            if found := repeated(text, verbatim, near, same_lines):
                return Drop(REASON, f"{found} of the {part}")
        return None

    return gate


def repeated(text: str, verbatim: int = 1536, near: int = 4096, same_lines: int = 12) -> Stretch | None:
    """The first stretch of a text that says nothing new; None if there is none. The options are the gate's.

    Example:
        >>> str(repeated("So x = 4. " + "Wait, let me check the sum again. " * 200))
        "'Wait, let me check the sum again. ' 200 times from character 10"
        >>> repeated("Let n = 2, then 4 + 2 is 6. Let n = 3, then 9 + 3 is 12.") is None
        True
    """
    if same_lines and (line := _same_line(text, same_lines) or _in_a_row(text)):
        return line
    if word := _word_in_a_row(text):
        return word
    if len(text) < min(verbatim // AT_END, near):
        return None
    costs = prices(text)
    at_end = {} if text.rstrip().endswith(CLOSING) else {VERBATIM: verbatim // AT_END}
    for limit, length in ((VERBATIM, verbatim), (NEAR, near)):
        for first, last in runs(costs, limit):
            begins, ends = first * BLOCK, min(last * BLOCK, len(text))
            enough = at_end.get(limit, length) if ends == len(text) else length
            if ends - begins >= enough and (found := _stretch(text, begins, ends, enough)):
                return found
    return None


def prices(text: str) -> list[float]:
    """What each block of a text costs, given the text before it: bytes for each byte."""
    compressor = zlib.compressobj(6, zlib.DEFLATED, -15)
    costs: list[float] = []
    for start in range(0, len(text), BLOCK):
        block = text[start : start + BLOCK].encode("utf-8", "surrogatepass")
        size = len(compressor.compress(block)) + len(compressor.flush(zlib.Z_SYNC_FLUSH))
        costs.append((size - FLUSH) / len(block))
    return costs


def runs(costs: Sequence[float], limit: float) -> Iterator[tuple[int, int]]:
    """Blocks in a row that cost at most so much: the first, and the one after the last."""
    dear = [-1, *(index for index, cost in enumerate(costs) if cost > limit), len(costs)]
    for before, after in pairwise(dear):
        if after - before > 1:
            yield before + 1, after


def _stretch(text: str, begins: int, ends: int, length: int) -> Stretch | None:
    piece = text[begins:ends]
    has_words = len(set(filter(str.isalpha, piece.lower()))) >= NUM_LETTERS_OF_WORDS
    if not has_words and ends - begins < SIGNS * length:
        return None
    if _is_table(piece):
        return None
    # Without digits, as counters change
    words, said = text.translate(_NO_DIGITS), piece.translate(_NO_DIGITS)
    if 2 * len(said) < len(piece):
        words, said = text, piece
    probes = [said[start : start + PROBE] for start in range(0, len(said) - PROBE, max(len(said) // NUM_PROBES, 1))]
    if not probes or statistics.median_low(map(words.count, probes)) < NUM_TIMES:
        return None
    return _most_said(text, begins, ends)


def _is_table(piece: str) -> bool:
    """Whether the rows of a table fill it, most of them different."""
    # The first and last line may be cut
    lines = [line for line in piece.split("\n")[1:-1] if line.strip()]
    rows = [line for line in lines if _TABLE_ROW.search(line)]
    return len(rows) > 0.8 * len(lines) and 2 * len(set(rows)) > len(rows)


def _most_said(text: str, begins: int, ends: int) -> Stretch:
    """The most frequent of some probes of a stretch of a text, made longer while that costs no occurrence."""
    starts = range(begins, ends - PROBE + 1, max((ends - begins) // NUM_PROBES, 1))
    start = max(starts, key=lambda start: text.count(text[start : start + PROBE]))
    end = start + PROBE
    times = text.count(text[start:end])
    while start > 0 and end - start < LONGEST_SHOWN and text.count(text[start - 1 : end]) == times:
        start -= 1
    while end < len(text) and end - start < LONGEST_SHOWN and text.count(text[start : end + 1]) == times:
        end += 1
    return _once(text, text[start:end], times)


def _once(text: str, unit: str, times: int) -> Stretch:
    """A unit as it is first met; what it holds more than once, as `ababa` does `ab`, only once."""
    begins = text.index(unit)
    period = next((period for period in range(1, len(unit)) if unit[period:] == unit[:-period]), len(unit))
    if text[begins : begins + 2 * period] != 2 * unit[:period]:
        return Stretch(unit, times, begins)
    while begins > 0 and text[begins - 1] == text[begins - 1 + period]:
        begins -= 1
    # What stands before a loop may look like the end of its unit: `4. ` before `Wait. Wait. `
    begins += (period - len(text[begins : begins + period].lstrip(" \n\t.,;:!?)"))) % period
    unit = text[begins : begins + period]
    return Stretch(unit, text.count(unit, begins), begins)


def _same_line(text: str, times: int) -> Stretch | None:
    lines = [line.strip() for line in text.split("\n")]
    lines = [line for line in lines if line]
    if len(lines) - len(set(lines)) < times - 1:
        return None
    line, count = max(
        ((line, count) for line, count in Counter(lines).items() if _has_words(line)),
        key=lambda counted: counted[1],
        default=("", 0),
    )
    if count < max(times, SHARE_OF_LINES * len(lines)) or _TABLE_ROW.search(line):
        return None
    return Stretch(line, count, text.index(line))


def _in_a_row(text: str) -> Stretch | None:
    """A line outside code that follows upon itself, whatever its number."""
    if text.count("\n") < IN_A_ROW:
        return None
    found = [*_LINE.finditer(text)]
    # An indented line is code
    lines = ["" if line[0].startswith(("    ", "\t")) else _COUNTER.sub("", line[0].strip()) for line in found]
    rows = [
        Stretch(line, times, found[start].start())
        for line, times, start in _alike(lines, IN_A_ROW)
        if len(line) >= SHORTEST_LINE
        and 2 * sum(map(str.isalpha, line)) >= SHORTEST_LINE
        and not _TABLE_ROW.search(line)
    ]
    return _first_outside_code(rows, text)


def _word_in_a_row(text: str) -> Stretch | None:
    words = text.split(" ")
    rows = [
        row
        for row in _alike(words, NUM_WORDS_ALIKE)
        if row.unit.isalpha() and len(row.unit) > 1 and row.unit.lower() not in _VALUES
    ]
    if not rows:
        return None
    places = [*accumulate((len(word) + 1 for word in words), initial=0)]
    return _first_outside_code([row._replace(begins=places[row.begins]) for row in rows], text)


def _first_outside_code(rows: Sequence[Stretch], text: str) -> Stretch | None:
    code = fences(text) if rows else []
    return next((row for row in rows if bisect(code, row.begins) % 2 == 0), None)


def _alike(parts: Sequence[str], times: int) -> Iterator[Stretch]:
    """Parts that stand in a row at least so often, each with the number of its first; most others are passed over."""
    stride = times // 2
    past = 0
    for place in range(0, len(parts) - stride + 1, stride):
        one = parts[place]
        if place < past or not one or parts[place + stride - 1] != one or parts[place + stride // 2] != one:
            continue
        start, past = place, place + 1
        while start > 0 and parts[start - 1] == one:
            start -= 1
        while past < len(parts) and parts[past] == one:
            past += 1
        if past - start >= times:
            yield Stretch(one, past - start, start)


def _has_words(line: str) -> bool:
    words = [word for word in line.split() if word.strip(".,:;!?*-").isalpha()]
    return len(words) >= NUM_WORDS_OF_LINE or sum(letter >= "\u3040" for letter in line) >= 3 * NUM_WORDS_OF_LINE
