"""`distill export --data`: rows that others load, a card that says how they were made, a Hub that is told no secret."""

import json
import re
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from distill.journal import Journal
from distill.recipe import load
from distill.run import open_run
from distill.stages.filter import filter_traces
from distill.stages.generate import generate
from distill.stages.publish import FORMS, publish
from distill.types import Example
from tests.conftest import Distill, command, lines, quiet_environment
from tests.training.fake_hub import Asked, FakeHub

TOKEN = "hf_thisMustStayInOneHeader"
RECIPE = """\
name: own
description: Sums | with <signs>.
generate:
  adopt:
    - {{use: jsonl, path: {path}, reference_column: ref, verifier: exact, domain: sums,
       traces: {{model: someone/teacher, messages: messages}}}}
filter: {{select: [structure, correct]}}
train:
  student: {{tokenizer: bytes, config: {{model_type: qwen2}}}}
  format: {format}
  system_prompt: Think first.
"""


def talk(i: int) -> dict[str, Any]:
    reply = f"<think>\nA thought: é, \u2028 and \\n.\n\n{i}\n</think>\n\nIt is $\\boxed{{{i + (i % 3 == 0)}}}$."
    return {
        "messages": [{"role": "user", "content": f"Say {i}.\n"}, {"role": "assistant", "content": reply}],
        "ref": str(i),
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path, "own", RECIPE.format(path=rows(tmp_path), format="sky-t1"))


def rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(talk(i)) + "\n" for i in range(9)))
    return path


def made(folder: Path, name: str, text: str) -> Path:
    (folder / f"{name}.yaml").write_text(text)
    with open_run(load(folder / f"{name}.yaml"), folder / "runs", name) as opened:
        generate(opened)
        filter_traces(opened)
        return opened.dir


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().split("\n") if line]


def test_rows_are_what_the_student_is_taught_in_each_form(run: Path, tmp_path: Path) -> None:
    for name in FORMS:
        said = publish(run, name, tmp_path / name)
        assert said.startswith(f"{tmp_path / name}: 6 examples of 6 problems as {name}")
    examples = read(run / "train.jsonl")
    found = {name: read(tmp_path / name / "train.jsonl") for name in FORMS if name != "parquet"}
    for index, example in enumerate(examples):
        system, user = example["prompt"]
        [reply] = example["completion"]
        own = found["jsonl"][index]
        assert (own["prompt"], own["completion"]) == (example["prompt"], example["completion"])
        assert found["messages"][index]["messages"] == [system, user, reply]
        assert found["sharegpt"][index]["system"] == "Think first."
        assert found["sharegpt"][index]["conversations"] == [
            {"from": "human", "value": user["content"]},
            {"from": "gpt", "value": reply["content"]},
        ]
    origin = {key: found["jsonl"][0][key] for key in ("source", "domain", "verifier", "reference")}
    assert origin == {"source": "rows.jsonl", "domain": "sums", "verifier": "exact", "reference": "1"}
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "parquet/train.parquet").to_pylist() == found["jsonl"]


def test_what_is_masked_goes_along_where_the_form_has_a_place_for_it(run: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    train = Journal(run / "train.jsonl", Example)
    examples = list(train)
    train.write_all([*examples[:-1], msgspec.structs.replace(examples[-1], masked=[(3, 9), (20, 21)])])
    said = {name: publish(run, name, tmp_path / name) for name in FORMS}
    spans = [row["masked"] for row in read(tmp_path / "jsonl/train.jsonl")]
    assert spans == [[]] * (len(examples) - 1) + [[[3, 9], [20, 21]]]
    assert [row["masked"] for row in parquet.read_table(tmp_path / "parquet/train.parquet").to_pylist()] == spans
    assert "`masked`: characters of the completion" in (tmp_path / "jsonl/README.md").read_text()
    for name in ("sharegpt", "messages"):
        assert said[name].endswith("what some examples mask cannot be said in this form, and would be taught from it")
        assert "Caution: what some examples mask" in (tmp_path / name / "README.md").read_text()


def test_trl_and_datasets_load_it(run: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    publish(run, "parquet", tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert loaded.num_rows == 6
    trl = pytest.importorskip("trl.data_utils")
    assert trl.is_conversational(loaded[0])


@pytest.mark.parametrize("name", ["sharegpt", "messages"])
@pytest.mark.parametrize("form", ["think", "sky-t1", "s1"])
def test_what_is_exported_is_adopted_again_as_it_was(name: str, form: str, tmp_path: Path) -> None:
    first = made(tmp_path, "own", RECIPE.format(path=rows(tmp_path), format=form))
    publish(first, name, tmp_path / "out")
    [block] = re.findall(r"```yaml\n(generate:.*?)```", (tmp_path / "out/README.md").read_text(), flags=re.DOTALL)
    recipe = yaml.safe_load(block)
    recipe["generate"]["adopt"][0]["path"] = str(tmp_path / "out/train.jsonl")
    again = made(tmp_path, "again", yaml.safe_dump({"name": "again", **recipe}))
    kept = {trace_id for example in read(first / "train.jsonl") for trace_id in example["trace_ids"]}
    before = [trace for trace in read(first / "traces.jsonl") if trace["id"] in kept]
    after = read(again / "traces.jsonl")
    assert len(before) == 6
    keys = ("problem_id", "thinking", "answer", "finish_reason", "malformed")
    assert sorted([trace[key] for key in keys] for trace in after) == sorted([t[key] for key in keys] for t in before)
    assert {verdict["outcome"] for verdict in read(again / "verdicts.jsonl")} == {"correct"}


def test_the_card_says_how_it_was_made_and_not_where(run: Path, tmp_path: Path) -> None:
    publish(run, "sharegpt", tmp_path / "out", licence="apache-2.0", push=None)
    card = (tmp_path / "out/README.md").read_text()
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["license"] == "apache-2.0"
    assert front["size_categories"] == ["n<1K"]
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
    assert "6 examples of 6 problems" in card
    assert "| correct | 3 | 6 | incorrect (3) |" in card
    assert "| rows.jsonl |  | someone/teacher | not stated |" in card
    assert "Sums \\| with &lt;signs&gt;." in card
    assert "sky-t1" in card
    assert str(tmp_path) not in card
    assert str(tmp_path) not in (tmp_path / "out/train.jsonl").read_text()


def test_the_card_keeps_a_teachers_place_to_itself(tmp_path: Path) -> None:
    from distill.stages.data_card import shareable

    (tmp_path / "a.yaml").write_text(
        "name: a\ngenerate:\n  sources: [{use: hub, card: gsm8k}]\n  teacher: {engine: openai, model: m, base_url: "
        "'https://host.internal/v1', api_key_env: KEY, price: {output: 1}}\n  samples: 4\n"
    )
    shared = shareable(load(tmp_path / "a.yaml"))
    assert shared["generate"]["teacher"] == {"engine": "openai", "model": "m", "price": {"output": 1.0}}
    assert shared["generate"]["samples"] == {"min": 4, "max": 4}
    assert shared["generate"]["sources"] == [{"use": "hub", "card": "gsm8k"}]


def test_what_cannot_be_exported_says_why(run: Path, tmp_path: Path, distill: Distill) -> None:
    assert "--data 'csv' is not a form of data; choose one of jsonl" in refused(distill, "own", "--data", "csv")
    (tmp_path / "runs/empty").mkdir()
    assert "run `distill filter` first" in refused(distill, "empty", "--data", "jsonl")
    assert "--licence 'mit' is for a dataset" in refused(distill, "own", "--licence", "mit")
    said = distill("export", "own", "--data", "messages").stderr
    assert "runs/own/data-messages: 6 examples of 6 problems" in said
    assert "data-messages exists already: remove it" in refused(distill, "own", "--data", "messages")
    assert len(lines(tmp_path / "runs/own/data-messages/train.jsonl")) == 6


def refused(distill: Distill, *arguments: str) -> str:
    return distill("export", *arguments, check=2).stderr


class DatasetHub(FakeHub):
    """A Hub of datasets."""

    is_private = True

    def answer(self, request: Asked) -> tuple[int, Any]:
        if request.path == "/api/repos/create":
            status = 409 if "exists" in self.failures else 200
            return status, {"url": f"{self.url}/datasets/me/own", "error": "is there already"}
        if request.path.startswith("/api/datasets/me/own") and request.method == "GET":
            return 200, {"id": "me/own", "private": self.is_private, "sha": "a" * 40, "siblings": []}
        return super().answer(request)

    def files(self) -> dict[str, bytes]:
        import base64

        [commit] = self.to("/api/datasets/me/own/commit/")
        entries = [json.loads(line) for line in commit.body.splitlines()]
        values = [entry["value"] for entry in entries if entry["key"] == "file"]
        return {value["path"]: base64.b64decode(value["content"]) for value in values}


@pytest.fixture
def hub() -> Generator[DatasetHub]:
    import threading

    running = DatasetHub()
    thread = threading.Thread(target=running.server.serve_forever, daemon=True)
    thread.start()
    yield running
    running.server.shutdown()
    running.server.server_close()
    thread.join()


def pushed(tmp_path: Path, hub: FakeHub, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **quiet_environment(), "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1", "HF_TOKEN": TOKEN,
    }  # fmt: skip
    done = subprocess.run(
        command("export", "own", "--data", "sharegpt", "--push", "me/own", *options),
        capture_output=True, text=True, cwd=tmp_path, env=environment,
    )  # fmt: skip
    assert TOKEN not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    return done


def test_a_dataset_is_pushed_to_a_private_repository(run: Path, tmp_path: Path, hub: DatasetHub) -> None:
    done = pushed(tmp_path, hub)
    assert done.returncode == 0, done.stderr
    assert "uploaded to me/own, which is private" in done.stderr
    [created] = hub.to("/api/repos/create")
    assert (created.json["type"], created.json["visibility"]) == ("dataset", "private")
    files = hub.files()
    folder = tmp_path / "runs/own/data-sharegpt"
    assert {name: (folder / name).read_bytes() for name in ("train.jsonl", "README.md")} == files
    assert b'load_dataset("me/own", split="train")' in files["README.md"]
    assert all(TOKEN.encode() not in request.body for request in hub.asked)


def test_public_is_said_in_full(run: Path, tmp_path: Path, hub: DatasetHub) -> None:
    hub.is_private = False
    done = pushed(tmp_path, hub, "--public")
    assert done.returncode == 0, done.stderr
    assert "uploaded to me/own, which is public" in done.stderr
    [created] = hub.to("/api/repos/create")
    assert created.json["visibility"] == "public"


def test_a_repository_that_is_public_already_is_not_filled_by_accident(
    run: Path, tmp_path: Path, hub: DatasetHub
) -> None:
    hub.is_private, hub.failures = False, {"exists": 409}
    done = pushed(tmp_path, hub)
    assert done.returncode == 2
    assert "me/own is there already and is public, so nothing was uploaded" in done.stderr
    assert not hub.to("/api/datasets/me/own/commit/")
    assert (tmp_path / "runs/own/data-sharegpt/README.md").exists()


def test_a_hub_that_refuses_is_one_paragraph(run: Path, tmp_path: Path, hub: DatasetHub) -> None:
    hub.failures = {"/api/datasets/me/own/commit/": 403}
    done = pushed(tmp_path, hub)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "the Hub does not take" in done.stderr
    assert "--repo-type dataset" in done.stderr
