"""Preference pairs from the traces that the filter saw: the same sampling pays for them and for the examples."""

from collections.abc import Callable, Iterator

from distill import plugins, progress
from distill.builders import Match, Pairing
from distill.filtering import Table, Tools
from distill.formats import TraceFormat
from distill.recipe import Use
from distill.run import Run
from distill.stages.build import lessons
from distill.types import Message, Pair, Trace


def write_pairs(run: Run, asked: Use, table: Table, tools: Tools) -> int:
    """Pair the traces and write `pairs.jsonl`.

    Args:
        run: The run.
        asked: The recipe's ``filter.pairs``.
        table: What the steps made of each trace.
        tools: The steps.

    Returns:
        How many pairs there are.
    """
    count = run.pairs.write_all(_pairs(run, asked, table, tools))
    progress.say(f"filter: {count:,} pairs, {asked.use.replace('_', ' ')}")
    return count


def _pairs(run: Run, asked: Use, table: Table, tools: Tools) -> Iterator[Pair]:
    pairing: Pairing = plugins.build("pairs", asked.use, asked.options)
    trace_format, count_tokens = run.recipe.student_format, tools.count_tokens
    with progress.track("filter: pairs", table.num_kept) as tracker:
        for lesson in lessons(table, tools):
            for match in pairing(lesson, count_tokens):
                if _can_be_taught(match, trace_format):
                    yield _pair(match, trace_format, count_tokens)
            tracker.advance(by=len(lesson.kept))


def _can_be_taught(match: Match, trace_format: TraceFormat) -> bool:
    """Whatever a pairing says: nothing cut off is ever preferred, and no text that would be read as another."""
    chosen = match.chosen.trace
    return chosen.finish_reason == "stop" and trace_format.holds(chosen.thinking, chosen.answer)


def _pair(match: Match, trace_format: TraceFormat, count_tokens: Callable[[Trace], int]) -> Pair:
    chosen, rejected = match.chosen.trace, match.rejected.trace
    return Pair(
        prompt=trace_format.messages(match.chosen.problem.prompt),
        chosen=_reply(chosen, trace_format),
        rejected=_reply(rejected, trace_format),
        problem_id=chosen.problem_id,
        chosen_id=chosen.id,
        rejected_id=rejected.id,
        kind=match.kind,
        chosen_tokens=count_tokens(chosen),
        rejected_tokens=count_tokens(rejected),
    )


def _reply(trace: Trace, trace_format: TraceFormat) -> list[Message]:
    return [{"role": "assistant", "content": trace_format.render(trace.thinking, trace.answer)}]
