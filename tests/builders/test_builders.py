"""What the filter gives to a builder, and how it bears one that fails."""

import json
from ast import literal_eval
from pathlib import Path

import pytest

from distill.errors import PluginError
from tests.conftest import Distill, lines
from tests.filtering_heap import Item, filtered

HEAP = [Item(n % 70, "math", "correct" if n % 3 else "incorrect", "stop", n + 1, str(n % 4)) for n in range(300)]


def test_a_builder_sees_all_traces_of_a_problem_and_its_examples_keep_their_order():
    found = filtered(HEAP, ["correct"], build="tests.builders.somebodys:siblings", order=3)
    assert found.train_bytes == filtered(HEAP, ["correct"], build="tests.builders.somebodys:siblings").train_bytes
    kept = {decision.trace_id for decision in found.decisions if decision.kept}
    seen: list[str] = []
    for example in found.examples:
        taught, left = literal_eval(example.completion[0]["content"])
        assert taught == sorted(taught)
        assert left == sorted(left)
        assert {name.partition("-")[0] for name in taught + left} == {example.problem_id}
        assert set(taught) <= kept
        assert not set(left) & kept
        seen += taught + left
    assert len(seen) == len(set(seen)) == len(HEAP)
    assert [example.problem_id for example in found.examples] == sorted(
        {example.problem_id for example in found.examples}
    )


def test_a_builder_that_fails_is_named_with_the_problem():
    with pytest.raises(PluginError, match=r"somebodys:failing' failed on problem 000: KeyError: 'no such mark'"):
        filtered(HEAP, ["correct"], build="tests.builders.somebodys:failing")


def test_a_builder_can_ask_a_model_and_have_its_answer_judged(distill: Distill, recipe_path: Path, tmp_path: Path):
    build = json.dumps({"use": "tests.builders.somebodys:asking", "engine": {"engine": "solver"}})
    distill("generate", recipe_path)
    distill("filter", recipe_path, "--set", f"filter.build={build}")
    examples = [json.loads(line) for line in lines(tmp_path / "runs/small/train.jsonl")]
    assert examples
    assert {example["completion"][0]["content"] for example in examples} == {"correct"}
