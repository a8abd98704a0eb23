"""The published selections, as the docs give them, on Countdown traces."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import command, lines, quiet_environment

DOCS = Path(__file__).parents[2] / "docs/filter.md"
BLOCKS = re.findall(r"```yaml\n# (\S+)\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
ROUTES: dict[str, list[Any]] = {name: yaml.safe_load(block) for name, block in BLOCKS}
DOMAINS = ("math", "code", "science", "stem", "logic", "general")
SOURCES = ("AIME 1983", "MATH", "olympiads")
RECIPE = """\
name: routes
generate:
  sources: [{use: countdown, count: 60, largest: 99, prompt: "{numbers} -> {target}"}]
  teacher: {engine: solver, slips: 0.12}
  samples: 4
train: {student: tiny-base}
eval: {suites: [countdown-tiny], models: [base]}
"""


def run_distill(folder: Path, *arguments: object) -> str:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, cwd=folder, env=quiet_environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines(path)]


def rewrite(path: Path, changed: Iterable[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in changed))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run of the solver, its problems spread over domains, and runs of models that solve some."""
    folder = tmp_path_factory.mktemp("routes")
    (folder / "routes.yaml").write_text(RECIPE)
    run_distill(folder, "generate", "routes.yaml")
    run = folder / "runs/routes"
    problems = records(run / "problems.jsonl")
    for place, problem in enumerate(problems):
        problem |= {"domain": DOMAINS[place % 6], "source": SOURCES[place % 3]}
    rewrite(run / "problems.jsonl", problems)
    rates = records(run / "pass_rates.jsonl")
    for model in {step["of"] for route in ROUTES.values() for step in route if isinstance(step, dict) and "of" in step}:
        (folder / model).mkdir(parents=True)
        correct = 2 if "r1-distill" in model else 0  # LIMO wants 1 to 3, the others none
        changed = [rate | {"correct": correct if place % 4 else 5, "replies": 32} for place, rate in enumerate(rates)]
        rewrite(folder / model / "pass_rates.jsonl", changed)
    return folder


def select_of(route: str) -> str:
    return json.dumps(ROUTES[route])


def selected(world: Path, route: str, select: str, *options: str) -> Path:
    run = world / "runs" / route
    shutil.copytree(world / "runs/routes", run, dirs_exist_ok=True)
    run_distill(world, "filter", "routes.yaml", "--run", route, "--set", f"filter.select={select}", *options)
    return run


def test_every_route_is_here():
    assert set(ROUTES) == {
        "r1-distill", "sky-t1", "s1k", "limo-v2", "openthoughts-114k", "openthoughts3", "open-r1", "dasd"
    }  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_selects_from_countdown_traces(world: Path, route: str):
    run = selected(world, route, select_of(route))
    decisions = records(run / "decisions.jsonl")
    traces = {trace["id"]: trace for trace in records(run / "traces.jsonl")}
    kept = [traces[found["trace_id"]] for found in decisions if found["kept"]]
    assert len(decisions) == len(traces) == 240
    assert all(found["kept"] or (found["step"] and found["reason"]) for found in decisions)
    assert 0 < len(kept) < len(traces)
    assert all(trace["finish_reason"] == "stop" and trace["malformed"] is None for trace in kept)
    outcomes = Counter(
        verdict["outcome"]
        for verdict in records(run / "verdicts.jsonl")
        if verdict["trace_id"] in {trace["id"] for trace in kept}
    )
    if "correct" in ROUTES[route]:
        assert set(outcomes) == {"correct"}
    caps = [step["keep"] for step in ROUTES[route] if isinstance(step, dict) and step["use"] == "per_problem"]
    most = max(Counter(trace["problem_id"] for trace in kept).values())
    assert most <= min(caps, default=4)
    first = (run / "train.jsonl").read_bytes()
    again = selected(world, route, select_of(route), "--restart", "filter")
    assert (again / "train.jsonl").read_bytes() == first


def test_small_numbers_of_a_mixture_are_met_exactly(world: Path):
    counts = {"math": 5, "code": 3, "science": 1}
    select = json.dumps(["correct", {"use": "per_problem"}, {"use": "quota", "by": "domain", "counts": counts}])
    run = selected(world, "mixture", select)
    domains = {problem["id"]: problem["domain"] for problem in records(run / "problems.jsonl")}
    assert Counter(domains[example["problem_id"]] for example in records(run / "train.jsonl")) == counts
