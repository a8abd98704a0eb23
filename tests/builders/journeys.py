"""A problem, a wrong and a right thought about it, and the workshop that a test gives to a builder."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill.builders import Lesson
from distill.builders.journey.draft import Draft, Part
from distill.builders.journey.finders import Case, arithmetic
from distill.builders.journey.splice import Turn, spliced
from distill.engines import Completion, Request
from distill.formats import FORMATS, TraceFormat
from distill.selectors import Candidate
from distill.types import Outcome, Problem, Trace, Verdict

PROBLEM = Problem(id="p", prompt="What is 12 * 13 + 4?", verifier="exact", reference="160")
WRONG = "I multiply first.\n12 * 13 = 146.\nThen 146 + 4 = 150.\nSo it is 150."
RIGHT = "I multiply first.\n12 * 10 = 120, 12 * 3 = 36, and 120 + 36 = 156.\nThen 156 + 4 = 160.\nSo it is 160."
ANSWER = r"It is \boxed{160}."


def candidate(name: str, thinking: str, answer: str, outcome: Outcome, *, problem: Problem = PROBLEM) -> Candidate:
    trace = Trace(
        id=name,
        problem_id=problem.id,
        sample=0,
        teacher="t",
        thinking=thinking,
        answer=answer,
        finish_reason="stop",
        completion_tokens=len(thinking),
    )
    extracted = answer.partition("{")[2].partition("}")[0] or answer
    return Candidate(problem=problem, trace=trace, verdict=Verdict(trace_id=name, outcome=outcome, extracted=extracted))


RIGHT_ONE = candidate("right", RIGHT, ANSWER, "correct")
WRONG_ONE = candidate("wrong", WRONG, r"It is \boxed{150}.", "incorrect")


def lesson(kept: Sequence[Candidate] = (RIGHT_ONE,), dropped: Sequence[Candidate] = (WRONG_ONE,)) -> Lesson:
    return Lesson(kept[0].problem, kept, lambda: dropped)


@dataclass
class FakeWorkshop:
    """Judges by a box that holds the reference; a model is a function."""

    trace_format: TraceFormat = FORMATS["think"]
    seed: str = "0/journey"
    folder: Path = Path("nowhere")
    says: Callable[[Request], Completion] | None = None
    tallies: Counter[str] = field(default_factory=Counter[str])
    asked: list[Request] = field(default_factory=list[Request])

    async def judge(self, problem: Problem, answer: str) -> Verdict:
        is_right = f"{{{problem.reference}}}" in answer or answer == problem.reference
        return Verdict(trace_id="", outcome="correct" if is_right else "incorrect")

    async def ask(self, engine: Mapping[str, Any], request: Request) -> Completion:
        assert self.says
        self.asked.append(request)
        return self.says(request)

    def tally(self, what: str) -> None:
        self.tallies[what] += 1

    def count_tokens(self, trace: Trace) -> int:
        return len(trace.thinking) + len(trace.answer)


def draft() -> Draft:
    """A journey without fault."""
    import random

    slip = arithmetic(Case(PROBLEM, WRONG, RIGHT))
    assert slip
    return spliced(RIGHT_ONE, [Turn(WRONG_ONE, slip)], (), random.Random(0))


def with_part(made: Draft, place: int, **changes: Any) -> list[Part]:
    parts = [*made.parts]
    parts[place] = parts[place]._replace(**changes)
    return parts
