"""The command `distill view`: a local page on which runs are read."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from distill.commands.options import DEFAULT_RUNS, RunsOption, run_dir

EPILOG = (
    "Examples: 'distill view quickstart', while it generates or afterwards. "
    "'distill view runs/quickstart runs/quickstart-1': both, side by side. "
    "On a machine without a screen: 'distill view quickstart --no-open --port 8080', on yours "
    "'ssh -L 8080:127.0.0.1:8080 HOST', and open the link there"
)


def view(
    view_runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Folders of runs, or their names in --runs.")
    ],
    runs: RunsOption = DEFAULT_RUNS,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, metavar="N", help="Where to listen; 0 takes a free port.")
    ] = 0,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only print the link; open no browser.")] = False,
) -> None:
    """Browse traces, verdicts, decisions and examples in a local page; live, while a run goes on.

    The page is on this machine only, and its link holds a token that is drawn anew each time. Nothing is written into
    the runs. Ctrl-C ends it. In the page, press ? for the keys.
    """
    from distill.reporting.view.serve import serve

    directories = [run_dir(name, runs) for name in view_runs]

    def say(url: str) -> None:
        print(url, flush=True)
        print("view: Ctrl-C ends it", file=sys.stderr, flush=True)

    serve(directories, port=port, is_opened=not no_open, say=say)
