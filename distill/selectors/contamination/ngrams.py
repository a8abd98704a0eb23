"""Shared word n-grams, as s1 and open-r1 count them (arXiv 2501.19393; open-r1 `scripts/decontaminate.py`), faster.

A text that shares n words in a row with an item shares, inside them, n/2 words that begin at a multiple of n - n/2 + 1.
So only those few places of a text are looked up, and whole n-grams only around a place that is known: the same matches
for a small part of the work.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

Gram = tuple[str, ...]
_DIGITS = re.compile(r"\d+")
MIN_SUITE = 4
"""A suite needs so many items before what they share can be told from what they ask."""


class Shared(NamedTuple):
    """Words in a row that a text shares with an item."""

    item: int
    text: str


def grams(words: Sequence[str], n: int) -> Iterator[Gram]:
    """Every n words in a row."""
    return zip(*(words[start:] for start in range(n)), strict=False)


def mask(words: Sequence[str]) -> list[str]:
    """The words with digits masked."""
    return [word if word.isalpha() else _DIGITS.sub("#", word) for word in words]


class Boilerplate:
    """What a suite's items share because of their form, as an instruction: it says nothing of any one item.

    Args:
        suites: The words of each item of each suite.
        n: Words in a row.
        share: An n-gram is form if more than this share of a suite's items hold it, whatever their numbers.
    """

    def __init__(self, suites: Iterable[Sequence[Sequence[str]]], n: int, share: float) -> None:
        self._n = n
        self._grams: set[Gram] = set()
        for suite in suites:
            if len(suite) >= MIN_SUITE:
                self._grams.update(_shared_by([mask(words) for words in suite], n, share * len(suite)))

    def covered(self, words: Sequence[str]) -> set[int]:
        """The places of words that stand in form."""
        if not self._grams:
            return set()
        starts = (start for start, gram in enumerate(grams(mask(words), self._n)) if gram in self._grams)
        return {place for start in starts for place in range(start, start + self._n)}

    def strip(self, text: str) -> str:
        """The text without its form."""
        if not self._grams:
            return text
        words = text.split()
        covered = self.covered([word.lower() for word in words])
        return text if not covered else " ".join(word for place, word in enumerate(words) if place not in covered)


def _shared_by(items: Sequence[Sequence[str]], n: int, least: float) -> Iterable[Gram]:
    """The n-grams that more than `least` of the items hold; each of their words must be as frequent."""
    words = Counter(word for item in items for word in set(item))
    frequent = {word for word, count in words.items() if count > least}
    counts: Counter[Gram] = Counter()
    for item in items:
        runs = (list(run) for is_frequent, run in groupby(item, frequent.__contains__) if is_frequent)
        counts.update({gram for run in runs for gram in grams(run, n)})
    return (gram for gram, count in counts.items() if count > least)


class NGrams:
    """Items by their n-grams; an item of fewer words by all of them.

    Args:
        items: The words of each.
        n: Words in a row.
        short: Which items of fewer than n words count where they stand inside a longer text.
    """

    def __init__(self, items: Sequence[Sequence[str]], n: int, short: Collection[int] = ()) -> None:
        self._n, self._part = n, max(1, n // 2)
        self._step = n - self._part + 1
        self._items: dict[Gram, int] = {}
        self._parts: set[Gram] = set()
        for item in reversed(range(len(items))):  # so that of several the first is named
            self._items.update(dict.fromkeys(grams(items[item], n), item))
            if len(items[item]) >= n:
                self._parts.update(grams(items[item], self._part))
        counts = Counter(word for words in items for word in set(words)) if short else Counter[str]()
        self._short: dict[str, list[tuple[int, str, Gram]]] = defaultdict(list)
        for item in short:
            rarest, *others = sorted(set(items[item]), key=lambda word: (counts[word], -len(word), word))
            self._short[rarest].append((item, others[0] if others else rarest, tuple(items[item])))

    def find(self, words: Sequence[str]) -> Shared | None:
        """The first n-gram that an item holds too; else an item of fewer words that stands in them whole."""
        known, part, n = self._parts, self._part, self._n
        if known.isdisjoint(zip(*(words[start :: self._step] for start in range(part)), strict=False)):
            return self._find_short(words)  # as nearly always
        row = tuple(words)
        for place in range(0, len(row) - part + 1, self._step):
            if row[place : place + part] in known:
                for start in range(max(0, place - self._step + 1), min(place, len(row) - n) + 1):
                    item = self._items.get(row[start : start + n])
                    if item is not None:
                        return Shared(item, " ".join(row[start : start + n]))
        return self._find_short(words)

    def _find_short(self, row: Sequence[str]) -> Shared | None:
        for word in dict.fromkeys(filter(self._short.__contains__, row)):
            for item, next_rarest, short in self._short[word]:
                if next_rarest in row and short in grams(row, len(short)):
                    return Shared(item, " ".join(short))
        return None
