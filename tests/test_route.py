"""A recipe's route: what it says of its source is closed and checked, and nothing that a run does hangs on it."""

from pathlib import Path

import pytest

from distill.errors import RecipeError
from distill.recipe import STAGES, load
from distill.run import open_run
from tests.conftest import SOLVER_RECIPE

ROUTE = """\
route:
  source: [https://arxiv.org/abs/2501.19393]
  form: replay
  departures:
    - {key: train.sft.warmup_steps, theirs: 16, ours: 0.05, why: a share of all steps grows with them}
  expected:
    aime24: {metric: pass@1, score: 50.0, harness: lm-eval, greedy}
  hardware: {gpu: H100, count: 16}
  hours: 0.43
  dollars: 20
  notes: One thousand questions.
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "small.yaml"
    path.write_text(SOLVER_RECIPE + text)
    return path


def test_a_route_is_read_and_comes_back(tmp_path: Path):
    recipe = load(written(tmp_path, ROUTE.replace("lm-eval, greedy", "lm-eval")))
    assert recipe.route
    assert recipe.route.expected["aime24"].score == 50
    assert recipe.route.departures[0].theirs == 16
    resolved = tmp_path / "recipe.yaml"
    resolved.write_text(recipe.to_yaml())
    assert load(resolved) == recipe


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ("route: {form: replay}", r"route\.source is missing"),
        ("route: {source: [], form: replay}", r"route\.source is \[\]"),
        ("route: {source: [a], form: copy}", r"line 11: route\.form is 'copy'"),
        (
            "route: {source: [a], form: replay, hour: 3}",
            r"line 11: unknown key 'route\.hour'.*Did you mean 'hours'\?",
        ),
        ("route: {source: [a], form: replay, departures: [{key: seed}]}", r"route\.departures\.0\.why is missing"),
        (
            "route: {source: [a], form: replay, expected: {aime24: {metric: pass@1, score: 5, harnes: x}}}",
            r"unknown key 'route\.expected\.aime24\.harnes'",
        ),
        ("route: {source: [a], form: replay, hardware: {gpu: H100, count: 0}}", r"route\.hardware\.count is 0"),
    ],
)
def test_a_mistake_in_a_route_is_named(tmp_path: Path, route: str, message: str):
    with pytest.raises(RecipeError, match=message):
        load(written(tmp_path, route + "\n"))


def test_no_stage_hangs_on_the_route(tmp_path: Path):
    bare = load(written(tmp_path, ""))
    told = load(written(tmp_path, ROUTE.replace("lm-eval, greedy", "lm-eval")))
    assert [bare.section(stage) for stage in STAGES] == [told.section(stage) for stage in STAGES]
    with open_run(bare, tmp_path) as run:
        for stage in STAGES[:2]:
            with run.stage(stage):
                pass
    with open_run(told, tmp_path) as run:
        for stage in STAGES:
            run.refuse_changes(stage)
