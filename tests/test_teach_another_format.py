"""Traces that were written in one trace format, taught in another: the recipe's `train.format` alone decides."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from distill.formats import FORMATS
from distill.recipe import Recipe
from distill.run import open_run
from distill.stages.filter import filter_traces
from distill.stages.generate import generate

THOUGHT = "First \\(2 + 2\\) is 5.\n\nWait:  it is 4.\n\n\tSo <b>4</b>; é, \u2028 and \\n stay."
ANSWER = "It is\n\n$\\boxed{4}$."


def taught(folder: Path, written: str, taught_in: str, thoughts: list[str]) -> tuple[list[dict[str, Any]], Recipe]:
    rows = [
        {
            "messages": [
                {"role": "system", "content": "Theirs."},
                {"role": "user", "content": f"2 + 2? ({index})"},
                {"role": "assistant", "content": FORMATS[written].render(thought, ANSWER)},
            ],
            "ref": "4",
        }
        for index, thought in enumerate(thoughts)
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    traces = {"model": "someone/teacher", "messages": "messages", "format": written}
    adopt = {
        "use": "jsonl",
        "path": str(folder / "rows.jsonl"),
        "reference_column": "ref",
        "verifier": "math",
        "traces": traces,
    }
    recipe = Recipe.model_validate(
        {
            "name": "other",
            "generate": {"adopt": [adopt]},
            "filter": {"select": ["correct"], "workers": 1},
            "train": {"student": "tiny-base", "format": taught_in, "system_prompt": "Ours."},
        }
    )
    with open_run(recipe, folder) as run:
        generate(run)
        filter_traces(run)
        lines = run.examples.path.read_text().split("\n")
        manifest = run.manifest["stages"]["filter"]
        assert yaml.safe_load((run.dir / "recipe.yaml").read_text())["train"]["format"] == taught_in
    examples = [json.loads(line) for line in lines if line]
    assert manifest["examples"] == len(examples)
    assert manifest["built"] == (
        {"not taught: a mark of the trace format in the text": left} if (left := len(rows) - len(examples)) else {}
    )
    return examples, recipe


@pytest.mark.parametrize("taught_in", ["think", "think-open", "sky-t1", "s1", "plain"])
@pytest.mark.parametrize("written", ["think", "sky-t1", "s1"])
def test_thought_and_answer_come_through_as_they_were(written: str, taught_in: str, tmp_path: Path):
    [example], recipe = taught(tmp_path, written, taught_in, [THOUGHT])
    assert example["completion"] == [{"role": "assistant", "content": FORMATS[taught_in].render(THOUGHT, ANSWER)}]
    assert example["prompt"] == [
        {"role": "system", "content": "Ours."},
        {"role": "user", "content": "2 + 2? (0)"},
    ]
    assert (recipe.student_format.name, recipe.student_format.system_prompt) == (taught_in, "Ours.")


def test_a_trace_that_holds_the_students_marks_is_left_out_and_counted(tmp_path: Path):
    examples, _ = taught(tmp_path, "s1", "think", [THOUGHT, "They write </think> here.", "<think>"])
    assert [example["prompt"][1]["content"] for example in examples] == ["2 + 2? (0)"]
