"""How right a model is, and how sure we are of that: pass@k, intervals, paired differences, one record of scores.

Problems are taken as a sample of all problems of their kind, so every interval is over problems: many replies to one
problem are one cluster, never many problems (Miller 2024, "Adding Error Bars to Evals", arXiv:2411.00640).
What the intervals do not say: how another suite, another prompt or another sampler would have come out.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist, fmean, stdev
from typing import Any, NamedTuple

import msgspec

from distill.errors import DataError
from distill.types import Outcome, Trace, Verdict

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
    few_problems = (Z / _t_quantile(num_problems - 1)) ** 2
    effective = few_problems * (num_problems - 1) * mean * (1 - mean) / between
    return min(max(effective, num_problems), num_problems * num_samples)


def _t_quantile(degrees: int) -> float:
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


class Scores(msgspec.Struct, frozen=True, kw_only=True):
    """What one model scored on one suite, with all that the number depends on. A `scores.json`."""

    model: str
    """Its role, and the form where it has several: student, teacher, base-plain."""
    suite: str
    format: str
    """The trace format it was asked in."""
    problems: int
    samples: int
    """Replies per problem."""
    pass_at_1: float = msgspec.field(name="pass@1")
    ci95: Interval
    no_answer: float
    """Share of replies that ended by themselves, or were cut off by us, without an answer."""
    truncated: float
    """Share of replies that reached their token limit."""
    unverifiable: float
    """Share of replies that the verifier could not judge. They count as not correct."""
    mean_tokens: float
    """Tokens the model produced per reply, thought included."""
    engine: str
    identity: str
    """What decides the text of the replies: model, revision, digest of its weights."""
    sampling: dict[str, Any]
    prompt_digest: str
    correct_by_problem: dict[str, float]
    """Share of correct replies by problem id."""

    def headline(self) -> str:
        """The score in one line: never the number alone."""
        parts = [f"no answer {percent(self.no_answer)}", f"truncated {percent(self.truncated)}"]
        if self.unverifiable:
            parts.append(f"unverifiable {percent(self.unverifiable)}")
        parts.append(f"{short_count(self.mean_tokens)} tokens")
        score = f"{percent(self.pass_at_1)} [{100 * self.ci95.low:.1f}, {100 * self.ci95.high:.1f}]"
        return f"pass@1[avg{self.samples}] {score} ({', '.join(parts)})"


def percent(share: float) -> str:
    """A share as ``62.0 %``."""
    return f"{100 * share:.1f} %"


def short_count(count: float) -> str:
    """A count in three or four signs: ``171``, ``6.2k``, ``1.3M``."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"


def score(
    traces: Iterable[Trace],
    verdicts: Iterable[Verdict],
    *,
    model: str,
    suite: str,
    format: str,
    engine: str,
    identity: str,
    sampling: Mapping[str, Any],
    prompt_digest: str,
) -> Scores:
    """Score a model's replies to a suite.

    Args:
        traces: The replies; the same trace twice counts once.
        verdicts: In any order; those of other traces are passed over.
        model: Its role, and the form where it has several: student, teacher, base-plain.
        suite: The suite's name.
        format: Name of the trace format it was asked in.
        engine: Name of the engine that ran it.
        identity: What decides the text of the replies.
        sampling: How tokens were drawn.
        prompt_digest: Digest of the rendered prompts, or of what renders them.

    Raises:
        DataError: If there is no trace, or one has no verdict.
    """
    judged = _join(traces, verdicts)
    if not judged:
        raise DataError(f"no traces of {model} on suite {suite}: nothing to score. Run `distill eval` first.")
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    for trace, verdict in judged:
        outcomes[trace.problem_id].append(verdict.outcome)
    shares = {problem_id: given.count("correct") / len(given) for problem_id, given in sorted(outcomes.items())}
    estimate = mean_pass_at_1(list(shares.values()), len(judged) / len(shares))
    return Scores(
        model=model,
        suite=suite,
        format=format,
        problems=len(shares),
        samples=max(len(given) for given in outcomes.values()),
        pass_at_1=estimate.mean,
        ci95=Interval(estimate.low, estimate.high),
        no_answer=fmean(has_no_answer(trace, verdict) for trace, verdict in judged),
        truncated=fmean(trace.finish_reason == "length" for trace, _ in judged),
        unverifiable=fmean(verdict.outcome == "unverifiable" for _, verdict in judged),
        mean_tokens=fmean(trace.completion_tokens for trace, _ in judged),
        engine=engine,
        identity=identity,
        sampling=dict(sampling),
        prompt_digest=prompt_digest,
        correct_by_problem=shares,
    )


def has_no_answer(trace: Trace, verdict: Verdict) -> bool:
    """Whether a reply is wrong for want of an answer, and not because it was truncated."""
    return verdict.outcome == "incorrect" and verdict.extracted is None and trace.finish_reason != "length"


def _join(traces: Iterable[Trace], verdicts: Iterable[Verdict]) -> list[tuple[Trace, Verdict]]:
    verdict_of = {verdict.trace_id: verdict for verdict in verdicts}
    trace_of = {trace.id: trace for trace in traces}
    unjudged = sorted(trace_of.keys() - verdict_of.keys())
    if unjudged:
        raise DataError(
            f"{len(unjudged)} of {len(trace_of)} traces have no verdict, the first is {unjudged[0]}: "
            f"run the same command again, which judges them"
        )
    return [(trace, verdict_of[trace_id]) for trace_id, trace in trace_of.items()]
