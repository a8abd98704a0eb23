"""The page on several GPUs: its recipe loads, and its script gives each machine its command."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from distill.recipe import load
from distill.training.launch import launch_command
from tests.conftest import SOLVER_RECIPE, TRAIN_SECTIONS

PAGE = Path(__file__).parent.parent.parent / "docs/scale.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def test_the_recipe_in_the_docs_loads(tmp_path: Path):
    (block,) = blocks("yaml")
    path = tmp_path / "mine.yaml"
    path.write_text(SOLVER_RECIPE + block)
    train = load(path).train
    assert train
    assert train.launch
    assert launch_command(train.launch, Path("runs/mine"), None)


@pytest.mark.parametrize("machine", [0, 1])
def test_the_script_in_the_docs_gives_each_machine_its_command(tmp_path: Path, machine: int):
    (script,) = blocks("bash")
    for name, body in (("distill", 'printf "%s\\n" "$@" > "$WORDS"'), ("scontrol", "printf 'n1\\nn2\\n'")):
        (tmp_path / name).write_text(f"#!/bin/bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "srun").write_text('#!/bin/bash\nshift\nexec "$@"\n')
    (tmp_path / "srun").chmod(0o755)
    variables = {"SLURM_NNODES": "2", "SLURM_NODEID": str(machine), "SLURM_JOB_NODELIST": "n[1-2]"}
    path = f"{tmp_path}:{os.environ['PATH']}"
    environment = {**os.environ, **variables, "PATH": path, "WORDS": str(tmp_path / "words")}
    subprocess.run(["bash", "-c", script], env=environment, check=True)
    verb, _, *options = (tmp_path / "words").read_text().splitlines()
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(SOLVER_RECIPE + TRAIN_SECTIONS)
    train = load(recipe, [word for word in options if word != "--set"]).train
    assert verb == "train"
    assert train
    assert train.launch
    assert (train.launch.num_processes, train.launch.num_machines, train.launch.machine_rank) == (16, 2, machine)
    words = launch_command(train.launch, Path("runs/mine"), None)
    assert words[words.index("--main_process_ip") + 1] == "n1"
