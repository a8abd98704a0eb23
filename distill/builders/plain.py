"""Examples that say what the trace says."""

from collections.abc import Iterable, Iterator

from distill.builders import Builder, Lesson, Workshop
from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example


def plain() -> Builder:
    """Thought and answer, in the student's trace format; not those that hold its marks and would be read as others."""
    return plain_examples


def answer_only() -> Builder:
    """The answer without its thought: a control, to see what the thinking is worth. Use with format `plain`."""

    def build(lesson: Lesson, workshop: Workshop) -> Iterable[Example]:
        for candidate in lesson.kept:
            yield example(candidate, workshop.trace_format, candidate.trace.answer)

    return build


def plain_examples(lesson: Lesson, workshop: Workshop) -> Iterator[Example]:
    """What `plain` builds."""
    for candidate in lesson.kept:
        if not workshop.trace_format.holds(candidate.trace.thinking, candidate.trace.answer):
            workshop.tally("not taught: a mark of the trace format in the text")
            continue
        reply = workshop.trace_format.render(candidate.trace.thinking, candidate.trace.answer)
        yield example(candidate, workshop.trace_format, reply)


def example(candidate: Candidate, trace_format: TraceFormat, reply: str) -> Example:
    """An example that asks the problem and teaches the reply."""
    return Example(
        prompt=trace_format.messages(candidate.problem.prompt),
        completion=[{"role": "assistant", "content": reply}],
        problem_id=candidate.problem.id,
        trace_ids=[candidate.trace.id],
    )
