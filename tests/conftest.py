"""What tests share: a small recipe that needs no model, and the command line as a real process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

# The first example of a property may import a library, and these machines are shared: no test is about time.
settings.register_profile("distill", deadline=None)
settings.load_profile("distill")

# A script's background job begins with Ctrl-C ignored, and hands that on to all it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

SOLVER_RECIPE = """\
name: small
seed: 0
generate:
  sources:
    - {use: countdown, count: 40, largest: 99, prompt: "{numbers} -> {target}"}
  teacher: {engine: solver, slips: 0.1}
  format: think
  samples: 2
filter:
  select: [structure, correct, {use: length, max_tokens: 400}, {use: per_problem, keep: 1}]
"""

# A student so small that it trains in seconds: what it learns is nothing, where it goes is everything.
TRAIN_SECTIONS = """\
train:
  student:
    tokenizer: bytes
    config: {model_type: qwen2, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 2, num_attention_heads: 2,
             num_key_value_heads: 2, max_position_embeddings: 512, tie_word_embeddings: true}
  method: full
  sft: {max_steps: 12, per_device_train_batch_size: 4, learning_rate: 1.0e-3, max_length: 512, save_steps: 3,
        logging_steps: 1}
  smoke: {prompts: 0}
eval:
  suites: [countdown-tiny]
  models: [student]
  sampling: {temperature: 1.0, max_tokens: 16}
"""

Size = TypeVar("Size")
THOROUGH = "DISTILL_THOROUGH" in os.environ
"""`make test-all` sets it."""

Distill = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several processes share the tests, the long ones come first, so that none is left to one of them."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def thorough(full: Size, usual: Size) -> Size:
    """How much of a long test: all of it in `make test-all`, and what half an hour has room for in `make test`."""
    return full if THOROUGH else usual


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SOLVER_RECIPE)
    return path


@pytest.fixture
def trained_recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SOLVER_RECIPE + TRAIN_SECTIONS)
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "distill", *map(str, arguments)]


def quiet_environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "200", "HF_HUB_OFFLINE": "1"}


@pytest.fixture
def distill(tmp_path: Path) -> Distill:
    """Run the command in a folder of its own, as a user does."""

    def run(*arguments: object, check: int | None = 0, **options: object) -> subprocess.CompletedProcess[str]:
        done: subprocess.CompletedProcess[str] = subprocess.run(
            command(*arguments), capture_output=True, text=True, cwd=tmp_path, env=quiet_environment(), **options
        )  # type: ignore[call-overload]
        if check is not None:
            assert done.returncode == check, done.stderr + done.stdout
        return done

    return run


def lines(path: Path) -> Sequence[str]:
    return path.read_text().splitlines() if path.exists() else []


def without_times(line: str) -> str:
    """A journal's line as it would be in any other run of the same work."""
    record = json.loads(line)
    record.pop("seconds", None)
    return json.dumps(record, sort_keys=True)
