"""The tiny world: problems that can be solved, splits that cannot meet, searches that say what they do."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.countdown import operations, reachable, search
from distill.errors import DataError
from distill.sources.countdown import CountdownSource, canonical, split_of
from distill.types import Problem
from distill.verifiers.countdown import CountdownVerifier


def name_of(problem: Problem) -> str:
    return canonical(problem.metadata["numbers"], problem.metadata["target"])


@given(
    numbers=st.lists(st.integers(min_value=1, max_value=15), min_size=2, max_size=4),
    target=st.integers(min_value=1, max_value=120),
    order=st.randoms(),
    percent=st.integers(min_value=0, max_value=100),
)
def test_the_split_looks_at_the_problem_and_not_at_its_order(
    numbers: list[int], target: int, order: random.Random, percent: int
):
    shuffled = list(numbers)
    order.shuffle(shuffled)
    assert split_of(numbers, target, percent) == split_of(shuffled, target, percent)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("task", ["search", "step"])
def test_training_and_held_out_problems_never_meet(seed: int, task: str):
    held_out = {name_of(p) for p in CountdownSource(count=500, split="heldout", seed=2024, largest=99)}
    train = list(CountdownSource(count=2000, seed=seed, largest=99, task=task, reorder=True))  # type: ignore[arg-type]
    assert len({problem.id for problem in train}) == 2000
    if task == "search":
        assert not held_out & {name_of(problem) for problem in train}
    else:
        for problem in train:
            left, sign, right, rest, target = re.match(r"(\d+)(.)(\d+) (\d+) -> (\d+)", problem.prompt).groups()  # type: ignore[union-attr]
            assert canonical([int(left), int(right), int(rest)], int(target)) not in held_out, (sign, problem)


def test_a_larger_count_only_adds_to_the_end():
    few, many = (list(CountdownSource(count=count, largest=99)) for count in (50, 120))
    assert many[:50] == few
    assert len({name_of(problem) for problem in many}) == 120


def test_every_problem_is_solved_by_a_flawless_search_and_the_verifier_agrees():
    verifier = CountdownVerifier()
    for problem in [*CountdownSource(count=200, largest=99), *CountdownSource(count=30, numbers=4, high=9)]:
        found = search(problem.metadata["numbers"], problem.metadata["target"], largest=problem.metadata["largest"])
        assert verifier(problem, found.expression).outcome == "correct", (problem, found)


def test_a_search_states_only_what_is_true_and_ends_at_its_first_match():
    for problem in CountdownSource(count=200, largest=99):
        text = search(problem.metadata["numbers"], problem.metadata["target"], largest=99).text
        claims = re.findall(r"(\d+)([-+*/])(\d+)=(\d+)(?:([<=>])(\d+))?", text)
        for left, sign, right, result, relation, target in claims:
            a, b, value = int(left), int(right), int(result)
            assert {"+": a + b, "-": a - b, "*": a * b, "/": a // b if a % b == 0 else None}[sign] == value
            assert value <= 99
            if relation:
                assert relation == ("=" if value == int(target) else "<" if value < int(target) else ">")
        matches = [claim for claim in claims if claim[4] == "="]
        assert len(matches) == 1
        assert text.endswith(f"={matches[0][5]}")


def test_slips_make_searches_that_end_wrong_and_the_same_seed_makes_the_same_slips():
    verifier = CountdownVerifier()
    outcomes: list[str] = []
    for index, problem in enumerate(CountdownSource(count=200, largest=99)):
        numbers, target = problem.metadata["numbers"], problem.metadata["target"]
        made = [search(numbers, target, largest=99, slips=0.05, rng=random.Random(index)) for _ in range(2)]
        assert made[0] == made[1]
        outcomes.append(verifier(problem, made[0].expression).outcome)
    assert 0.1 < outcomes.count("incorrect") / len(outcomes) < 0.7


@given(a=st.integers(min_value=1, max_value=200), b=st.integers(min_value=1, max_value=200))
def test_operations_give_positive_whole_numbers_within_the_bound(a: int, b: int):
    for operation in operations(a, b, largest=99):
        assert 1 <= operation.result <= 99
        assert operation.left >= operation.right
    assert {operation.result for operation in operations(a, b)} == reachable([a, b])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"numbers": 1}, "numbers=1"),
        ({"low": 5, "high": 4}, "low=5, high=4"),
        ({"count": 10_000}, "found only 2[0-9]{3} different train problems"),
        ({"task": "step", "numbers": 4}, "task 'step' is written for 3 numbers"),
    ],
)
def test_worlds_that_cannot_be_are_refused(options: dict[str, object], message: str):
    with pytest.raises(DataError, match=message):
        list(CountdownSource(**{"largest": 99, **options}))  # type: ignore[arg-type]
