"""The command line: parses, calls a stage, prints. Answers go to standard output, everything else to standard error."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from distill.commands import chat, export, measure, merge, recipes, verify, view
from distill.commands.options import (
    DEFAULT_RUNS,
    AuditOption,
    DryRunOption,
    ExplainOption,
    JsonOption,
    LimitOption,
    RecipeArg,
    RestartOption,
    RunOption,
    RunsOption,
    ScaleOption,
    SetOption,
    run_dir,
)
from distill.errors import DistillError, RecipeError

# Everything else is imported where it is used: 'distill --help' must answer at once ('benchmarks/startup.py').
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.console import Console

    from distill.recipe import Recipe, Stage
    from distill.run import Run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: importing rich to colour it would take longer than all the rest
    pretty_exceptions_enable=False,
    help="Distil a reasoning teacher into a small student.\n\nOne recipe, four verbs: "
    "generate traces, filter them, train the student, eval what it learned; run does all four and "
    "the report. Every command resumes: run it again after a crash and it goes on.",
    epilog="Start here: 'distill run quickstart' (no GPU, no network, minutes). Then: 'distill recipes list'",
)
app.add_typer(recipes.app, name="recipes")

STOPPED = 130


@app.command(
    epilog="Examples: 'distill generate quickstart --dry-run'. "
    "'distill generate quickstart --limit 100 --set generate.samples.max=8'. "
    "'distill generate quickstart --retry-truncated --max-tokens 800'. "
    "In a job array: 'distill generate quickstart --shard $SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT', "
    "and 'distill merge runs/quickstart-*of8 --run quickstart' at the end"
)
def generate(
    recipe: RecipeArg,
    run: RunOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    overrides: SetOption = None,
    scale: ScaleOption = None,
    limit: LimitOption = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Only the I-th of N shares of the problems (I from 1), in a run of its own; join them with merge.",
        ),
    ] = None,
    retry_truncated: Annotated[
        bool,
        typer.Option(
            "--retry-truncated", help="Ask only for replies again that reached a smaller limit than --max-tokens."
        ),
    ] = False,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max-tokens", min=1, metavar="N", help="As --set generate.sampling.max_tokens=N."),
    ] = None,
    restart: RestartOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Ask the teacher for traces and judge each as it comes."""
    if max_tokens is not None:
        overrides = [*(overrides or []), f"generate.sampling.max_tokens={max_tokens}"]
    from distill.stages.generate import Shard
    from distill.stages.generate import generate as stage

    asked = _load(recipe, overrides, scale)
    share = None if shard is None else Shard.named(shard)
    name = run or (asked.name + share.suffix if share else None)
    if dry_run:
        return _plan(asked, ["generate"], limit, runs / (name or asked.name))
    with _open(asked, runs, name, restart) as opened:
        stage(opened, limit, shard=share, retry_truncated=retry_truncated)


app.command(epilog=merge.EPILOG)(merge.merge)


@app.command(
    "filter",
    epilog="Examples: 'distill filter quickstart --set filter.select.2.max_tokens=400 --run short'. "
    "'distill filter quickstart --explain decontaminate'. "
    "'distill filter quickstart --audit 60', mark what it writes, and the same again",
)
def filter_command(
    recipe: RecipeArg,
    run: RunOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    overrides: SetOption = None,
    scale: ScaleOption = None,
    restart: RestartOption = None,
    audit: AuditOption = None,
    explain: ExplainOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Decide which traces teach, with a reason for each, and write the examples."""
    asked = _load(recipe, overrides, scale)
    if dry_run:
        return _plan(asked, ["filter"], None, runs / (run or asked.name))
    if (audit or explain) and restart is not None:
        raise RecipeError(
            "--audit and --explain keep all that the run holds, and --restart discards some: leave it out"
        )
    if audit is not None:
        return _audit(asked, runs, run, audit)
    if explain is not None:
        from distill.stages.explain import explain as show

        with _open(asked, runs, run, restart=None) as opened:
            return show(opened, explain, _console())
    from distill.stages.filter import filter_traces as stage

    with _open(asked, runs, run, restart) as opened:
        stage(opened)
        _show_funnel(opened)


@app.command(
    epilog="Examples: 'distill train quickstart --show 3'. 'distill train quickstart --dry-run --gpu H100 --gpus 8'. "
    "'distill train quickstart --set train.method=lora --run quickstart-lora'"
)
def train(
    recipe: RecipeArg,
    run: RunOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    overrides: SetOption = None,
    scale: ScaleOption = None,
    limit: LimitOption = None,
    restart: RestartOption = None,
    dry_run: DryRunOption = False,
    gpu: Annotated[
        str | None, typer.Option("--gpu", metavar="NAME", help="With --dry-run: plan for this GPU, such as H100.")
    ] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", min=1, metavar="N", help="With --dry-run: so many.")] = None,
    show: Annotated[
        int | None,
        typer.Option("--show", min=1, metavar="N", help="Do not train: print N rows as the student reads them."),
    ] = None,
) -> None:
    """Fine-tune the student on the examples; a killed training goes on from its last checkpoint."""
    asked = _load(recipe, overrides, scale)
    if dry_run:
        return _plan(asked, ["train"], limit, runs / (run or asked.name), gpu, gpus)
    from distill.stages.train import join, joins, show_rows
    from distill.stages.train import train as stage

    if joins(asked):
        return join(asked, runs / (run or asked.name), limit)
    with _open(asked, runs, run, restart) as opened:
        if show is not None:
            return show_rows(opened, show, _console())
        stage(opened, limit)


@app.command("eval", epilog=measure.EPILOG)
def eval_command(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE|MODEL", help="A recipe; with --suite, a folder or hub id.")],
    run: RunOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    suites: measure.SuiteOption = None,
    engine: measure.EngineOption = None,
    form: measure.FormatOption = None,
    out: measure.OutOption = None,
    seed: measure.SeedOption = None,
    overrides: SetOption = None,
    scale: ScaleOption = None,
    limit: LimitOption = None,
    restart: RestartOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Measure base, student and teacher on the recipe's suites, or any model on --suite, with intervals."""
    model = measure.ModelOptions(engine, form, out, seed)
    if suites:
        return measure.evaluate(recipe, suites, model, runs, overrides or [], limit, dry_run)
    model.refuse_for_recipe()
    asked = _load(recipe, overrides, scale)
    if dry_run:
        return _plan(asked, ["eval"], limit, runs / (run or asked.name))
    from distill.stages.evaluate import evaluate as stage

    with _open(asked, runs, run, restart) as opened:
        stage(opened, limit)


app.command(epilog=measure.COMPARE_EPILOG)(measure.compare)


@app.command("run", epilog="Example: 'distill run quickstart --set seed=1 --run quickstart-1'")
def run_command(
    recipe: RecipeArg,
    run: RunOption = None,
    runs: RunsOption = DEFAULT_RUNS,
    overrides: SetOption = None,
    scale: ScaleOption = None,
    limit: LimitOption = None,
    restart: RestartOption = None,
    dry_run: DryRunOption = False,
) -> None:
    """Do all four stages and the report. Do it again to go on where it stopped."""
    asked = _load(recipe, overrides, scale)
    stages = _stages_of(asked)
    if dry_run:
        return _plan(asked, stages, limit, runs / (run or asked.name))
    from distill.stages import evaluate, filter, generate, train

    verbs: dict[Stage, Callable[[Run], object]] = {
        "generate": lambda opened: generate.generate(opened, limit),
        "filter": filter.filter_traces,
        "train": train.train,
        "eval": lambda opened: evaluate.evaluate(opened, limit),
    }
    with _open(asked, runs, run, restart) as opened:
        for stage in stages:
            opened.refuse_changes(stage)
        for stage in stages:
            verbs[stage](opened)
        directory = opened.dir
    _report(directory, as_json=False)


@app.command(epilog="Example: 'distill report runs/quickstart --json'")
def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    runs: RunsOption = DEFAULT_RUNS,
    as_json: JsonOption = False,
) -> None:
    """Show what came out of a run, and write report.md and report.html."""
    _report(run_dir(run, runs), as_json)


app.command(epilog=export.EPILOG)(export.export)
app.command(epilog=view.EPILOG)(view.view)
app.command(epilog=chat.EPILOG)(chat.chat)


app.command(epilog=verify.EPILOG)(verify.verify)


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine has, what is missing, and the command that brings it."""
    from distill.doctor import examine

    found = examine()
    if as_json:
        _print_json(found.as_dict())
    else:
        found.show(_console())


def _load(name: str, overrides: list[str] | None, scale: str | None = None) -> Recipe:
    from distill.scale import load

    return load(name, overrides or [], scale, _say)


def _stages_of(recipe: Recipe) -> list[Stage]:
    from distill.recipe import STAGES

    missing = {"train": recipe.train is None, "eval": recipe.eval is None}
    return [stage for stage in STAGES if not missing.get(stage, False)]


@contextmanager
def _open(recipe: Recipe, runs: Path, name: str | None, restart: str | None) -> Generator[Run]:
    """The run, restarted first if the user says so."""
    from distill.run import open_run

    stage = None if restart is None else _stage_named(restart)
    with open_run(recipe, runs, name) as run:
        if stage is not None:
            discarded = run.restart(stage)
            _say(f"restart {stage}: discarded {', '.join(discarded) or 'nothing; there was nothing'}")
        yield run


def _stage_named(name: str) -> Stage:
    from distill.recipe import STAGES

    stages: dict[str, Stage] = {stage: stage for stage in STAGES}
    if name not in stages:
        raise RecipeError(f"--restart {name!r} is not a stage; choose one of {', '.join(STAGES)}")
    return stages[name]


def _plan(
    recipe: Recipe,
    stages: list[Stage],
    limit: int | None,
    directory: Path,
    gpu: str | None = None,
    gpus: int | None = None,
) -> None:
    from distill.stages.plan import Rented, show_plan

    show_plan(recipe, stages, limit, directory, _console(), Rented(gpu, gpus))


def _audit(recipe: Recipe, runs: Path, name: str | None, count: int) -> None:
    from distill.stages.audit import audit
    from distill.stages.audit.show import show

    with _open(recipe, runs, name, restart=None) as opened:
        if found := audit(opened, count):
            show(found, _console())


def _show_funnel(run: Run) -> None:
    from distill.reporting.gather import gather
    from distill.reporting.terminal import funnel_table

    if facts := gather(run.dir).get("filter"):
        _console().print(funnel_table(facts))


def _report(directory: Path, as_json: bool) -> None:
    from distill.reporting.report import write_report
    from distill.reporting.terminal import show

    gathered = write_report(directory)
    if as_json:
        _print_json(gathered)
    else:
        show(gathered, directory, _console())


def _console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def _print_json(data: object) -> None:
    import json

    print(json.dumps(data, indent=2))


def _stop(*_: object) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script's background jobs begin
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)  # SIGTERM ends a run as Ctrl-C does


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> NoReturn:
    """The console script. Exit codes: 0 done, 2 the user's mistake, 130 stopped by the user, 1 a defect of ours."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(standalone_mode=False) or 0
    except DistillError as error:
        from distill.reporting.text import printable  # it may hold what a server or a model said

        _say(f"error: {printable(error)}")
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except Exception as error:
        show = getattr(error, "show", None)  # a usage error of click, whichever click typer carries
        if show is None:
            raise
        show()
        code = 2
    if code == STOPPED:  # typer, too, turns Ctrl-C into this code
        _say("stopped. What finished is kept; the same command goes on from there.")
    sys.exit(code)
