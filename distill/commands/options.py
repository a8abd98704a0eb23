"""The options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

RecipeArg = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A shipped name ('distill recipes list') or a path to a .yaml.")
]
RunOption = Annotated[
    str | None, typer.Option("--run", metavar="NAME", help="Name of the run; the recipe's name if not given.")
]
RunsOption = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Folder that holds the runs.")]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a key: '--set train.sft.learning_rate=2e-5'. Repeatable."
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option("--scale", metavar="tiny", help="The same stages with models and data of the tiny world, in minutes."),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and do nothing.")]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Only the first N problems or examples.")
]
RestartOption = Annotated[
    str | None,
    typer.Option("--restart", metavar="STAGE", help="Discard what this stage and later ones made, and do it again."),
]
AuditOption = Annotated[
    int | None,
    typer.Option(
        "--audit",
        min=1,
        metavar="N",
        help="Do not filter: draw N verdicts to mark by hand; once marked, say how often verdicts are wrong.",
    ),
]
ExplainOption = Annotated[
    str | None,
    typer.Option(
        "--explain",
        metavar="TRACE",
        help="Do not filter: say what each step makes of a trace, by its id; or all that a step found, by its name.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DEFAULT_RUNS = Path("runs")


def run_dir(named: str, runs: Path) -> Path:
    """The folder of a run that a command names by its path, or by its name in `--runs`."""
    return Path(named) if Path(named).is_dir() else runs / named
