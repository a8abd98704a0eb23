"""Methods and what comes after training: adapters, 4-bit bases, the smoke test, export; through the command line."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.errors import TrainingError
from distill.training.export import export
from tests.conftest import Distill
from tests.test_cli import error_of

TINY = ["--set", "train.student=tiny-base", "--set", "eval=null", "--limit", 20]


def facts_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "training.json").read_text())


@pytest.fixture
def filtered(distill: Distill, trained_recipe_path: Path) -> Path:
    distill("generate", trained_recipe_path, *TINY[:2])
    distill("filter", trained_recipe_path, *TINY[:2])
    return trained_recipe_path


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_an_adapter_trains_is_asked_and_is_exported_as_it_was_trained(
    distill: Distill, filtered: Path, tmp_path: Path, method: str
):
    options = [*TINY, "--set", f"train.method={method}", "--set", "train.lora.r=4", "--set", "train.smoke.prompts=4",
               "--set", "train.smoke.min_stopped=0"]  # fmt: skip
    trained = distill("train", filtered, *options)
    run = tmp_path / "runs/small"
    assert "of 4 held-out replies stop within" in trained.stderr
    facts = facts_of(run / "student")
    assert facts["method"] == method
    assert facts["smoke"]["asked"] == 4
    assert facts["contract"]["end_of_turn"] == "<|im_end|>"
    said = distill("export", "small").stderr
    assert "the adapter is merged" in said
    exported = run / "export"
    assert not list(exported.glob("adapter_*"))
    assert {"model.safetensors", "config.json", "chat_template.jinja", "generation_config.json", "trace_format.json",
            "README.md", "tokenizer.json"} <= {path.name for path in exported.iterdir()}  # fmt: skip
    config = json.loads((exported / "config.json").read_text())
    assert "quantization_config" not in config
    assert config["dtype"] == "bfloat16"
    assert "exists already" in error_of(distill("export", "small", check=None))
    distill("export", "small", "--to", "elsewhere")
    assert (tmp_path / "elsewhere/model.safetensors").read_bytes() == (exported / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_merge_that_goes_wrong_is_not_exported(
    distill: Distill, filtered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from peft.tuners.tuners_utils import BaseTuner

    distill("train", filtered, *TINY, "--set", "train.method=lora")
    student = tmp_path / "runs/small/student"
    real = BaseTuner.merge_and_unload

    def wrong(self: Any, **options: Any) -> Any:
        merged = real(self, **options)
        for parameter in merged.parameters():
            parameter.data.mul_(1.1)
        return merged

    monkeypatch.setattr(BaseTuner, "merge_and_unload", wrong)
    with pytest.raises(TrainingError, match="the merged weights differ from the adapter"):
        export(student, tmp_path / "wrong", ["<|im_start|>user\n1 2 -> 3<|im_end|>"])
    assert not (tmp_path / "wrong").exists()


@pytest.mark.slow
def test_a_student_that_does_not_stop_is_told_of_and_kept(distill: Distill, filtered: Path, tmp_path: Path):
    options = [*TINY, "--set", "train.smoke.prompts=4", "--set", "train.smoke.max_tokens=2"]
    refused = distill("train", filtered, *options, check=None)
    said = error_of(refused)
    assert "the student does not stop: 0 of 4 held-out replies ended within 2 tokens" in said
    assert facts_of(tmp_path / "runs/small/student")["smoke"]["stopped"] == 0
    assert "nothing new" in distill("train", filtered, *options).stderr


def test_rows_are_shown_as_the_student_reads_them(distill: Distill, filtered: Path):
    shown = distill("train", filtered, *TINY[:4], "--show", 2).stdout
    assert shown.count("tokens of prompt") == 2
    assert shown.count("<|im_start|>assistant\n⟦<think>\n") == 2
    assert shown.count("<|im_end|>⟧") == 2


def test_a_format_that_the_template_does_not_fit_is_refused_before_training(distill: Distill, filtered: Path):
    wrong = ["--set", "train.format=think-open", "--restart", "filter"]
    distill("filter", filtered, *TINY[:2], *wrong)
    said = error_of(distill("train", filtered, *TINY[:4], *wrong[:2], "--show", 1, check=None))
    assert "opening: the prompt ends with" in said
    assert "Set train.format: think" in said


def test_a_fresh_student_takes_no_adapter(distill: Distill, trained_recipe_path: Path):
    distill("generate", trained_recipe_path)
    distill("filter", trained_recipe_path)
    said = error_of(distill("train", trained_recipe_path, "--set", "train.method=qlora", check=None))
    assert "method qlora needs a student that has learned something" in said


def test_a_run_without_a_student_has_nothing_to_export(distill: Distill, filtered: Path):
    assert "has no student: run `distill train` first" in error_of(distill("export", "small", check=None))
