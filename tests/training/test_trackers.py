"""`train.sft.report_to`: trackers write inside the run, and one that is not there is told of before training."""

import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from distill import environment
from distill.errors import RecipeError, TrainingError
from distill.recipe import Train
from distill.training import trackers
from tests.conftest import Distill, lines
from tests.test_cli import error_of

SHORT = ["--set", "eval=null", "--set", "train.sft.max_steps=4"]


@pytest.fixture
def filtered(distill: Distill, trained_recipe_path: Path) -> Path:
    for verb in ("generate", "filter"):
        distill(verb, trained_recipe_path, *SHORT)
    return trained_recipe_path


def logged_losses(run: Path) -> dict[int, float]:
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines(run / "student/training_log.jsonl")]
    return {entry["step"]: entry["loss"] for entry in entries}


@pytest.mark.slow
def test_tensorboard_and_trackio_get_the_loss_inside_the_run(distill: Distill, filtered: Path, tmp_path: Path):
    pytest.importorskip("tensorboard")
    pytest.importorskip("trackio")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    done = distill("train", filtered, *SHORT, "--set", "train.sft.report_to=[tensorboard, trackio]")
    assert done.stdout == ""
    run = tmp_path / "runs/small"
    expected = logged_losses(run)
    assert len(expected) == 4
    events = EventAccumulator(str(run / "logs/tensorboard")).Reload()
    assert {event.step: event.value for event in events.Scalars("train/loss")} == pytest.approx(expected, rel=1e-5)
    with sqlite3.connect(run / "logs/trackio/distill.db") as database:
        rows = [json.loads(row) for (row,) in database.execute("SELECT metrics FROM metrics")]
        names = [name for (name,) in database.execute("SELECT DISTINCT run_name FROM metrics")]
    losses = {row["train/global_step"]: row["train/loss"] for row in rows if "train/loss" in row}
    assert losses == pytest.approx(expected)
    assert names == ["small"]
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "small.yaml"}


@pytest.mark.slow
def test_wandb_offline_keeps_all_of_it_inside_the_run(
    distill: Distill, filtered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    distill("train", filtered, *SHORT, "--set", "train.sft.report_to=wandb")
    (kept,) = (tmp_path / "runs/small/logs/wandb").glob("offline-run-*")
    assert list(kept.glob("*.wandb"))
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "small.yaml"}


def test_a_tracker_that_is_not_installed_is_named_before_training(distill: Distill, filtered: Path, tmp_path: Path):
    if environment.installed("swanlab"):
        pytest.skip("swanlab is installed here")
    done = distill("train", filtered, *SHORT, "--set", "train.sft.report_to=[swanlab]", check=None)
    assert error_of(done) == (
        "error: train.sft.report_to names swanlab, and its package is not installed: pip install swanlab"
    )
    assert "use_cpu" not in done.stderr
    assert not (tmp_path / "runs/small/checkpoints").exists()


def test_each_trackers_package_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "installed", lambda package: None)
    for name, packages in trackers.PACKAGES.items():
        train = Train(student="tiny-base", sft={"report_to": [name]})
        if packages:
            with pytest.raises(TrainingError, match=f"names {name}, .* pip install {packages[0]}$"):
                trackers.check(train)
    for silent in ({}, {"report_to": "none"}, {"report_to": None}, {"report_to": "all"}, {"report_to": []}):
        trackers.check(Train(student="tiny-base", sft=silent))
    with pytest.raises(RecipeError, match=r"'tensorbord', which is no tracker of transformers\. Did you mean"):
        trackers.check(Train(student="tiny-base", sft={"report_to": "tensorbord"}))


def test_the_trackers_are_those_of_transformers():
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert set(INTEGRATION_TO_CALLBACK) == set(trackers.PACKAGES)


def test_a_trackers_own_variable_is_obeyed_and_ours_are_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name in ("TENSORBOARD_LOGGING_DIR", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TRACKIO_DIR", "/elsewhere")
    with trackers.inside(tmp_path / "logs"):
        assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "logs/tensorboard")
        assert os.environ["WANDB_DIR"] == str(tmp_path / "logs")
        assert os.environ["TRACKIO_DIR"] == "/elsewhere"
    assert os.environ["TRACKIO_DIR"] == "/elsewhere"
    assert "WANDB_DIR" not in os.environ


def test_what_a_tracker_refuses_is_an_error_without_a_traceback(tmp_path: Path):
    refusal = type("UsageError", (Exception,), {"__module__": "wandb.errors"})
    with pytest.raises(TrainingError, match="report_to: wandb refuses: no key"), trackers.inside(tmp_path):
        raise refusal("no key\nand more")
    with pytest.raises(ZeroDivisionError), trackers.inside(tmp_path):
        raise ZeroDivisionError
