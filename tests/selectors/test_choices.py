"""What each choice guarantees, whatever the heap of traces and whatever the order in which they came."""

import math
import random
import statistics
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import RecipeError
from distill.selectors.diverse import Diverse, _drawn
from distill.selectors.quota import Quota, _parted
from tests.filtering_heap import DOMAINS, Filtered, Item, filtered, heaps

CHOICES: list[dict[str, Any]] = [
    {"use": "per_problem", "keep": 1, "prefer": "first"},
    {"use": "per_problem", "keep": 2, "prefer": "shortest"},
    {"use": "per_problem", "keep": 2, "prefer": "longest"},
    {"use": "per_problem", "keep": 1, "prefer": "random"},
    {"use": "per_problem", "keep": 1, "prefer": "typical"},
    {"use": "per_problem", "keep": 1, "prefer": "limo"},
    {"use": "quota", "total": 7},
    {"use": "quota", "tokens": 90, "prefer": "longest"},
    {"use": "quota", "by": "domain", "counts": {"math": 4, "code": 2}, "prefer": "shortest"},
    {"use": "quota", "by": "domain", "shares": {"math": 3, "code": 1}, "total": 8},
    {"use": "diverse", "count": 6},
    {"use": "diverse", "count": 6, "always": [{"domain": "m*", "outcome": "correct", "min_tokens": 5}]},
    {"use": "majority"},
]
few = settings(max_examples=12)


def alive(heap: list[Item]) -> list[Item]:
    return [item for item in heap if item.finish_reason == "stop"]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(heap=heaps(), order=st.integers(0, 1000))
@few
def test_every_trace_is_decided_once_with_a_reason_and_the_order_of_arrival_is_nothing(
    choice: dict[str, Any], heap: list[Item], order: int
):
    found, again = filtered(heap, [choice]), filtered(heap, [choice], order=order)
    assert found.train_bytes == again.train_bytes
    assert found.decisions == again.decisions
    assert sorted(decision.trace_id for decision in found.decisions) == sorted(found.item_of)
    assert all(decision.kept or (decision.step and decision.reason) for decision in found.decisions)
    assert all(item.finish_reason == "stop" for item in found.kept)
    assert found.funnel[-1]["left"] == len(found.kept) == len(found.examples)
    assert sum(step["dropped"] for step in found.funnel) == len(heap) - len(found.kept)


def per_problem(found: Filtered) -> dict[str, list[int]]:
    lengths: dict[str, list[int]] = {}
    for item in found.kept:
        lengths.setdefault(item.prompt, []).append(item.num_words)
    return lengths


@pytest.mark.parametrize("prefer", ["shortest", "longest", "typical"])
@given(heap=heaps(), keep=st.integers(1, 3))
@few
def test_a_cap_keeps_the_preferred_of_each_problem(prefer: str, heap: list[Item], keep: int):
    found = filtered(heap, [{"use": "per_problem", "keep": keep, "prefer": prefer}])
    wanted: dict[str, list[int]] = {}
    for item in alive(heap):
        wanted.setdefault(item.prompt, []).append(item.num_words)
    for prompt, lengths in per_problem(found).items():
        all_lengths = wanted.pop(prompt)
        assert len(lengths) == min(keep, len(all_lengths))
        if prefer == "typical":
            median = statistics.median(all_lengths)
            nearest = sorted(abs(length - median) for length in all_lengths)[:keep]
            assert sorted(abs(length - median) for length in lengths) == nearest
        else:
            assert sorted(lengths) == sorted(sorted(all_lengths, reverse=prefer == "longest")[:keep])
    assert not wanted


@given(heap=heaps(), counts=st.dictionaries(st.sampled_from(DOMAINS), st.integers(0, 9), min_size=1))
@few
def test_a_quota_is_met_wherever_there_are_traces_for_it(heap: list[Item], counts: dict[str, int]):
    found = filtered(heap, [{"use": "quota", "by": "domain", "counts": counts}])
    there = Counter(item.domain for item in alive(heap))
    kept = Counter(item.domain for item in found.kept)
    assert kept == {name: min(count, there[name]) for name, count in counts.items() if min(count, there[name])}


@given(heap=heaps(), tokens=st.integers(1, 400))
@few
def test_a_budget_of_tokens_is_kept_to_and_filled_up_to_the_trace_that_does_not_fit(heap: list[Item], tokens: int):
    found = filtered(heap, [{"use": "quota", "tokens": tokens, "prefer": "shortest"}])
    kept = sorted(item.num_words for item in found.kept)
    in_order = sorted(item.num_words for item in alive(heap))
    assert sum(kept) <= tokens
    assert kept == in_order[: len(kept)]
    assert len(kept) == len(in_order) or sum(in_order[: len(kept) + 1]) > tokens


@given(shares=st.dictionaries(st.text(max_size=3), st.floats(0.01, 100), min_size=1), total=st.integers(0, 10_000))
def test_shares_become_whole_numbers_that_add_up(shares: dict[str, float], total: int):
    parts = _parted(shares, total)
    assert sum(parts.values()) == total
    whole = sum(shares.values())
    assert all(abs(parts[name] - total * share / whole) < 1 for name, share in shares.items())


@given(heap=heaps(), count=st.integers(1, 40))
@few
def test_a_diverse_set_has_its_number_and_takes_what_the_rules_say_first(heap: list[Item], count: int):
    rule = {"domain": "math", "outcome": "correct", "min_tokens": 10}
    found = filtered(heap, [{"use": "diverse", "count": count, "always": [rule]}])
    assert len(found.kept) == min(count, len(alive(heap)))
    certain = [
        item for item in alive(heap) if item.domain == "math" and item.outcome == "correct" and item.num_words >= 10
    ]
    taken = Counter(found.kept) & Counter(certain)
    assert taken.total() == min(count, len(certain))


def test_a_draw_takes_domains_evenly_and_ranks_by_halves():
    first = Counter[tuple[int, int]]()
    for seed in range(4000):
        domains = [[0, 1, 2, 3], [10, 11, 12, 13, 14, 15, 16, 17]]
        (row,) = _drawn(domains, 1, random.Random(seed))
        first[(row // 10, row % 10)] += 1
    of_domain = Counter(domain for domain, _ in first.elements())
    assert abs(of_domain[0] / 4000 - 0.5) < 4 * math.sqrt(0.25 / 4000)
    for rank in range(4):  # 2^-(rank + 1), over their sum for four ranks
        share = 2.0 ** -(rank + 1) / (1 - 2.0**-4)
        assert abs(first[(0, rank)] / of_domain[0] - share) < 4 * math.sqrt(share * (1 - share) / of_domain[0])


@given(rows=st.lists(st.lists(st.integers(), max_size=9), max_size=5), count=st.integers(0, 60), seed=st.integers())
def test_a_draw_takes_each_row_once_and_stops_when_none_is_left(rows: list[list[int]], count: int, seed: int):
    numbered = [[(place, rank) for rank in range(len(group))] for place, group in enumerate(rows) if group]
    total = sum(map(len, numbered))
    drawn = list(_drawn(numbered, count, random.Random(seed)))  # type: ignore[arg-type]
    assert len(drawn) == len(set(drawn)) == min(count, total)
    assert sum(map(len, numbered)) == total - len(drawn)


def test_another_seed_draws_others():
    heap = [Item(n % 13, DOMAINS[n % 3], "correct", "stop", n + 1, "1") for n in range(60)]
    for choice in ({"use": "quota", "total": 20}, {"use": "diverse", "count": 20}):
        kept = [{item.num_words for item in filtered(heap, [choice], seed=seed).kept} for seed in (0, 0, 1)]
        assert kept[0] == kept[1] != kept[2]


def test_the_majority_stands_in_for_a_reference_and_only_for_that():
    def item(problem: int, outcome: str, extracted: str | None) -> Item:
        return Item(problem, "math", outcome, "stop", 5, extracted)

    heap = [
        *[item(1, "unverifiable", answer) for answer in ("1", " 1 ", "1.", "2", None)],  # 3 of 4 agree
        *[item(2, "unverifiable", answer) for answer in ("1", "1", "2", "2")],  # a tie
        *[item(3, outcome, "2") for outcome in ("correct", "incorrect", "unverifiable")],  # judged
    ]
    found = filtered(heap, ["majority"])
    assert sorted((item.problem, item.extracted) for item in found.kept) == [(1, " 1 "), (1, "1"), (1, "1."), (3, "2")]
    reasons = Counter(decision.reason for decision in found.decisions if not decision.kept)
    assert reasons == {
        "not the majority's answer": 1,
        "no answer": 1,
        "no majority": 4,
        "incorrect": 1,
        "unverifiable": 1,
    }


@pytest.mark.parametrize(
    "options",
    [{}, {"total": 1, "tokens": 1}, {"by": "domain"}, {"counts": {"math": 1}}, {"by": "domain", "shares": {"math": 1}}],
    ids=str,
)
def test_a_quota_that_does_not_say_how_many_is_refused(options: dict[str, Any]):
    with pytest.raises(RecipeError, match="give `total` or `tokens`"):
        Quota(**options)


def test_a_rule_with_an_unknown_key_is_refused():
    with pytest.raises(RecipeError, match=r"'min_token': 5.* may have source, domain, outcome, min_tokens"):
        Diverse(count=1, always=[{"min_token": 5}])


def test_an_unknown_preference_names_the_nearest():
    with pytest.raises(RecipeError, match="Did you mean 'shortest'"):
        Quota(total=1, prefer="shortes")  # type: ignore[arg-type]
