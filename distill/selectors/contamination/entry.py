"""A benchmark text made ready, a text to compare made ready, and how near the two are."""

import math
import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz.distance import Indel, LCSseq

from distill.selectors.contamination import text as texts
from distill.selectors.contamination.text import NUMBER, Tokens
from distill.selectors.contamination.weights import Weights

LOST_NUMBERS = 0.1
"""How much a paraphrase loses if it keeps none of the item's numbers."""
MANY_NUMBERS = 3
"""So many numbers of an item are no chance if all are kept, and seldom all others in a rewording."""
ALL_NUMBERS = 0.05
"""How much a paraphrase gains if it keeps them all."""
OTHER_NUMBERS = 0.3
"""How much more it loses if it has others in the place of all of them; not a program, whose examples are made anew."""
MIN_OF_TEXT = 0.1
"""Share of a text, by weight, that a paraphrase has: a short item's words scattered over a long text are none."""
KEPT_NUMBERS = 0.8
"""Share of an item's numbers, by weight, that a translation keeps, and a text that is nearly the same."""
OWN_ANCHORS = 1 / 3
"""Share, by weight, of what a translation keeps as it is, that comes from the item."""
MIN_WORDS = 8
"""A text of fewer words can stand in another by chance."""
MIN_SHARE = 0.4
"""Of the longer text's words, that the shorter must have if its own may be scattered over it."""
MOST_CELLS = 1_000_000_000
"""Words of the one times words of the other beyond which alignment would take too much memory, and is left out."""
WINDOW = 1.25
"""Length of the piece of a longer text in which the shorter is sought, in lengths of the shorter."""
_PROGRAM = re.compile(r"\bdef \w+\(|>>> |\bassert\b|```|;[ \t]*$", re.MULTILINE)


@dataclass(frozen=True)
class Text:
    """A text made ready to be compared."""

    text: str
    tokens: Tokens
    numbers: Tokens
    weight: float

    @classmethod
    def of(cls, text: str, weights: Weights, tokens: Tokens | None = None) -> "Text":
        """Made from a text, with all its tokens or those given."""
        tokens = texts.tokens(text) if tokens is None else tokens
        numbers = frozenset(token for token in tokens if token.startswith(NUMBER))
        return cls(text, tokens, numbers, weights.total(tokens))

    @cached_property
    def plain(self) -> str:
        """Folded, one blank between words."""
        return " ".join(texts.fold(self.text).split())

    @cached_property
    def template(self) -> str:
        """Numbers and variables masked."""
        return " ".join(texts.masked(self.text))

    @cached_property
    def is_program(self) -> bool:
        """Does it hold code, or tests of code?"""
        return _PROGRAM.search(self.text) is not None


@dataclass(frozen=True, slots=True)
class Overlap:
    """What two texts share, weighed in nats."""

    tokens: Tokens
    weight: float
    numbers: float
    of_item: float
    """Share of the item's weight."""
    of_text: float
    kept_numbers: float
    """Share of the item's numbers, by weight; 1 if it has none."""
    of_many_numbers: float
    """What they say, if there are several, for a paraphrase or against it."""

    @classmethod
    def of(cls, item: Text, text: Text, weights: Weights) -> "Overlap":
        """What they share."""
        shared = item.tokens & text.tokens
        weight, numbers = weights.total(shared), weights.total(item.numbers & text.numbers)
        kept = 1.0 if item.numbers <= text.numbers else numbers / weights.total(item.numbers)
        return cls(
            tokens=shared,
            weight=weight,
            numbers=numbers,
            of_item=weight / max(item.weight, 1e-9),
            of_text=weight / max(text.weight, 1e-9),
            kept_numbers=kept,
            of_many_numbers=_of_many_numbers(item, text, kept, weights),
        )

    @property
    def paraphrase(self) -> float:
        """How much of the item is there, and how much else: the mean of containment and cosine, less lost numbers."""
        if self.of_text < MIN_OF_TEXT:
            return 0.0
        cosine = math.sqrt(self.of_item * self.of_text)
        return (self.of_item + cosine) / 2 - LOST_NUMBERS * (1 - self.kept_numbers) + self.of_many_numbers

    def tells(self, floor: float) -> bool:
        """Is it more than chance would give? Its words alone must be, unless it has all the numbers too."""
        return self.weight - self.numbers >= floor or (self.kept_numbers == 1.0 and self.weight >= floor)

    def shown(self, weights: Weights, most: int = 12) -> str:
        """The tokens that tell most."""
        telling = sorted(self.tokens, key=lambda token: (-weights[token], token))[:most]
        return " ".join(token.removeprefix(NUMBER) for token in telling)


def _of_many_numbers(item: Text, text: Text, kept: float, weights: Weights) -> float:
    if len(item.numbers) < MANY_NUMBERS:
        return 0.0
    if kept == 1.0:
        return ALL_NUMBERS
    others = weights.total(text.numbers - item.numbers) / weights.total(item.numbers)
    return 0.0 if item.is_program else -OTHER_NUMBERS * min(1 - kept, others)


def contained(one: str, other: str) -> float:
    """Share of the shorter text's words that stand in order in the longer, near each other unless it is not far longer.

    Args:
        one: Folded text.
        other: The same.
    """
    short, long = sorted((one.split(), other.split()), key=len)
    if len(short) < MIN_WORDS or len(short) * len(long) > MOST_CELLS:
        return 0.0
    places = [
        block.b + offset for block in LCSseq.opcodes(short, long).as_matching_blocks() for offset in range(block.size)
    ]
    if len(short) >= MIN_SHARE * len(long):
        return len(places) / len(short)
    reach = WINDOW * len(short)
    return max((bisect_left(places, place + reach) - i for i, place in enumerate(places)), default=0) / len(short)


def renumbered(one: Text, other: Text) -> bool:
    """Do they have other numbers, but as many?"""
    return one.numbers != other.numbers and one.template.count(NUMBER) == other.template.count(NUMBER)


def alike(one: str, other: str, least: float) -> float:
    """Indel similarity; 0 if below `least`."""
    return Indel.normalized_similarity(one, other, score_cutoff=least)
