"""Gates on how a reply ended and what its verifier said."""

from typing import Literal

from distill.selectors import Candidate, Context, Drop, Gate

Policy = Literal["correct", "not-incorrect", "incorrect", "all"]

_ACCEPTED: dict[Policy, frozenset[str]] = {
    "correct": frozenset({"correct"}),
    "not-incorrect": frozenset({"correct", "unverifiable"}),
    "incorrect": frozenset({"incorrect"}),
    "all": frozenset({"correct", "incorrect", "unverifiable"}),
}
_ENDINGS = {"length": "truncated at its token limit", "aborted": "cut off", "error": "failed"}


def verdict(*, accept: Policy = "correct") -> Gate:
    """Keep what the verifier accepted.

    Args:
        accept: ``not-incorrect`` also keeps what it could not judge; ``incorrect`` and ``all`` are controls, to see
            what correctness is worth. (OpenThoughts3 and DASD filter by no verdict: arXiv 2506.04178, 2601.09088.)
    """
    accepted = _ACCEPTED[accept]

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        found = candidate.verdict
        return None if found.outcome in accepted else Drop(found.outcome, found.reason)

    return gate


def correct() -> Gate:
    """Keep what the verifier accepted."""
    return verdict()


def incorrect() -> Gate:
    """Keep what the verifier refused: a control, to see what correctness is worth."""
    return verdict(accept="incorrect")


def ended() -> Gate:
    """Keep replies that ended by themselves. The filter's first step, whatever the recipe says."""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        reason = _ENDINGS.get(candidate.trace.finish_reason)
        return Drop(reason, candidate.trace.error or "") if reason else None

    return gate
