"""One of the processes that train together: `accelerate launch -m distill.training.worker RUN_DIR [--limit N]`.

The run's lock is the starter's. Standard output is the user's terminal, and only the first process writes there;
standard error is the log of all.
"""

import argparse
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from distill import progress
from distill.errors import DistillError
from distill.recipe import load
from distill.run import Run
from distill.training import ranks
from distill.training.fit import fit

PR_SET_PDEATHSIG = 1
"""Linux: the signal that a process gets when the one that started it is gone (prctl(2))."""
FAILURE = "train.failure"
"""File in the run's logs: what the first process that failed has to say."""
MISTAKE = 2
"""Exit code for what the user can mend."""


def main(words: Sequence[str] | None = None) -> int:
    """Train; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m distill.training.worker", description="Started by distill train.")
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--limit", type=int)
    asked = parser.parse_args(words)
    _end_with_starter()
    _keep_terminal_for_progress()
    try:
        _train(asked.run_dir, asked.limit)
    except DistillError as error:
        _tell(asked.run_dir, str(error))
        return MISTAKE
    except Exception as error:
        _tell(asked.run_dir, f"process {ranks.rank()} failed with {type(error).__name__}: {error}")
        raise
    return 0


def _train(run_dir: Path, limit: int | None) -> None:
    import torch

    run = Run(run_dir, load(run_dir / "recipe.yaml"))
    assert run.recipe.train is not None
    fit(run, run.recipe.train, limit)
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _end_with_starter() -> None:
    # The launcher starts each of us in a session of its own, where a signal to the launcher's group does not reach.
    if sys.platform == "linux":
        starter = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:
            sys.exit(1)


def _keep_terminal_for_progress() -> None:
    """Libraries print where they like: all of it goes to the log, and progress alone to the user."""
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    sys.stdout.flush()
    os.dup2(2, 1)
    progress.console.file = terminal
    progress.console.quiet = not ranks.is_main()


def _tell(run_dir: Path, sentence: str) -> None:
    """Leave the reason for the starter; the first counts, since the others fail of its absence."""
    print(f"rank {ranks.rank()}: {sentence}", file=sys.stderr, flush=True)
    try:
        with (run_dir / "logs" / FAILURE).open("x", encoding="utf-8") as file:
            file.write(sentence)
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
