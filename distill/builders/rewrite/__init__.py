"""Have a model rewrite what another builder teaches, and keep of that only what stands every check.

Sky-T1 has its teacher's replies sorted into thought and solution by GPT-4o-mini (NovaSky-AI/SkyThought,
recipes/sky-t1-preview), R1's cold start is made readable by V3 (arXiv 2501.12948, appendix B), O1-Journey's drafts are
made coherent by GPT-4o (arXiv 2410.18982). A rewritten text that is not whole, loses numbers or reflections, gains an
answer, or does not verify again is not taught: its original is.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from distill import plugins
from distill.builders import Builder, Lesson, Workshop
from distill.builders.rewrite.asking import STYLES, question, sections
from distill.builders.rewrite.checks import Bounds, lost
from distill.builders.rewrite.gates import refused
from distill.builders.rewrite.paid import Paid, Shelf
from distill.engines import Completion, Request
from distill.errors import EngineError, EngineStartError, PluginError
from distill.formats import Reply
from distill.recipe import Sampling, digest
from distill.run import WHERE
from distill.types import Example, Problem

Keep = Callable[[Reply, Reply], str | None]
"""Given original and rewritten text, why the second does not do; None if it does."""

MAX_TOKENS = 16_384
"""Sky-T1's own limit for a trace."""
MOST_FAILURES = 20
"""Requests in a row without a reply after which a filter ends: the endpoint is gone, and what is paid is kept."""
NOT_TEXT = (*WHERE, "price", "tokenizer")
"""Keys of an engine's block that do not change what it says."""


def rewrite(
    *,
    engine: Mapping[str, Any],
    of: str | Mapping[str, Any] = "plain",
    style: str = "sections",
    sampling: Mapping[str, Any] | None = None,
    tries: int = 1,
    strict: bool | None = None,
    min_numbers: float = Bounds.min_numbers,
    min_reflections: float = Bounds.min_reflections,
    min_length: float = Bounds.min_length,
    max_length: float = Bounds.max_length,
    keep: str | Keep | None = None,
) -> Builder:
    """Another builder's examples, each rewritten by a model where the result stands the checks.

    Args:
        engine: Who rewrites: a block like ``generate.teacher``.
        of: The builder whose examples are rewritten: its name, or a mapping with ``use`` and its options.
        style: ``sections``, ``readable``, ``coherent``, or an instruction in words of your own.
        sampling: As ``generate.sampling``; temperature 0.7 and 16,384 tokens if not given.
        tries: Replies asked for, each with another seed, until one stands.
        strict: Whether every number and every reflection must come again in its order. If not given: for all builders
            but ``plain``, as a journey's mistakes are what it teaches.
        min_numbers: Share of the numbers that must be there again; as large a share may be new.
        min_reflections: Share of the reflections of each kind that must be there again.
        min_length: Least characters, as a share of the original's.
        max_length: Most characters.
        keep: A check of your own, ``package.module:function``, called with original and rewritten `Reply`; returns
            None, or a short reason that is counted.

    Raises:
        PluginError: If an option is not what it should be.
    """
    shares = {"min_numbers": min_numbers, "min_reflections": min_reflections, "min_length": min_length}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise PluginError(f"filter.build: {name} is {share!r}; give a share from 0 to 1")
    if max_length < 1 or tries < 1:
        raise PluginError(f"filter.build: max_length is {max_length!r} and tries {tries!r}; neither may be below 1")
    if style not in STYLES and " " not in style:
        raise PluginError(f"filter.build: style {style!r} is none of {', '.join(STYLES)}; or give an instruction")
    name, options = (of, {}) if isinstance(of, str) else (of.get("use", "plain"), {**of})
    options.pop("use", None)
    is_strict = name != "plain" if strict is None else strict
    return _Rewriter(
        inner=plugins.build("builders", name, options),
        engine=engine,
        style=style,
        sampling=Sampling.model_validate({"temperature": 0.7, "max_tokens": MAX_TOKENS, **(sampling or {})}),
        tries=tries,
        bounds=Bounds(is_strict, min_numbers, min_reflections, min_length, max_length),
        keep=plugins.resolve("builders", keep) if isinstance(keep, str) else keep,
    )


@dataclass
class _Rewriter:
    """The builder; see `rewrite`."""

    inner: Builder
    engine: Mapping[str, Any]
    style: str
    sampling: Sampling
    tries: int
    bounds: Bounds
    keep: Keep | None
    failures: int = 0
    """In a row."""
    shelves: dict[Path, Shelf] = field(default_factory=dict[Path, Shelf])

    async def __call__(self, lesson: Lesson, workshop: Workshop) -> list[Example]:
        given = self.inner(lesson, workshop)
        examples: Iterable[Example] = await given if inspect.isawaitable(given) else given
        return list(await asyncio.gather(*(self._best(example, lesson, workshop) for example in examples)))

    async def _best(self, example: Example, lesson: Lesson, workshop: Workshop) -> Example:
        """The example rewritten, if that can be; else as it is."""
        trace_format = workshop.trace_format
        original = trace_format.parse(example.completion[-1]["content"])
        found = _unfit(example, original, lesson) or await self._rewritten(original, lesson, workshop)
        if isinstance(found, str):
            workshop.tally(f"left as it was: {found}")
            return example
        workshop.tally("rewritten")
        reply = trace_format.render(found.thinking, found.answer)
        return msgspec.structs.replace(example, completion=[{"role": "assistant", "content": reply}])

    async def _rewritten(self, original: Reply, lesson: Lesson, workshop: Workshop) -> Reply | str:
        """A rewritten text that stands every check, or why there is none."""
        reason = ""
        for number in range(self.tries):
            try:
                found = await self._sections(original, lesson.problem, workshop, number)
            except EngineError as error:
                return self._failed(error)
            if isinstance(found, str):
                reason = found
                continue
            fault = await self._fault(original, found, lesson.problem, workshop)
            if fault is None:
                return found
            reason = fault
        return reason

    def _failed(self, error: EngineError) -> str:
        self.failures += 1
        if isinstance(error, EngineStartError):
            raise error
        if self.failures >= MOST_FAILURES:
            raise EngineError(
                f"rewrite: {self.failures} requests in a row gave no reply, so nothing more is asked. What was paid "
                f"for is kept, and the same command goes on from there. The last one: {error}"
            ) from error
        return "no reply"

    async def _sections(self, original: Reply, problem: Problem, workshop: Workshop, number: int) -> Reply | str:
        """Thought and solution as the model gives them in one try, paid for now or before; or why there are none."""
        asked = question(problem.prompt, original, self.style)
        model = {key: value for key, value in self.engine.items() if key not in NOT_TEXT}
        key = digest([asked.messages, model, self.sampling.model_dump(mode="json"), number], length=24)
        shelf = self._shelf(workshop.folder)
        said: Completion | Paid | None = shelf.find(key)
        if said is None:
            request = Request(
                messages=asked.messages,
                sampling=self.sampling,
                seed=int(digest([workshop.seed, key], length=7), 16),
                metadata={**problem.metadata, "problem_id": problem.id},
                cut_loops=True,
            )
            said = await workshop.ask(self.engine, request)
            self.failures = 0
        found = sections(said.text, asked.mark)
        if isinstance(said, Completion) and (found or said.finish_reason == "length"):
            shelf.keep(key, problem.id, said)
        if said.finish_reason != "stop":
            return "the reply does not end by itself"
        return found or "the reply is not in the form asked for"

    def _shelf(self, folder: Path) -> Shelf:
        if folder not in self.shelves:
            self.shelves[folder] = Shelf(folder)
        return self.shelves[folder]

    async def _fault(self, original: Reply, found: Reply, problem: Problem, workshop: Workshop) -> str | None:
        """Why a rewritten text is not taught; None if it is."""
        trace_format = workshop.trace_format
        if not trace_format.holds(found.thinking, found.answer):
            return "a mark of the trace format in the text"
        if reason := refused(original, found, problem) or lost(original, found, problem.prompt, self.bounds):
            return reason
        if self.keep and (reason := self.keep(original, found)):
            return reason
        answer = trace_format.parse(trace_format.render(found.thinking, found.answer)).answer
        verdict = await workshop.judge(problem, answer)
        return None if verdict.outcome == "correct" else f"verified again, it is {verdict.outcome}"


def _unfit(example: Example, original: Reply, lesson: Lesson) -> str | None:
    """Why an example is not sent at all: nothing that came back could stand."""
    if len(example.completion) != 1:
        return "several turns"
    if example.masked:
        return "a part of it is masked, and would be lost"
    if original.malformed:
        return "not in the student's trace format"
    ids = set(example.trace_ids)
    if not any(kept.trace.id in ids and kept.verdict.outcome == "correct" for kept in lesson.kept):
        return "the original is not verified"
    return None
