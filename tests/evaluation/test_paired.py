"""Two models on the same problems: against scipy, and by simulation."""

import random

import pytest

from distill.errors import DataError
from distill.evaluation.metrics import paired_difference
from distill.evaluation.paired import bootstrap, detectable_difference, detectable_sentence, mcnemar, mean_difference


def binary(rng: random.Random, share: float, count: int) -> dict[str, float]:
    return {f"p{index}": float(rng.random() < share) for index in range(count)}


@pytest.mark.parametrize("seed", range(20))
def test_mcnemar_is_scipys_binomial_test_of_the_discordant(seed: int) -> None:
    from scipy.stats import binomtest

    rng = random.Random(seed)
    a, b = binary(rng, 0.6, 50), binary(rng, 0.4, 60)
    found = mcnemar(a, b)
    assert found is not None
    only_a = sum(a[key] > b[key] for key in a)
    only_b = sum(a[key] < b[key] for key in a)
    assert (found.only_a, found.only_b) == (only_a, only_b)
    assert found.p == pytest.approx(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def test_mcnemar_is_for_one_reply_to_each_problem() -> None:
    assert mcnemar({"p": 0.5}, {"p": 1.0}) is None
    assert mcnemar({"p": 1.0}, {"q": 1.0}) is None
    assert mcnemar({"p": 1.0}, {"p": 1.0}) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("alpha", "beta", "num_problems", "num_samples"), [(1, 1, 50, 4), (0.5, 0.5, 100, 2), (2, 2, 200, 8)]
)
def test_a_bootstrap_interval_covers_the_truth_93_to_97_times_in_100(
    alpha: float, beta: float, num_problems: int, num_samples: int
) -> None:
    rng, covered, tries = random.Random(0), 0, 1200
    for trial in range(tries):
        chances = [rng.betavariate(alpha, beta) for _ in range(num_problems)]
        shares = [sum(rng.random() < chance for _ in range(num_samples)) / num_samples for chance in chances]
        found = bootstrap(shares, seed=trial, resamples=600)
        covered += found.low <= alpha / (alpha + beta) <= found.high
    assert 0.93 <= covered / tries <= 0.97


def test_a_bootstrap_is_the_same_for_the_same_seed_and_needs_a_problem() -> None:
    values = [0.0, 1.0, 0.5, 0.25]
    assert bootstrap(values) == bootstrap(values)
    assert bootstrap([0.5]) == (0.5, 0.0, 1.0)
    with pytest.raises(DataError, match="no problems"):
        bootstrap([])


def test_the_detectable_difference_is_found_four_times_in_five() -> None:
    """By simulation: chances spread evenly, correlated by a third, and apart by so much as it says."""
    num_problems, num_samples = 400, 2
    shift = detectable_difference(num_problems, num_samples)
    rng, found, tries = random.Random(0), 0, 300
    for _ in range(tries):
        a: dict[str, float] = {}
        b: dict[str, float] = {}
        for index in range(num_problems):
            first = rng.random()
            second = first if rng.random() < 1 / 3 else rng.random()
            # the mean moves by `shift`, and the spread hardly
            for shares, chance, move in ((a, first, shift / 2), (b, second, -shift / 2)):
                chance = min(1.0, max(0.0, chance + move * 1.02))
                shares[f"p{index}"] = sum(rng.random() < chance for _ in range(num_samples)) / num_samples
        found += paired_difference(a, b).p < 0.05
    assert 0.72 <= found / tries <= 0.88


def test_more_problems_and_more_samples_show_smaller_differences() -> None:
    assert detectable_difference(30) > detectable_difference(30, 16) > detectable_difference(500, 16)
    assert detectable_difference(30, 64) > 0.16  # thirty problems stay thirty problems
    assert "18.6 points" in detectable_sentence(30, 16)
    with pytest.raises(DataError, match="0 problems x 1"):
        detectable_difference(0)


def test_a_mean_difference_is_over_shared_problems() -> None:
    found = mean_difference({"x": 3.0, "y": 1.0, "z": 9.0}, {"x": 1.0, "y": 1.0})
    assert found.mean == 1.0
    assert found.low <= 1.0 <= found.high
