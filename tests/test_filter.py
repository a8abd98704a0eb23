"""The filter as a whole: many processes, selectors that fail, and what it says of what it dropped."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings

from distill.errors import PluginError, RunError
from tests.conftest import Distill, lines
from tests.filtering_heap import Item, filtered, heaps

HEAP = [Item(n % 7, "math", "correct" if n % 3 else "incorrect", "stop", n + 1, str(n % 4)) for n in range(300)]


def test_many_processes_decide_as_one_does():
    select = ["correct", {"use": "length", "max_tokens": 200}, {"use": "per_problem", "keep": 20, "prefer": "random"}]
    one, two = filtered(HEAP, select), filtered(HEAP, select, workers=2, order=1)
    assert one.decisions == two.decisions
    assert one.train_bytes == two.train_bytes
    assert one.funnel == two.funnel
    assert 0 < len(one.kept) < len(HEAP)


@given(heap=heaps())
@settings(max_examples=15)
def test_steps_apply_from_top_to_bottom_and_the_first_reason_stays(heap: list[Item]):
    select = ["correct", {"use": "length", "max_tokens": 30}, {"use": "per_problem", "keep": 1}]
    found = filtered(heap, select)
    for decision in found.decisions:
        item = found.item_of[decision.trace_id]
        if item.finish_reason != "stop":
            assert decision.step == "ended"
        elif item.outcome != "correct":
            assert (decision.step, decision.reason) == ("correct", item.outcome)
        elif item.num_words > 30:
            assert (decision.step, decision.detail) == ("length", f"{item.num_words} tokens")
        else:
            assert decision.kept or decision.step == "per_problem"


def test_scores_are_kept_for_the_dropped_too():
    found = filtered(HEAP, ["tests.selectors.faulty:noting"])
    for decision in found.decisions:
        num_words = found.item_of[decision.trace_id].num_words
        assert decision.scores["words"] == num_words
        assert decision.kept or decision.scores["tokens"] == num_words


@pytest.mark.parametrize("workers", [1, 2])
def test_a_selector_that_fails_is_named_with_the_trace(workers: int):
    with pytest.raises(PluginError, match=r"'tests.selectors.faulty:failing' failed on trace 000-t-0: ZeroDivisionErr"):
        filtered(HEAP[:1], ["tests.selectors.faulty:failing"], workers=workers)


def test_a_process_that_dies_is_an_error_with_a_way_out():
    with pytest.raises(RunError, match=r"a process that looked at traces died.*filter.workers=1"):
        filtered(HEAP, ["tests.selectors.faulty:dying"], workers=2)


@pytest.mark.parametrize(
    ("times", "said"), [(2, "ruled twice on the same trace"), (0, "did not rule on 5 of the traces")]
)
def test_a_choice_that_rules_twice_or_not_at_all_is_refused(times: int, said: str):
    with pytest.raises(PluginError, match=said):
        filtered(HEAP[:5], [{"use": "tests.selectors.faulty:Ruler", "times": times}])


def test_what_is_dropped_can_be_read_and_cannot_leave_its_fence(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    run = tmp_path / "runs/small"
    hostile = "```\n# heading\n<script>alert(1)</script>\x1b[31m"
    traces = [json.loads(line) for line in lines(run / "traces.jsonl")]
    for trace in traces:
        trace["thinking"], trace["malformed"] = hostile, "a *bold* <b>reason</b>"
    (run / "traces.jsonl").write_text("".join(json.dumps(trace) + "\n" for trace in traces))
    distill("filter", recipe_path)
    text = (run / "dropped.md").read_text()
    assert "## structure: a \\*bold\\* &lt;b&gt;reason&lt;/b&gt; (80)" in text
    assert "````text\n```\n# heading\n<script>alert(1)</script>␛[31m\n````" in text
    assert text.count("\n### ") == 3
    assert not (run / ".filter").exists()


def test_explain_says_what_every_step_makes_of_a_trace(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    before = distill("filter", recipe_path, "--explain", "no-such-trace", check=2)
    assert "has no judged trace 'no-such-trace'" in before.stderr
    distill("filter", recipe_path)
    run = tmp_path / "runs/small"
    decisions = [json.loads(line) for line in lines(run / "decisions.jsonl")]
    written = (run / "decisions.jsonl").read_bytes()
    wrong = next(found for found in decisions if found["step"] == "correct")
    said = distill("filter", recipe_path, "--explain", wrong["trace_id"]).stdout
    assert "dropped by correct" in said
    for step, words in (("ended", "keeps it"), ("correct", "drops it: incorrect"), ("length", "keeps it")):
        assert any(line.split()[:1] == [step] and words in line for line in said.splitlines()), said
    listed = distill("filter", recipe_path, "--explain", "correct").stdout
    dropped = sum(found["step"] == "correct" for found in decisions)
    assert f"correct: {dropped} traces dropped" in listed
    assert (run / "decisions.jsonl").read_bytes() == written
    refused = distill("filter", recipe_path, "--explain", "correct", "--restart", "filter", check=2)
    assert "leave it out" in refused.stderr


def test_a_filter_that_was_killed_leaves_nothing_that_disturbs_the_next(
    distill: Distill, recipe_path: Path, tmp_path: Path
):
    distill("generate", recipe_path)
    stale = tmp_path / "runs/small/.filter"
    stale.mkdir()
    (stale / "traces.sqlite").write_text("torn")
    distill("filter", recipe_path)
    assert not stale.exists()
