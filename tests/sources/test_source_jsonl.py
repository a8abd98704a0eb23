"""Problems from a JSON Lines file: every line is one, or is an error that names it."""

import json
from pathlib import Path

import pytest

from distill import assets
from distill.errors import DataError
from distill.sources.jsonl import JsonlSource

ROWS = [{"prompt": "6 times 7?", "answer": "42"}, {"prompt": "9 minus 4?", "answer": 5}]


def write(folder: Path, text: str | bytes, name: str = "own.jsonl") -> str:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return str(path)


def lines(*rows: object) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_each_line_is_a_problem(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff" + lines(ROWS[0]) + "\n  \n" + lines(ROWS[1]).rstrip())
    source = JsonlSource(path=path, verifier="exact", domain="sums")
    problems = list(source)
    assert [(p.prompt, p.reference) for p in problems] == [("6 times 7?", "42"), ("9 minus 4?", "5")]
    assert {(p.verifier, p.source, p.domain) for p in problems} == {("exact", path, "sums")}
    assert list(source) == problems


def test_columns_and_prompt_may_be_named(tmp_path: Path) -> None:
    row = {"q": "Which?", "options": ["one", "two"], "gold": "B", "n": 3, "sure": True}
    path = write(tmp_path, lines(row))
    (problem,) = JsonlSource(
        path=path,
        verifier="choice",
        reference_column="gold",
        prompt=r"{n}. {q} {sure} {{q}} \boxed{}",
        metadata_columns=["options"],
    )
    assert problem.prompt == r"3. Which? true {q} \boxed{}"
    assert (problem.reference, problem.metadata) == ("B", {"options": ["one", "two"]})
    (other,) = JsonlSource(path=path, verifier="choice", prompt_column="q", reference_column=None)
    assert (other.prompt, other.reference) == ("Which?", None)
    assert other.id != problem.id


@pytest.mark.parametrize(
    ("answer", "reference"), [(None, None), ("", None), (0.5, "0.5"), (2**80, str(2**80)), (False, "false")]
)
def test_references_are_texts(tmp_path: Path, answer: object, reference: str | None) -> None:
    (problem,) = JsonlSource(path=write(tmp_path, lines({"prompt": "p", "answer": answer})), verifier="exact")
    assert problem.reference == reference


def test_a_larger_limit_only_adds_to_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, lines(*({"prompt": str(i), "answer": "x"} for i in range(9))) + "not json\n")
    three, five = (list(JsonlSource(path=path, verifier="exact", limit=limit)) for limit in (3, 5))
    assert five[:3] == three
    assert len(five) == 5
    assert len(list(JsonlSource(path=path, verifier="exact", limit=9))) == 9


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (lines(ROWS[0]) + '{"prompt": "p", "answer": \n', r"line 2: not JSON: .*starts with '\{\"prompt\": \"p\""),
        (lines(*ROWS) + "\n[1, 2]\n", "line 4: not a JSON object but \\[1, 2\\]"),
        ('{"prompt": NaN, "answer": "1"}\n', "line 1: not JSON: NaN is not a JSON value"),
        (b'{"prompt": "\xff", "answer": "1"}\n', "line 1: not JSON: .*utf-8"),
        ("[" * 100_000 + "\n", "line 1: not JSON"),
        (
            lines({"question": "q", "answer": "1"}),
            "line 1: there is no column 'prompt'; the row has 'question', 'answer'",
        ),
        (lines({"prompt": "q", "gold": "1"}), "line 1: there is no column 'answer'; the row has 'prompt', 'gold'"),
        (lines({"prompt": "q", "answer": ["1"]}), "line 1: column 'answer' holds a list; a text or a number is needed"),
        (lines({"prompt": " ", "answer": "1"}), "line 1: the prompt is empty"),
        ("", "no problems in "),
        ("\n \n", "no problems in "),
    ],
)
def test_a_line_that_cannot_be_used_is_an_error(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        list(JsonlSource(path=path, verifier="exact"))
    assert path in str(caught.value)


def test_a_template_that_names_no_column_says_which_there_are(tmp_path: Path) -> None:
    source = JsonlSource(path=write(tmp_path, lines(ROWS[0])), verifier="exact", prompt="{question}?")
    with pytest.raises(DataError, match="no column 'question'; the row has 'prompt', 'answer'"):
        list(source)


def test_relative_paths_are_looked_up_here_and_then_on_the_shelf(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, shelf = tmp_path / "here", tmp_path / "shelf"
    here.mkdir()
    shelf.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(assets, "shelf", lambda _: shelf)
    write(shelf, lines({"prompt": "shelf", "answer": "1"}))
    assert next(iter(JsonlSource(path="own.jsonl", verifier="exact"))).prompt == "shelf"
    write(here, lines({"prompt": "here", "answer": "1"}))
    assert next(iter(JsonlSource(path="own.jsonl", verifier="exact"))).prompt == "here"
    with pytest.raises(DataError, match=r"no file none\.jsonl: looked in .*here and in .*shelf"):
        JsonlSource(path="none.jsonl", verifier="exact")


def test_a_limit_that_gives_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="limit is 0"):
        JsonlSource(path=write(tmp_path, lines(*ROWS)), verifier="exact", limit=0)
