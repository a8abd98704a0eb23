"""The model card: what the Hub reads of it, the figures of the report, and foreign text that stays text."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt

from distill.evaluation.metrics import Interval
from distill.evaluation.scores import Scores
from distill.recipe import Recipe
from distill.reporting.card import HIDDEN, without_secrets, write_card
from distill.reporting.gather import gather
from distill.reporting.markdown import inline
from distill.reporting.text import interval
from distill.run import Run

HOSTILE = (
    "<script>alert(1)</script> </details> ``` ~~~\n---\n# heading\n[link](javascript:alert(1)) | cell "
    "![picture](http://example.invalid/x) {{ 7 * 7 }} \x1b[31m \u202egnp.exe"
)
FACTS: dict[str, Any] = {
    "method": "lora", "steps": 30, "examples": 17, "tokens": 5000, "left_out_too_long": 2, "final_loss": 1.25,
    "trainable_parameters": 4096, "smoke": {"asked": 16, "stopped": 15, "max_tokens": 300},
    "hyperparameters": {"learning_rate": 0.0001, "max_length": 512, "warmup_steps": HOSTILE},
    "adapter": {"r": 64, "target_modules": ["q_proj", "v_proj"]},
}  # fmt: skip
FUNNEL = [
    {"step": "structure", "dropped": 10, "left": 30, "reasons": {HOSTILE: 4, "truncated": 6}},
    {"step": "correct", "dropped": 13, "left": 17, "reasons": {"incorrect": 13}},
]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "description": HOSTILE,
            "generate": {"sources": ["countdown"], "teacher": {"engine": "openai", "model": HOSTILE}},
            "train": {"student": "Owner/Base-1.5B", "method": "lora", "system_prompt": HOSTILE},
            "eval": {"suites": ["tiny", "other"]},
        }
    )
    manifest = {"environment": {"versions": {"trl": "1.16.0"}}, "stages": {"filter": {"funnel": FUNNEL}}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "student").mkdir()
    (tmp_path / "student/training.json").write_text(json.dumps(FACTS))
    return Run(tmp_path, recipe)


def measure(run: Run, suite: str, model: str, share: float, identity: str = "this") -> None:
    scores = Scores(
        model=model, suite=suite, format="think", problems=40, samples=1, pass_at_1=share,
        ci95=Interval(share - 0.1, share + 0.1), no_answer=0.0, truncated=0.1, unverifiable=0.0, mean_tokens=171.0,
        engine="transformers", identity=identity, sampling={"temperature": 0.6}, prompt_digest="abc",
        correct_by_problem={str(number): float(number < 40 * share) for number in range(40)},
    )  # fmt: skip
    folder = run.eval_dir(suite, model)
    folder.mkdir(parents=True)
    (folder / "scores.json").write_bytes(msgspec.json.encode(scores))


def card_of(run: Run, identity: str | None = None) -> str:
    write_card(run, run.student_dir, identity)
    return (run.student_dir / "README.md").read_text()


def test_a_card_holds_how_the_student_was_made(run: Run):
    card = card_of(run)
    assert "`distill run small`: lora fine-tuning of Owner/Base-1.5B on 17 examples" in card
    for row in ("| learning\\_rate | 0.0001 |", "| adapter: r | 64 |", "| correct | 13 | 17 | incorrect: 13 |",
                "| trl | 1.16.0 |"):  # fmt: skip
        assert row in card
    assert "15 got a reply that ended by itself within 300 tokens" in card
    assert "  student: Owner/Base-1.5B\n" in card
    assert ModelCard(card).data.base_model == "Owner/Base-1.5B"
    assert "Scores" not in card


def test_a_card_gives_the_scores_of_the_report_and_the_hub_reads_them(run: Run):
    for model, share in (("base-plain", 0.2), ("student", 0.6), ("teacher", 0.9)):
        measure(run, "tiny", model, share)
    card = card_of(run, "this")
    report = gather(run.dir)
    for role, scores in report["models"].items():
        assert f"| {role} | think | {100 * scores['pass@1']:.1f} % | {interval(scores['ci95'])} |" in card
    (result,) = ModelCard(card).data.eval_results
    assert (result.dataset_name, result.metric_type, result.metric_value) == ("tiny", "pass@1", 0.6)
    assert "[50.0, 70.0]" in result.metric_name
    assert "The student against the base: +40.0 points" in card


def test_scores_of_another_student_are_not_this_ones(run: Run):
    measure(run, "tiny", "student", 0.6)
    measure(run, "other", "student", 0.1, identity="the one before")
    assert "Scores on tiny" in (card := card_of(run, "this"))
    assert "Scores on other" not in card
    assert "Scores" not in card_of(run)


def test_foreign_text_cannot_break_out_of_a_card(run: Run):
    measure(run, "tiny", "student", 0.6)
    card = card_of(run, "this")
    assert "\x1b" not in card
    assert "\u202e" not in card
    front, _, body = card.removeprefix("---\n").partition("\n---\n")
    assert "heading" not in front
    page = MarkdownIt("commonmark").enable("table").render(body)
    for tag in ("<script", "<img", "<a "):
        assert tag not in page
    assert page.count("<h1>") == 1
    assert page.count("<details>") == page.count("</details>") == 1
    assert page.rstrip().endswith("</details>")
    assert page.count("<pre>") == 1
    assert inline("# heading") in body


def test_a_card_keeps_the_recipes_secrets(run: Run):
    kept = {"api_key_env": "KEY", "sft": {"eos_token": "<|im_end|>", "max_tokens": 3}, "url": "https://host/v1"}
    assert without_secrets(kept) == kept
    given = {"sft": {"hub_token": "hf_x"}, "servers": [{"base_url": "https://me:word@host/v1", "api_key": "k"}]}
    assert without_secrets(given) == {
        "sft": {"hub_token": HIDDEN}, "servers": [{"base_url": "https://host/v1", "api_key": HIDDEN}],
    }  # fmt: skip
