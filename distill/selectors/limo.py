"""LIMO's score of how well a trace explains itself: arXiv 2502.03387v3, section 3.1.2.

The paper gives the parts and their weights: length 30 %, words of verification 20 %, tentative words 25 %, connectives
25 %, frequencies normalised by the length of the text. It gives two example words for each part and no scale; the word
lists below are ours, and so is the scale: a part is ``x / (x + half)``, which is 0.5 at `half` and never reaches 1.
"""

import re
from typing import NamedTuple

from distill.selectors import Candidate, Context


class Part(NamedTuple):
    """One part of the score."""

    weight: float
    half: float
    """Words in a thousand at which the part is half full."""
    words: re.Pattern[str]


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(words)})\b", re.IGNORECASE)


LENGTH_WEIGHT = 0.30
LENGTH_HALF = 4_000
"""Student's tokens."""
PARTS = (
    Part(
        0.20, 4, _any_of("check", "checking", "verify", "verifying", "confirm", "double-check", "make sure", "recheck")
    ),
    Part(0.25, 4, _any_of("perhaps", "might", "maybe", "possibly", "could be", "alternatively", "wait", "hmm")),
    Part(0.25, 8, _any_of("therefore", "since", "because", "thus", "hence", "so", "then", "which means", "it follows")),
)


def limo_score(candidate: Candidate, context: Context) -> float:
    """The score of one trace, from 0 to 1; kept as the score ``limo``."""
    text = candidate.trace.thinking
    tokens = context.count_tokens(candidate.trace)
    num_words = max(1, len(text.split()))
    score = LENGTH_WEIGHT * tokens / (tokens + LENGTH_HALF)
    for part in PARTS:
        frequency = 1000 * sum(1 for _ in part.words.finditer(text)) / num_words
        score += part.weight * frequency / (frequency + part.half)
    context.note("limo", round(score, 6))
    return score
