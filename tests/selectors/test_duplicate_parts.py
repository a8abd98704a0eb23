"""What `dedup` is made of: tokens of any text, similarity, buckets, and the search among texts on the disk."""

import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.selectors.duplicates.shelf import MOST_EARLIER, Shelf, Stored
from distill.selectors.duplicates.shingles import Bands, shingles, similarity, sketch
from distill.selectors.duplicates.text import constants, tokens


@given(text=st.text() | st.text(alphabet="0123456789.,-*/!'()$\\{} \nafrctx"))
@settings(max_examples=300)
def test_any_text_has_tokens_that_are_stable(text: str):
    found = tokens(text)
    assert all(found)
    assert tokens(text.upper().lower()) == tokens(text.lower()) or not text.isascii()
    assert len(shingles(found, 3)) == len(found) + 2
    assert set(constants(found)) <= set(found)


@pytest.mark.parametrize("part", ["(", "1,111", "\\frac{", "problem 1" + " " * 50, "--", "\n -", "a-", "$", "1 "])
def test_no_text_takes_long(part: str):
    started = time.process_time()
    tokens(part * 20_000)
    assert time.process_time() - started < 2


@given(one=st.sets(st.integers(0, 400)), other=st.sets(st.integers(0, 400)))
def test_similarity_is_exact_where_the_sketch_holds_all(one: set[int], other: set[int]):
    arrays = [np.array(sorted(numbers), dtype=np.uint32) for numbers in (one, other)]
    found = similarity(*arrays, size=1000)
    assert found.whole == (len(one & other) / len(one | other) if one | other else 1.0)


def test_similarity_is_near_the_truth_where_it_does_not():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 12_000, dtype=np.uint64)
    found = similarity(sketch(hashes[:10_000], 256), sketch(hashes[2_000:], 256), 256)
    assert found.whole == pytest.approx(8 / 12, abs=0.1)


@pytest.mark.parametrize("near", [0.05, 0.3, 0.5, 0.8, 0.9, 0.99, 1.0])
def test_texts_as_similar_as_asked_share_a_bucket(near: float):
    bands, rng = Bands(near), np.random.default_rng(1)
    found = 0
    for _ in range(200):
        shared = rng.integers(0, 2**63, round(300 * near), dtype=np.uint64)
        rest = rng.integers(0, 2**63, 2 * round(150 * (1 - near)), dtype=np.uint64)
        one, other = (np.concatenate([shared, part]) for part in np.split(rest, 2))
        found += bool(np.any(bands.buckets(one) == bands.buckets(other)))
        assert not np.any(bands.buckets(one, kind=1) == bands.buckets(one, kind=2))
    assert found >= 194


def test_a_crowded_bucket_is_compared_with_its_first_only_and_other_bands_still_find_the_copy(tmp_path: Path):
    shelf = Shelf(tmp_path, num_bands=2)
    places = [*range(100), 60]  # the last is a copy of the sixtieth
    for number, place in enumerate(places):
        shelf.add(str(number), None, np.array([7, place], dtype=np.uint64).tobytes(), str(place).encode())
        shelf.add_row(number, is_copy=False)
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: Stored, other: Stored) -> float | None:
        compared.append((one.sketch, other.sketch))
        return 1.0 if one.sketch == other.sketch else None

    shelf.find_near(compare)
    fates = list(shelf.fates())
    shelf.close()
    assert [(fate.row, fate.original) for fate in fates if fate.similarity] == [(100, "60")]
    assert len(compared) <= len(places) * MOST_EARLIER + 1
