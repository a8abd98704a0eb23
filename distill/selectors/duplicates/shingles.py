"""How similar two texts are, by the runs of words that they share; and what finds similar ones without comparing all.

A text becomes the hashes of its shingles, the runs of `n` tokens in it. Both its ends are padded, so that a text
shorter than that has shingles too, and one changed word counts alike wherever it stands. The lowest bit of a hash says
whether there is a number in the shingle.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]  # it comes from the Rust part

from distill.selectors.duplicates.text import is_number

NUM_SLOTS = 128
"""Of a MinHash signature."""
RECALL = 0.99
"""Chance that two texts, just as similar as is asked for, share a bucket."""
MINHASH_SEED = 1
"""Not the recipe's: what is a duplicate is no matter of chance."""
HASHED_TOKENS = 30_000
_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 divided by the golden ratio
_SHIFT, _HALF, _ONE = np.uint64(29), np.uint64(32), np.uint64(1)
_FACTOR = np.uint64(_MULTIPLIER)

Hashes = NDArray[np.uint64]
Sketch = NDArray[np.uint32]


def shingles(tokens: Sequence[str], n: int) -> Hashes:
    """The hashes of all runs of `n` tokens, with repetitions."""
    padded = np.zeros(len(tokens) + 2 * (n - 1), dtype=np.uint64)
    padded[n - 1 : n - 1 + len(tokens)] = np.fromiter(map(_hash, tokens), np.uint64, len(tokens))
    num_runs = len(padded) - n + 1
    sums = np.zeros(num_runs, dtype=np.uint64)
    has_number = np.zeros(num_runs, dtype=np.uint64)
    for place in range(n):
        run = padded[place : place + num_runs]
        sums = sums * _FACTOR + run
        has_number |= run & _ONE
    return (_mixed(sums) & ~_ONE) | has_number


@lru_cache(HASHED_TOKENS)
def _hash(token: str) -> int:
    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little") & ~1 | is_number(token)


def _mixed(hashes: Hashes) -> Hashes:
    hashes = (hashes ^ (hashes >> _HALF)) * _FACTOR
    return hashes ^ (hashes >> _SHIFT)


def sketch(hashes: Hashes, size: int) -> Sketch:
    """The `size` smallest hashes, in 32 bits, sorted: all of them, where there are no more."""
    short = np.sort((((hashes >> _HALF) & ~_ONE) | (hashes & _ONE)).astype(np.uint32))
    is_first = np.ones(len(short), dtype=bool)
    is_first[1:] = short[1:] != short[:-1]
    return short[is_first][:size]


def as_sketch(stored: bytes) -> Sketch:
    """A sketch from its bytes."""
    return np.frombuffer(stored, dtype=np.uint32)


class Similarity(NamedTuple):
    """How much two texts share."""

    whole: float
    """Jaccard similarity: shingles that both have, of those that either has."""
    numbers: float
    """The same of the shingles with a number in them; 1 where neither has any."""


def similarity(one: Sketch, other: Sketch, size: int) -> Similarity:
    """Compare sketches of that size: exact for texts with fewer shingles, else an estimate from so many of them.

    Source: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.
    """
    if len(one) == size or len(other) == size:
        most = np.union1d(one, other)[size - 1]
        one, other = one[one <= most], other[other <= most]
    shared = np.intersect1d(one, other, assume_unique=True)
    numbers = [int(np.count_nonzero(hashes & 1)) for hashes in (one, other, shared)]
    either, either_numbers = len(one) + len(other) - len(shared), numbers[0] + numbers[1] - numbers[2]
    return Similarity(
        whole=len(shared) / either if either else 1.0,
        numbers=numbers[2] / either_numbers if either_numbers else 1.0,
    )


class Bands:
    """Buckets of a locality-sensitive hash: two texts that share one of them may be similar.

    Args:
        near: The similarity that two texts must have.
    """

    def __init__(self, near: float) -> None:
        self.rows = max(rows for rows in range(1, NUM_SLOTS + 1) if rows == 1 or _recall(near, rows) >= RECALL)
        self.count = NUM_SLOTS // self.rows
        weights = [pow(_MULTIPLIER, exponent, 2**64) for exponent in range(1, self.rows + 1)]
        self._weights = np.array(weights, dtype=np.uint64)
        self._salts = np.arange(1, self.count + 1, dtype=np.uint64) * _FACTOR

    def buckets(self, hashes: Hashes, kind: int = 0) -> Hashes:
        """The bucket in each band.

        Args:
            hashes: Of the shingles.
            kind: 64 bits; texts of different kinds share no bucket.
        """
        ends = np.array([0, len(hashes)], dtype=np.uint64)
        slots = RMinHash.digest_matrix_from_flat_token_hashes(hashes, ends, NUM_SLOTS, MINHASH_SEED).to_rows()[0]
        signature = np.array(slots[: self.rows * self.count], dtype=np.uint64).reshape(self.count, self.rows)
        return _mixed((signature * self._weights).sum(axis=1) + self._salts + np.uint64(kind))


def _recall(near: float, rows: int) -> float:
    return 1 - (1 - near**rows) ** (NUM_SLOTS // rows)
