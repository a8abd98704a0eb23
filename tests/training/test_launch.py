"""Several processes train as one would, and none outlives its training."""

import contextlib
import json
import math
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill import assets, environment
from distill.errors import RecipeError, TrainingError
from distill.recipe import Launch, load
from distill.run import differences
from distill.training.buckets import BucketSampler
from distill.training.launch import _reason, check_machine, launch_command
from tests.conftest import SOLVER_RECIPE, TRAIN_SECTIONS, command, lines, quiet_environment, thorough

ROOT = Path(__file__).parent.parent.parent
CONFIGS = ("ddp", "fsdp2", "zero3", "zero3-offload")
# In float32, so that what two processes add up otherwise than one is rounding and nothing else.
RECIPE = (SOLVER_RECIPE + TRAIN_SECTIONS.partition("eval:")[0]).replace(
    "max_steps: 12,", "bf16: false, max_steps: 12,"
) + "  save_dtype: float32\n"
TWO = ["--set", "train.launch.num_processes=2", "--set", "train.sft.per_device_train_batch_size=2"]
# Long enough to be caught at work.
LONG = ["--set", "train.sft.max_steps=20000"]


class World:
    """A folder with a filtered run, and copies of it to train in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "small.yaml").write_text(RECIPE)
        for verb in ("generate", "filter"):
            subprocess.run(self.command(verb, "filtered"), cwd=folder, env=self.environment, check=True)

    @property
    def environment(self) -> dict[str, str]:
        return {**quiet_environment(), "PYTHONPATH": str(ROOT)}

    def run_dir(self, name: str) -> Path:
        path = self.folder / "runs" / name
        if not path.exists():
            shutil.copytree(self.folder / "runs/filtered", path)
        return path

    def command(self, verb: str, name: str, *arguments: object) -> list[str]:
        return command(verb, "small.yaml", "--run", name, *arguments)

    def train(self, name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        self.run_dir(name)
        words = self.command("train", name, *arguments)
        return subprocess.run(words, cwd=self.folder, env=self.environment, capture_output=True, text=True)

    def start(self, name: str, *arguments: object) -> subprocess.Popen[str]:
        self.run_dir(name)
        words = self.command("train", name, *arguments)
        return subprocess.Popen(words, cwd=self.folder, env=self.environment, stderr=subprocess.PIPE, text=True)

    def processes(self, word: str = "") -> list[int]:
        """All that work in this folder and have the word in their command."""
        found: list[int] = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cwd").readlink() == self.folder and word in (process / "cmdline").read_text():
                    found.append(int(process.name))
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("launch"))


@pytest.fixture
def nobody_left(world: World) -> Iterator[None]:
    yield
    until(lambda: not world.processes(), 30)


def until(holds: Callable[[], object], seconds: float) -> None:
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last, f"not so after {seconds} seconds"
        time.sleep(0.05)


def curve(run: Path, folder: str = "student") -> list[float]:
    return [json.loads(line)["loss"] for line in lines(run / folder / "training_log.jsonl")]


def same(one: Path, other: Path, folder: str = "student") -> None:
    import torch
    from safetensors.torch import load_file

    assert curve(other, folder) == pytest.approx(curve(one), abs=1e-5)
    expected, found = load_file(one / "student/model.safetensors"), load_file(other / folder / "model.safetensors")
    assert expected.keys() == found.keys()
    for name, weights in expected.items():
        torch.testing.assert_close(found[name], weights, rtol=1e-4, atol=1e-5)


@given(
    num_rows=st.integers(1, 120),
    num_processes=st.integers(1, 5),
    batch_size=st.integers(1, 4),
    accumulation=st.integers(1, 3),
)
def test_each_optimizer_step_sees_what_one_process_with_the_larger_batch_sees(
    num_rows: int, num_processes: int, batch_size: int, accumulation: int
):
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler

    lengths = [(index * 37) % 90 + 1 for index in range(num_rows)]
    whole = batch_size * num_processes

    def steps(rank: int, of: int, size: int) -> list[list[int]]:
        num_blank = -num_rows % whole if of > 1 else 0
        sampler = BucketSampler(lengths, whole * accumulation, 3, num_blank)
        batches: Any = BatchSampler(sampler, size, False)
        batches = list(batches if of == 1 else BatchSamplerShard(batches, of, rank))
        return [
            sorted(index for batch in batches[start : start + accumulation] for index in batch if index < num_rows)
            for start in range(0, len(batches), accumulation)
        ]

    alone = steps(0, 1, whole)
    together = [steps(rank, num_processes, batch_size) for rank in range(num_processes)]
    assert all(len(each) == len(alone) == math.ceil(num_rows / (whole * accumulation)) for each in together)
    for index, expected in enumerate(alone):
        assert sorted(row for each in together for row in each[index]) == expected


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
@pytest.mark.parametrize("accumulation", thorough([1, 2], [2]))
def test_two_processes_train_the_student_that_one_would(world: World, accumulation: int):
    # Two epochs of 29 examples: the last batch of each is short.
    options = ["--set", f"train.sft.gradient_accumulation_steps={accumulation}", "--set", "train.sft.max_steps=-1"]
    options += ["--set", "train.sft.num_train_epochs=2"]
    one, two = f"one-{accumulation}", f"two-{accumulation}"
    assert world.train(one, *options).returncode == 0
    done = world.train(two, *options, *TWO)
    assert done.returncode == 0, done.stderr
    assert len(curve(world.run_dir(one))) == 2 * math.ceil(29 / (4 * accumulation))
    same(world.run_dir(one), world.run_dir(two))
    assert done.stderr.count(f"{len(curve(world.run_dir(two)))} steps on 29 examples") == 1
    assert not (world.run_dir(two) / "checkpoints").exists()
    log = lines(world.run_dir(two) / "logs/training_log.jsonl")
    assert len({json.loads(line)["step"] for line in log if "loss" in line}) == len(curve(world.run_dir(two)))


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
def test_two_machines_train_together_and_only_the_first_works_in_the_run(world: World):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"{{num_machines: 2, main_process_ip: 127.0.0.1, main_process_port: {port}, machine_rank: %d}}"
    second = world.start("machines", *TWO, "--set", f"train.launch.args={address % 1}")
    first = world.train("machines", *TWO, "--set", f"train.launch.args={address % 0}")
    assert first.returncode == 0, first.stderr
    assert second.wait(60) == 0, second.communicate()
    assert world.train("alone").returncode == 0
    same(world.run_dir("alone"), world.run_dir("machines"))


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
def test_a_killed_training_of_two_goes_on_to_the_same_student(world: World):
    options = ["--set", "train.sft.max_steps=60", "--set", "train.sft.save_steps=10", *TWO]
    assert world.train("whole", *options).returncode == 0
    process = world.start("killed", *options)
    checkpoints = world.run_dir("killed") / "checkpoints"
    until(lambda: list(checkpoints.glob("checkpoint-*/trainer_state.json")) or process.poll() is not None, 60)
    process.kill()
    process.wait()
    until(lambda: not world.processes(), 20)
    assert not (world.run_dir("killed") / "student").exists(), "the training ended before it could be killed"
    done = world.train("killed", *options)
    assert done.returncode == 0, done.stderr
    assert "going on from checkpoint-" in done.stderr
    same(world.run_dir("whole"), world.run_dir("killed"))


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
def test_a_process_that_is_killed_ends_the_training_with_its_log(world: World):
    process = world.start("dead-child", *LONG, *TWO)
    log = world.run_dir("dead-child") / "logs/training_log.jsonl"
    until(lambda: lines(log) or process.poll() is not None, 60)
    of_rank_1 = [pid for pid in world.processes("distill.training.worker") if environment_of(pid).get("RANK") == "1"]
    os.kill(of_rank_1[0], signal.SIGKILL)
    stderr = process.communicate(timeout=60)[1]
    assert process.returncode == 2
    assert "runs/dead-child/logs/train.log" in stderr
    assert "SIGKILL" in stderr
    assert "Traceback (most recent call last)" not in stderr


def environment_of(pid: int) -> dict[str, str]:
    with contextlib.suppress(OSError):
        return dict(pair.split("=", 1) for pair in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in pair)
    return {}


ENDS = [(signal.SIGINT, 130), (signal.SIGKILL, -9), (signal.SIGTERM, 130)]


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
@pytest.mark.parametrize(("number", "code"), thorough(ENDS, ENDS[:2]))
def test_no_process_outlives_the_command_however_it_ends(world: World, number: signal.Signals, code: int):
    name = f"ended-{number.name}"
    process = world.start(name, *LONG, *TWO)
    until(lambda: lines(world.run_dir(name) / "logs/training_log.jsonl") or process.poll() is not None, 60)
    assert len(world.processes("distill.training.worker")) >= 2
    process.send_signal(number)
    process.communicate(timeout=40)
    assert process.returncode == code
    until(lambda: not world.processes(), 20)


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
def test_a_mistake_is_told_as_by_one_process(world: World):
    done = world.train("mistaken", *TWO, "--set", "train.sft.max_lenght=3")
    assert done.returncode == 2
    assert "error: train.sft.max_lenght is not an option of SFTConfig. Did you mean 'max_length'?" in done.stderr
    assert "runs/mistaken/logs/train.log" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("nobody_left")
def test_a_sharded_student_is_saved_whole_and_goes_on_from_its_checkpoint(world: World):
    options = [*TWO, "--set", "train.sft.save_total_limit=9"]
    assert world.train("unsharded").returncode == 0
    run = world.run_dir("sharded")
    recipe = load(world.folder / "small.yaml", [word for word in options if word != "--set"])
    (run / "recipe.yaml").write_text(recipe.to_yaml())
    words = launch_command(Launch(num_processes=2, config="fsdp2"), run, None)
    words[words.index("distill.training.worker")] = "tests.training.sharded_worker"
    for _ in ("from the start", "from checkpoint-6"):
        subprocess.run(words, cwd=world.folder, env=world.environment, check=True)
        same(world.run_dir("unsharded"), run, "student.partial")
        assert (run / "checkpoints/checkpoint-12/pytorch_model_fsdp.bin").exists()
        configs = [world.run_dir("unsharded") / "student/config.json", run / "student.partial/config.json"]
        assert configs[0].read_text() == configs[1].read_text()
        for step in (9, 12):
            shutil.rmtree(run / f"checkpoints/checkpoint-{step}")


def test_the_shipped_configs_are_ones_that_accelerate_takes():
    from accelerate.commands.config.config_args import load_config_from_file
    from accelerate.commands.launch import _validate_launch_command, launch_command_parser

    assert {path.stem for path in (ROOT / "distill/training/launch").glob("*.yaml")} == set(CONFIGS)
    for name in CONFIGS:
        config = load_config_from_file(str(assets.launch_config(name)))
        words = launch_command(Launch(num_processes=4, config=name), Path("runs/x"), 7)
        parsed: Any = launch_command_parser().parse_args(words[3:])
        arguments, _, _ = _validate_launch_command(parsed)
        assert (arguments.num_processes, arguments.num_machines, arguments.machine_rank) == (4, 1, 0)
        assert (arguments.use_fsdp, arguments.use_deepspeed) == (name == "fsdp2", name.startswith("zero3"))
        assert arguments.training_script == "distill.training.worker"
        assert arguments.training_script_args == ["runs/x", "--limit", "7"]
        assert config.num_processes == -1, "the number is the recipe's"


def test_options_keep_accelerates_names_and_a_mistake_is_told_with_the_nearest():
    launch = Launch(num_processes=2, args={"num_cpu_threads_per_process": 1, "debug": True, "same_network": False})
    words = launch_command(launch, Path("runs/x"), None)
    assert words[words.index("--num_cpu_threads_per_process") + 1] == "1"
    assert "--debug" in words
    assert "--same_network" not in words
    with pytest.raises(RecipeError, match=r"main_proces_ip is not an option of `accelerate launch`\. Did you mean"):
        launch_command(Launch(num_processes=2, args={"main_proces_ip": "x"}), Path("runs/x"), None)
    with pytest.raises(RecipeError, match=r"train\.launch\.args\.num_processes is not for args"):
        launch_command(Launch(num_processes=2, args={"num_processes": 3}), Path("runs/x"), None)


@pytest.mark.parametrize(
    ("launch", "message"),
    [
        ("{num_processes: 2, config: fsdp}", r"launch\.config: no accelerate config 'fsdp'\. Did you mean 'fsdp2'\?"),
        ("{num_processes: 0}", r"train\.launch\.num_processes is 0"),
        ("{num_proceses: 2}", r"unknown key 'train\.launch\.num_proceses'.*Did you mean 'num_processes'"),
        ("{num_processes: 3, args: {num_machines: 2}}", r"num_processes is 3 and args\.num_machines is 2"),
        ("{args: {num_machines: 2}}", r"num_processes is None and args\.num_machines is 2"),
        ("{num_processes: 2, args: {machine_rank: 1}}", r"args\.machine_rank is 1; 1 machines are numbered from 0"),
        ("{num_processes: 2, args: {num_machines: two}}", r"train\.launch\.args\.num_machines: 'two' is not a whole"),
    ],
)
def test_a_launch_that_cannot_be_is_refused_with_its_place(tmp_path: Path, launch: str, message: str):
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE + f"  launch: {launch}\n")
    with pytest.raises(RecipeError, match=message):
        load(path)


def test_what_cannot_be_done_here_is_refused_before_anything_starts(monkeypatch: pytest.MonkeyPatch):
    import torch

    if torch.accelerator.is_available():
        pytest.skip("this machine shards")
    check_machine(Launch(num_processes=2), "full")
    with pytest.raises(TrainingError, match=r"'fsdp2' shards weights over GPUs, and torch sees none here"):
        check_machine(Launch(num_processes=2, config="fsdp2"), "full")
    with pytest.raises(TrainingError, match=r"method qlora keeps its 4-bit weights whole"):
        check_machine(Launch(num_processes=2, config="fsdp2"), "qlora")
    monkeypatch.setattr(environment, "installed", lambda package: None)
    with pytest.raises(TrainingError, match=r"'zero3' needs DeepSpeed: pip install deepspeed"):
        check_machine(Launch(num_processes=2, config="zero3"), "full")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    with pytest.raises(TrainingError, match=r"8 on each of 1 machines, and torch sees 4 GPUs here"):
        check_machine(Launch(num_processes=8), "full")
    check_machine(Launch(num_processes=8, args={"num_machines": 2}), "full")


def test_where_a_training_runs_may_change_and_how_it_is_shared_may_not():
    def section(**launch: Any) -> dict[str, Any]:
        return {"launch": {"num_processes": 2, "config": "ddp", "args": {}, **launch}}

    assert not differences("train", section(), section(args={"main_process_ip": "10.0.0.2"}))
    assert not differences("train", {}, {"launch": None})
    assert differences("train", section(), section(num_processes=4))
    assert differences("train", section(), section(config="fsdp2"))


@pytest.mark.parametrize(
    ("code", "log", "told", "expected"),
    [
        (1, "E failed (exitcode: 2) local_rank: 0 (pid: 7)\n", "no such option", "no such option\nThe log of all"),
        (
            1,
            "E failed (exitcode: 1) local_rank: 0 (pid: 7)\n",
            "process 0 failed with X: y",
            "process 0 failed with X: y. ",
        ),
        (
            1,
            "E failed (exitcode: -9) local_rank: 3 (pid: 7)\n",
            "lost a peer",
            "process 3 of this machine was killed by SIG",
        ),
        (137, "warning\n", "", "the launcher of the training was killed by SIGKILL. The log of all processes, "),
        (
            1,
            "ImportError: deepspeed\n",
            "",
            "the launcher of the training ended with code 1. The log of all processes, ",
        ),
    ],
)
def test_a_failure_is_told_by_its_cause(tmp_path: Path, code: int, log: str, told: str, expected: str):
    log_path, failure = tmp_path / "train.log", tmp_path / "train.failure"
    log_path.write_text(log)
    if told:
        failure.write_text(told)
    message = _reason(code, failure, log_path)
    assert message.startswith(expected)
    assert str(log_path) in message
    assert (log.strip() in message) == ("no such option" not in expected)
