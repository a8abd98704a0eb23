"""The filter's gates on text, once more: behind a builder there is no other step that would see what a model wrote."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from distill.formats import Reply
from distill.selectors import Candidate, Context, Gate
from distill.selectors.answers import answers
from distill.selectors.language import language
from distill.selectors.refusal import refusal
from distill.selectors.repetition import repetition
from distill.selectors.structure import cut_off, structure
from distill.types import Problem, Trace, Verdict

_CONTEXT = Context(count_tokens=lambda trace: len(trace.thinking) + len(trace.answer), seed="", scratch=Path())


@cache
def _gates() -> Sequence[Gate]:
    return (structure(), refusal(), answers(), cut_off(), repetition(), language())


def refused(original: Reply, rewritten: Reply, problem: Problem) -> str | None:
    """The first reason for which a gate that lets the original pass drops the rewritten text; None if there is none.

    What the original does not pass either, the recipe allows.
    """
    for gate in _gates():
        drop = gate(_candidate(rewritten, problem), _CONTEXT)
        if drop and gate(_candidate(original, problem), _CONTEXT) is None:
            return drop.reason
    return None


def _candidate(found: Reply, problem: Problem) -> Candidate:
    trace = Trace(
        id="",
        problem_id=problem.id,
        sample=0,
        teacher="",
        thinking=found.thinking,
        answer=found.answer,
        finish_reason="stop",
    )
    return Candidate(problem=problem, trace=trace, verdict=Verdict(trace_id="", outcome="correct"))
