"""Selectors that look at one trace alone: what its verifier said, how it ended, whether it has the form."""

from distill.selectors import Candidate, Context, Selector, per_trace


def correct() -> Selector:
    """Keep what the verifier accepted."""
    return per_trace(lambda candidate, _: _unless(candidate, "correct"))


def incorrect() -> Selector:
    """Keep what the verifier refused: a control, to see what correctness is worth."""
    return per_trace(lambda candidate, _: _unless(candidate, "incorrect"))


def _unless(candidate: Candidate, wanted: str) -> str | None:
    outcome = candidate.verdict.outcome
    return None if outcome == wanted else outcome


def structure() -> Selector:
    """Keep whole replies: ended by themselves, with one closed thought and an answer after it."""

    def rule(candidate: Candidate, _: Context) -> str | None:
        trace = candidate.trace
        if trace.finish_reason != "stop":
            return truncation(candidate)
        return trace.malformed

    return per_trace(rule)


def ended() -> Selector:
    """Keep replies that ended by themselves. The filter's first step, whatever the recipe says."""
    return per_trace(lambda candidate, _: truncation(candidate))


def truncation(candidate: Candidate) -> str | None:
    """Why a reply that did not end by itself may never teach; None for one that did."""
    reasons = {"length": "truncated at its token limit", "aborted": "cut off", "error": "failed"}
    return reasons.get(candidate.trace.finish_reason)
