"""filter: a decision for every trace, with its reason; examples from those that are kept."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distill import plugins, progress
from distill.recipe import Recipe, digest
from distill.run import Run, file_digest
from distill.selectors import Candidate, Choice, Context, Drop, Measured, Selector
from distill.selectors.gates import ended
from distill.types import Decision, Example, Problem


@dataclass
class Step:
    """A step of the filter, and what it took."""

    name: str
    selector: Selector
    dropped: list[tuple[Candidate, Drop]] = field(default_factory=list[tuple[Candidate, Drop]])


def filter_traces(run: Run) -> None:
    """Decide on every judged trace, and build the examples. Done again only if the traces or the section changed."""
    run.needs(run.traces.path, "generate")
    with run.stage("filter") as record:
        inputs = f"{file_digest(run.traces.path)}-{file_digest(run.verdicts.path)}"
        if record.get("inputs") == inputs and run.examples.path.exists():
            progress.say(f"filter: nothing new; {record['examples']} examples stand")
            return
        steps = steps_of(run.recipe)
        kept = list(decide(candidates(run), steps, context_of(run.recipe)))
        num_traces = len(kept) + sum(len(step.dropped) for step in steps)
        run.decisions.write_all(decisions(kept, steps))
        num_examples = run.examples.write_all(examples(kept, run.recipe))
        record.update(inputs=inputs, funnel=funnel(steps, num_traces), examples=num_examples, traces=num_traces)
    progress.say(f"filter: {num_traces} traces, {len(kept)} kept, {num_examples} examples")


def steps_of(recipe: Recipe) -> list[Step]:
    """The recipe's steps, after one that no recipe can leave out: what was cut off can never teach."""
    chosen = [Step(use.use, plugins.build("selectors", use.use, use.options)) for use in recipe.filter.select]
    return [Step("ended", ended()), *chosen]


def context_of(recipe: Recipe) -> Context:
    """What the selectors may use besides the candidates."""
    from distill.training.student import token_counter

    student = recipe.train.student if recipe.train else None
    count = token_counter(student, recipe.student_format)
    return Context(count_tokens=count, seed=digest([recipe.seed, "filter"]), scratch=Path(tempfile.gettempdir()))


def candidates(run: Run) -> Iterator[Candidate]:
    """Every judged trace, with its problem and its verdict."""
    problems: dict[str, Problem] = {problem.id: problem for problem in run.problems}
    verdicts = {verdict.trace_id: verdict for verdict in run.verdicts}
    pass_rates = {found.problem_id: found for found in run.pass_rates}
    for trace in run.traces:
        verdict = verdicts.get(trace.id)
        if verdict is not None:
            yield Candidate(
                problem=problems[trace.problem_id],
                trace=trace,
                verdict=verdict,
                pass_rate=pass_rates.get(trace.problem_id),
            )


def decide(found: Iterable[Candidate], steps: Sequence[Step], context: Context) -> Iterable[Candidate]:
    """Send the candidates through the steps; each step keeps what it drops, with the reason."""
    for step in steps:
        found = _pass(found, step, context)
    return found


def _pass(found: Iterable[Candidate], step: Step, context: Context) -> Iterator[Candidate]:
    for candidate, drop in _rulings(list(found), step.selector, context):
        if drop is None:
            yield candidate
        else:
            step.dropped.append((candidate, drop))


def _rulings(found: list[Candidate], selector: Selector, context: Context) -> Iterator[tuple[Candidate, Drop | None]]:
    if not hasattr(selector, "choose"):
        gate: Any = selector
        yield from ((candidate, gate(candidate, context)) for candidate in found)
        return
    choice: Choice = selector  # pyright: ignore[reportAssignmentType]
    measured = [
        Measured(row, candidate.trace.id, candidate.problem.id, choice.measure(candidate, context))
        for row, candidate in enumerate(found)
    ]
    ordered = sorted(measured, key=lambda entry: (entry.values, entry.trace_id))
    for row, drop in choice.choose(iter(ordered), context):
        yield found[row], drop


def decisions(kept: Sequence[Candidate], steps: Sequence[Step]) -> Iterator[Decision]:
    """One decision for each trace: the kept ones first."""
    for candidate in kept:
        yield Decision(trace_id=candidate.trace.id, kept=True)
    for step in steps:
        for candidate, drop in step.dropped:
            yield Decision(
                trace_id=candidate.trace.id, kept=False, step=step.name, reason=drop.reason, detail=drop.detail
            )


def examples(kept: Iterable[Candidate], recipe: Recipe) -> Iterator[Example]:
    """What the student is taught from the kept traces."""
    build = plugins.build("builders", recipe.filter.build.use, recipe.filter.build.options)
    for candidate in kept:
        yield from build(candidate, recipe.student_format)


def funnel(steps: Sequence[Step], num_traces: int) -> list[dict[str, Any]]:
    """What each step took and left, with its reasons counted."""
    table: list[dict[str, Any]] = []
    left = num_traces
    for step in steps:
        left -= len(step.dropped)
        reasons = Counter(drop.reason for _, drop in step.dropped)
        table.append(
            {"step": step.name, "dropped": len(step.dropped), "left": left, "reasons": dict(reasons.most_common())}
        )
    return table
