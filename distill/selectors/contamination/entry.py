"""A benchmark text made ready, a text to compare made ready, and how near the two are."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz.distance import Indel, LCSseq

from distill.selectors.contamination import text as texts
from distill.selectors.contamination.text import NUMBER, Tokens
from distill.selectors.contamination.weights import Weights

LOST_NUMBERS = 0.1
"""How much a paraphrase loses if it keeps none of the item's numbers."""
MIN_OF_TEXT = 0.1
"""Share of a text, by weight, that a paraphrase has: a short item's words scattered over a long text are none."""
KEPT_NUMBERS = 0.8
"""Share of an item's numbers, by weight, that a translation keeps."""
OWN_ANCHORS = 1 / 3
"""Share of a translation's numbers and Latin words, by weight, that come from the item."""
MIN_WORDS = 8
"""A text of fewer words can stand in another by chance."""
MIN_SHARE = 0.4
"""Of the longer text's words, that the shorter must have if its own may be scattered over it."""
MOST_CELLS = 1_000_000_000
"""Words of the one times words of the other beyond which alignment would take too much memory, and is left out."""
WINDOW = 1.25
"""Length of the piece of a longer text in which the shorter is sought, in lengths of the shorter."""


@dataclass(frozen=True)
class Text:
    """A text made ready to be compared."""

    text: str
    tokens: Tokens
    numbers: Tokens
    weight: float

    @classmethod
    def of(cls, text: str, weights: Weights, with_dates: bool = False) -> "Text":
        """Made from a text; with its months as numbers too, as other scripts write them, if asked."""
        tokens = texts.tokens(text) | (texts.dates(text) if with_dates else frozenset())
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

    @classmethod
    def of(cls, item: Text, text: Text, weights: Weights) -> "Overlap":
        """What they share."""
        shared = item.tokens & text.tokens
        weight, numbers = weights.total(shared), weights.total(item.numbers & text.numbers)
        return cls(
            tokens=shared,
            weight=weight,
            numbers=numbers,
            of_item=weight / max(item.weight, 1e-9),
            of_text=weight / max(text.weight, 1e-9),
            kept_numbers=numbers / weights.total(item.numbers) if item.numbers else 1.0,
        )

    @property
    def paraphrase(self) -> float:
        """How much of the item is there, and how much else: the mean of containment and cosine, less lost numbers."""
        if self.of_text < MIN_OF_TEXT:
            return 0.0
        cosine = math.sqrt(self.of_item * self.of_text)
        return (self.of_item + cosine) / 2 - LOST_NUMBERS * (1 - self.kept_numbers)

    def tells(self, floor: float) -> bool:
        """Is it more than chance would give? Its words alone must be, unless it has all the numbers too."""
        return self.weight - self.numbers >= floor or (self.kept_numbers == 1.0 and self.weight >= floor)

    def shown(self, weights: Weights, most: int = 12) -> str:
        """The tokens that tell most."""
        telling = sorted(self.tokens, key=lambda token: (-weights[token], token))[:most]
        return " ".join(token.removeprefix(NUMBER) for token in telling)


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


def alike(one: str, other: str, least: float) -> float:
    """Indel similarity; 0 if below `least`."""
    return Indel.normalized_similarity(one, other, score_cutoff=least)
