"""Where a model is right: by the length of its replies, by domain; and how long the replies are."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import msgspec

from distill.evaluation.metrics import Estimate, mean_pass_at_1
from distill.types import Problem, Trace, Verdict

PERCENTILES = (5, 25, 50, 75, 95, 100)
PARTS = 4
"""Groups of about as many replies each, from the shortest to the longest."""

Judged = Sequence[tuple[Trace, Verdict]]


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The score on a part of the problems, or of the replies."""

    problems: int
    replies: int
    estimate: Estimate
    """Share of replies that are correct, averaged over problems, with its 95 % interval."""


class LengthSlice(Slice, frozen=True, kw_only=True):
    """The score of replies of such a length. Length is no cause: hard problems get long replies."""

    low: int
    """Tokens of the shortest reply in it."""
    high: int
    """Tokens of the longest."""


def token_percentiles(judged: Judged) -> dict[str, int]:
    """Tokens that so many in a hundred replies do not exceed: ``{"p5": 98, ..., "p100": 480}``."""
    lengths = sorted(trace.completion_tokens for trace, _ in judged)
    last = len(lengths) - 1
    return {f"p{percent}": lengths[round(last * percent / 100)] for percent in PERCENTILES} if lengths else {}


def by_length(judged: Judged) -> list[LengthSlice]:
    """The score of the shortest quarter of replies, of the next, and so on; replies of one length stay together."""
    ordered = sorted(judged, key=lambda pair: pair[0].completion_tokens)
    edges = sorted(
        {ordered[len(ordered) * part // PARTS][0].completion_tokens for part in range(PARTS)} if judged else ()
    )
    slices: list[LengthSlice] = []
    for index, edge in enumerate(edges):
        above = edges[index + 1] if index + 1 < len(edges) else ordered[-1][0].completion_tokens + 1
        part = [pair for pair in ordered if edge <= pair[0].completion_tokens < above]
        found = _slice(part)
        slices.append(
            LengthSlice(
                low=part[0][0].completion_tokens,
                high=part[-1][0].completion_tokens,
                problems=found.problems,
                replies=found.replies,
                estimate=found.estimate,
            )
        )
    return slices


def by_domain(judged: Judged, problems: Mapping[str, Problem]) -> dict[str, Slice]:
    """The score by the problems' domains; empty if there is but one."""
    parts: dict[str, list[tuple[Trace, Verdict]]] = defaultdict(list)
    for trace, verdict in judged:
        if trace.problem_id in problems:
            parts[problems[trace.problem_id].domain].append((trace, verdict))
    return {domain: _slice(part) for domain, part in sorted(parts.items())} if len(parts) > 1 else {}


def _slice(judged: Judged) -> Slice:
    correct: dict[str, list[bool]] = defaultdict(list)
    for trace, verdict in judged:
        correct[trace.problem_id].append(verdict.outcome == "correct")
    shares = [fmean(given) for given in correct.values()]
    estimate = mean_pass_at_1(shares, len(judged) / len(shares))
    return Slice(problems=len(shares), replies=len(judged), estimate=estimate)
