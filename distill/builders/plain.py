"""Examples that say what the trace says."""

from collections.abc import Iterable

from distill.builders import Builder
from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example


def plain() -> Builder:
    """Thought and answer, in the student's trace format."""

    def build(candidate: Candidate, trace_format: TraceFormat) -> Iterable[Example]:
        trace = candidate.trace
        yield example(candidate, trace_format, trace_format.render(trace.thinking, trace.answer))

    return build


def answer_only() -> Builder:
    """The answer without its thought: a control, to see what the thinking is worth. Use with format `plain`."""

    def build(candidate: Candidate, trace_format: TraceFormat) -> Iterable[Example]:
        yield example(candidate, trace_format, candidate.trace.answer)

    return build


def example(candidate: Candidate, trace_format: TraceFormat, reply: str) -> Example:
    """An example that asks the problem and teaches the reply."""
    return Example(
        prompt=trace_format.messages(candidate.problem.prompt),
        completion=[{"role": "assistant", "content": reply}],
        problem_id=candidate.problem.id,
        trace_ids=[candidate.trace.id],
    )
