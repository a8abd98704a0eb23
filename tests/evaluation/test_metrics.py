import itertools
import math
import random
from collections.abc import Sequence

import msgspec
import pytest

from distill.errors import DataError
from distill.evaluation.metrics import (
    Interval,
    mean_pass_at_1,
    paired_difference,
    pass_at_k,
    short_count,
    wilson,
)
from distill.evaluation.scores import Scores, score
from distill.types import FinishReason, Outcome, Trace, Verdict


@pytest.mark.parametrize(
    ("num_samples", "num_correct", "k", "expected"),
    [
        (10, 3, 1, 0.3),
        (10, 3, 5, 1 - math.comb(7, 5) / math.comb(10, 5)),
        (200, 7, 100, 1 - math.comb(193, 100) / math.comb(200, 100)),
        (5, 0, 5, 0.0),
        (5, 5, 1, 1.0),
        (4, 2, 3, 1.0),
    ],
)
def test_pass_at_k_is_the_closed_form(num_samples: int, num_correct: int, k: int, expected: float) -> None:
    assert pass_at_k(num_samples, num_correct, k) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("num_correct", range(7))
@pytest.mark.parametrize("k", range(1, 7))
def test_pass_at_k_counts_every_draw_of_k_replies(num_correct: int, k: int) -> None:
    replies = [True] * num_correct + [False] * (6 - num_correct)
    draws = [any(draw) for draw in itertools.combinations(replies, k)]
    assert pass_at_k(6, num_correct, k) == pytest.approx(sum(draws) / len(draws))


@pytest.mark.parametrize(("num_samples", "num_correct", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0), (0, 0, 1)])
def test_pass_at_k_refuses_what_cannot_be_told(num_samples: int, num_correct: int, k: int) -> None:
    with pytest.raises(DataError, match=f"pass@{k}"):
        pass_at_k(num_samples, num_correct, k)


@pytest.mark.parametrize(("num_correct", "num_trials"), [(0, 1), (0, 50), (1, 50), (186, 300), (49, 50), (300, 300)])
def test_one_sample_per_problem_gives_scipys_wilson_interval(num_correct: int, num_trials: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(num_correct, num_trials).proportion_ci(method="wilson")
    shares = [1.0] * num_correct + [0.0] * (num_trials - num_correct)
    assert mean_pass_at_1(shares)[1:] == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert wilson(num_correct / num_trials, num_trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_replies_that_agree_count_as_one_problem_each() -> None:
    shares = [1.0] * 30 + [0.0] * 70
    assert mean_pass_at_1(shares, num_samples=16) == mean_pass_at_1(shares, num_samples=1)


def test_replies_that_differ_within_problems_narrow_the_interval_up_to_all_replies() -> None:
    once = mean_pass_at_1([1.0] * 25 + [0.0] * 25)
    often = mean_pass_at_1([0.5] * 50, num_samples=16)
    assert often.high - often.low < once.high - once.low
    assert often[1:] == wilson(0.5, 50 * 16)


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("num_samples", [1, 16])
def test_intervals_at_the_borders_are_not_empty(share: float, num_samples: int) -> None:
    estimate = mean_pass_at_1([share] * 30, num_samples)
    assert estimate.mean == share
    assert 0 <= estimate.low <= share <= estimate.high <= 1
    assert estimate.high - estimate.low > 0.05


@pytest.mark.parametrize(
    ("alpha", "beta", "num_problems", "num_samples"),
    [(0.5, 0.5, 30, 16), (2, 8, 50, 4), (20, 1, 100, 4), (5, 5, 30, 2), (1, 1, 300, 1)],
)
def test_the_interval_covers_the_true_share(alpha: float, beta: float, num_problems: int, num_samples: int) -> None:
    rng = random.Random(7)
    covered = 0
    for _ in range(2000):
        chances = [rng.betavariate(alpha, beta) for _ in range(num_problems)]
        shares = [sum(rng.random() < chance for _ in range(num_samples)) / num_samples for chance in chances]
        estimate = mean_pass_at_1(shares, num_samples)
        covered += estimate.low <= alpha / (alpha + beta) <= estimate.high
    assert 0.93 <= covered / 2000 <= 0.97


def test_no_problem_has_no_score() -> None:
    with pytest.raises(DataError, match="no problems"):
        mean_pass_at_1([])


def by_problem(shares: Sequence[float]) -> dict[str, float]:
    return {f"p{index}": share for index, share in enumerate(shares)}


def test_the_paired_difference_is_scipys_paired_t_test() -> None:
    from scipy.stats import ttest_rel

    rng = random.Random(1)
    a = [rng.choice([0.0, 0.5, 1.0]) for _ in range(80)]
    b = [rng.choice([0.0, 0.0, 0.5, 1.0]) for _ in range(80)]
    expected = ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    found = paired_difference(by_problem(a), by_problem(b))
    assert found == pytest.approx((sum(a) / 80 - sum(b) / 80, interval.low, interval.high, expected.pvalue, 80))


@pytest.mark.parametrize(
    ("a", "b", "difference", "p"),
    [
        ([1] * 20, [0] * 20, 1, 2**-19),
        ([1, 0, 1], [1, 0, 1], 0, 1),
        ([1], [0], 1, 1),
        ([0.3, 0.9], [0.2, 0.8], 0.1, 0.5),
    ],
)
def test_a_constant_difference_still_has_an_interval_and_a_p_value(
    a: list[float], b: list[float], difference: float, p: float
) -> None:
    found = paired_difference(by_problem(a), by_problem(b))
    assert (found.difference, found.p) == (pytest.approx(difference), p)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.high > found.low


def test_only_shared_problems_are_compared() -> None:
    found = paired_difference({"x": 1.0, "y": 1.0, "only a": 0.0}, {"y": 0.0, "x": 1.0, "only b": 1.0})
    assert (found.difference, found.problems) == (0.5, 2)
    with pytest.raises(DataError, match="no problem in common"):
        paired_difference({"x": 1.0}, {"y": 1.0})


def reply(
    problem: str, sample: int, outcome: Outcome, extracted: str | None = "1", finish: FinishReason = "stop"
) -> tuple[Trace, Verdict]:
    trace = Trace(
        id=f"{problem}-t-{sample}",
        problem_id=problem,
        sample=sample,
        teacher="t",
        thinking="",
        answer="",
        finish_reason=finish,
        completion_tokens=100 * (sample + 1),
    )
    return trace, Verdict(trace_id=trace.id, outcome=outcome, extracted=extracted)


REPLIES = [
    reply("a", 0, "correct"),
    reply("a", 1, "incorrect"),
    reply("b", 0, "incorrect", None),
    reply("b", 1, "incorrect", None, "length"),
    reply("c", 0, "unverifiable"),
    reply("c", 1, "correct"),
    reply("d", 0, "correct"),
    reply("d", 1, "correct"),
]


def scored(traces: Sequence[Trace], verdicts: Sequence[Verdict]) -> Scores:
    return score(
        traces,
        verdicts,
        model="student",
        suite="tiny",
        format="think",
        engine="transformers",
        identity="model@1",
        sampling={"temperature": 1.0},
        prompt_digest="abc",
    )


def test_score_counts_three_outcomes_and_two_ways_to_give_no_answer() -> None:
    traces, verdicts = zip(*REPLIES, strict=True)
    scores = scored([*traces, traces[0]], verdicts[::-1])
    assert (scores.problems, scores.samples, scores.pass_at_1) == (4, 2, 0.5)
    assert scores.correct_by_problem == {"a": 0.5, "b": 0.0, "c": 0.5, "d": 1.0}
    assert (scores.no_answer, scores.truncated, scores.unverifiable) == (1 / 8, 1 / 8, 1 / 8)
    assert scores.mean_tokens == 150
    assert scores.ci95 == mean_pass_at_1([0.5, 0.0, 0.5, 1.0], 2)[1:]


def test_a_trace_without_a_verdict_is_refused_by_name() -> None:
    traces, verdicts = zip(*REPLIES, strict=True)
    with pytest.raises(DataError, match=r"1 of 8 traces have no verdict, the first is d-t-1"):
        scored(traces, verdicts[:-1])
    with pytest.raises(DataError, match="nothing to score"):
        scored([], verdicts)


def test_scores_round_trip_under_their_published_names() -> None:
    traces, verdicts = zip(*REPLIES, strict=True)
    scores = scored(traces, verdicts)
    plain = msgspec.to_builtins(scores)
    assert plain["pass@1"] == 0.5
    assert list(plain["ci95"]) == list(scores.ci95)
    assert msgspec.json.decode(msgspec.json.encode(scores), type=Scores) == scores


def test_the_headline_is_never_the_number_alone() -> None:
    traces, verdicts = zip(*REPLIES, strict=True)
    scores = msgspec.structs.replace(scored(traces, verdicts), ci95=Interval(0.2, 0.8))
    expected = "pass@1[avg2] 50.0 % [20.0, 80.0] (no answer 12.5 %, truncated 12.5 %, unverifiable 12.5 %, 150 tokens)"
    assert scores.headline() == expected
    assert "unverifiable" not in msgspec.structs.replace(scores, unverifiable=0.0).headline()


@pytest.mark.parametrize(("count", "shown"), [(171.2, "171"), (6180, "6.2k"), (2.5e6, "2.5M"), (3e9, "3.0G"), (0, "0")])
def test_counts_are_short(count: float, shown: str) -> None:
    assert short_count(count) == shown
