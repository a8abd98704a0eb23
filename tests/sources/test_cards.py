"""Every card that ships is a card, is pinned, and names a verifier that there is; mistakes in one are named."""

import re
from pathlib import Path

import pytest

from distill import assets, plugins
from distill.errors import DataError
from distill.sources import card as cards
from distill.sources.rows import render

ROOT = Path(__file__).parents[2]
CARDS = sorted((ROOT / "datasets").rglob("*.yaml"))
GOOD = {
    "path": "someone/something",
    "revision": "v1",
    "split": "train",
    "columns": "{prompt: question}",
    "verifier": "math",
    "domain": "math",
    "licence": "mit",
}


def test_there_are_cards() -> None:
    assert {"gsm8k", "math500", "aime24", "openr1-math", "numinamath"} <= set(assets.shipped("datasets"))
    assert len(CARDS) >= 5


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_every_card_parses_is_pinned_and_can_be_judged(path: Path) -> None:
    card = cards.load(path)
    # a run keeps the commit that `main` was when it first looked (test_adopt.py)
    assert re.fullmatch("[0-9a-f]{40}", card.revision) or card.revision == "main"
    assert card.verifier in plugins.known("verifiers")
    if card.columns.prompt:
        fields = dict.fromkeys(re.findall(r"\{(\w+)\}", card.template), "?")
        assert "Boo" in render(card.template, {**fields, card.columns.prompt: "Boo"}, "here")
    assert path.read_text().startswith("# ")


@pytest.mark.parametrize("shelf", ["datasets", "recipes", "eval"])
def test_the_shelves_hold_data_only(shelf: str) -> None:
    assert not list((ROOT / shelf).rglob("*.py"))


def test_the_reference_of_gsm8k_is_what_follows_the_marks() -> None:
    pattern = cards.load(ROOT / "datasets" / "gsm8k.yaml").reference_pattern
    assert pattern is not None
    assert re.findall(pattern, "3 + 4 = <<3+4=7>>7 apples\n#### 1,007") == ["1,007"]


def written(folder: Path, **changes: str | None) -> Path:
    path = folder / "own.yaml"
    path.write_text("".join(f"{k}: {v}\n" for k, v in {**GOOD, **changes}.items() if v is not None))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence": None}, "own.yaml: the key 'licence' is missing"),
        ({"revision": "null"}, "own.yaml: revision is None"),
        ({"revision": "''"}, "own.yaml: revision is ''"),
        ({"spilt": "test"}, "own.yaml: a card has no key 'spilt'. Did you mean 'split'?"),
        ({"columns": "{prompt: q, refrence: a}"}, "a card has no key 'columns.refrence'. Did you mean 'reference'?"),
        ({"columns": "{reference: a}"}, "the key 'columns.prompt' is missing"),
        ({"reference_pattern": "'(x'"}, "reference_pattern is '(x': '(x' is not a regular expression"),
        ({"reference_pattern": "'x+'"}, "has no group; put parentheses around the reference"),
        ({"split": "[1, 2]"}, "split is [1, 2]"),
        ({"path": "{"}, "is not YAML"),
    ],
)
def test_a_mistake_is_named_with_file_and_key(tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        cards.load(written(tmp_path, **changes))


def test_what_is_no_card_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("- 1\n")
    with pytest.raises(DataError, match="a card is a mapping"):
        cards.load(tmp_path / "own.yaml")
    with pytest.raises(DataError, match=r"cannot read .*none\.yaml"):
        cards.load(tmp_path / "none.yaml")
