"""What a token tells, in nats: how surprising it is in a text that has nothing to do with the benchmark."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

from distill.selectors.contamination.text import NUMBER, Tokens, stem
from distill.selectors.contamination.words import FUNCTION, TASK, TRADE

PRIOR = 500
"""Texts that the prior counts for: with as many benchmark items, both weigh the same."""
_FUNCTION = frozenset(map(stem, FUNCTION))
_TASK = frozenset(map(stem, TASK))
_TRADE = frozenset(map(stem, TRADE))
_ROUND = frozenset({"10", "20", "50", "100", "200", "500", "1000"})


def prior(token: str) -> float:
    """The share of all texts that hold the token, before any benchmark is seen."""
    if token.startswith(NUMBER):
        digits = len(token) - 1
        if token[1:] in _ROUND:
            return 0.1 if digits == 2 else 0.05
        return {1: 0.3, 2: 0.06, 3: 0.004}.get(digits, 0.003)
    if token in _FUNCTION:
        return 0.5
    if token in _TASK:
        return 0.12
    if len(token) == 1:
        return 0.08
    return 0.03 if token in _TRADE else 0.002


def _weight(token: str, count: int, num_texts: int) -> float:
    return max(0.0, math.log((num_texts + PRIOR) / (count + PRIOR * prior(token) + 0.5)))


@lru_cache(maxsize=4_096)
def _unseen(token: str, num_texts: int) -> float:
    return _weight(token, 0, num_texts)


class Weights:
    """Each token's weight: minus the logarithm of its share of the benchmark's texts and the prior's together.

    Args:
        texts: The tokens of each benchmark text.
    """

    def __init__(self, texts: Sequence[Tokens]) -> None:
        counts = Counter(token for text in texts for token in text)
        self._num_texts = len(texts)
        self._known = {token: _weight(token, count, len(texts)) for token, count in counts.items()}

    def __getitem__(self, token: str) -> float:
        """The token's weight in nats."""
        known = self._known.get(token)
        return _unseen(token, self._num_texts) if known is None else known

    def total(self, tokens: Iterable[str]) -> float:
        """The weight of them all."""
        known, num_texts = self._known, self._num_texts
        return sum([known[token] if token in known else _unseen(token, num_texts) for token in tokens])
