"""Options of multiple choice, rows by value, and single files: what a card may say, and mistakes in rows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from distill.errors import DataError
from distill.sources import card as cards
from distill.sources.hub import HubSource

CARD = """
path: someone/something
revision: v1
split: test
columns: {prompt: question, metadata: {tests: [a, b], limit: seconds}}
verifier: choice
domain: science
licence: mit
prompt: "{question}\\n{options}"
"""


def problems(folder: Path, more: str, rows: list[dict[str, Any]], **options: Any) -> list[Any]:
    (folder / "own.yaml").write_text(CARD.replace(", metadata: {tests: [a, b], limit: seconds}", "") + more)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(HubSource(card=str(folder / "own.yaml"), path=str(folder / "rows.jsonl"), **options))


@pytest.mark.parametrize(("answer", "letter"), [(0, "A"), (2, "C"), ("b", "B"), (" C ", "C")])
def test_the_answer_is_a_place_or_a_letter(tmp_path: Path, answer: object, letter: str) -> None:
    row = {"question": "?", "choices": ["x", "y", "z"], "answer": answer}
    (found,) = problems(tmp_path, "choices: {options: choices, answer: answer}", [row])
    assert (found.reference, found.metadata) == (letter, {"options": ["x", "y", "z"]})
    assert found.prompt == "?\nA) x\nB) y\nC) z"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"question": "?", "choices": ["x"], "answer": 1},
            "row 0: column 'answer' holds 1, which is none of 1 options",
        ),
        ({"question": "?", "choices": ["x"], "answer": "xx"}, "column 'answer' holds 'xx', which is none of 1 options"),
        ({"question": "?", "choices": ["x"], "answer": True}, "column 'answer' holds True, which is none of 1 options"),
        ({"question": "?", "choices": "x", "answer": 0}, "column 'choices' holds 'x'; a list of options is needed"),
        ({"question": "?", "answer": 0}, "there is no column 'choices'; the row has 'question', 'answer'"),
    ],
)
def test_an_answer_that_is_no_option_is_refused_with_its_row(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        problems(tmp_path, "choices: {options: choices, answer: answer}", [row])


def test_an_empty_option_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'wrong' holds None; the text of an option is needed"):
        problems(
            tmp_path, "choices: {correct: right, incorrect: [wrong]}", [{"question": "?", "right": "x", "wrong": None}]
        )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("choices: {options: choices}", "give options and answer, or correct and incorrect"),
        ("choices: {options: choices, answer: answer, correct: right}", "give options and answer, or correct and"),
        ("choices: {option: choices}", "a card has no key 'choices.option'. Did you mean 'options'?"),
        ("where: {date: {at_least: 1}}", "where"),
    ],
)
def test_a_mistake_in_a_card_is_named(tmp_path: Path, more: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(CARD + more)
    with pytest.raises(DataError, match=re.escape(message)):
        cards.load(tmp_path / "own.yaml")


def test_rows_are_taken_by_value_or_from_one_to_before_another(tmp_path: Path) -> None:
    rows = [
        {"question": str(n), "kind": "ab"[n % 2], "date": f"2024-0{n}-01T00:00:00", "other": "x"} for n in range(1, 7)
    ]
    options = "choices: {correct: kind, incorrect: [other]}\n"
    found = problems(tmp_path, options + "where: {kind: [b], date: {at_least: '2024-03', below: '2024-05-01'}}", rows)
    assert [one.prompt.split("\n")[0] for one in found] == ["3"]
    with pytest.raises(DataError, match="there is no column 'year'"):
        problems(tmp_path, options + "where: {year: [1]}", rows)


def test_named_files_of_a_folder_are_read_and_their_columns_renamed(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(CARD.replace("\\n{options}", "") + "files: [one.jsonl, two.jsonl]")
    for name in ("one", "two", "three"):
        row = {"question": name, "a": '[{"input": "1"}]', "b": [{"input": "2"}], "seconds": 3}
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    found = list(HubSource(card=str(tmp_path / "own.yaml"), path=str(tmp_path)))
    assert [one.prompt for one in found] == ["one", "two"]
    assert found[0].metadata == {"tests": [{"input": "1"}, {"input": "2"}], "limit": 3}
