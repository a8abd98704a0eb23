"""What an index holds, how it is asked, and what it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Method = Literal["exact", "ngram", "masked", "fuzzy", "contained", "paraphrase", "translation", "embedding"]
METHODS: tuple[Method, ...] = get_args(Method)[:-1]
"""All that need no model."""
Vectors = Sequence[Sequence[float]]


class Item(NamedTuple):
    """A benchmark's text."""

    suite: str
    id: str
    text: str


class Match(NamedTuple):
    """Why a text is said to be in a benchmark."""

    suite: str
    item: str
    method: Method
    score: float
    """The method's own, from 0 to 1; at least its threshold."""
    matched: str
    """What the two share: the n-gram, the template, the rare words and numbers."""
    text: str
    """The benchmark's text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Which methods look, and how near is too near. Every default is argued for in ``docs/decontamination.md``."""

    methods: Sequence[Method] = METHODS
    ngram: int = 13
    """Words in a row: 13 for OpenThoughts3, 10 for DeepSeek-R1, 8 for s1 and open-r1."""
    boilerplate: float = 0.5
    """N-grams that more than this share of a suite's items hold, whatever their numbers, are form and not counted."""
    masked: float = 0.9
    """Indel similarity of two texts whose numbers and variables are masked."""
    fuzzy: float = 0.8
    """Indel similarity of two texts."""
    contained: float = 0.85
    """Share of the shorter text that stands, in order, in the longer."""
    paraphrase: float = 0.43
    """Weighted overlap of words and numbers."""
    cosine: float = 0.9
    """Of two embeddings."""
    embed: Callable[[list[str]], Vectors] | None = None
    """From texts to vectors; None leaves the method out."""
