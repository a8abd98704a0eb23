"""The control: the same problems as the journeys, without their detours, by prompts or by tokens."""

import asyncio
import json
from pathlib import Path

import pytest

from distill.builders import Lesson
from distill.builders.journey import journey
from distill.builders.journey.shortcut import shortcut
from distill.errors import PluginError
from distill.types import Example
from tests.builders.journeys import ANSWER, RIGHT, RIGHT_ONE, WRONG_ONE, FakeWorkshop, candidate, lesson
from tests.conftest import SOLVER_RECIPE, TRAIN_SECTIONS, Distill, lines

SPARED = candidate("spared", "It is 156 + 4 = 160.", ANSWER, "correct")


def built(given: Lesson, seed: str = "0/shortcut", **options: object) -> list[Example]:
    return list(asyncio.run(shortcut(**options)(given, FakeWorkshop(seed=seed))))  # type: ignore[arg-type]


def test_a_shortcut_is_the_plain_example_of_the_journeys_right_trace():
    (example,) = built(lesson())
    assert example.completion[0]["content"] == f"<think>\n{RIGHT}\n</think>\n\n{ANSWER}"
    assert example.trace_ids == ["right"]
    assert built(lesson(dropped=[])) == [], "no journey, no shortcut"


def test_by_tokens_other_right_traces_come_first_and_then_the_same_again():
    given = Lesson(RIGHT_ONE.problem, [RIGHT_ONE], lambda: [SPARED, WRONG_ONE], frozenset({"spared"}))
    ids = [found.trace_ids[0] for found in built(given, match="tokens")]
    assert ids[:2] == ["right", "spared"]
    faulty = Lesson(RIGHT_ONE.problem, [RIGHT_ONE], lambda: [SPARED, WRONG_ONE])
    assert "spared" not in [found.trace_ids[0] for found in built(faulty, match="tokens")], "a gate dropped it"


def test_by_tokens_the_sums_agree_over_many_problems():
    wanted = sum(
        len(one.completion[0]["content"])
        for one in asyncio.run(journey()(lesson(), FakeWorkshop()))  # type: ignore[arg-type]
    )
    sums = [
        sum(len(one.completion[0]["content"]) for one in built(lesson(), f"{seed}/shortcut", match="tokens"))
        for seed in range(80)
    ]
    assert len(set(sums)) == 2, "the last example comes or not"
    assert abs(sum(sums) / len(sums) / wanted - 1) < 0.1


def test_another_match_is_refused():
    with pytest.raises(PluginError, match="match is 'length'; choose prompts or tokens"):
        shortcut(match="length")


def test_both_sides_of_a_run_teach_the_same_problems(distill: Distill, tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(SOLVER_RECIPE.replace("samples: 2", "samples: 4") + TRAIN_SECTIONS)
    distill("generate", recipe)
    taught: dict[str, list[str]] = {}
    lengths: dict[str, int] = {}
    for name, build in {
        "journey": "journey",
        "prompts": "{use: shortcut, of: {use: journey}}",
        "tokens": "{use: shortcut, match: tokens}",
    }.items():
        distill("filter", recipe, "--restart", "filter", "--set", f"filter.build={build}")
        examples = [json.loads(line) for line in lines(tmp_path / "runs/small/train.jsonl")]
        taught[name] = [example["problem_id"] for example in examples]
        lengths[name] = sum(len(example["completion"][0]["content"]) for example in examples)
    assert taught["journey"] == taught["prompts"]
    assert len(taught["journey"]) >= 10
    assert sorted(set(taught["tokens"])) == sorted(set(taught["journey"]))
    assert lengths["prompts"] < 0.8 * lengths["journey"]
    assert 0.8 < lengths["tokens"] / lengths["journey"] < 1.25
