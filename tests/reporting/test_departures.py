"""What a report says of a run beside its route's source: what agrees, what differs, and the likeliest cause of it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from distill import assets
from distill import recipe as recipes
from distill.reporting.departures import route_facts
from distill.reporting.report import write_report

ROUTE: dict[str, Any] = {
    "form": "replay",
    "source": ["https://example.org/paper"],
    "expected": {
        "aime24": {"metric": "pass@1", "score": 50.0, "harness": "theirs"},
        "gpqa": {"metric": "pass@1", "score": 57.6, "harness": "theirs"},
    },
    "departures": [
        {"key": "filter.select.1", "theirs": None, "ours": "dedup", "why": "twice weighs twice"},
        {"key": "chat template", "theirs": "qwen25", "ours": "its own", "why": "so it is asked"},
    ],
}


def scores(low: float, high: float) -> Any:
    student = {"pass@1": (low + high) / 2, "ci95": (low, high)}
    return {"aime24": {"base": {"pass@1": 0.1, "ci95": (0.0, 0.2)}, "student": student}}


def facts(suites: Any, **changed: Any) -> Any:
    return route_facts({"name": "of-no-one", "route": {**ROUTE, **changed}}, suites)


def test_a_recipe_without_a_route_says_nothing_of_a_source():
    assert route_facts({"name": "mine", "route": None}, {}) is None
    assert route_facts({"name": "mine"}, {}) is None


def test_a_published_score_within_the_interval_needs_no_cause():
    found = facts(scores(0.4, 0.6))
    assert found["expected"][0] == {
        "suite": "aime24", "metric": "pass@1", "harness": "theirs", "published": 50.0, "measured": pytest.approx(50.0),
        "ci95": (0.4, 0.6), "agrees": True,
    }  # fmt: skip
    assert found["expected"][1]["measured"] is None
    assert "no difference to explain" in found["cause"]


@pytest.mark.parametrize(
    ("departures", "cause"),
    [
        (ROUTE["departures"], "filter.select.1: which traces are taught"),
        ([{"key": "train.student", "why": "smaller"}, *ROUTE["departures"]], "train.student: the student decides most"),
        (
            [{"key": "train.sft.max_length", "why": "m"}, {"key": "generate.teacher", "why": "t"}],
            "train.sft.max_length",
        ),
        (
            [{"key": "train.sft.learning_rate", "why": "l"}, {"key": "eval.sampling", "why": "e"}],
            "eval.sampling: how it",
        ),
        ([], "the harness is the likeliest cause"),
    ],
)
def test_the_likeliest_cause_of_a_difference_is_the_departure_with_the_largest_known_effect(
    departures: Any, cause: str
):
    assert cause in facts(scores(0.1, 0.3), departures=departures)["cause"]


def test_nothing_measured_is_nothing_compared():
    assert "nothing can be compared" in facts({})["cause"]


def test_what_was_changed_for_this_run_is_found_beside_the_shipped_recipe():
    shipped = recipes.load(assets.find("recipes", "s1k"), ["train.sft.learning_rate=1e-4", "generate.verify.workers=3"])
    found = route_facts(shipped.model_dump(mode="json"), scores(0.1, 0.3))
    assert found
    assert [(change["key"], change["theirs"], change["ours"]) for change in found["changes"]] == [
        ("generate.verify.workers", 1, 3),
        ("train.sft.learning_rate", 1e-5, 1e-4),
    ]
    untouched = recipes.load(assets.find("recipes", "s1k")).model_dump(mode="json")
    same = route_facts(untouched, {})
    assert same
    assert same["changes"] == []
    assert len(same["departures"]) == len(untouched["route"]["departures"])


def test_the_report_shows_it_escaped(tmp_path: Path):
    run = tmp_path / "run"
    run.mkdir()
    hostile = [{"key": "filter.x", "theirs": "<script>a|b</script>", "ours": "`x`", "why": "<b>why</b>"}]
    (run / "recipe.yaml").write_text(yaml.safe_dump({"name": "mine", "route": {**ROUTE, "departures": hostile}}))
    train = {"section": {}, "seconds": 1, "steps": 1, "examples": 1, "tokens": 5, "method": "full"}
    (run / "manifest.json").write_text(json.dumps({"environment": {}, "stages": {"train": train}}))
    write_report(run)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    for written in (page, text):
        assert "Beside its source" in written
        assert "<script>" not in written
        assert "<b>why" not in written
        assert "not measured" in written
        assert "nothing can be compared" in written
    assert "&lt;script&gt;a|b" in page
