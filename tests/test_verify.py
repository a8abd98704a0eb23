"""Verdicts on answers that people have already: a file at a time from the command line, one by one from Python."""

import doctest
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from distill import verifiers
from distill.errors import DataError, PluginError
from distill.stages.verify import BAD_ROW, verify_file
from distill.types import Judgement
from distill.verifiers import extraction, pairs, rows, verify
from tests.conftest import Distill
from tests.test_cli import error_of

pytestmark = pytest.mark.timeout(120)
COUNTDOWN = {"kind": "countdown", "metadata": {"numbers": [4, 6, 9], "target": 30}, "response": "(9-4)*6"}


def written(folder: Path, content: Sequence[dict | str]) -> Path:
    path = folder / "answers.jsonl"
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in content))
    return path


def judged(path: Path, tmp_path: Path, **setting: object) -> list[dict]:
    out = tmp_path / "verdicts.jsonl"
    known: dict = {"verifier": "exact", "workers": 1, "timeout": 5.0, **setting}
    verify_file(path, out=out, **known)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_the_command_writes_a_verdict_for_each_row_and_a_summary(distill: Distill, tmp_path: Path):
    written(
        tmp_path,
        [
            {"id": "first", "reference": "Yes", "response": "<think>No?</think>Yes", "source": "elsewhere"},
            {"reference": "B", "response": "The answer is (B).", "options": ["3", "4"]},
            "\n",
            {"reference": 17, "response": "18"},
            {"reference": "17", "response": "<think>It is 17, so 17"},
            COUNTDOWN,
        ],
    )
    done = distill("verify", "answers.jsonl", "--verifier", "exact")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [set(row) for row in found] == [{"id", "outcome", "extracted", "method", "reason", "seconds"}] * 5
    assert [(row["id"], row["outcome"], row["extracted"], row["method"]) for row in found] == [
        ("first", "correct", "Yes", "exact"),
        (2, "correct", "B", "choice"),
        (4, "incorrect", "18", "exact"),
        (5, "incorrect", None, "structure"),
        (6, "correct", "(9-4)*6", "exact"),
    ]
    assert found[3]["reason"] == "truncated"
    assert "outcomes: correct 3, incorrect 2" in done.stderr
    assert "methods: exact 3, choice 1, structure 1" in done.stderr
    assert "verify: 5 pairs in" in done.stderr


def test_order_holds_over_many_rows_and_workers(tmp_path: Path):
    path = written(tmp_path, [{"reference": str(i % 7), "response": str(i % 5)} for i in range(3000)])
    found = judged(path, tmp_path, workers=2)
    assert [row["id"] for row in found] == list(range(1, 3001))
    assert [row["outcome"] == "correct" for row in found] == [i % 7 == i % 5 for i in range(3000)]


def test_a_deadline_costs_its_own_row_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "verifiers"))
    path = written(tmp_path, [{"reference": "", "response": text} for text in ("good", "sleep", "good")])
    found = judged(path, tmp_path, verifier="hostile_verifiers:Hostile", timeout=0.5)
    assert [row["method"] for row in found] == ["hostile", "timeout", "hostile"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"reference": "1", "resp', "answers.jsonl, line 2: not JSON"),
        ('{"gold": "1", "response": "1"}', "line 2: there is no 'reference'; the row has 'gold', 'response'. Rename"),
        ('{"reference": "1", "response": 1}', "line 2: Expected `str`, got `int` - at `$.response`"),
        ('{"reference": null, "response": "1"}', "line 2: the reference is null, and there are no tests"),
        ("[1]", "line 2: a row is an object with `reference` and `response`; this is [1]"),
        ('{"reference": "1", "response": "\\ud800"}', "line 2: not JSON"),
    ],
)
def test_a_bad_row_is_told_and_costs_no_other_its_verdict(tmp_path: Path, bad: str, reason: str):
    good = {"reference": "1", "response": "1"}
    path = written(tmp_path, [good, bad + "\n", good])
    with pytest.raises(DataError, match=f"1 of 3 rows cannot be used.*method '{BAD_ROW}'"):
        judged(path, tmp_path)
    found = [json.loads(line) for line in (tmp_path / "verdicts.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in found] == ["correct", "unverifiable", "correct"]
    assert found[1]["method"] == BAD_ROW
    assert reason in found[1]["reason"]


def test_a_file_of_another_shape_is_refused_before_anything_is_judged(distill: Distill, tmp_path: Path):
    written(tmp_path, [{"gold": "1", "pred": "1", "n": 1}] * 2)
    old = tmp_path / "old.jsonl"
    old.write_text("verdicts\n")
    message = error_of(distill("verify", "answers.jsonl", "--verifier", "exact", "--out", old, check=None))
    assert message == (
        "error: answers.jsonl, line 1: there is no 'reference' and no 'response'; the row has 'gold', 'pred', 'n'. "
        "Rename, as with: jq -c '. + {reference: .gold, response: .pred}' FILE"
    )
    assert old.read_text() == "verdicts\n"


def test_files_that_cannot_be_used_are_named(distill: Distill, tmp_path: Path):
    written(tmp_path, [{"reference": "1", "response": "1"}])
    options = ("--verifier", "exact")
    assert "nothing.jsonl: No such file" in error_of(distill("verify", "nothing.jsonl", *options, check=None))
    same = distill("verify", "answers.jsonl", *options, "--out", "answers.jsonl", check=None)
    assert "is the file that is read" in error_of(same)
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 1
    no_folder = distill("verify", "answers.jsonl", *options, "--out", "none/out.jsonl", check=None)
    assert "none/out.jsonl: No such file or directory" in error_of(no_folder)
    assert "Did you mean 'exact'" in error_of(distill("verify", "answers.jsonl", "--verifier", "exat", check=None))


def test_an_empty_file_has_no_verdicts(distill: Distill, tmp_path: Path):
    written(tmp_path, [])
    done = distill("verify", "answers.jsonl", "--verifier", "exact")
    assert (done.stdout, "0 pairs" in done.stderr) == ("", True)


def test_memory_does_not_grow_with_the_file(tmp_path: Path):
    probe = (
        "import resource, sys\nfrom pathlib import Path\nfrom distill.stages.verify import verify_file\n"
        "verify_file(Path(sys.argv[1]), verifier='exact', out=Path(sys.argv[1] + '.out'), workers=1, timeout=5)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )

    def peak(count: int) -> int:
        """Kilobytes."""
        path = written(tmp_path, [{"reference": "1", "response": "1" * 10_000}] * count)
        done = subprocess.run([sys.executable, "-c", probe, path], capture_output=True, text=True, check=True)
        return int(done.stdout)

    assert peak(6000) < peak(1000) + 20_000  # the larger file has 50 MB more


@pytest.mark.parametrize(
    ("kind", "options", "tests", "name"),
    [
        (None, None, None, "math"),
        (None, ["1", "2"], None, "choice"),
        (None, None, ["assert f() == 1"], "code"),
        ("mcq", None, None, "choice"),
        ("Multiple-Choice", None, None, "choice"),
        ("countdown", ["1", "2"], None, "countdown"),
        ("geometry", None, None, "math"),
        ("geometry", ["1", "2"], None, "choice"),
        ("os:system", None, None, "math"),
    ],
)
def test_a_row_tells_its_verifier(kind: str | None, options: list[str] | None, tests: object, name: str):
    assert pairs.verifier_for(kind, options, tests) == name


def test_a_reference_that_is_a_number_is_read_as_it_is_written():
    row = rows.read(b'{"reference": 0.5, "response": "1", "id": 7}', "here")
    assert (row.problem(1, "exact").reference, row.trace(1).answer) == ("0.5", "1")


@pytest.mark.parametrize(
    ("response", "outcome", "reason"),
    [
        ("<think>It is 3. </think> 4", "correct", ""),
        ("It is 3. </think> 4", "correct", ""),
        ("<think>3</think> no: <think>5</think> 4", "correct", ""),
        ("<think>It is 4", "incorrect", "truncated"),
        ("<think>3</think> <think> or 4", "incorrect", "truncated"),
        ("<think>It is 4</think> ", "incorrect", "no answer"),
        ("", "incorrect", "no answer"),
    ],
)
def test_only_what_follows_the_thought_is_judged(response: str, outcome: str, reason: str):
    found = verify("4", response, verifier="exact")
    assert (found.outcome, found.reason) == (outcome, reason)


def test_one_line_of_python_judges_one_pair():
    assert verify("B", "(B)", options={"A": "3", "B": "4"}) == Judgement(
        outcome="correct", extracted="B", method="choice"
    )
    with pytest.raises(PluginError, match="Did you mean 'math'"):
        verify("1", "1", verifier="mth")


def test_importing_it_takes_no_library():
    probe = "import sys; from distill.verifiers import verify; print('pydantic' in sys.modules, 'sympy' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", probe], text=True) == "False False\n"


@pytest.mark.parametrize("module", [verifiers, extraction], ids=lambda module: module.__name__)
def test_the_examples_are_true(module: object):
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted
    assert not result.failed
