"""`extends`: a recipe that says only in what it differs; a mistake is named in the file that holds it."""

from pathlib import Path

import pytest

from distill.errors import RecipeError
from distill.recipe import load
from tests.conftest import SOLVER_RECIPE


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.yaml"
    path.write_text(SOLVER_RECIPE)
    return path


def child(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_mappings_are_merged_and_lists_replaced(base: Path, tmp_path: Path):
    text = "extends: base.yaml\nname: mine\ngenerate: {teacher: {slips: 0.5}}\nfilter: {select: [correct]}\n"
    recipe, whole = load(child(tmp_path, text)), load(base)
    assert recipe.teacher.options == {"slips": 0.5}
    assert recipe.teacher.engine == "solver"
    assert [step.use for step in recipe.filter.select] == ["correct"]
    assert (recipe.generate.sources, recipe.generate.samples) == (whole.generate.sources, whole.generate.samples)
    resolved = tmp_path / "recipe.yaml"
    resolved.write_text(recipe.to_yaml())
    assert load(resolved) == recipe


def test_overrides_reach_what_was_inherited(base: Path, tmp_path: Path):
    recipe = load(child(tmp_path, "extends: base.yaml\nname: mine\n"), ["generate.sources.0.count=7"])
    assert recipe.generate.sources[0].options["count"] == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: base.yaml\nname: mine\nsede: 3\n", r"mine\.yaml, line 3: unknown key 'sede'"),
        ("extends: bse.yaml\nname: mine\n", r"mine\.yaml, line 1: extends: no file bse\.yaml"),
        ("extends: quikstart\nname: mine\n", r"line 1: extends: nothing named 'quikstart'.*Did you mean 'quickstart'"),
        ("extends: [base.yaml]\nname: mine\n", r"line 1: extends names one recipe"),
        ("extends: base.yaml\nseed: 1\n", r"has a name of its own"),
        ("name: mine\nextends: mine.yaml\n", r"line 2: extends mine\.yaml, which extends another itself"),
    ],
)
def test_a_mistake_is_named_with_its_line(base: Path, tmp_path: Path, text: str, message: str):
    with pytest.raises(RecipeError, match=message):
        load(child(tmp_path, text))


def test_a_mistake_that_was_inherited_is_named_where_it_stands(base: Path, tmp_path: Path):
    base.write_text(SOLVER_RECIPE.replace("slips", "slps"))
    with pytest.raises(RecipeError, match=r"base\.yaml, line 6: generate\.teacher: engine 'solver' has no option"):
        load(child(tmp_path, "extends: base.yaml\nname: mine\nfilter: {workers: 1}\n"))
