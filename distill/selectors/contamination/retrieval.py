"""Which few benchmark texts are worth comparing with a text: those that share its rare tokens."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from distill.selectors.contamination.entry import Text
from distill.selectors.contamination.weights import Weights

COMMON = 0.1
"""A token that more than this share of the entries hold is not looked up: it finds too many and tells too little."""
MIN_COMMON = 8
MOST = 4
"""Entries compared in full, of those that share most for their size; the one that shares most in all joins them."""
MIN_SCORE = 0.2
"""Of the rare tokens alone; a paraphrase by all of them is about twice that."""
MIN_PART = 0.3
"""Share of one of the two, by its rare tokens, for the one that shares most in all: is one inside the other?"""

Weighed = NDArray[np.float64]


class Retrieval:
    """An inverted index of tokens.

    Args:
        entries: The texts to find.
        weights: What each token tells.
        common: COMMON, or 1 to look every token up.
    """

    def __init__(self, entries: Sequence[Text], weights: Weights, common: float = COMMON) -> None:
        holders: dict[str, list[int]] = defaultdict(list)
        for place, entry in enumerate(entries):
            for token in entry.tokens:
                holders[token].append(place)
        most = max(MIN_COMMON, common * len(entries))
        self._holders = {
            token: (np.array(places), np.full(len(places), weights[token]))
            for token, places in holders.items()
            if len(places) <= most
        }
        self._sizes = np.array([max(entry.weight, 1e-9) for entry in entries])

    def shares(self, tokens: Iterable[str]) -> Weighed:
        """For each entry the weight of the tokens that it holds."""
        held = self._holders
        found = [held[token] for token in tokens if token in held]
        if not found:
            return np.zeros(len(self._sizes))
        places, weights = zip(*found, strict=True)
        shared = np.bincount(np.concatenate(places), np.concatenate(weights), len(self._sizes))
        return np.asarray(shared, dtype=np.float64)

    def near(self, text: Text) -> list[int]:
        """The places of the entries that may be near, the nearest first."""
        shared = self.shares(text.tokens)
        if not shared.any():
            return []
        of_item, of_text = shared / self._sizes, shared / max(text.weight, 1e-9)
        scores = (of_item + np.sqrt(of_item * of_text)) / 2
        near = np.flatnonzero(scores >= MIN_SCORE).tolist()
        nearest = sorted(near, key=lambda place: (-scores[place], place))[:MOST]
        largest = int(shared.argmax())
        is_part = max(of_item[largest], of_text[largest]) >= MIN_PART
        return nearest if largest in nearest or not is_part else [*nearest, largest]


def best(scores: Weighed, count: int) -> list[int]:
    """The places of the largest, the largest first; of equals, the first."""
    places = range(len(scores)) if len(scores) <= count else np.argpartition(scores, -count)[-count:].tolist()
    return sorted(places, key=lambda place: (-scores[place], place))
