"""filter: a decision for every trace, with its reason; examples from those that are kept."""

import contextlib
import functools
import shutil
from collections import defaultdict
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from distill import plugins, progress
from distill.errors import RunError
from distill.evaluation.suites import load_suite
from distill.filtering import Passes, Reader, Step, Table, Tools
from distill.ledger import Ledger
from distill.recipe import Recipe
from distill.reporting.dropped import write_dropped
from distill.run import Run, file_digest
from distill.selectors import Context
from distill.selectors.gates import ended
from distill.stages.build import write_examples
from distill.stages.pairs import write_pairs
from distill.types import Decision, Problem


def filter_traces(run: Run) -> None:
    """Decide on every judged trace, and build the examples. Done again only if the traces or the section changed."""
    run.needs(run.traces.path, "generate")
    with run.stage("filter") as record:
        inputs = f"{file_digest(run.traces.path)}-{file_digest(run.verdicts.path)}"
        is_paired = run.recipe.filter.pairs is None or run.pairs.path.exists()
        if record.get("inputs") == inputs and run.examples.path.exists() and is_paired:
            progress.say(f"filter: nothing new; {record['examples']} examples stand")
            return
        with work_folder(run) as scratch, Table(scratch / "traces.sqlite") as table:
            tools = tools_of(run.recipe, run.dir, scratch)
            sift(run, table, tools, scratch)
            run.decisions.write_all(decisions(table, tools.steps))
            with asking_counted(run, record) as ledger:
                built = write_examples(run, table, tools, ledger)
            write_dropped(run.dir / "dropped.md", table, tools)
            record.update(inputs=inputs, funnel=funnel(table, tools.steps), examples=built.examples, traces=len(table))
            record["built"] = built.tallies
            if run.recipe.filter.pairs:
                record["pairs"] = write_pairs(run, run.recipe.filter.pairs, table, tools)
            num_kept = table.num_kept
    progress.say(f"filter: {record['traces']:,} traces, {num_kept:,} kept, {built.examples:,} examples")


@contextlib.contextmanager
def asking_counted(run: Run, record: dict[str, Any]) -> Generator[Ledger]:
    """Record what the builder's models took in this filter and earlier ones, also if it is stopped."""
    ledger = Ledger(gpu_seconds=record.get("ledger", {}).get("gpu_seconds", 0.0))
    try:
        yield ledger
    finally:
        for asked in run.asked:
            ledger.add(asked, is_trace=asked.is_reply)
        if ledger.requests:
            record["ledger"] = msgspec.to_builtins(ledger)


@contextlib.contextmanager
def work_folder(run: Run) -> Generator[Path]:
    """A folder in the run's own, for what does not fit in memory; what a killed filter left in it goes."""
    folder = run.dir / ".filter"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def tools_of(recipe: Recipe, run_dir: Path, scratch: Path) -> Tools:
    """The recipe's steps, after one that no recipe can leave out: what was cut off can never teach."""
    from distill.training.student import token_counter

    student = recipe.train.student if recipe.train else None
    count = token_counter(student, recipe.student_format)

    def context(name: str) -> Context:
        return Context(
            count_tokens=count,
            seed=f"{recipe.seed}/{name}",
            scratch=scratch,
            eval_problems=functools.partial(eval_problems, recipe),
        )

    chosen = [
        Step(use.use, plugins.build("selectors", use.use, use.options), context(use.use))
        for use in recipe.filter.select
    ]
    return Tools([Step("ended", ended(), context("ended")), *chosen], Reader(run_dir))


def eval_problems(recipe: Recipe) -> Iterator[tuple[str, Problem]]:
    """The problems of the suites that the recipe measures, with each suite's name."""
    for name in recipe.eval.suites if recipe.eval else ():
        for problem in load_suite(name).problems():
            yield name, problem


def sift(run: Run, table: Table, tools: Tools, scratch: Path) -> None:
    """Send every trace through the steps.

    Raises:
        RunError: If no trace has a verdict.
    """
    table.read(run.dir)
    if not len(table):
        raise RunError(
            f"{run.verdicts.path}: no trace has a verdict yet; run `distill generate {run.recipe.name}` first"
        )
    build_tools = functools.partial(tools_of, run.recipe, run.dir, scratch)
    with Passes(build_tools, run.traces.path.stat().st_size, run.recipe.filter.workers) as passes:
        for number, places in enumerate(tools.passes(), start=1):
            last = tools.steps[places[-1]]
            with progress.track(f"filter: pass {number}, to {last.name}", table.num_kept) as tracker:
                for seen in passes.run(table.kept(), places):
                    table.settle(seen)
                    tracker.advance(by=len(seen))
            if last.choice is not None:
                table.rule(last.choice.choose(table.measured(), last.context), places[-1], last.name)


def decisions(table: Table, steps: Sequence[Step]) -> Iterator[Decision]:
    """One decision for each trace, problem by problem: an order that is the same however the replies came."""
    for found in table.decided():
        yield Decision(
            trace_id=found.trace_id,
            kept=found.step is None,
            step="" if found.step is None else steps[found.step].name,
            reason=found.reason,
            detail=found.detail,
            scores=msgspec.json.decode(found.scores),
        )


def funnel(table: Table, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """What each step took and left, with its reasons counted."""
    reasons: defaultdict[int, dict[str, int]] = defaultdict(dict)
    for step, reason, count in table.reasons():
        reasons[step][reason] = count
    rows: list[dict[str, Any]] = []
    left = len(table)
    for place, step in enumerate(steps):
        dropped = sum(reasons[place].values())
        left -= dropped
        rows.append({"step": step.name, "dropped": dropped, "left": left, "reasons": reasons[place]})
    return rows
