"""A training that is killed at any step, and resumed, is the training that was not killed."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Distill, command, lines, quiet_environment, thorough

FLOAT32 = ["--set", "train.sft.bf16=false", "--set", "train.sft.max_steps=24", "--set", "eval=null"]


def curve(student: Path) -> dict[int, float]:
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines(student / "training_log.jsonl")]
    assert len(entries) == len({entry["step"] for entry in entries})
    return {entry["step"]: entry["loss"] for entry in entries}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    distill: Distill, trained_recipe_path: Path, tmp_path: Path, method: str
):
    import torch
    from safetensors.torch import load_file

    how = [*FLOAT32, "--set", f"train.method={method}"]
    if method == "lora":  # with dropout, whose draws must go on as well
        how += ["--set", "train.student=tiny-base", "--set", "train.lora.lora_dropout=0.1"]
    for run in ("whole", "killed"):
        for verb in ("generate", "filter"):
            distill(verb, trained_recipe_path, *how, "--run", run)
    distill("train", trained_recipe_path, *how, "--run", "whole")

    rng, num_resumed = random.Random(method), 0
    for _ in range(6):
        process = subprocess.Popen(
            command("train", trained_recipe_path, *how, "--run", "killed"),
            cwd=tmp_path,
            env=quiet_environment(),
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for_step(tmp_path / "runs/killed", process, after=rng.randint(1, 6))
        process.send_signal(signal.SIGKILL)
        num_resumed += "going on from checkpoint-" in process.communicate()[1]
        if (tmp_path / "runs/killed/student").exists() or num_resumed >= thorough(2, 1):
            break
    done = distill("train", trained_recipe_path, *how, "--run", "killed").stderr
    assert num_resumed or "going on from checkpoint-" in done

    whole, killed = tmp_path / "runs/whole/student", tmp_path / "runs/killed/student"
    assert curve(killed) == pytest.approx(curve(whole), rel=1e-5)
    assert list(curve(killed)) == list(range(1, 25))
    name = "model.safetensors" if method == "full" else "adapter_model.safetensors"
    weights, expected = load_file(killed / name), load_file(whole / name)
    assert weights.keys() == expected.keys()
    for key, weight in weights.items():
        assert torch.allclose(weight, expected[key], rtol=1e-5, atol=1e-7), key


def wait_for_step(run: Path, process: "subprocess.Popen[str]", after: int) -> None:
    """Until this start of the training has logged so many steps, or it has ended."""
    log, end = run / "logs/training_log.jsonl", time.monotonic() + 120
    while process.poll() is None and time.monotonic() < end:
        if len(lines(log)) >= after and log.stat().st_mtime > started(process):
            return
        time.sleep(0.02)


def started(process: "subprocess.Popen[str]") -> float:
    return Path(f"/proc/{process.pid}").stat().st_ctime
