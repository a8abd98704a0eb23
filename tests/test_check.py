"""`recipes check`: a recipe's cards held against the sets that they describe."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from distill import assets
from distill.recipe import load
from distill.sources import card as cards
from distill.stages.check import check, columns_of
from tests.conftest import Distill

ROW = {"question": "1 + 1?", "solution": "2", "cot_type": "math", "thinking_trajectories": ["so 2"], "attempt": "2"}


def set_of(folder: Path, row: Mapping[str, object]) -> str:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return f"generate.adopt.0.path={path}"


def test_a_set_with_every_column_is_good(tmp_path: Path):
    recipe = load(assets.find("recipes", "s1k"), [set_of(tmp_path, ROW), "eval.suites=[countdown-tiny]"])
    (found,) = check(recipe)
    assert found.is_good
    assert found.line.endswith("has all 5 columns: question, solution, cot_type, thinking_trajectories, attempt")


def test_every_missing_column_is_named_with_those_there_are(distill: Distill, tmp_path: Path):
    row = {**ROW, "trace": "so 2"}
    del row["attempt"], row["cot_type"]
    done = distill(
        *("recipes", "check", "s1k", "--set", set_of(tmp_path, row), "--set", "eval.suites=[countdown-tiny]"), check=2
    )
    assert "no column 'cot_type', 'attempt'; it has question, solution, thinking_trajectories, trace." in done.stdout
    assert "1 of 1 cards do not fit" in done.stderr


def test_a_hub_that_cannot_be_reached_is_said(distill: Distill):
    done = distill("recipes", "check", "limo-v2", check=2)
    assert (
        "limo-v2: not checked, cannot be read: GAIR/LIMO-v2, split train: the Hugging Face hub cannot be" in done.stdout
    )
    assert "Traceback" not in done.stderr


def test_a_recipe_without_cards_has_nothing_to_check(distill: Distill):
    assert "no card" in distill("recipes", "check", "quickstart").stdout


@pytest.mark.parametrize("name", assets.shipped("datasets"))
def test_a_card_names_columns(name: str):
    assert columns_of(cards.load(assets.find("datasets", name)))


def test_columns_of_every_part_of_a_card_are_found():
    assert columns_of(cards.load(assets.find("datasets", "livecodebench"))) == [
        *("question_content", "difficulty", "public_test_cases", "private_test_cases", "metadata", "contest_date"),
        "starter_code",
    ]
