"""What several replies to one problem are worth together: the majority's answer, or the one that a scorer likes best.

Both are exact expectations over every choice of `k` of the `n` replies that are there, as pass@k is: no draw is made,
so the same replies always give the same number.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from distill.errors import DataError
from distill.types import Verdict

ONE_ANSWER = ("math", "math_verify", "choice", "exact")
"""Verifiers of problems with one right answer: whatever they accept is the same answer, however it is written."""
NO_VOTE = ("code", "instructions")
"""Verifiers of replies that no two models write alike, so that there is nothing to count."""
RIGHT = "\0the reference"
_SPACES = re.compile(r"\s+|\\[,;:! ]|\$|\\(?:left|right|text|mathrm)(?![A-Za-z])")


class Vote(NamedTuple):
    """What one reply says, and whether that is correct."""

    answer: str | None
    """None if it has no answer; then it does not vote."""
    is_correct: bool


def vote_of(verdict: Verdict, verifier: str) -> Vote:
    """The vote of a reply.

    Answers are the same if they are written the same, spacing and case apart; where a problem has one right answer, all
    that are accepted are the same. Wrong ones that differ in writing alone split their votes, which flatters the
    majority.

    Args:
        verdict: What the verifier said.
        verifier: Its name.
    """
    is_correct = verdict.outcome == "correct"
    if is_correct and verifier in ONE_ANSWER:
        return Vote(RIGHT, True)
    answer = _SPACES.sub("", verdict.extracted).casefold().rstrip(".") if verdict.extracted else ""
    return Vote(answer or None, is_correct)


def majority_at_k(votes: Sequence[Vote], k: int) -> float:
    """Chance that the answer most of `k` replies give is correct; a tie is broken by lot, no answer at all is wrong.

    Self-consistency (Wang et al. 2022, arXiv 2203.11171), averaged over every choice of `k` replies.

    Args:
        votes: Of all replies to one problem.
        k: Replies one would draw.

    Raises:
        DataError: If there are fewer than `k`.
    """
    _check("maj", len(votes), k)
    sizes = Counter(vote.answer for vote in votes if vote.answer is not None)
    correct = {vote.answer for vote in votes if vote.is_correct and vote.answer is not None}
    num_silent = sum(vote.answer is None for vote in votes)
    wins = 0.0
    for answer in correct:
        others = [size for other, size in sizes.items() if other != answer]
        for count in range(1, min(sizes[answer], k) + 1):
            wins += math.comb(sizes[answer], count) * _ways(others, num_silent, k - count, count)
    return wins / math.comb(len(votes), k)


def _ways(others: Sequence[int], num_silent: int, left: int, most: int) -> float:
    """Ways to draw `left` replies from the others so that none gets over `most`, each shared among those that tie."""
    ways = {(drawn, 0): math.comb(num_silent, drawn) for drawn in range(min(num_silent, left) + 1)}
    for size in others:
        grown: dict[tuple[int, int], int] = {}
        for (drawn, ties), number in ways.items():
            for votes in range(min(size, most, left - drawn) + 1):
                key = drawn + votes, ties + (votes == most)
                grown[key] = grown.get(key, 0) + number * math.comb(size, votes)
        ways = grown
    return sum(number / (ties + 1) for (drawn, ties), number in ways.items() if drawn == left)


class Scored(NamedTuple):
    """What a scorer gives a reply, and whether it is correct."""

    score: float
    is_correct: bool


def best_at_k(replies: Sequence[Scored], k: int) -> float:
    """Chance that the reply with the highest score of `k` is correct; equal scores are broken by lot.

    Best-of-n (Cobbe et al. 2021, arXiv 2110.14168), averaged over every choice of `k` replies.

    Args:
        replies: All replies to one problem.
        k: Replies one would draw.

    Raises:
        DataError: If there are fewer than `k`.
    """
    _check("best", len(replies), k)
    total, chance = math.comb(len(replies), k), 0.0
    below = len(replies)
    for score in sorted({reply.score for reply in replies}, reverse=True):
        tied = [reply.is_correct for reply in replies if reply.score == score]
        tops = math.comb(below, k) - math.comb(below - len(tied), k)
        chance += tops / total * sum(tied) / len(tied)
        below -= len(tied)
    return chance


def _check(name: str, num_replies: int, k: int) -> None:
    if not 1 <= k <= num_replies:
        raise DataError(
            f"{name}@{k} cannot be told from {num_replies} replies: it needs 1 <= k <= replies. Draw more samples, or "
            f"ask for a smaller k."
        )
