"""The answer of a reply that marks none: what its last line concludes, else its last formula, else its last number.

What is bold counts as a formula. Formulas or numbers joined by "and" or "or" are one answer of several parts.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from distill.verifiers.math.notation import unbold
from distill.verifiers.math.units import is_unit_word

MAX_WHOLE = 300
"""Characters of a reply, or of a line, that may be an answer as they stand."""
_MAX_SEARCHED = 10_000
_MAX_CONCLUSIONS = 5

SPAN = re.compile(r"\$\$(.{1,2000}?)\$\$|\$([^$]{1,2000})\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL)
_MARKED = re.compile(SPAN.pattern + r"|\*\*([^*\n]{1,200})\*\*(?![A-Za-z0-9])", re.DOTALL)
_STOP = re.compile(r"\.(?:\s|$)|[。！!?？]|\n|;\s| because\b| since\b| I hope\b|, (?:which|where|so|because|since)\b")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,^\\{\['])(?<!\bor )(?:negative |minus |[-+−])?"
    r"(?:\\?d?frac\{\d+\}\{\d+\}|[$€£]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?:\s?/\s?\d+)?|\.\d+|[½⅓⅔¼¾])\s?\\?%?"
    r"(?![\d^_(\\+*=]|[A-Za-z]+[\d(^])"
)
_BRACKETS = re.compile(r"[(\[][^()\[\]]{1,200}[)\]]")
_REMARK = re.compile(r"\([^()]{0,300}[A-Za-z]{3,}[^()]{0,300}\)")
_JOINT = re.compile(r"[\s,;]*\b(and|or|und|et|ou|oder|y|o)\b[\s,;]*", re.IGNORECASE)
_COMMA = re.compile(r"\s*[,;]\s*")
_IS = re.compile(
    r"\b(?:is|are|was|were|be|equals?|equal to|at|gives|get|obtain)\s+(?:(?:the|an?|then|exactly|about)\s+)?|=\s"
)
_DECLINES = re.compile(
    r"\b(?:cannot|can't|could not|couldn't|unable to|not able to|wasn't able to|give up|not enough information"
    r"|don't know|do not know|insufficient)\b",
    re.IGNORECASE,
)
_CONTRAST = re.compile(
    r"(?:,\s?|\s?\(|\sand\s|\sbut\s)\s?not\s(?:\$[^$\n]{1,60}\$|\*\*[^*\n]{1,60}\*\*|[-+]?[\d./,]*\d)\)?"
)
_SENTENCES = re.compile(r"(?<=[.!?])\s+(?=\S)")
_COMPARED = re.compile(r"\b(?:than|not|least|most|over|under|above|below|except)\s*$", re.IGNORECASE)
_WEAK = re.compile(r"\b(?:we|I|you|to) (?:get|obtain|find|have found)\s*:?\s*", re.IGNORECASE)
_PROSE_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}|[^\x00-\x7f]")
_LETTERS = re.compile(r"[A-Za-z]+")

Wanted = Literal["number", "brackets", "other"]


class Candidate(NamedTuple):
    """A text that may be the answer, and how it was found."""

    text: str
    anchor: str
    """box, boxes, tag, hashes, said, whole, formula or number."""


def conclusions(reply: str, wants: Wanted, parts: int = 1) -> Iterator[Candidate]:
    """Texts that may be the answer of a reply without marks, the best first; none if it declines to answer."""
    if _DECLINES.search(reply[-MAX_WHOLE:]):
        return
    reply = uncontrasted(reply)
    if len(reply) <= MAX_WHOLE:
        if "\n" not in reply or "\\begin" in reply:
            yield Candidate(reply, "whole")
        weak = list(_WEAK.finditer(reply)) if wants == "number" else []
        if weak:  # a long reply ends with its conclusion, a short one may end with a check
            yield from numbers(sentence(reply[weak[-1].end() :]), "number", first=True)
    end = reply[-_MAX_SEARCHED:]
    line = _REMARK.sub(" ", end.rpartition("\n")[2])
    yield from _formulas(line, parts)
    plain = unbold(line)
    last = _SENTENCES.split(plain.strip())[-1]
    yield from _after_verbs(last)
    if wants == "number" and not _is_formula(reply):
        yield from numbers(last, "number", first=False)
    yield from _after_verbs(plain)
    yield from _formulas(end, parts)
    if len(plain) <= MAX_WHOLE:
        yield Candidate(plain.strip(), "whole")
    if wants == "number" and not _is_formula(reply):
        yield from numbers(plain, "number", first=False)
        yield from numbers(_REMARK.sub(" ", unbold(end)), "number", first=False)
    elif wants == "brackets" and (found := _BRACKETS.findall(end)):
        yield Candidate(found[-1], "formula")


def _after_verbs(text: str) -> Iterator[Candidate]:
    """What is said after "is", "equals" and the like, the last first."""
    for said in list(_IS.finditer(text))[: -_MAX_CONCLUSIONS - 1 : -1]:
        yield Candidate(sentence(text[said.end() :]), "conclusion")


def uncontrasted(text: str) -> str:
    """A text without what it says the answer is not: "15, not 30"."""
    return _CONTRAST.sub(" ", text) if "not" in text else text


def _formulas(text: str, parts: int) -> Iterator[Candidate]:
    """The last formula, together with those that are joined to it; by commas only if several parts are wanted."""
    spans = list(_MARKED.finditer(text))
    if not spans:
        return
    first, joint = len(spans) - 1, ""
    for index, (one, other) in reversed(list(enumerate(pairwise(spans)))):
        gap = text[one.end() : other.start()]
        if found := _JOINT.fullmatch(gap):
            joint = joint or found[1]
        elif not ((joint or parts > len(spans) - first) and _COMMA.fullmatch(gap)):
            break
        first = index
    separator = f" {joint} " if joint in ("and", "or") else " , "
    yield Candidate(separator.join(map(inside, spans[first:])), "formula")


def inside(span: re.Match[str]) -> str:
    """What a formula holds."""
    return next(group for group in span.groups() if group is not None)


def sentence(text: str) -> str:
    """A text up to the end of its first sentence, or to its reason."""
    end = _STOP.search(text)
    return text[: end.start()].strip() if end else text.strip()


def numbers(text: str, anchor: str, *, first: bool) -> Iterator[Candidate]:
    """The first number of a text, or the last, together with those that are joined to it."""
    text = text[:20_000] if first else text[-20_000:]
    found = [number for number in _NUMBER.finditer(text) if _stands_alone(text, number)]
    if not found:
        return
    index = 0 if first else len(found) - 1
    start = stop = found[index]
    if not first and index and _JOINT.fullmatch(text[found[index - 1].end() : start.start()]):
        start = found[index - 1]
    yield Candidate(text[start.start() : stop.end()].strip().rstrip(","), anchor)


def _stands_alone(text: str, number: re.Match[str]) -> bool:
    """Whether a number is one, rather than a bound or a part of 17x; letters right after it may be its unit."""
    if _COMPARED.search(text[max(number.start() - 20, 0) : number.start()]):
        return False
    end = number.end()
    letters = None if text[end - 1].isspace() else _LETTERS.match(text, end)
    return letters is None or letters[0] in "msghlL" or is_unit_word(letters[0])


def _is_formula(reply: str) -> bool:
    """Whether a reply is one formula: a number in it is not its value."""
    return "\\" in reply and _PROSE_WORD.search(reply) is None
