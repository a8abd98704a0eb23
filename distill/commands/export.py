"""The command `distill export`: what a run made, for others to take: the student, or the data that taught it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from distill.commands.options import DEFAULT_RUNS, RunsOption, run_dir
from distill.errors import RecipeError

EPILOG = (
    "Examples: 'distill export runs/quickstart --to my-student', then 'vllm serve my-student'. "
    "'distill export runs/quickstart --data sharegpt --licence apache-2.0 --push me/my-traces'"
)


def export(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    runs: RunsOption = DEFAULT_RUNS,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="FORM",
            help="Not the student but the examples, as a dataset with a card: jsonl or parquet (TRL's prompt and "
            "completion), sharegpt, or messages.",
        ),
    ] = None,
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs", help="With --data jsonl or parquet: the preference pairs of filter.pairs, for DPO and SimPO."
        ),
    ] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Where to; 'export', 'data-FORM' or 'pairs-FORM' in the run else."),
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", metavar="NAME", help="With --data: what its card says, as apache-2.0.")
    ] = None,
    push: Annotated[
        str | None, typer.Option("--push", metavar="OWNER/NAME", help="Upload the folder to the Hub, too.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Make a new Hub repository public.")] = False,
) -> None:
    """Write a run's student as a folder that a server takes as it is; an adapter is merged, and the merge is checked.

    The adapter itself needs no export: 'student' in the run's folder is one that peft and vLLM load. With --data, write
    the examples that the student was taught; with --pairs, too, those to be preferred beside those to be rejected.
    """
    directory = run_dir(run, runs)
    if data is not None:
        from distill.stages.publish import publish

        said = publish(directory, data, to, pairs=pairs, licence=licence, push=push, public=public)
    elif pairs:
        raise RecipeError("--pairs is for a dataset: give --data jsonl or --data parquet, too")
    elif licence is not None:
        raise RecipeError(f"--licence {licence!r} is for a dataset: give --data, too")
    else:
        from distill.stages.train import export as stage

        said = stage(directory, to or directory / "export", push=push, public=public)
    print(said, file=sys.stderr)
