"""The slow lane: Math-Verify in a process of its own, for what the other lanes leave undecided."""

from functools import cache

import msgspec

from distill.types import Judgement, Problem
from distill.verifiers.isolated import Isolated

DEADLINE = 1.0
"""Seconds for one pair."""
MAX_LENGTH = 1000
"""Characters of an answer that is sent there: what is longer takes it seconds to read."""


def ask(reference: str, answer: str) -> Judgement:
    """What Math-Verify says of an answer; `unverifiable` if it cannot be asked, or does not say it in time."""
    if len(reference) > MAX_LENGTH or len(answer) > MAX_LENGTH:
        return Judgement(outcome="unverifiable", method="symbolic", reason="too long for the symbolic lane")
    problem = Problem(id="", prompt="", verifier="math_verify", reference=reference)
    judgement = worker()(problem, rf"\boxed{{{answer}}}")
    return judgement if judgement.method == "timeout" else msgspec.structs.replace(judgement, method="symbolic")


@cache
def worker() -> Isolated:
    """The process that is asked, one for all of this process; it starts when it is needed."""
    return Isolated("math_verify", timeout=DEADLINE)
