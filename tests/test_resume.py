"""kill -9 at any moment of any stage, then the same command: nothing that finished is lost, nothing is done twice."""

import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import SOLVER_RECIPE, TRAIN_SECTIONS, command, lines, quiet_environment, thorough, without_times

NUM_KILLS = thorough(20, 4)

# Three passes over more data than the other tests use, so that kills fall into every stage.
LONG_RECIPE = (
    (SOLVER_RECIPE + TRAIN_SECTIONS).replace("count: 40", "count: 400").replace("max_steps: 12", "max_steps: 60")
)


@pytest.mark.slow
def test_kills_at_random_moments_leave_the_run_that_none_would_have(tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(LONG_RECIPE)
    run = ["run", recipe, "--limit", 400]
    started = time.monotonic()
    whole = subprocess.run(command(*run, "--run", "whole"), cwd=tmp_path, env=quiet_environment(), capture_output=True)
    duration = time.monotonic() - started
    assert whole.returncode == 0, whole.stderr.decode()

    rng = random.Random(20)
    stages_hit: set[str] = set()
    finished: dict[str, list[str]] = {"traces.jsonl": [], "verdicts.jsonl": []}
    for _ in range(NUM_KILLS):
        process = subprocess.Popen(
            command(*run, "--run", "killed"), cwd=tmp_path, env=quiet_environment(), stderr=subprocess.PIPE, text=True
        )
        time.sleep(rng.uniform(0.3, 1.0) * duration * 0.8)
        process.send_signal(signal.SIGKILL)
        stderr = process.communicate()[1]
        stages_hit |= {stage for stage in ("generate", "train", "student") if f"{stage}: " in stderr}
        for name, before in finished.items():
            now = whole_lines(tmp_path / "runs/killed" / name)
            assert now[: len(before)] == before, f"a kill lost lines of {name}"
            finished[name] = now
    last = subprocess.run(command(*run, "--run", "killed"), cwd=tmp_path, env=quiet_environment(), capture_output=True)
    assert last.returncode == 0, last.stderr.decode()

    assert "generate" in stages_hit
    assert "train" in stages_hit
    for name in ("traces.jsonl", "verdicts.jsonl", "decisions.jsonl", "train.jsonl"):
        killed, expected = tmp_path / "runs/killed" / name, tmp_path / "runs/whole" / name
        assert sorted(map(without_times, lines(killed))) == sorted(map(without_times, lines(expected))), name
    for suite_file in ("traces.jsonl", "verdicts.jsonl"):
        path = tmp_path / "runs/killed/eval/countdown-tiny/student" / suite_file
        ids = [json.loads(line).get("id", json.loads(line).get("trace_id")) for line in lines(path)]
        assert len(ids) == len(set(ids)) == 400
    facts = json.loads((tmp_path / "runs/killed/student/training.json").read_text())
    assert facts["steps"] == 60


def whole_lines(path: Path) -> list[str]:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1].decode().splitlines()
