"""explain: what each step of the filter says of one trace, or all that one step found."""

from collections import Counter
from typing import NamedTuple

from rich.console import Console
from rich.table import Table as Shown

from distill.errors import DataError, RunError
from distill.filtering import Step, Table
from distill.reporting.dropped import shortened
from distill.reporting.terminal import cell, table_of
from distill.run import Run
from distill.selectors import Candidate
from distill.stages.filter import tools_of, work_folder
from distill.types import Decision

SHOWN_FINDINGS = 200


class Line(NamedTuple):
    """What one step says."""

    step: str
    says: str
    detail: str


class Explanation(NamedTuple):
    """What is known of one trace."""

    candidate: Candidate
    decision: Decision | None
    """As the last filter decided; None if it has not run."""
    lines: list[Line]


def explain(run: Run, name: str, out: Console) -> None:
    """Print what each step says of a trace, or all that a step found.

    Args:
        run: Open.
        name: A trace's id, or a step's name.
        out: Where to.

    Raises:
        DataError: If it is neither.
        RunError: If a step is asked for, and the filter has not run.
    """
    if name in {"ended", *(step.use for step in run.recipe.filter.select)}:
        return _show_findings(name, findings(run, name), out)
    found = explain_trace(run, name)
    problem, verdict = found.candidate.problem, found.candidate.verdict
    out.print(cell(f"{name}: {verdict.outcome}, answered {verdict.extracted!r}, reference {problem.reference!r}"))
    out.print(cell(shortened(problem.prompt)))
    if found.decision:
        scores = "".join(f", {score} {value:g}" for score, value in found.decision.scores.items())
        out.print(cell(("kept" if found.decision.kept else f"dropped by {found.decision.step}") + scores))
    shown = table_of("what the steps say", ("step", "says", "detail"))
    for line in found.lines:
        shown.add_row(*map(cell, line))
    out.print(shown)


def _show_findings(name: str, found: Counter[tuple[str, str]], out: Console) -> None:
    shown: Shown = table_of(
        f"{name}: {found.total():,} traces dropped, {len(found):,} findings", ("traces", "reason", "detail")
    )
    for (reason, detail), count in found.most_common(SHOWN_FINDINGS):
        shown.add_row(*map(cell, (f"{count:,}", reason, detail)))
    out.print(shown)
    if len(found) > SHOWN_FINDINGS:
        out.print(cell(f"... and {len(found) - SHOWN_FINDINGS:,} more: decisions.jsonl has them all"))


def explain_trace(run: Run, trace_id: str) -> Explanation:
    """Put one trace to every step, those behind the one that dropped it too. Nothing is written.

    Raises:
        DataError: If the run has no judged trace of that id.
    """
    run.needs(run.traces.path, "generate")
    decision = next((found for found in run.decisions if found.trace_id == trace_id), None)
    with work_folder(run) as scratch, Table(scratch / "traces.sqlite") as table:
        table.read(run.dir)
        place = table.find(trace_id)
        if place is None:
            raise DataError(
                f"{run.dir} has no judged trace {trace_id!r}: give an id of {run.decisions.path.name} or dropped.md, "
                f"or the name of a step ({', '.join(step.use for step in run.recipe.filter.select)})"
            )
        tools = tools_of(run.recipe, run.dir, scratch)
        candidate = tools.reader.candidate(place)
        lines = [_line(step, candidate, decision) for step in tools.steps]
    return Explanation(candidate, decision, lines)


def _line(step: Step, candidate: Candidate, decision: Decision | None) -> Line:
    if step.gate is not None:
        drop = step.gate(candidate, step.context)
        return Line(step.name, f"drops it: {drop.reason}" if drop else "keeps it", drop.detail if drop else "")
    if decision and decision.step == step.name:
        return Line(step.name, f"drops it: {decision.reason}", decision.detail)
    if decision and decision.kept:
        return Line(step.name, "keeps it", "")
    return Line(step.name, "weighs all traces that reach it", "")


def findings(run: Run, step: str) -> Counter[tuple[str, str]]:
    """Every reason and detail for which a step dropped traces, with how many: the matched pairs of `decontaminate`.

    Raises:
        RunError: If the filter has not run.
    """
    if not run.decisions.path.exists():
        raise RunError(f"{run.decisions.path} does not exist yet: run `distill filter {run.recipe.name}` first")
    return Counter((found.reason, found.detail) for found in run.decisions if found.step == step)
