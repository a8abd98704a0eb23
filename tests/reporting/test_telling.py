"""A recipe in words: each step, its source and its departures; and the table of routes that the docs have."""

from pathlib import Path

import pytest

from distill import assets
from distill.recipe import load
from distill.reporting.telling import table, told
from tests.conftest import SOLVER_RECIPE, Distill

ROOT = Path(__file__).parents[2]
RECIPES = {name: load(path) for name, path in assets.shipped("recipes").items()}


@pytest.mark.parametrize("name", RECIPES)
def test_every_step_is_told(name: str):
    recipe = RECIPES[name]
    text = "\n".join(told(recipe))
    assert recipe.description.strip() in text
    for number, step in enumerate(recipe.filter.select, 1):
        line = next(line for line in text.splitlines() if line.startswith(f"{number}. `{step.use}`"))
        assert len(line.rpartition(": ")[2]) > 10
    assert "cannot be loaded" not in text
    if recipe.route:
        assert all(address in text for address in recipe.route.source)
        assert all(f"| `{departure.key}` |" in text for departure in recipe.route.departures)


def test_a_route_is_told_with_its_figures():
    text = "\n".join(told(RECIPES["sky-t1-17k"]))
    assert "96 rows a step (1 x 12 x 8 processes)" in text
    assert "| aime24 | pass@1 | 43.3 |" in text
    assert "Hardware: 8 x H100. Training: 19 h. Its cost: $450." in text
    assert "written by Qwen/QwQ-32B-Preview" in text


def test_hostile_words_stay_in_their_cell(tmp_path: Path):
    path = tmp_path / "small.yaml"
    departure = "{key: seed, theirs: 'a | b', ours: 1, why: 'two\n\n  lines'}"
    path.write_text(f"{SOLVER_RECIPE}route: {{source: [x], form: replay, departures: [{departure}]}}\n")
    assert "| `seed` | a \\| b | 1 | two lines |" in list(told(load(path)))


def test_every_route_is_in_the_table_and_the_table_in_the_docs():
    lines = list(table(list(RECIPES.values())))
    routes = [name for name, recipe in RECIPES.items() if recipe.route]
    assert len(routes) >= 18
    assert [line.split("`")[1] for line in lines[2:]] == routes
    assert "\n".join(lines) in (ROOT / "docs/routes.md").read_text()


def test_show_says_words_or_the_file_as_it_is(distill: Distill):
    assert distill("recipes", "show", "s1k").stdout.startswith("# s1k\n")
    assert distill("recipes", "show", "s1k", "--yaml").stdout == (ROOT / "recipes/s1k.yaml").read_text()
