"""Training in several processes: `accelerate launch` is started, watched, and ended with all that it started.

The configs beside this file (`ddp`, `fsdp2`, `zero3`, `zero3-offload`) say how the student is split. What is not here:
a start on other machines. Each machine runs the same command with a `machine_rank` of its own, which is what SLURM's
srun is for.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from distill import assets, environment, plugins
from distill.engines import guard
from distill.errors import RecipeError, TrainingError, did_you_mean
from distill.recipe import Launch
from distill.training.worker import FAILURE, MISTAKE

OURS = ("config_file", "num_processes", "module", "no_python", "training_script", "training_script_args", "help")
"""Options of `accelerate launch` that are set here."""
SHARDED = ("FSDP", "DEEPSPEED")
"""Values of a config's `distributed_type` under which no process holds the whole student."""
FIRST_FAILURE = re.compile(r"failed \(exitcode: (-?\d+)\) local_rank: (\d+)")
"""How torch's launcher tells of the process that failed first (torch.distributed.elastic.multiprocessing.api)."""
TAIL_LINES = 24
"""As many as the launcher's table of failures of two processes has."""
GRACE = 15.0
"""Seconds between SIGTERM and SIGKILL: the launcher passes the first on, and waits for what it started."""


def launch_command(launch: Launch, run_dir: Path, limit: int | None) -> list[str]:
    """The words that start the processes of this machine.

    Raises:
        RecipeError: If `launch` names a config or an option that does not exist.
        MissingExtraError: If accelerate is not installed.
    """
    # With several machines all must know the port; alone, any free one will do.
    port = {} if launch.num_machines > 1 else {"main_process_port": 0}
    return [
        *(sys.executable, "-m", "accelerate.commands.launch"),
        *("--config_file", str(assets.launch_config(launch.config))),
        *("--num_processes", str(launch.num_processes)),
        *_flags({"num_machines": 1, "machine_rank": 0, **port, **launch.args}),
        *("--module", "distill.training.worker", str(run_dir)),
        *(() if limit is None else ("--limit", str(limit))),
    ]


def _flags(options: Mapping[str, Any]) -> list[str]:
    """Options of `accelerate launch` as its command line takes them."""
    parser: Any = plugins.need("accelerate.commands.launch", "train.launch", "train").launch_command_parser()
    known = {action.dest: action for action in parser._actions if action.dest not in OURS}
    words: list[str] = []
    for name, value in options.items():
        if name in OURS:
            raise RecipeError(f"train.launch.args.{name} is not for args; see train.launch.config and num_processes")
        if name not in known:
            raise RecipeError(
                f"train.launch.args.{name} is not an option of `accelerate launch`.{did_you_mean(name, known)}"
            )
        flag = next(word for word in known[name].option_strings if word.startswith("--"))
        if known[name].nargs != 0:
            words += [flag, str(value)]
        elif value:
            words.append(flag)
    return words


def check_machine(launch: Launch, method: str) -> None:
    """Refuse what cannot be done here, before anything is started.

    Args:
        launch: The recipe's.
        method: The recipe's `train.method`.

    Raises:
        TrainingError: If there are too few GPUs, none for weights that are sharded, no DeepSpeed for its config, or
            weights that cannot be sharded.
    """
    torch = plugins.need("torch", "training", "train")
    config = yaml.safe_load(assets.launch_config(launch.config).read_text(encoding="utf-8"))
    kind = config.get("distributed_type") if isinstance(config, dict) else None
    if kind == "DEEPSPEED" and environment.installed("deepspeed") is None:
        raise TrainingError(f"train.launch.config {launch.config!r} needs DeepSpeed: pip install deepspeed")
    if kind in SHARDED and method == "qlora":
        raise TrainingError(
            f"train.launch.config {launch.config!r} shards weights, and method qlora keeps its 4-bit weights whole in "
            f"every process; set train.launch.config: ddp, or train.method: lora"
        )
    if kind in SHARDED and not torch.accelerator.is_available():
        # accelerate 1.15 would train as with ddp, and not say so (AcceleratorState.__init__).
        raise TrainingError(
            f"train.launch.config {launch.config!r} shards weights over GPUs, and torch sees none here; on processors, "
            f"set train.launch.config: ddp"
        )
    here, gpus = (launch.num_processes or 1) // launch.num_machines, torch.cuda.device_count()
    if 0 < gpus < here:
        raise TrainingError(
            f"train.launch.num_processes is {launch.num_processes}, which is {here} on each of {launch.num_machines} "
            f"machines, and torch sees {gpus} GPUs here; each process needs one"
        )


def launch_training(launch: Launch, method: str, run_dir: Path, limit: int | None) -> None:
    """Train in several processes, and wait for all; whatever happens, none is left behind.

    Args:
        launch: The recipe's.
        method: The recipe's `train.method`.
        run_dir: Locked by this process, or by that of machine 0; its `recipe.yaml` says what is trained.
        limit: Only the first so many examples.

    Raises:
        RecipeError: If `launch` names a config or an option that does not exist.
        TrainingError: If this machine cannot do it, or a process fails; gives the reason, or the end of the log, and
            the log's path.
    """
    check_machine(launch, method)
    command = launch_command(launch, run_dir, limit)
    logs_dir = run_dir / "logs"
    logs_dir.mkdir(parents=True, exist_ok=True)
    log_path = logs_dir / (f"train-{launch.machine_rank}.log" if launch.machine_rank else "train.log")
    if not launch.machine_rank:
        (logs_dir / FAILURE).unlink(missing_ok=True)
    with log_path.open("wb") as log:
        code = _run(command, log.fileno())
    if code:
        raise TrainingError(_reason(code, logs_dir / FAILURE, log_path))


def _run(command: Sequence[str], log: int) -> int:
    """Run under the guard, which ends all should this process be killed; its exit code."""
    process = subprocess.Popen(
        [sys.executable, "-I", guard.__file__, str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=log,
        start_new_session=True,
    )
    try:
        return process.wait()
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM to the group, and SIGKILL to what is left of it when the launcher is gone or the time is up."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(code: int, failure: Path, log_path: Path) -> str:
    log = log_path.read_text(encoding="utf-8", errors="replace")
    first = FIRST_FAILURE.search(log)
    ended_with = int(first[1]) if first else code
    told = failure.read_text(encoding="utf-8") if failure.exists() else ""
    if ended_with == MISTAKE and told:
        return f"{told}\nThe log of all processes is {log_path}"
    if first and ended_with < 0:
        # What the others say then is only that they miss it.
        told = f"process {first[2]} of this machine was killed by {signal.Signals(-ended_with).name}"
    end = "\n".join(line[:300] for line in log.splitlines()[-TAIL_LINES:])
    if not told:
        # The guard gives 128 + N where signal N ended the launcher.
        how = f"was killed by {signal.Signals(code - 128).name}" if code > 128 else f"ended with code {code}"
        told = f"the launcher of the training {how}"
    return f"{told}. The log of all processes, {log_path}, ends with:\n{end}"
