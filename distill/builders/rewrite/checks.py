r"""What a rewritten text must keep of its original. A language model's word counts for nothing here.

Numbers are compared by value and as a multiset, reflections by their kind and count; in strict mode both together, in
their order, so that no wrong turn can be dropped, set right, or moved. The words of reflection are English: a text in
another language has none, and only its numbers are held.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from distill.formats import Reply
from distill.selectors.answers import boxes, spelled

KINDS = {
    "wait": r"wait|hold on|hmm*|hm",
    "check": r"(?:double[- ]?|re)?check(?:s|ed|ing)?|verif(?:y|ies|ied|ying)|confirm(?:s|ed|ing)?|make sure|sanity",
    "alternative": (
        r"alternatively|alternatives?|another (?:way|approach|method|idea|route)|instead|maybe|perhaps|what if"
    ),
    "mistake": (
        r"mistakes?|mistaken|wrong(?:ly)?|incorrect(?:ly)?|errors?|oops|not right|contradict(?:s|ion)?|dead end|"
        r"(?:doesn't|does not|didn't|did not|won't) work|can(?:'t|not) be"
    ),
    "return": r"go(?:ing)? back|back to|backtrack(?:s|ing)?|try again|start over|reconsider|rethink|redo|let me try",
}
"""Kinds of reflection, and the words that announce them."""

_NUMBER = r"(?<![\w.)\]}])-\d+(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+"
_EVENT = re.compile(
    "|".join([rf"(?P<number>{_NUMBER})", *(rf"(?P<{kind}>\b(?:{words})\b)" for kind, words in KINDS.items())]),
    re.IGNORECASE | re.ASCII,
)
_FRACTION = re.compile(r"\\[dt]?frac\s*(\d)\s*(\d)", re.ASCII)
_THOUSANDS = re.compile(r"(?<=\d)(?:,|\{,\}|\\,)(?=\d{3}(?!\d))", re.ASCII)
ROOM = 200
"""Characters that a text may always grow by: of a short one, a sentence is a large share."""
_MOST_DIGITS = 40
"""A longer number is compared as it is written: its value may take long to work out."""


@dataclass(frozen=True)
class Bounds:
    """How much may be lost."""

    strict: bool = False
    """Every number and every reflection, in their order."""
    min_numbers: float = 0.95
    """Share of the numbers that must be there again; as large a share may be new. Of few numbers, that is all."""
    min_reflections: float = 0.8
    """Share of the reflections of each kind, rounded up: the only one of its kind must stay."""
    min_length: float = 0.6
    """Of the original's characters."""
    max_length: float = 1.7


def lost(original: Reply, rewritten: Reply, prompt: str, bounds: Bounds) -> str | None:
    """Why a rewritten text does not stand for its original; None if it does.

    Where the original has no thought apart (a teacher that marks none), all of it is held against all of the new text.

    Returns:
        A reason that can be counted.
    """
    before, after = original.thinking, rewritten.thinking
    if not before:
        before, after = original.answer, f"{after}\n\n{rewritten.answer}"
    if len(after) < bounds.min_length * len(before):
        return "too short"
    if len(after) > max(bounds.max_length * len(before), len(before) + ROOM):
        return "too long"
    old, new = list(events(before)), list(events(after))
    return (
        _numbers_lost(old, new, bounds)
        or _numbers_added(original, rewritten, prompt, bounds)
        or _reflections_lost(old, new, bounds)
        or ("steps out of order" if bounds.strict and not _is_within(old, new) else None)
        or _answer_added(original, rewritten)
    )


def events(text: str) -> Iterator[str]:
    r"""The numbers and reflections of a text, in their order: values, and names of kinds.

    Example:
        >>> list(events(r"7-3 = 4. Wait, 1,000 * -2.50 is \frac12: wrong."))
        ['7', '3', '4', 'wait', '1000', '-5/2', '1', '2', 'mistake']
    """
    plain = text.replace("\N{MINUS SIGN}", "-").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    plain = _THOUSANDS.sub("", _FRACTION.sub(r" \1 \2 ", plain))
    for found in _EVENT.finditer(plain):
        kind = found.lastgroup or ""
        yield _value(found[0]) if kind == "number" else kind


def _value(number: str) -> str:
    return str(Fraction(number)) if len(number) <= _MOST_DIGITS else number


def _numbers(found: list[str]) -> Counter[str]:
    return Counter(event for event in found if event not in KINDS)


def _numbers_lost(old: list[str], new: list[str], bounds: Bounds) -> str | None:
    wanted = _numbers(old)
    missing = (wanted - _numbers(new)).total()
    return "numbers lost" if missing > _slack(wanted.total(), bounds) else None


def _numbers_added(original: Reply, rewritten: Reply, prompt: str, bounds: Bounds) -> str | None:
    known = {*events(original.thinking), *events(original.answer), *events(prompt)}
    new = _numbers([*events(rewritten.thinking), *events(rewritten.answer)])
    added = sum(count for value, count in new.items() if value not in known)
    total = _numbers([*events(original.thinking), *events(original.answer)]).total()
    return "numbers added" if added > _slack(total, bounds) else None


def _slack(total: int, bounds: Bounds) -> int:
    """How many of so many numbers may differ."""
    return 0 if bounds.strict else floor((1 - bounds.min_numbers) * total + 1e-9)


def _reflections_lost(old: list[str], new: list[str], bounds: Bounds) -> str | None:
    wanted, found = Counter(old), Counter(new)
    share = 1.0 if bounds.strict else bounds.min_reflections
    is_lost = any(found[kind] < ceil(share * wanted[kind] - 1e-9) for kind in KINDS)
    return "reflections lost" if is_lost else None


def _is_within(old: list[str], new: list[str]) -> bool:
    """Whether one list is the other with some left out."""
    rest = iter(new)
    return all(event in rest for event in old)


def _answer_added(original: Reply, rewritten: Reply) -> str | None:
    """A box that the original has nowhere would be an answer of the rewriter's."""
    old, new = _boxed(original), _boxed(rewritten)
    # One may be put around an answer that had none
    is_added = bool(new - old) if old else len(new) > 1
    return "an answer added" if is_added else None


def _boxed(found: Reply) -> set[str]:
    return {spelled(box) for part in (found.thinking, found.answer) for line in boxes(part) for box in line}
