"""Recipes: what is right loads and comes back, what is wrong is named with file, line and the nearest good key."""

from pathlib import Path

import pytest

from distill import assets
from distill import recipe as recipes
from distill.errors import DistillError, RecipeError
from distill.recipe import Recipe, digest, load
from tests.conftest import SOLVER_RECIPE

ROOT = Path(__file__).parent.parent
SHIPPED = sorted((ROOT / "recipes").rglob("*.yaml"))


def test_there_are_recipes_to_test():
    assert {"quickstart", "tiny-teacher", "tiny-base"} <= {path.stem for path in SHIPPED}


def test_a_budget_in_dollars_needs_a_price(tmp_path: Path):
    path = tmp_path / "small.yaml"
    path.write_text(SOLVER_RECIPE)
    with pytest.raises(RecipeError, match=r"generate\.budget\.dollars: 5, and nothing has a price"):
        load(path, ["generate.budget.dollars=5"])
    for priced in ("gpu_hour=2.5", "generate.teacher.price.output=2"):
        assert load(path, ["generate.budget.dollars=5", priced]).generate.budget.dollars == 5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_and_its_resolved_form_is_the_same_recipe(path: Path, tmp_path: Path):
    recipe = load(path)
    resolved = tmp_path / "recipe.yaml"
    resolved.write_text(recipe.to_yaml())
    assert load(resolved) == recipe
    assert recipe.name == path.stem
    assert recipe.description


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_library_blocks_of_shipped_recipes_are_accepted_by_the_library(path: Path, tmp_path: Path):
    from distill.training.adapters import lora_config
    from distill.training.sft import sft_config

    train = load(path).train
    if train is not None:
        assert sft_config(train, tmp_path, 0).max_length
        assert lora_config(train).r


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


HEAD = "name: mine\ngenerate:\n  sources: [countdown]\n  teacher: {engine: solver}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "sede: 3\n", r"mine\.yaml, line 5: unknown key 'sede' \(value 3\)\. Did you mean 'seed'\?"),
        (
            HEAD + "  samplings:\n    temperature: 1\n",
            r"line 5: unknown key 'generate\.samplings'.*Did you mean 'sampling'\?",
        ),
        (
            HEAD + "  sampling:\n    temprature: 1\n",
            r"line 6: unknown key 'generate\.sampling\.temprature'.*Did you mean 'temperature'\?",
        ),
        (HEAD + "  samples: many\n", r"line 5: generate\.samples is 'many'"),
        (HEAD + "  samples: {min: 3, max: 2}\n", r"line 5: generate\.samples: min is 3 and max is 2"),
        (HEAD + "  sampling: {temperature: hot}\n", r"line 5: generate\.sampling\.temperature is 'hot'"),
        (HEAD + "  format: thinking\n", r"line 5: generate\.format: no trace format named 'thinking'"),
        (
            HEAD.replace("solver", "sovler"),
            r"line 4: generate\.teacher: no engine named 'sovler'\. Did you mean 'solver'",
        ),
        (HEAD.replace("[countdown]", "[{use: countdown, cuont: 3}]"), r"no option 'cuont'\. Did you mean 'count'\?"),
        (
            HEAD + "filter:\n  select: [corect]\n",
            r"line 6: filter\.select\.0: no selector named 'corect'\. Did you mean 'correct'",
        ),
        (HEAD.replace("engine: solver", "engine: openai"), r"engine 'openai' needs the option 'model'"),
        (
            HEAD + "  verify: {timeot: 3}\n",
            r"line 5: unknown key 'generate\.verify\.timeot'.*Did you mean 'timeout'\? Keys here: timeout, workers",
        ),
        (HEAD + "  verify:\n    workers: 0\n", r"line 6: generate\.verify\.workers is 0"),
        (
            HEAD + "  verify:\n    timeout: 3\n    options:\n      exat: {}\n",
            r"line 8: generate\.verify\.options\.exat: no verifier named 'exat'\. Did you mean 'exact'",
        ),
        (
            HEAD + "  verify: {options: {exact: {ignorecase: true}}}\n",
            r"line 5: generate\.verify\.options\.exact: verifier 'exact' has no option 'ignorecase'",
        ),
        (
            HEAD + "  verify: {judge: {engine: opnai, model: m}}\n",
            r"line 5: generate\.verify\.judge: no engine named 'opnai'\. Did you mean 'openai'",
        ),
        ("name: mine\n", r"mine\.yaml, line 1: generate is missing"),
        (HEAD.replace("mine", "../mine"), r"line 1: name is '../mine'"),
        ("- a\n- b\n", r"mine\.yaml: a recipe is a mapping"),
        ("name: [\n", r"mine\.yaml is not YAML"),
        ("", r"mine\.yaml: a recipe is a mapping"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(RecipeError, match=message):
        load(written(tmp_path, text))


def test_overrides_reach_every_depth(tmp_path: Path):
    path = written(tmp_path, HEAD + "  samples: 2\nfilter: {select: [correct, length]}\n")
    recipe = load(
        path,
        [
            "seed=7",
            "generate.samples.max=5",
            "generate.sources.0.count=9",
            "filter.select.1.max_tokens=100",
            "train={student: tiny-base}",
            "train.sft.learning_rate=2e-5",
        ],
    )
    assert recipe.seed == 7
    assert (recipe.generate.samples.min, recipe.generate.samples.max) == (2, 5)
    assert recipe.generate.sources[0].options == {"count": 9}
    assert recipe.filter.select[1].options == {"max_tokens": 100}
    assert recipe.train
    assert recipe.train.sft == {"learning_rate": pytest.approx(2e-5)}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", r"--set 'seed' is not of the form"),
        ("generate.sources.3.count=1", r"'3' is not an index of a list of 1"),
        ("seed.deep=1", r"seed is 0, which has no keys"),
        ("generate.tempo=1", r"--set: unknown key 'generate\.tempo'"),
        ("generate.verify={options: {exat: {}}}", r"--set: generate\.verify\.options\.exat: no verifier named 'exat'"),
        ("generate.verify.options.exact=3", r"--set: generate\.verify\.options\.exact is 3"),
        ("seed=[", r"the value is not YAML"),
    ],
)
def test_a_wrong_override_says_so(tmp_path: Path, override: str, message: str):
    with pytest.raises(RecipeError, match=message):
        load(written(tmp_path, HEAD + "seed: 0\n"), [override])


def test_an_unknown_recipe_names_the_nearest():
    with pytest.raises(RecipeError, match=r"Did you mean 'quickstart'\?"):
        assets.find("recipes", "quikstart")
    with pytest.raises(RecipeError, match=r"no file nowhere\.yaml"):
        assets.find("recipes", "nowhere.yaml")


def test_digests_do_not_depend_on_key_order_and_do_on_values():
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_no_python_lies_in_the_data_folders():
    for name in ("recipes", "datasets", "eval"):
        assert not list((ROOT / name).rglob("*.py")), name


def test_every_error_refines_a_builtin_and_has_a_docstring():
    import distill.errors as errors

    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, DistillError)]
    assert len(classes) > 8
    for error in classes:
        assert error.__doc__
        assert error is DistillError or any(base.__module__ == "builtins" for base in error.__mro__[1:-3])
        assert error.__name__ in (errors.__doc__ or "")


def test_the_schema_names_every_section():
    schema = Recipe.model_json_schema()
    assert {"name", "seed", "generate", "filter", "train", "eval"} <= schema["properties"].keys()
    assert recipes.STAGES == ("generate", "filter", "train", "eval")
