"""The command `distill merge`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from distill.commands.options import DEFAULT_RUNS, RunsOption

EPILOG = (
    "Example: 'distill merge runs/quickstart-1of2 runs/quickstart-2of2 --run quickstart', and then "
    "'distill filter quickstart'"
)


def merge(
    merged: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs of the same recipe.")],
    run: Annotated[str, typer.Option("--run", metavar="NAME", help="Where to: a new run, or one that takes them in.")],
    runs: RunsOption = DEFAULT_RUNS,
) -> None:
    """Join what generate made in several runs, of shards or on other machines: each trace once, nothing lost."""
    from distill.stages.merge import merge as stage

    print(stage(merged, runs / run), file=sys.stderr)
