"""Builders of somebody else's."""

import asyncio
import random

import msgspec

from distill.builders import Builder, Lesson, Workshop
from distill.builders.plain import example
from distill.engines import Request
from distill.formats import Reply
from distill.recipe import Sampling
from distill.types import Example


def siblings() -> Builder:
    """Teaches which traces a problem has, after a wait of no fixed length."""

    async def build(lesson: Lesson, workshop: Workshop) -> list[Example]:
        await asyncio.sleep(random.random() / 50)
        ids = [[found.trace.id for found in candidates] for candidates in (lesson.kept, lesson.dropped)]
        return [example(lesson.kept[0], workshop.trace_format, repr(ids))]

    return build


def failing() -> Builder:
    def build(lesson: Lesson, workshop: Workshop) -> list[Example]:
        raise KeyError("no such mark")

    return build


def asking(*, engine: dict[str, str]) -> Builder:
    """Teaches what a model says of the problem and what the verifier says of that."""

    async def build(lesson: Lesson, workshop: Workshop) -> list[Example]:
        problem = lesson.problem
        request = Request(
            messages=workshop.trace_format.messages(problem.prompt),
            sampling=Sampling(temperature=0),
            seed=0,
            metadata={**problem.metadata, "problem_id": problem.id},
        )
        said = await workshop.ask(engine, request)
        verdict = await workshop.judge(problem, said.text.rpartition("</think>")[2])
        return [example(lesson.kept[0], workshop.trace_format, verdict.outcome)]

    return build


def masking() -> Builder:
    """Teaches a trace but for its first letter."""

    def build(lesson: Lesson, workshop: Workshop) -> list[Example]:
        found = lesson.kept[0]
        reply = workshop.trace_format.render(found.trace.thinking, found.trace.answer)
        first = len(workshop.trace_format.open)
        return [msgspec.structs.replace(example(found, workshop.trace_format, reply), masked=[(first, first + 1)])]

    return build


def keeps_its_first_line(original: Reply, rewritten: Reply) -> str | None:
    same = original.thinking.partition("\n")[0] == rewritten.thinking.partition("\n")[0]
    return None if same else "another first line"
