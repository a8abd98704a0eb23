"""One record of scores: what a model reached on a suite, with all that the number depends on."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

import msgspec

from distill.errors import DataError
from distill.evaluation import breakdown
from distill.evaluation.breakdown import LengthSlice, Slice
from distill.evaluation.metrics import Estimate, Interval, mean_pass_at_1, pass_at_k, percent, short_count
from distill.evaluation.paired import bootstrap
from distill.evaluation.scorers import Scorer, without_reference
from distill.evaluation.stamp import Stamp
from distill.evaluation.voting import NO_VOTE, Scored, best_at_k, majority_at_k, vote_of
from distill.types import Outcome, Problem, Trace, Verdict


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
    metrics: dict[str, Estimate] = msgspec.field(default_factory=dict[str, Estimate])
    """Further figures by names that carry their k and n: ``pass@8[n16]``, ``maj@8[n16]``, ``best@8[n16]``."""
    tokens: dict[str, int] = msgspec.field(default_factory=dict[str, int])
    """Percentiles of the tokens of a reply: p5, p25, p50, p75, p95, p100."""
    by_length: list[LengthSlice] = msgspec.field(default_factory=list[LengthSlice])
    by_domain: dict[str, Slice] = msgspec.field(default_factory=dict[str, Slice])
    stamp: Stamp | None = None
    """What the number depends on besides; None in records of older versions."""

    def headline(self) -> str:
        """The score in one line: never the number alone."""
        parts = [f"no answer {percent(self.no_answer)}", f"truncated {percent(self.truncated)}"]
        if self.unverifiable:
            parts.append(f"unverifiable {percent(self.unverifiable)}")
        parts.append(f"{short_count(self.mean_tokens)} tokens")
        score = f"{percent(self.pass_at_1)} [{100 * self.ci95.low:.1f}, {100 * self.ci95.high:.1f}]"
        return f"pass@1[avg{self.samples}] {score} ({', '.join(parts)})"


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
    problems: Mapping[str, Problem] | None = None,
    scorer: Scorer | None = None,
    stamp: Stamp | None = None,
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
        problems: By id; needed for majorities, domains and scorers.
        scorer: Chooses among the replies to a problem, for best-of-n.
        stamp: What the number depends on besides.

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
        metrics=further_metrics(judged, problems or {}, scorer),
        tokens=breakdown.token_percentiles(judged),
        by_length=breakdown.by_length(judged),
        by_domain=breakdown.by_domain(judged, problems or {}),
        stamp=stamp,
    )


def further_metrics(
    judged: breakdown.Judged, problems: Mapping[str, Problem], scorer: Scorer | None
) -> dict[str, Estimate]:
    """pass@k, maj@k and best@k for k of 2, 4, 8 ... and all n, where each problem has as many replies."""
    replies: dict[str, list[tuple[Trace, Verdict]]] = defaultdict(list)
    for trace, verdict in judged:
        replies[trace.problem_id].append((trace, verdict))
    given = [(problems.get(problem_id), replies[problem_id]) for problem_id in sorted(replies)]
    counts = [(len(found), sum(verdict.outcome == "correct" for _, verdict in found)) for _, found in given]
    votes = [[vote_of(verdict, problem.verifier) for _, verdict in found] for problem, found in voting(given)]
    n = min(size for size, _ in counts)
    sizes = [*(2**power for power in range(1, n.bit_length()) if 2**power < n), *([n] if n > 1 else [])]
    scored = [_scored(problem, found, scorer) for problem, found in given if problem] if scorer and sizes else []
    figures: dict[str, Estimate] = {}
    for k in sizes:
        figures[f"pass@{k}[n{n}]"] = bootstrap([pass_at_k(*count, k) for count in counts])
        if len(votes) == len(given):
            figures[f"maj@{k}[n{n}]"] = bootstrap([majority_at_k(cast, k) for cast in votes])
        if scored:
            figures[f"best@{k}[n{n}]"] = bootstrap([best_at_k(found, k) for found in scored])
    return figures


def voting(given: Iterable[tuple[Problem | None, breakdown.Judged]]) -> list[tuple[Problem, breakdown.Judged]]:
    """The problems whose replies can be counted against each other."""
    return [(problem, found) for problem, found in given if problem and problem.verifier not in NO_VOTE]


def _scored(problem: Problem, found: breakdown.Judged, scorer: Scorer) -> list[Scored]:
    seen = without_reference(problem)
    return [
        Scored(scorer(seen, f"{trace.thinking}\n\n{trace.answer}"), verdict.outcome == "correct")
        for trace, verdict in found
    ]


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
