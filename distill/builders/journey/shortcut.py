"""The control to journeys: the same problems, each with the right way alone.

O1-Journey (arXiv 2410.18982) compares equal numbers of examples. Journeys are longer, so they also teach more tokens;
`match: tokens` takes that away as an explanation.
"""

import asyncio
import inspect
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from distill import plugins
from distill.builders import Builder, Lesson, Workshop
from distill.builders.plain import example
from distill.engines import Completion, Request
from distill.errors import PluginError
from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example, Problem, Trace, Verdict


def shortcut(*, of: str | Mapping[str, Any] = "journey", match: str = "prompts") -> Builder:
    """For each example of another builder, the plain example of the kept trace that it was made from.

    With the recipe's seed and the same traces these are the same problems as those of the other builder itself.

    Args:
        of: The builder that is controlled for: its name, or a mapping with ``use`` and its options.
        match: `prompts` gives as many examples. `tokens` adds plain examples of the same problem, first of its other
            right traces, then the same ones again, until there are about as many tokens. What is left over or too much
            is handed on to the next problem, in the order of the filter, so that the sums agree to within a trace.

    Raises:
        PluginError: If an option is not what it should be.
    """
    if match not in ("prompts", "tokens"):
        raise PluginError(f"filter.build: match is {match!r}; choose prompts or tokens")
    name, options = (of, {}) if isinstance(of, str) else (of.get("use", "journey"), {**of})
    options.pop("use", None)
    return _Shortcuts(plugins.build("builders", name, options), name, match == "tokens")


@dataclass
class _Shortcuts:
    """The builder; see `shortcut`."""

    inner: Builder
    name: str
    by_tokens: bool
    handed_on: "asyncio.Future[int] | None" = None
    """Tokens that the problems so far have too few of: known once the last of them is done."""

    async def __call__(self, lesson: Lesson, workshop: Workshop) -> list[Example]:
        # no await comes before this line, so problems stand in the filter's order whichever is done first
        before, after = self.handed_on, asyncio.get_running_loop().create_future()
        self.handed_on = after
        left = 0
        try:
            pairs = await self._pairs(lesson, workshop)
            left = await before if before else 0
            sources = [source for _, source in pairs if _is_right(source, workshop)]
            for _ in sources:
                workshop.tally("a shortcut")
            if self.by_tokens and sources:
                left += sum(_tokens(one, source, workshop) for one, source in pairs)
                left -= sum(workshop.count_tokens(found.trace) for found in sources)
                more, left = _more(sources, left, lesson, workshop)
                for _ in more:
                    workshop.tally("a shortcut more, for as many tokens")
                sources += more
            return [*_plain(sources, workshop)]
        finally:
            if not after.done():
                after.set_result(left)

    async def _pairs(self, lesson: Lesson, workshop: Workshop) -> list[tuple[Example, Candidate]]:
        """What the other builder makes of a problem, each with the kept trace that it was made from."""
        seed = workshop.seed.rpartition("/")[0]
        given = self.inner(lesson, _Quiet(workshop, f"{seed}/{self.name}"))
        controlled: Iterable[Example] = await given if inspect.isawaitable(given) else given
        kept = {found.trace.id: found for found in lesson.kept}
        return [(one, source) for one in controlled if (source := _source(one, kept)) is not None]


@dataclass(frozen=True)
class _Quiet:
    """A workshop for the builder that is controlled for: with its own seed, and without its tallies."""

    workshop: Workshop
    seed: str

    @property
    def trace_format(self) -> TraceFormat:
        return self.workshop.trace_format

    @property
    def folder(self) -> Path:
        return self.workshop.folder

    def count_tokens(self, trace: Trace) -> int:
        return self.workshop.count_tokens(trace)

    async def judge(self, problem: Problem, answer: str) -> Verdict:
        return await self.workshop.judge(problem, answer)

    async def ask(self, engine: Mapping[str, Any], request: Request) -> Completion:
        return await self.workshop.ask(engine, request)

    def tally(self, what: str) -> None:
        return None


def _source(one: Example, kept: Mapping[str, Candidate]) -> Candidate | None:
    """The kept trace that an example was made from."""
    return next((kept[trace_id] for trace_id in one.trace_ids if trace_id in kept), None)


def _plain(sources: Sequence[Candidate], workshop: Workshop) -> Iterator[Example]:
    trace_format = workshop.trace_format
    for found in sources:
        yield example(found, trace_format, trace_format.render(found.trace.thinking, found.trace.answer))


def _more(sources: Sequence[Candidate], left: int, lesson: Lesson, workshop: Workshop) -> tuple[list[Candidate], int]:
    """Traces of the same problem that make up the tokens which are still wanted, and how many of these are left."""
    others = [found for found in lesson.dropped if found.trace.id in lesson.spared and _is_right(found, workshop)]
    more: list[Candidate] = []
    for found in itertools.chain(others, itertools.cycle(sources)):
        length = max(1, workshop.count_tokens(found.trace))
        if 2 * left < length:
            break
        more.append(found)
        left -= length
    return more, left


def _is_right(found: Candidate, workshop: Workshop) -> bool:
    is_held = workshop.trace_format.holds(found.trace.thinking, found.trace.answer)
    return is_held and found.verdict.outcome == "correct"


def _tokens(one: Example, source: Candidate, workshop: Workshop) -> int:
    """The student's tokens of an example's reply; in proportion to its source's where only those are known."""
    content = one.completion[-1]["content"]
    reply = workshop.trace_format.parse(content)
    written = len(workshop.trace_format.render(source.trace.thinking, source.trace.answer))
    estimate = round(source.trace.completion_tokens * len(content) / max(1, written))
    trace: Trace = msgspec.structs.replace(
        source.trace, thinking=reply.thinking, answer=reply.answer, completion_tokens=estimate
    )
    return workshop.count_tokens(trace)
