"""The commands that measure: `distill eval` of a recipe's models or of any one, and `distill compare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from distill.commands.options import DEFAULT_RUNS, JsonOption, RunsOption, run_dir
from distill.errors import RecipeError

if TYPE_CHECKING:
    from rich.console import Console

EPILOG = (
    "Examples: 'distill eval quickstart --set eval.samples=4'. "
    "'distill eval Qwen/Qwen3-4B --suite math500 --suite aime24 --engine vllm "
    "--set eval.engine.args.tensor_parallel_size=2'. 'distill eval runs/quickstart/student --suite my-problems.jsonl'"
)
COMPARE_EPILOG = "Example: 'distill compare runs/quickstart runs/quickstart-lora --model student'"

WIDTH = 160
"""Characters of a line where nobody says how wide it may be: a table that is cut off is no table."""

SuiteOption = Annotated[
    list[str] | None,
    typer.Option(
        "--suite", metavar="SUITE", help="Measure a model on this: a name in eval/, a .yaml, or a .jsonl. Repeatable."
    ),
]
EngineOption = Annotated[
    str | None, typer.Option("--engine", metavar="NAME", help="Of a model: transformers if not given.")
]
FormatOption = Annotated[
    str | None,
    typer.Option("--format", metavar="NAME", help="Trace format of a model; what its chat template shows by itself."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Of a model: where results go; runs/eval-MODEL by itself.")
]


SeedOption = Annotated[int | None, typer.Option("--seed", metavar="N", help="Of a model: of all draws; 0 by itself.")]


class ModelOptions(NamedTuple):
    """Options that only mean something for a model."""

    engine: str | None
    format: str | None
    out: Path | None
    seed: int | None

    def refuse_for_recipe(self) -> None:
        """Refuse them where no suite is given.

        Raises:
            RecipeError: If one of them is.
        """
        for name, value in self._asdict().items():
            if value is not None:
                raise RecipeError(
                    f"--{name} is for a model: give --suite, too; a recipe says it itself (--set eval.KEY=VALUE)"
                )


def evaluate(
    target: str,
    suites: list[str],
    options: ModelOptions,
    runs: Path,
    overrides: list[str],
    limit: int | None,
    dry_run: bool,
) -> None:
    """Measure one model on suites, without a recipe."""
    from distill.stages.evaluate_model import evaluate_model, section_for, slug

    section = section_for(target, suites, options.engine, overrides)
    if dry_run:
        from distill.stages.plan import plan_of_suites

        return print("\n".join(plan_of_suites(section, target, limit)))
    folder = options.out or runs / f"eval-{slug(target)}"
    evaluate_model(target, section, folder, form=options.format, seed=options.seed or 0, limit=limit)
    print(folder)


def compare(
    names: Annotated[list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or their names in --runs.")],
    runs: RunsOption = DEFAULT_RUNS,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME", help="Only models of this name: student, teacher ... Repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare models problem by problem on every suite that they share, with paired tests; the first is the measure.

    Warns where two were not measured in the same way, and says what differs.
    """
    from distill.reporting import comparing

    found = comparing.compared([run_dir(name, runs) for name in names], models or [])
    for rows in found.values():
        for warning in comparing.warnings(rows):
            print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        import json

        print(json.dumps(comparing.plain(found), indent=2))
    else:
        comparing.show(found, _console())


def _console() -> Console:
    from rich.console import Console

    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDTH)
