"""Recipes at other scales: a swap is pure and said, the stages stay, and what ships runs from end to end in minutes.

The whole runs take a while, so a few are drawn by the day; `make test-all` takes all of them.
"""

import copy
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from distill import assets
from distill.errors import RecipeError
from distill.recipe import Recipe, load
from distill.scale import load as load_at
from distill.scale import tiny
from tests.conftest import Distill, command, lines, quiet_environment, thorough

NAMES = [name for name in assets.shipped("recipes") if not name.startswith("tiny-")]
DRAWN = 2
DAY = datetime.now(UTC).date().toordinal()
TODAY = thorough(NAMES, [NAMES[(DAY * DRAWN + i) % len(NAMES)] for i in range(DRAWN)])


def of(name: str) -> dict[str, Any]:
    return load(assets.find("recipes", name)).model_dump(mode="json")


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_keeps_its_road_and_loses_its_size(name: str, tmp_path: Path):
    data = of(name)
    before = copy.deepcopy(data)
    scaled = tiny(data)
    assert data == before
    recipe = Recipe.model_validate(scaled.data)
    kept = [step["use"] for step in data["filter"]["select"] if not (step["use"] == "pass_rate" and "of" in step)]
    assert [step.use for step in recipe.filter.select] == kept
    assert recipe.filter.build.use == data["filter"]["build"]["use"]
    assert recipe.generate.format == data["generate"]["format"]
    assert recipe.train
    assert (recipe.train.method, recipe.train.format) == (data["train"]["method"], data["train"]["format"])
    assert recipe.train.student == "tiny-base"
    assert recipe.teacher.engine == "solver"
    assert "hub" not in {source.use for source in recipe.generate.sources}
    resolved = tmp_path / "recipe.yaml"
    resolved.write_text(recipe.to_yaml())
    assert load(resolved) == recipe


def test_quotas_keep_their_proportions_and_their_domains():
    scaled = tiny(of("sky-t1-17k-remake"))
    counts = scaled.data["filter"]["select"][-1]["counts"]
    assert counts["math"] > counts["code"] > counts["science"] >= 1
    assert {source["domain"] for source in scaled.data["generate"]["sources"]} == set(counts)


def test_what_needs_a_run_of_another_model_is_left_out_with_a_word():
    said = tiny(of("s1k-remake")).swaps
    assert sum("left out, as there is no run of" in line for line in said) == 2


def test_every_swap_is_said_and_overrides_come_last(capsys: pytest.CaptureFixture[str]):
    said: list[str] = []
    recipe = load_at("quickstart", ["train.sft.max_steps=2"], "tiny", said.append)
    assert any("train.sft.max_steps: 1200 -> 6" in line for line in said)
    assert recipe.train
    assert recipe.train.sft["max_steps"] == 2
    assert recipe.name == "quickstart-tiny"
    with pytest.raises(RecipeError, match=r"--scale 'small' is not known; choose tiny"):
        load_at("quickstart", [], "small", said.append)
    with pytest.raises(RecipeError, match=r"--set: unknown key 'generate\.tempo'"):
        load_at("quickstart", ["generate.tempo=1"], "tiny", said.append)


PLAN = """
import sys
from pathlib import Path
from rich.console import Console
from distill import assets, recipe
from distill.cli import _stages_of
from distill.stages.plan import show_plan
for name in sys.argv[1:]:
    print("==", name)
    found = recipe.load(assets.find("recipes", name))
    show_plan(found, _stages_of(found), 20, Path("runs") / name, Console(width=10_000))
"""


@pytest.mark.slow
def test_recipes_are_planned_without_a_network(tmp_path: Path):
    always = {"s1k-remake", "sky-t1-17k", "countdown-sos"}  # a large student takes some ten seconds to reckon
    names = always | set(NAMES if len(TODAY) == len(NAMES) else ())
    done = subprocess.run(
        [sys.executable, "-c", PLAN, *names], cwd=tmp_path, env=quiet_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    plans = dict(part.strip().split("\n", 1) for part in done.stdout.split("== ") if part.strip())
    assert plans.keys() == names
    for name, plan in plans.items():
        assert all(f"{stage}\n" in plan for stage in ("generate", "filter", "train", "eval")), name
    assert "the problems cannot be read now" in plans["s1k-remake"]
    if "dasd-4b-stage2" in plans:
        assert "hours are not known" in plans["dasd-4b-stage2"]
    assert "published: 19 h, $450 on 8 x H100" in plans["sky-t1-17k"]
    assert "20 problems" in plans["countdown-sos"]


@pytest.mark.slow
@pytest.mark.parametrize("name", TODAY)
def test_a_recipe_runs_from_end_to_end_at_tiny_scale(name: str, tmp_path: Path):
    done = subprocess.run(
        command("run", name, "--scale", "tiny"), cwd=tmp_path, env=quiet_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    run = tmp_path / f"runs/{name}-tiny"
    decisions = [json.loads(line) for line in lines(run / "decisions.jsonl")]
    kept = sum(decision["kept"] for decision in decisions)
    assert 0 < kept <= len(decisions)
    assert len(lines(run / "train.jsonl")) >= 4
    assert json.loads((run / "manifest.json").read_text())["stages"]["train"]["steps"] == 6
    assert (run / "eval/countdown-few/student/scores.json").exists()
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_the_resolved_recipe_of_a_scaled_run_goes_on_by_itself(distill: Distill, tmp_path: Path):
    distill("generate", "sky-t1-17k-remake", "--scale", "tiny")
    resolved = tmp_path / "runs/sky-t1-17k-remake-tiny/recipe.yaml"
    before = (resolved.parent / "traces.jsonl").read_bytes()
    distill("generate", resolved)
    assert (resolved.parent / "traces.jsonl").read_bytes() == before
    distill("filter", resolved)
    assert lines(resolved.parent / "train.jsonl")
