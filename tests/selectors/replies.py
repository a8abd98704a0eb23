"""A candidate from a few words, for gates that look at its text."""

from distill.selectors import Candidate
from distill.types import Problem, Trace, Verdict


def reply(thinking: str, answer: str, prompt: str = "What is 2 + 2?", malformed: str | None = None) -> Candidate:
    return Candidate(
        problem=Problem(id="p", prompt=prompt, verifier="math", reference="4"),
        trace=Trace(
            id="p-t-0",
            problem_id="p",
            sample=0,
            teacher="t",
            thinking=thinking,
            answer=answer,
            finish_reason="stop",
            malformed=malformed,
        ),
        verdict=Verdict(trace_id="p-t-0", outcome="correct"),
    )
