"""The stages, one after another: the same files as `distill run`, and each does only what is new."""

import json
from pathlib import Path

import pytest

from tests.conftest import Distill, lines, without_times


def digest_of(run: Path) -> dict[str, list[str]]:
    names = ("problems.jsonl", "traces.jsonl", "verdicts.jsonl", "decisions.jsonl", "train.jsonl")
    return {name: sorted(without_times(line) for line in lines(run / name)) for name in names}


@pytest.mark.slow
def test_the_four_verbs_give_the_same_files_as_run(distill: Distill, trained_recipe_path: Path, tmp_path: Path):
    distill("run", trained_recipe_path, "--run", "at-once")
    for verb in ("generate", "filter", "train", "eval"):
        distill(verb, trained_recipe_path, "--run", "by-verbs")
    once, verbs = tmp_path / "runs/at-once", tmp_path / "runs/by-verbs"
    assert digest_of(once) == digest_of(verbs)
    assert (once / "student/model.safetensors").read_bytes() == (verbs / "student/model.safetensors").read_bytes()
    scores = [json.loads((run / "eval/countdown-tiny/student/scores.json").read_text()) for run in (once, verbs)]
    assert scores[0] == scores[1]
    assert {path.name for path in (once / "student").iterdir()} >= {
        "model.safetensors", "tokenizer.json", "chat_template.jinja", "generation_config.json", "trace_format.json",
        "README.md", "training_log.jsonl",
    }  # fmt: skip
    again = distill("run", trained_recipe_path, "--run", "at-once")
    assert "train: nothing new" in again.stderr
    assert "starting the engine" not in again.stderr


def test_every_trace_has_one_decision_with_a_reason(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    shown = distill("filter", recipe_path).stdout
    run = tmp_path / "runs/small"
    decisions = [json.loads(line) for line in lines(run / "decisions.jsonl")]
    traces = [json.loads(line)["id"] for line in lines(run / "traces.jsonl")]
    assert sorted(decision["trace_id"] for decision in decisions) == sorted(traces)
    assert all(decision["kept"] or (decision["step"] and decision["reason"]) for decision in decisions)
    kept = [decision["trace_id"] for decision in decisions if decision["kept"]]
    examples = [json.loads(line) for line in lines(run / "train.jsonl")]
    assert sorted(id for example in examples for id in example["trace_ids"]) == sorted(kept)
    assert len({example["problem_id"] for example in examples}) == len(examples)
    for name in ("structure", "correct", "length", "per_problem"):
        assert name in shown
    verdicts = {line["trace_id"]: line["outcome"] for line in map(json.loads, lines(run / "verdicts.jsonl"))}
    assert all(verdicts[trace_id] == "correct" for trace_id in kept)


def test_filtering_twice_gives_the_same_bytes(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    train = tmp_path / "runs/small/train.jsonl"
    distill("filter", recipe_path, "--set", "filter.select.3.prefer=random")
    first = train.read_bytes()
    distill("filter", recipe_path, "--set", "filter.select.3.prefer=random", "--restart", "filter")
    assert train.read_bytes() == first


@pytest.mark.slow
def test_a_truncated_trace_can_never_become_an_example(distill: Distill, recipe_path: Path, tmp_path: Path):
    options = ["--set", "generate.teacher.limit_reply=60", "--set", "filter.select=[]"]
    distill("generate", recipe_path, *options)
    distill("filter", recipe_path, *options)
    run = tmp_path / "runs/small"
    reasons = {line["id"]: line["finish_reason"] for line in map(json.loads, lines(run / "traces.jsonl"))}
    assert set(reasons.values()) == {"stop", "length"}
    for line in lines(run / "decisions.jsonl"):
        decision = json.loads(line)
        assert decision["kept"] == (reasons[decision["trace_id"]] == "stop")
    taught = {id for line in lines(run / "train.jsonl") for id in json.loads(line)["trace_ids"]}
    assert taught == {id for id, reason in reasons.items() if reason == "stop"}


@pytest.mark.slow
def test_a_run_that_grew_trains_again_and_keeps_the_old_student(
    distill: Distill, trained_recipe_path: Path, tmp_path: Path
):
    distill("run", trained_recipe_path, "--set", "eval=null")
    run = tmp_path / "runs/small"
    before = (run / "student/model.safetensors").read_bytes()
    grown = distill("run", trained_recipe_path, "--set", "eval=null", "--set", "generate.sources.0.count=60")
    assert "training again" in grown.stderr
    assert (run / "student.old-1/model.safetensors").read_bytes() == before
    assert (run / "student/model.safetensors").read_bytes() != before


@pytest.mark.slow
def test_lora_trains_saves_an_adapter_and_is_evaluated(distill: Distill, trained_recipe_path: Path, tmp_path: Path):
    options = ["--set", "train.method=lora", "--set", "train.lora.r=4", "--set", "train.student=tiny-base"]
    distill("run", trained_recipe_path, *options, "--limit", 20)
    student = tmp_path / "runs/small/student"
    assert (student / "adapter_model.safetensors").exists()
    assert not (student / "model.safetensors").exists()
    assert json.loads((student / "adapter_config.json").read_text())["r"] == 4
    assert (student / "trace_format.json").exists()
    scores = json.loads((tmp_path / "runs/small/eval/countdown-tiny/student/scores.json").read_text())
    assert scores["problems"] == 20


@pytest.mark.slow
def test_an_option_the_library_does_not_know_is_refused_before_training(distill: Distill, trained_recipe_path: Path):
    distill("generate", trained_recipe_path)
    distill("filter", trained_recipe_path)
    done = distill("train", trained_recipe_path, "--set", "train.sft.learning_rat=1", check=None)
    assert done.returncode == 2
    assert "train.sft.learning_rat is not an option of SFTConfig. Did you mean 'learning_rate'?" in done.stderr


def test_another_student_needs_another_filter(distill: Distill, trained_recipe_path: Path):
    distill("generate", trained_recipe_path)
    distill("filter", trained_recipe_path)
    refused = distill("filter", trained_recipe_path, "--set", "train.format=plain", check=None)
    assert refused.returncode == 2
    assert "filter.for.format was None and is now 'plain'" in refused.stderr
