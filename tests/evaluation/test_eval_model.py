"""`distill eval MODEL --suite S` and `distill compare`, as a user calls them."""

import json
from pathlib import Path

import pytest

from distill.stages.evaluate_model import form_of, section_for, slug
from tests.conftest import Distill

FAST = ["--limit", "6", "--set", "eval.sampling.max_tokens=40", "--set", "eval.sampling.temperature=1.0"]


@pytest.mark.slow
def test_a_model_is_measured_without_a_recipe_resumed_and_compared(distill: Distill, tmp_path: Path) -> None:
    done = distill("eval", "tiny-teacher", "--suite", "countdown-tiny", "--set", "eval.samples=2", *FAST)
    folder = tmp_path / "runs/eval-tiny-teacher"
    assert done.stdout.strip() == "runs/eval-tiny-teacher"
    assert "two models must be about" in done.stderr
    scores = json.loads((folder / "eval/countdown-tiny/tiny-teacher/scores.json").read_text())
    assert (scores["problems"], scores["samples"], scores["model"]) == (6, 2, "tiny-teacher")
    assert set(scores["metrics"]) == {"pass@2[n2]", "maj@2[n2]"}
    stamp = scores["stamp"]
    assert stamp["engine"]["name"] == "transformers"
    assert stamp["engine"]["dtype"] in ("float32", "bfloat16")
    assert stamp["template"]
    assert stamp["sampler"]["max_tokens"] == 40
    assert scores["tokens"]["p100"] <= 40
    again = distill("eval", "tiny-teacher", "--suite", "countdown-tiny", "--set", "eval.samples=2", *FAST)
    assert "starting the engine" not in again.stderr
    refused = distill("eval", "tiny-teacher", "--suite", "countdown-tiny", "--seed", "1", *FAST, check=None)
    assert refused.returncode == 2
    assert "seed was 0 and is 1. Give another folder: --out DIR" in refused.stderr

    shorter = ["--out", "base", *FAST, "--set", "eval.sampling.max_tokens=30"]
    distill("eval", "tiny-base", "--suite", "countdown-tiny", "--format", "plain", *shorter)
    assert (tmp_path / "base/eval/lighteval-tiny-base.json").exists()
    shown = distill("compare", "eval-tiny-teacher", "base")
    assert "eval-tiny-teacher/tiny-teacher" in shown.stdout
    assert "base/tiny-base was not measured as the first was: sampler.max_tokens 40 and 30" in shown.stderr
    found = json.loads(distill("compare", "eval-tiny-teacher", "base", "--json").stdout)
    assert found["countdown-tiny"]["models"][1]["difference"]["problems"] == 6
    assert "pass@1 on countdown-tiny" in distill("report", "base").stdout


def test_recorded_replies_are_measured_by_the_replay_engine(distill: Distill, tmp_path: Path) -> None:
    suite = tmp_path / "mine.jsonl"
    suite.write_text('{"prompt": "6 times 7?", "answer": "42"}\n{"prompt": "1 and 1?", "answer": "2"}\n')
    from distill.evaluation.suites import load_suite

    made = [
        {"id": f"{problem.id}-old-0", "problem_id": problem.id, "sample": 0, "teacher": "old", "thinking": "hm",
         "answer": answer, "finish_reason": "stop", "completion_tokens": 5}
        for problem, answer in zip(load_suite(str(suite)).problems(), ["It is 42.", "It is 3."], strict=True)
    ]  # fmt: skip
    (tmp_path / "old.jsonl").write_text("".join(json.dumps(trace) + "\n" for trace in made))
    distill("eval", "somebody/else", "--suite", suite, "--engine", "replay", "--set", "eval.engine.path=old.jsonl")
    path = tmp_path / "runs/eval-somebody-else/eval/mine/somebody-else/scores.json"
    assert json.loads(path.read_text())["pass@1"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["quickstart", "--seed", "1"], "--seed is for a model: give --suite, too"),
        (["tiny-base", "--suite", "countdown-tinny"], "'countdown-tinny' in eval/. Did you mean 'countdown-tiny'?"),
        (["tiny-base", "--suite", "countdown-tiny", "--set", "eval.sample=1"], "eval.sample: Extra inputs"),
        (["tiny-base", "--suite", "countdown-tiny", "--set", "train=1"], "only keys of eval mean something here"),
        (["tiny-base", "--suite", "countdown-tiny", "--engine", "vlm"], "no engine named 'vlm'. Did you mean 'vllm'?"),
        (["tiny-base", "--suite", "countdown-tiny", "--format", "thinc"], "no trace format named 'thinc'"),
        (
            ["x", "--suite", "countdown-tiny", "--set", "eval.samples=2", "--set", "eval.sampling.temperature=0"],
            "is 2 at temperature 0",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_named(distill: Distill, arguments: list[str], message: str) -> None:
    done = distill("eval", *arguments, check=None)
    assert done.returncode == 2
    assert message in done.stderr


def test_comparing_what_was_not_measured_is_refused(distill: Distill, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = distill("compare", "empty", check=None)
    assert done.returncode == 2
    assert "empty holds no scores: run `distill eval` first" in done.stderr


def test_a_dry_run_says_how_small_a_difference_would_show(distill: Distill) -> None:
    done = distill("eval", "tiny-base", "--suite", "countdown-tiny", "--dry-run", "--limit", "50")
    assert "countdown-tiny: 50 problems x 1 samples of tiny-base, temperature 0.6" in done.stdout
    assert "two models must be about 26.4 points apart for 50 problems x 1" in done.stdout


def test_a_models_form_is_what_its_template_shows(tmp_path: Path) -> None:
    assert form_of("tiny-base").name == "plain"
    for template, form in (
        ("{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}", "think-open"),
        ("{{ content.split('</think>')[-1] }} <think>{% if add_generation_prompt %}<|im_start|>{% endif %}", "think"),
        ("{% if add_generation_prompt %}assistant{% endif %}", "plain"),
    ):
        (tmp_path / "chat_template.jinja").write_text(template)
        assert form_of(str(tmp_path)).name == form


def test_a_model_has_a_folders_name() -> None:
    assert slug("Qwen/Qwen3-4B") == "Qwen-Qwen3-4B"
    assert slug("/tmp/runs/quickstart/student") == "quickstart-student"
    assert slug("tiny-base") == "tiny-base"
    section = section_for("m", ["s"], "vllm", ["eval.engine.args.tensor_parallel_size=2"])
    assert section.engine == {"engine": "vllm", "args": {"tensor_parallel_size": 2}}
