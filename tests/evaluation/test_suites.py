"""Every suite loads offline from a file in its set's real columns, and accepts every reference answer of it."""

import base64
import json
import pickle
import zlib
from pathlib import Path
from typing import Any

import pytest

from distill import assets, plugins
from distill.countdown import search
from distill.errors import DataError, RecipeError
from distill.evaluation.suites import Suite, load_suite
from distill.recipe import Sampling
from distill.sources.packed import tests as unpacked
from distill.types import Problem

SUITES = sorted(assets.shipped("eval"))


def packed(tests: list[dict[str, str]]) -> str:
    """As LiveCodeBench packs its private tests."""
    return base64.b64encode(zlib.compress(pickle.dumps(json.dumps(tests)))).decode()


def contest(date: str, starter: str = "", kind: str = "stdin") -> dict[str, Any]:
    asked = [{"input": "2 3" if kind == "stdin" else "2\n3", "output": "5", "testtype": kind}]
    return {
        "question_title": "Sum", "question_content": "Print the sum of two numbers.", "platform": "atcoder",
        "question_id": "1", "contest_id": "1", "contest_date": date, "starter_code": starter, "difficulty": "easy",
        "public_test_cases": json.dumps(asked), "private_test_cases": packed(asked),
        "metadata": json.dumps({"func_name": "add"} if starter else {}),
    }  # fmt: skip


ROWS: dict[str, list[dict[str, Any]]] = {
    "aime24": [
        {"id": 1, "problem": "What is $6 \\cdot 34$?", "solution": "", "answer": "204", "url": "", "year": "2024"},
    ],
    "aime25": [{"problem": "What is $2 + 68$?", "answer": "70", "id": "0"}],
    "amc23": [{"id": 0, "question": "Half of 54?", "answer": "27.0", "url": ""}],
    "math500": [
        {"problem": "Halve $\\pi$.", "solution": "", "answer": "\\frac{\\pi}{2}", "subject": "Algebra", "level": 1,
         "unique_id": "test/algebra/1.json"},
        {"problem": "Where is the tip?", "solution": "", "answer": "\\left( 3, \\frac{\\pi}{2} \\right)",
         "subject": "Precalculus", "level": 2, "unique_id": "test/precalculus/1.json"},
    ],
    "gsm8k": [{"question": "Ten pens cost 1,200. And one?", "answer": "1200 / 10 = <<1200/10=120>>120\n#### 120"},
              {"question": "A thousand and seven?", "answer": "As it says.\n#### 1,007"}],
    "gpqa-diamond": [
        {"Question": f"Which is {right}?", "Correct Answer": right, "Incorrect Answer 1": "iron ",
         "Incorrect Answer 2": "tin", "Incorrect Answer 3": "zinc", "High-level domain": "Chemistry",
         "Subdomain": "x", "Record ID": "r"} for right in ("gold", "lead", "silver", "copper", "mercury")
    ],
    "olympiadbench": [
        {"id": 1, "subfield": "Algebra", "context": None, "question": "Solve $x^2 = 4$.", "solution": [""],
         "final_answer": ["2, -2"], "is_multiple_answer": True, "unit": None, "answer_type": "Numerical",
         "error": None},
        {"id": 2, "subfield": "Geometry", "context": None, "question": "Halve 3.", "solution": [""],
         "final_answer": ["$\\frac{3}{2}$"], "is_multiple_answer": False, "unit": None, "answer_type": "Numerical",
         "error": None},
    ],
    "minerva": [{"question": "How far, in meters?", "answer": "4.5e33"}, {"question": "And the rest?", "answer": "16"}],
    "mmlu-stem": [
        {"question": "Two and two?", "subject": "elementary_mathematics", "choices": ["3", "4", "5", "6"], "answer": 1},
        {"question": "Who ruled?", "subject": "world_religions", "choices": ["a", "b", "c", "d"], "answer": 0},
        {"question": "A cell?", "subject": "college_biology", "choices": ["p", "q", "r", "s"], "answer": 3},
    ],
    "humaneval": [
        {"task_id": "HumanEval/0", "prompt": 'def double(n: int) -> int:\n    """Twice n."""\n',
         "canonical_solution": "    return 2 * n\n", "entry_point": "double",
         "test": "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"},
    ],
    "mbpp": [
        {"task_id": 11, "text": "Write a function that triples.", "code": "def triple(n):\n    return 3 * n",
         "test_list": ["assert triple(2) == 6", "assert triple(0) == 0"], "test_setup_code": "",
         "challenge_test_list": []},
    ],
    "livecodebench": [contest("2024-07-31T00:00:00"), contest("2024-08-05T00:00:00"),
                      contest("2025-01-31T00:00:00", "class Solution:\n    def add(self, a, b):\n", "functional"),
                      contest("2025-02-01T00:00:00")],
}  # fmt: skip
"""Rows of our own in the columns of each set."""


def sampled(name: str, folder: Path) -> list[Problem]:
    """A suite's problems out of such rows, or its own where it is made here."""
    suite = load_suite(name)
    if name not in ROWS:
        return list(suite.problems())
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[name]))
    source = suite.sources[0]
    assert source.use == "hub"
    local = source.model_copy(update={"path": str(path)})
    assert local.options["path"] == str(path)
    return list(suite.model_copy(update={"sources": [local]}).problems())


def solution(problem: Problem) -> str:
    """A reply that the reference calls right."""
    if problem.verifier == "countdown":
        return search(problem.metadata["numbers"], problem.metadata["target"]).expression
    if problem.metadata.get("entry_point"):
        return (
            f"```python\n{problem.prompt.split('```python')[1].split('```')[0].rstrip()}\n    {problem.reference}\n```"
        )
    if problem.verifier == "code" and problem.reference is None:
        if "class Solution" in problem.prompt:
            return "```python\nclass Solution:\n    def add(self, a, b):\n        return a + b\n```"
        return "```python\nprint(sum(map(int, input().split())))\n```"
    if problem.verifier == "code":
        return f"```python\n{problem.reference}\n```"
    if problem.verifier == "instructions":
        return problem.reference or ""
    return f"So it is \\boxed{{{problem.reference}}}."


def test_there_are_the_suites_that_the_docs_promise() -> None:
    assert set(SUITES) >= {*ROWS, "countdown", "countdown-tiny", "instructions"}


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_loads_offline_and_its_verifier_accepts_every_reference(name: str, tmp_path: Path) -> None:
    problems = sampled(name, tmp_path)
    assert problems
    for problem in problems if len(problems) < 50 else problems[::40]:
        verifier = plugins.build("verifiers", problem.verifier, {})
        given = problem.reference if problem.verifier in ("math", "choice") else solution(problem)
        for reply in (given or "", solution(problem)):
            judgement = verifier(problem, reply)
            assert judgement.outcome == "correct", (problem.prompt, reply, judgement)
        assert verifier(problem, "I do not know: 17.").outcome == "incorrect" or problem.verifier == "instructions"


@pytest.mark.parametrize("name", SUITES)
def test_every_suite_says_how_it_is_asked_and_whose_scores_it_cites(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert suite.description
    for published in suite.published:
        assert 0 < published.score <= 100
        assert published.harness
        assert published.source.startswith(("arXiv ", "github.com/"))


def test_only_the_wanted_rows_are_asked(tmp_path: Path) -> None:
    assert [problem.domain for problem in sampled("mmlu-stem", tmp_path)] == [
        "elementary_mathematics",
        "college_biology",
    ]
    assert len(sampled("livecodebench", tmp_path)) == 2


def test_options_are_shuffled_the_same_everywhere_and_no_place_is_always_right(tmp_path: Path) -> None:
    problems = sampled("gpqa-diamond", tmp_path)
    assert len({problem.reference for problem in problems}) > 1
    for problem, row in zip(problems, ROWS["gpqa-diamond"], strict=True):
        options = problem.metadata["options"]
        assert sorted(options) == sorted([row["Correct Answer"], "iron", "tin", "zinc"])
        assert options["ABCD".index(problem.reference or "")] == row["Correct Answer"]
        assert f"{problem.reference}) {row['Correct Answer']}" in problem.prompt
    assert sampled("gpqa-diamond", tmp_path) == problems


def test_mbpp_shows_its_tests(tmp_path: Path) -> None:
    assert "assert triple(2) == 6\nassert triple(0) == 0" in sampled("mbpp", tmp_path)[0].prompt


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("boom",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (base64.b64encode(zlib.compress(pickle.dumps(Bomb()))).decode(), "only a text may be in it"),
        (base64.b64encode(zlib.compress(pickle.dumps([1]))).decode(), "packed as a list"),
        ("no base64!", "cannot unpack"),
        ("[1", "not JSON"),
        ('{"a": 1}', "a list is needed"),
    ],
)
def test_packed_tests_that_are_no_tests_are_refused_unrun(value: str, message: str, capsys: Any) -> None:
    with pytest.raises(DataError, match=message):
        unpacked(value, "row 1")
    assert "boom" not in capsys.readouterr().out


def test_an_own_file_is_a_suite(tmp_path: Path) -> None:
    path = tmp_path / "my problems.jsonl"
    path.write_text('{"question": "6 times 7?", "answer": "42"}\n{"question": "7 times 7?", "answer": "49"}\n')
    suite = load_suite(str(path))
    assert suite.name == "my-problems"
    assert [(p.prompt, p.reference, p.verifier) for p in suite.problems()] == [
        ("6 times 7?", "42", "math"), ("7 times 7?", "49", "math"),
    ]  # fmt: skip
    path.write_text('{"prompt": "Which?", "options": ["x", "y"], "answer": "B"}\n')
    assert next(load_suite(str(path)).problems()).verifier == "choice"
    path.write_text('{"text": "?"}\n')
    with pytest.raises(RecipeError, match=r"line 1: no column prompt, problem, question; it has text"):
        load_suite(str(path))
    with pytest.raises(RecipeError, match="cannot read"):
        load_suite(str(tmp_path / "none.jsonl"))


def test_a_recipe_says_how_a_suite_is_asked_and_greedy_is_asked_once() -> None:
    suite = load_suite("aime24")
    assert suite.asking(None, None) == (64, Sampling(temperature=0.6, top_p=0.95, max_tokens=32768))
    assert suite.asking(4, None)[0] == 4
    assert suite.asking(None, Sampling(temperature=0)) == (1, Sampling(temperature=0))
    with pytest.raises(ValueError, match="the same reply each time"):
        Suite(name="x", sources=suite.sources, samples=2, sampling=Sampling(temperature=0))
