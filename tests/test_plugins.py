"""Names in recipes: built in, installed by somebody else, or written out; a miss teaches."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distill import plugins
from distill.errors import MissingExtraError, PluginError
from tests.conftest import command, lines, quiet_environment


@pytest.mark.parametrize("kind", list(plugins.BUILTIN))
def test_every_built_in_part_can_be_loaded(kind: plugins.Kind):
    for name in plugins.BUILTIN[kind]:
        assert callable(plugins.resolve(kind, name))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mth", r"no verifier named 'mth'\. Did you mean 'math'\? Known: .*Your own: package\.module:Name"),
        ("no.such.module:Thing", r"cannot import 'no\.such\.module'"),
        ("distill.types:Thing", r"module 'distill\.types' has no 'Thing'"),
    ],
)
def test_a_name_that_nothing_answers_to_is_explained(name: str, message: str):
    with pytest.raises(PluginError, match=message):
        plugins.resolve("verifiers", name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_tokns": 3}, r"selector 'length' has no option 'max_tokns'\. Did you mean 'max_tokens'\?"),
        ({"zzz": 3}, r"It takes: min_tokens, max_tokens"),
    ],
)
def test_an_option_that_a_part_does_not_take_is_explained(options: dict[str, object], message: str):
    with pytest.raises(PluginError, match=message):
        plugins.check_options("selectors", "length", options)


def test_a_needed_option_that_is_missing_is_named():
    with pytest.raises(PluginError, match="engine 'transformers' needs the option 'model'"):
        plugins.check_options("engines", "transformers", {})


def test_a_module_that_is_not_installed_names_the_extra():
    with pytest.raises(MissingExtraError, match=r"engine 'x' needs .* pip install 'distill\[train\]'"):
        plugins.need("surely_not_installed", "engine 'x'", "train")


PALINDROME_RECIPE = """\
name: echo
generate:
  sources: [{use: words, words: [level, noon, distill]}]
  teacher: {engine: solver}
  format: plain
filter:
  select: [correct, odd_length]
"""


@pytest.mark.slow
def test_a_third_partys_package_is_installed_and_used_by_its_short_names(tmp_path: Path):
    package = Path(__file__).parent / "plugin_package"
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        site,
        package,
    ]
    subprocess.run(install, check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    recipe = tmp_path / "echo.yaml"
    recipe.write_text(PALINDROME_RECIPE)
    environment = {**quiet_environment(), "PYTHONPATH": str(site)}
    for verb in ("generate", "filter"):
        done = subprocess.run(command(verb, recipe), cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    decisions = [json.loads(line) for line in lines(tmp_path / "runs/echo/decisions.jsonl")]
    assert sorted((decision["kept"], decision["reason"]) for decision in decisions) == [
        (False, "even length"),
        (False, "incorrect"),
        (True, ""),
    ]
