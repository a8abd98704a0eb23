"""An index of benchmark texts: is this text one of them, and how does one know?

The methods are asked from the surest to the least sure, and the first that answers is the answer.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from distill.selectors.contamination import text as texts
from distill.selectors.contamination.embedding import Embedded
from distill.selectors.contamination.entry import KEPT_NUMBERS, OWN_ANCHORS, Overlap, Text, alike, contained, renumbered
from distill.selectors.contamination.items import Item, Match, Method, Options
from distill.selectors.contamination.ngrams import Boilerplate, NGrams
from distill.selectors.contamination.retrieval import Retrieval, best
from distill.selectors.contamination.weights import Weights

APPROXIMATE: tuple[Method, ...] = ("masked", "fuzzy", "contained", "paraphrase", "translation")
MARGIN = 5.0
"""Nats by which what two texts share must be more than one expects of the nearest of so many items by chance."""
TRANSLATION_MARGIN = 3.0
"""The same for a translation, of which more is asked besides."""
TRANSLATIONS = 3
"""Items that a text in another language is compared with."""
FORM = 3
"""So many items of one template, names masked too, and it is a form that a program filled in: what tells one from
another is its numbers, so only the whole text counts. Else a suite of Countdown would drop all of Countdown."""
MIN_FORM = 4
"""Words in a row that may be form; else half as many as an n-gram has, so that none is form but for a word."""
LONG = 80
"""Words of an item whose last line is a question in its own right, as after a passage to read."""
QUESTION = 8
"""Words that such a question has at least."""


class _Foreign(NamedTuple):
    """Items that a text may be a translation of."""

    places: list[int]
    entries: list[Text]
    anchors: Retrieval


class Index:
    """Benchmark texts, to be matched against.

    Args:
        items: The benchmark's texts; those without any text are left out.
        options: Which methods look, and their thresholds.

    Example:
        >>> index = Index([Item("aime", "7", "Find the number of ordered pairs (a, b) with a + b = 1000.")])
        >>> index.match("find the number of ordered pairs  (a, b) with a + b = 1000").method
        'exact'
    """

    def __init__(self, items: Sequence[Item], options: Options | None = None) -> None:
        self.options = options or Options()
        self.items = [item for item in items if texts.key(item.text)]
        self._methods = frozenset(self.options.methods)
        self._exact: dict[str, int] = {}
        for place, item in enumerate(self.items):
            self._exact.setdefault(texts.key(item.text), place)
        self._heads = {key[: texts.HEAD] for key in self._exact}
        self._boilerplate = self._find_boilerplate()
        self._cores = [self._boilerplate.strip(item.text) for item in self.items]
        self._floor = math.log(max(1, len(self.items))) + MARGIN
        self._is_form = self._find_forms()
        self._ngrams = self._prepare_ngrams() if "ngram" in self._methods else None
        if not self._methods.isdisjoint(APPROXIMATE):
            self._weights = Weights([texts.tokens(core) for core in self._cores])
            self._prepare_entries()
        embed = self.options.embed
        self._embedded = Embedded([item.text for item in self.items], embed) if embed and self.items else None

    def _find_boilerplate(self) -> Boilerplate:
        suites: dict[str, list[list[str]]] = defaultdict(list)
        for item in self.items:
            suites[item.suite].append(texts.words(item.text))
        return Boilerplate(suites.values(), max(MIN_FORM, self.options.ngram // 2), self.options.boilerplate)

    def _prepare_ngrams(self) -> NGrams:
        n, prior = self.options.ngram, Weights(())
        words = [[] if is_form else texts.words(core) for core, is_form in zip(self._cores, self._is_form, strict=True)]
        short = [
            place
            for place, found in enumerate(words)
            if 1 < len(found) < n and prior.total(texts.tokens(self._cores[place])) >= self._floor
        ]
        return NGrams(words, n, short)

    def _find_forms(self) -> list[bool]:
        """Which items a program filled in."""
        forms = [texts.masked(core, names=True) for core in self._cores]
        counts = Counter(forms)
        distinct = Counter(forms[place] for place in self._exact.values())
        return [min(counts[form], distinct[form]) >= FORM for form in forms]

    def _prepare_entries(self) -> None:
        """Texts for the methods that allow for change: whole items, and questions that follow a passage."""
        self._owners: list[int] = []
        self._entries: list[Text] = []
        for place, core in enumerate(self._cores):
            if not self._is_form[place] and core:
                for text in (core, *_question(core)):
                    self._owners.append(place)
                    self._entries.append(Text.of(text, self._weights))
        self._retrieval = Retrieval(self._entries, self._weights)
        self._languages = [texts.language(item.text) for item in self.items]
        self._foreign: dict[str, _Foreign] = {}

    def match(self, text: str) -> Match | None:
        """Why the text is in the benchmark: the first reason found; None if there is none."""
        return next(self._reasons(text), None)

    def matches(self, text: str) -> list[Match]:
        """Every item that the text is near to, each with its first reason."""
        found: dict[tuple[str, str], Match] = {}
        for match in self._reasons(text):
            found.setdefault((match.suite, match.item), match)
        return list(found.values())

    def _reasons(self, text: str) -> Iterator[Match]:
        if not self.items or not text.strip():
            return
        yield from self._verbatim(text)
        if not self._methods.isdisjoint(APPROXIMATE):
            ready = Text.of(self._boilerplate.strip(text), self._weights)
            yield from self._near(ready)
            yield from self._translated(text, ready)
        if self._embedded is not None:
            place, cosine = self._embedded.nearest(text)
            if cosine >= self.options.cosine:
                yield self._matched(place, "embedding", cosine, "")

    def _verbatim(self, text: str) -> Iterator[Match]:
        head = texts.head(text) if "exact" in self._methods else None
        if head is not None and (not head or head in self._heads):
            place = self._exact.get(texts.key(text))
            if place is not None:
                yield self._matched(place, "exact", 1.0, texts.shortened(text))
        if self._ngrams is not None:
            shared = self._ngrams.find(texts.words(text))
            if shared is not None:
                yield self._matched(shared.item, "ngram", 1.0, texts.shortened(shared.text))

    def _near(self, text: Text) -> Iterator[Match]:
        for place in self._retrieval.near(text):
            entry = self._entries[place]
            overlap = Overlap.of(entry, text, self._weights)
            found = self._compared(entry, text, overlap)
            if found is not None:
                method, score = found
                shown = entry.template if method == "masked" else overlap.shown(self._weights)
                yield self._matched(self._owners[place], method, score, texts.shortened(shown))

    def _compared(self, entry: Text, text: Text, overlap: Overlap) -> tuple[Method, float] | None:
        """The first method by which the two are near."""
        options, methods = self.options, self._methods
        if overlap.tells(self._floor):
            # What is alike shares most of its tokens, so the dearer comparisons are spared where they do not.
            if "masked" in methods and overlap.of_item > 0.3 and renumbered(entry, text):
                score = alike(entry.template, text.template, options.masked)
                if score >= options.masked:
                    return "masked", score
            if "fuzzy" in methods and overlap.of_item > 0.3 and overlap.kept_numbers >= KEPT_NUMBERS:
                score = alike(entry.plain, text.plain, options.fuzzy)
                if score >= options.fuzzy:
                    return "fuzzy", score
            if "contained" in methods and max(overlap.of_item, overlap.of_text) > 0.7:
                score = contained(entry.plain, text.plain)
                if score >= options.contained:
                    return "contained", score
        if "paraphrase" in methods and overlap.weight >= self._floor and overlap.paraphrase >= options.paraphrase:
            return "paraphrase", overlap.paraphrase
        return None

    def _translated(self, text: str, ready: Text) -> Iterator[Match]:
        """Another language keeps numbers, dates, formulas, code and names; another script all that is Latin."""
        language = texts.language(text) if "translation" in self._methods else ""
        if not language:
            return
        foreign = self._foreign_to(language)
        least = self._floor - MARGIN + TRANSLATION_MARGIN
        if foreign.anchors.shares(ready.tokens).max(initial=0.0) < least:
            return  # as always where all are in one language
        kept = frozenset(filter(str.isascii, ready.tokens)) if language == "other" else texts.anchors(ready.text)
        anchors = Text.of(ready.text, self._weights, kept)
        shared = foreign.anchors.shares(kept)
        for nth in best(shared, TRANSLATIONS):
            overlap = Overlap.of(foreign.entries[nth], anchors, self._weights)
            is_kept = overlap.kept_numbers >= KEPT_NUMBERS and overlap.of_text >= OWN_ANCHORS
            if is_kept and shared[nth] >= least:
                shown = overlap.shown(self._weights)
                yield self._matched(foreign.places[nth], "translation", overlap.kept_numbers, shown)

    def _foreign_to(self, language: str) -> _Foreign:
        """The items in other languages; made ready when the first text comes that needs them."""
        if language not in self._foreign:
            places = [
                place
                for place, other in enumerate(self._languages)
                if other not in ("", language) and not self._is_form[place]
            ]
            cores = [self._cores[place] for place in places]
            # Other scripts write months as numbers.
            entries = [Text.of(core, self._weights, texts.tokens(core) | texts.dates(core)) for core in cores]
            self._foreign[language] = _Foreign(places, entries, Retrieval(entries, self._weights, common=1.0))
        return self._foreign[language]

    def _matched(self, place: int, method: Method, score: float, shared: str) -> Match:
        suite, item, text = self.items[place]
        return Match(suite, item, method, min(1.0, score), shared, text)


def _question(text: str) -> tuple[str, ...]:
    """The last line of a long text, if it is a sentence."""
    before, _, last = text.rstrip().rpartition("\n")
    is_sentence = last[:1].isupper() and len(last.split()) >= QUESTION
    return (last,) if is_sentence and len(before.split()) >= LONG else ()
