"""Two models on the same problems: exact tests, bootstrap intervals, and how small a difference a suite can show."""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import NamedTuple

from distill.errors import DataError
from distill.evaluation.metrics import CONFIDENCE, Estimate, Z, t_quantile

POWER = 0.8
BETWEEN = 1 / 9
"""Variance over problems of the difference of two models' chances, as assumed before anything is measured: that of
chances spread evenly over 0 to 1, with a correlation of a third between the models."""
WITHIN = 1 / 6
"""Variance of one reply to a problem around the model's chance there, of chances spread evenly."""
RESAMPLES = 2_000


class McNemar(NamedTuple):
    """The problems on which two models differ, and how likely such a split is by chance."""

    only_a: int
    """Problems that only the first solved."""
    only_b: int
    p: float
    """Two-sided and exact."""


def mcnemar(a: Mapping[str, float], b: Mapping[str, float]) -> McNemar | None:
    """McNemar's exact test, for models that gave one reply to each problem; None if a share is not 0 or 1.

    Under the null hypothesis each problem on which they differ is as likely to be solved by one as by the other
    (McNemar 1947; exact as a binomial test).

    Args:
        a: Share of correct replies by problem id.
        b: The same of the other model. Only problems that both answered are compared.
    """
    pairs = [(a[problem_id], b[problem_id]) for problem_id in a.keys() & b.keys()]
    if not pairs or any(share not in (0.0, 1.0) for pair in pairs for share in pair):
        return None
    only_a, only_b = pairs.count((1.0, 0.0)), pairs.count((0.0, 1.0))
    differing = only_a + only_b
    tail = sum(math.comb(differing, count) for count in range(min(only_a, only_b) + 1))
    return McNemar(only_a, only_b, min(1.0, 2 * tail / 2**differing))


def bootstrap(values_P: Sequence[float], *, seed: int = 0, resamples: int = RESAMPLES) -> Estimate:
    """Mean of one value for each of P problems, with a 95 % interval from drawing problems anew.

    For what has no formula of its own: maj@k, best@k, differences of them. The percentiles are moved outwards for few
    problems, where the plain ones cover too little (Hesterberg 2015, "What Teachers Should Know About the Bootstrap",
    arXiv:1411.5279, section 5.2).

    Args:
        values_P: For each problem, what was measured there: replies to one problem stay together.
        seed: Of the draws.
        resamples: How many.

    Raises:
        DataError: If there is no problem.
    """
    if not values_P:
        raise DataError("an interval over no problems: the suite is empty, or nothing of it was answered")
    import numpy as np

    values, size = np.asarray(values_P, dtype=float), len(values_P)
    mean = float(values.mean())
    if size == 1:
        return Estimate(mean, min(mean, 0.0), max(mean, 1.0))
    rng = np.random.default_rng(seed)
    # in pieces, so that memory does not grow with problems times resamples
    means = np.concatenate([values[rng.integers(size, size=(100, size))].mean(axis=1) for _ in range(resamples // 100)])
    tail = _normal(math.sqrt(size / (size - 1)) * t_quantile(size - 1))
    low, high = np.quantile(means, [1 - tail, tail])
    return Estimate(mean, float(low), float(high))


def _normal(quantile: float) -> float:
    return NormalDist().cdf(quantile)


def detectable_difference(num_problems: int, num_samples: int = 1) -> float:
    """The smallest difference between two models that a suite would show in four of five tries, as a share.

    The power analysis of Miller 2024 (arXiv:2411.00640), two-sided at 5 %: ``(z + z') sqrt((w + 2 s / n) / P)``, with
    assumed variances `BETWEEN` and `WITHIN`, because nothing is measured yet. Models that fail on the same problems,
    such as a base and its student, differ less between problems than that, and less is enough for them.

    Args:
        num_problems: Of the suite.
        num_samples: Replies of each model to each problem.

    Raises:
        DataError: If either is below 1.
    """
    if num_problems < 1 or num_samples < 1:
        raise DataError(
            f"{num_problems} problems x {num_samples} samples can show no difference; give 1 or more of both"
        )
    spread = math.sqrt((BETWEEN + 2 * WITHIN / num_samples) / num_problems)
    return min(1.0, (Z + NormalDist().inv_cdf(POWER)) * spread)


def detectable_sentence(num_problems: int, num_samples: int) -> str:
    """`detectable_difference` in words, to be said beforehand."""
    points = 100 * detectable_difference(num_problems, num_samples)
    return (
        f"two models must be about {points:.1f} points apart for {num_problems:,} problems x {num_samples} to show it "
        f"(paired, {100 * CONFIDENCE:.0f} %, power {100 * POWER:.0f} %)"
    )


def mean_difference(a: Mapping[str, float], b: Mapping[str, float], *, seed: int = 0) -> Estimate:
    """How much more `a` has than `b` on the problems of both, on average, with a bootstrap interval.

    Args:
        a: Any figure by problem id, such as tokens or maj@k.
        b: The same of the other model.
        seed: Of the draws.
    """
    return bootstrap([a[problem_id] - b[problem_id] for problem_id in sorted(a.keys() & b.keys())], seed=seed)
