"""How right a model is, and how sure we are of that: pass@k, intervals, paired differences.

Problems are taken as a sample of all problems of their kind, so every interval is over problems: many replies to one
problem are one cluster, never many problems (Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640).
What the intervals do not say: how another suite, another prompt or another sampler would have come out.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist, fmean, stdev
from typing import Any, NamedTuple

from distill.errors import DataError

CONFIDENCE = 0.95
UPPER_QUANTILE = (1 + CONFIDENCE) / 2
Z = NormalDist().inv_cdf(UPPER_QUANTILE)
ROUNDING = 1e-12
"""Differences between shares below this are floating-point noise."""


class Interval(NamedTuple):
    """A 95 % confidence interval."""

    low: float
    high: float


class Estimate(NamedTuple):
    """A share with its 95 % confidence interval, all in [0, 1]."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """How far two models are apart on the problems that both answered, in shares (-1 to 1)."""

    difference: float
    low: float
    high: float
    p: float
    """Two-sided: how often a difference so large, or larger, would come by chance."""
    problems: int


def pass_at_k(num_samples: int, num_correct: int, k: int) -> float:
    """Chance that one of `k` replies is correct, without bias, from more replies than `k`.

    Eq. 1 of Chen et al. 2021 (arXiv:2107.03374): ``1 - C(n - c, k) / C(n, k)``, in exact integers.

    Args:
        num_samples: Replies to the problem.
        num_correct: Those of them that are correct.
        k: Replies one would draw.

    Raises:
        DataError: If there are fewer than `k` replies, or more correct ones than replies.
    """
    if not 0 <= num_correct <= num_samples or not 1 <= k <= num_samples:
        raise DataError(
            f"pass@{k} cannot be told from {num_samples} samples of which {num_correct} are correct: "
            f"it needs 0 <= correct <= samples and 1 <= k <= samples. Draw more samples, or ask for a smaller k."
        )
    return 1 - math.comb(num_samples - num_correct, k) / math.comb(num_samples, k)


def wilson(share: float, num_trials: float) -> Interval:
    """Wilson's score interval; never empty, also at shares of 0 and 1 (Wilson 1927, JASA 22:209).

    Args:
        share: Share of successes.
        num_trials: Trials it was seen in; need not be whole, if it is an effective number.
    """
    scale = 1 + Z**2 / num_trials
    centre = (share + Z**2 / (2 * num_trials)) / scale
    margin = Z / scale * math.sqrt(share * (1 - share) / num_trials + (Z / (2 * num_trials)) ** 2)
    # rounding must not push the share itself out of its interval
    return Interval(max(0.0, min(centre - margin, share)), min(1.0, max(centre + margin, share)))


def mean_pass_at_1(shares_P: Sequence[float], num_samples: float = 1) -> Estimate:
    """Share of replies that are correct, averaged over problems.

    The interval is Wilson's with an effective number of trials: as many independent ones as would give the variance
    that the per-problem shares have. That is the form that Franco et al. 2019 (PMC6690503) recommend for clustered
    samples, with Korn & Graubard's 1998 correction for few clusters. With one sample per problem it is the plain
    Wilson interval; if all replies to a problem agree, the number of trials is the number of problems; it is never
    below that, nor above the number of replies.

    Args:
        shares_P: For each of P problems, the share of its replies that are correct.
        num_samples: Replies per problem, on average.

    Raises:
        DataError: If there is no problem.
    """
    if not shares_P:
        raise DataError("pass@1 of no problems: the suite is empty, or nothing of it was answered")
    mean = fmean(shares_P)
    return Estimate(mean, *wilson(mean, _effective_trials(shares_P, mean, num_samples)))


def _effective_trials(shares_P: Sequence[float], mean: float, num_samples: float) -> float:
    num_problems = len(shares_P)
    between = fmean((share - mean) ** 2 for share in shares_P)
    if num_samples <= 1 or num_problems < 2 or mean in (0.0, 1.0):
        return num_problems
    if between == 0:
        return num_problems * num_samples
    few_problems = (Z / t_quantile(num_problems - 1)) ** 2
    effective = few_problems * (num_problems - 1) * mean * (1 - mean) / between
    return min(max(effective, num_problems), num_problems * num_samples)


def t_quantile(degrees: int) -> float:
    """Student's t that 97.5 % of draws stay below, for an interval of 95 %.

    Args:
        degrees: Of freedom.
    """
    from scipy import stats

    return float(stats.t.ppf(UPPER_QUANTILE, degrees))


def paired_difference(a: Mapping[str, float], b: Mapping[str, float]) -> Difference:
    """How much better `a` is than `b`, compared problem by problem.

    Interval and p-value are of the paired t test, so one never contradicts the other; pairing takes out what makes
    a problem hard for both (arXiv:2411.00640).

    Args:
        a: Share of correct replies by problem id.
        b: The same of the other model. Only problems that both answered are compared: see `Difference.problems`.

    Raises:
        DataError: If they share no problem.
    """
    shared = sorted(a.keys() & b.keys())
    if not shared:
        raise DataError(
            f"the two models answered no problem in common ({len(a)} and {len(b)}): measure both on one suite"
        )
    differences = [a[problem_id] - b[problem_id] for problem_id in shared]
    if len(shared) == 1 or stdev(differences) < ROUNDING:
        return _constant_difference(differences[0], len(shared))
    from scipy import stats

    test: Any = stats.ttest_1samp(differences, 0.0)
    interval: Any = test.confidence_interval(CONFIDENCE)
    low, high = max(-1.0, float(interval.low)), min(1.0, float(interval.high))
    return Difference(fmean(differences), low, high, float(test.pvalue), len(shared))


def _constant_difference(difference: float, num_problems: int) -> Difference:
    """The same difference on every problem, where a t test has nothing to divide by.

    The interval allows for the share of problems that could differ unseen (the rule of three, Hanley &
    Lippman-Hand 1983, at 97.5 %) and be as far off as can be; the p-value is that of flipping signs.
    """
    unseen = 1 - (1 - UPPER_QUANTILE) ** (1 / num_problems)
    low, high = difference - unseen * (1 + difference), difference + unseen * (1 - difference)
    p = 1.0 if difference == 0 else 2.0 ** (1 - num_problems)
    return Difference(difference, low, high, p, num_problems)


def percent(share: float) -> str:
    """A share as ``62.0 %``."""
    return f"{100 * share:.1f} %"


def short_count(count: float) -> str:
    """A count in three or four signs: ``171``, ``6.2k``, ``1.3M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"
