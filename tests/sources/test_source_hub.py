"""Problems by a card, offline: local files stand in for the hub, and a hub out of reach is an error with a way out."""

import json
import logging
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from distill.errors import DataError, MissingExtraError, RecipeError
from distill.sources.hub import HubSource

datasets = pytest.importorskip("datasets")

CARD = """
path: {path}
revision: 0123456789012345678901234567890123456789
split: test
columns: {{prompt: question, reference: answer, metadata: [level]}}
prompt: "{{question}} Box it: \\\\boxed{{}}"
verifier: math
domain: math
licence: mit
"""
ROWS = [
    {"question": f"What is {i} + {i}?", "answer": f"It is {i}.\n#### {i}\n#### {2 * i}", "level": i} for i in range(5)
]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def card(folder: Path, path: object, extra: str = "") -> str:
    file = folder / "own.yaml"
    file.write_text(CARD.format(path=path) + extra)
    return str(file)


def rows_file(folder: Path, suffix: str, rows: list[dict] = ROWS) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"test{suffix}"
    if suffix == ".parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("suffix", [".parquet", ".jsonl"])
@pytest.mark.parametrize("as_folder", [True, False])
def test_rows_become_problems(tmp_path: Path, suffix: str, as_folder: bool) -> None:
    path = rows_file(tmp_path / "set", suffix)
    path = path.parent if as_folder else path
    source = HubSource(card=card(tmp_path, path, "reference_pattern: '#### (.+)'\n"))
    problems = list(source)
    assert [p.reference for p in problems] == ["0", "2", "4", "6", "8"]
    assert problems[3].prompt == r"What is 3 + 3? Box it: \boxed{}"
    assert problems[3].metadata == {"level": 3}
    assert {(p.verifier, p.domain, p.source) for p in problems} == {("math", "math", str(path))}
    assert list(source) == problems
    assert list(HubSource(card=card(tmp_path, path, "reference_pattern: '#### (.+)'\n"), limit=2)) == problems[:2]


def test_a_reference_may_be_what_the_last_box_holds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    solutions = [r"First \boxed{1}, then \boxed{\frac{1}{\sqrt{2}}}.", "Which was to be shown.", r"\boxed{7}"]
    path = rows_file(tmp_path, ".jsonl", [{"question": "q", "answer": text, "level": 1} for text in solutions])
    kept = HubSource(card=card(tmp_path, path, "reference_boxed: true\n"))
    assert [p.reference for p in kept] == [r"\frac{1}{\sqrt{2}}", None, "7"]
    skipping = HubSource(card=card(tmp_path, path, "reference_boxed: true\nskip_without_reference: true\n"))
    with caplog.at_level(logging.INFO):
        assert [p.reference for p in skipping] == [r"\frac{1}{\sqrt{2}}", "7"]
    assert skipping.num_skipped == 1
    assert "left out 1 rows" in caplog.text


def test_a_set_without_problems_is_an_error(tmp_path: Path) -> None:
    path = rows_file(tmp_path, ".jsonl", [{"question": "q", "answer": "x", "level": 1}] * 3)
    source = HubSource(card=card(tmp_path, path, "reference_boxed: true\nskip_without_reference: true\n"))
    with pytest.raises(DataError, match=r"no problems in .*split test: 3 rows left out"):
        list(source)


def test_a_missing_column_names_the_row_and_its_columns(tmp_path: Path) -> None:
    path = rows_file(tmp_path, ".jsonl", [{"problem": "q", "answer": "1", "level": 1}])
    with pytest.raises(
        DataError, match="row 0: there is no column 'question'; the row has 'problem', 'answer', 'level'"
    ):
        list(HubSource(card=card(tmp_path, path)))


def test_the_option_path_replaces_the_card_s(tmp_path: Path) -> None:
    path = rows_file(tmp_path / "set", ".parquet")
    problems = list(HubSource(card=card(tmp_path, "someone/something"), path=str(path.parent)))
    assert len(problems) == 5


def test_a_split_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    path = rows_file(tmp_path / "set", ".parquet").parent
    with pytest.raises(DataError, match=r"split validation: .* cannot load it .*validation"):
        list(HubSource(card=card(tmp_path, path), split="validation"))


def test_a_file_of_a_kind_that_cannot_be_loaded_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("x")
    with pytest.raises(DataError, match=r"cannot load a \.txt; give one of \.jsonl"):
        list(HubSource(card=card(tmp_path, tmp_path / "rows.txt")))


def test_an_unknown_card_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'gsm8k'"):
        HubSource(card="gsm8")


def test_the_extra_is_looked_up_by_its_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    # `datasets/` in a checkout answers to `import datasets`
    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(MissingExtraError, match=r"distill\[hub\]"):
        HubSource(card="gsm8k")


@pytest.mark.parametrize("revision", ["0123456789012345678901234567890123456789", "main"])
def test_a_hub_out_of_reach_is_an_error_with_a_way_out(tmp_path: Path, revision: str) -> None:
    script = (
        "from distill.sources.hub import HubSource\n"
        "from distill.errors import DataError\n"
        f"source = HubSource(card='math500', revision={revision!r})\n"
        "try:\n    list(source)\nexcept DataError as error:\n    print(error)"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert "the Hugging Face hub cannot be reached" in done.stdout
    assert (
        f"hf download HuggingFaceH4/MATH-500 --repo-type dataset --revision {revision} --local-dir DIR" in done.stdout
    )
    assert "path: DIR" in done.stdout


def test_problems_of_the_hub_name_their_commit(tmp_path: Path) -> None:
    source = HubSource(card=card(tmp_path, "someone/something"))
    assert source.table.resolved() == "someone/something@0123456789012345678901234567890123456789"
