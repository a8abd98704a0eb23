"""Majorities and best-of-n against every draw; what a vote is."""

import itertools
import random
from collections import Counter

import pytest

from distill.errors import DataError
from distill.evaluation.scorers import Length, without_reference
from distill.evaluation.voting import Scored, Vote, best_at_k, majority_at_k, vote_of
from distill.types import Problem, Verdict


def by_every_draw(votes: list[Vote], k: int) -> float:
    chances = []
    for drawn in itertools.combinations(votes, k):
        counts = Counter(vote.answer for vote in drawn if vote.answer is not None)
        most = [answer for answer, count in counts.items() if count == max(counts.values())]
        correct = {vote.answer for vote in votes if vote.is_correct}
        chances.append(sum(answer in correct for answer in most) / len(most) if most else 0.0)
    return sum(chances) / len(chances)


@pytest.mark.parametrize("seed", range(12))
def test_maj_at_k_is_the_mean_over_every_draw(seed: int) -> None:
    rng = random.Random(seed)
    votes = [Vote(answer, answer in ("a", "b")) for answer in rng.choices(["a", "b", "c", "d", "e", None], k=8)]
    for k in range(1, 9):
        assert majority_at_k(votes, k) == pytest.approx(by_every_draw(votes, k), abs=1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_best_at_k_is_the_mean_over_every_draw(seed: int) -> None:
    rng = random.Random(seed)
    replies = [Scored(rng.choice([0.0, 1.0, 2.0]), rng.random() < 0.5) for _ in range(7)]
    for k in range(1, 8):
        chances = []
        for drawn in itertools.combinations(replies, k):
            top = [reply.is_correct for reply in drawn if reply.score == max(reply.score for reply in drawn)]
            chances.append(sum(top) / len(top))
        assert best_at_k(replies, k) == pytest.approx(sum(chances) / len(chances), abs=1e-12)


def test_maj_at_1_is_the_share_correct_and_a_scorer_that_knows_reaches_pass_at_k() -> None:
    votes = [Vote("x", True)] * 3 + [Vote("y", False)] * 4 + [Vote(None, False)]
    assert majority_at_k(votes, 1) == pytest.approx(3 / 8)
    knows = [Scored(float(vote.is_correct), vote.is_correct) for vote in votes]
    assert best_at_k(knows, 3) == pytest.approx(1 - 10 / 56)
    with pytest.raises(DataError, match=r"maj@9 cannot be told from 8 replies"):
        majority_at_k(votes, 9)
    with pytest.raises(DataError, match=r"best@0"):
        best_at_k(knows, 0)


def test_a_majority_of_32_of_64_replies_is_told_at_once() -> None:
    votes = [Vote(f"wrong {index}", False) for index in range(40)] + [Vote("right", True)] * 24
    assert majority_at_k(votes, 32) > 0.999


@pytest.mark.parametrize(
    ("verifier", "outcome", "extracted", "vote"),
    [
        ("math", "incorrect", r"\text{ A } ", Vote("{a}", False)),
        ("math", "incorrect", None, Vote(None, False)),
        ("countdown", "correct", "3 + 4", Vote("3+4", True)),
        ("countdown", "correct", "4+3", Vote("4+3", True)),
        ("choice", "unverifiable", "B.", Vote("b", False)),
    ],
)
def test_votes_are_the_same_if_written_the_same(verifier: str, outcome, extracted: str | None, vote: Vote) -> None:
    assert vote_of(Verdict(trace_id="t", outcome=outcome, extracted=extracted), verifier) == vote


def test_all_that_is_accepted_where_one_answer_is_right_is_one_answer() -> None:
    half, decimal = (Verdict(trace_id="t", outcome="correct", extracted=text) for text in ("1/2", "0.5"))
    assert vote_of(half, "math") == vote_of(decimal, "math")
    assert vote_of(half, "countdown") != vote_of(decimal, "countdown")


def test_a_scorer_never_sees_the_reference() -> None:
    problem = Problem(id="1", prompt="?", verifier="math", reference="4", metadata={"reference": "4", "n": 1})
    seen = without_reference(problem)
    assert (seen.reference, seen.metadata) == (None, {"n": 1})
    assert Length(prefer="long")(seen, "abc") == 3 == -Length()(seen, "abc")
    with pytest.raises(ValueError, match="prefer is 'far'"):
        Length(prefer="far")
