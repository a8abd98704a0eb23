"""The control: the same problems as the journeys, without their detours, by prompts or by tokens."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from distill.builders import Builder, Lesson, Workshop
from distill.builders.journey import journey
from distill.builders.journey.shortcut import shortcut
from distill.errors import PluginError
from distill.formats import FORMATS
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


def test_by_tokens_the_sums_agree_to_within_a_trace_whoever_is_done_first():
    async def taught(delays: Sequence[float]) -> list[list[Example]]:
        """Many problems in work at once; which the other builder is done with first, the delays say."""
        build = shortcut(of="tests.builders.test_journey_shortcut:late_journey", match="tokens")
        workshops = [FakeWorkshop(folder=Path(str(delay))) for delay in delays]
        return await asyncio.gather(*(build(lesson(), workshop) for workshop in workshops))  # type: ignore[arg-type]

    (journeyed,) = asyncio.run(journey()(lesson(), FakeWorkshop(seed=f"0/{LATE}")))  # type: ignore[arg-type]
    first, second = (asyncio.run(taught(delays)) for delays in ([0.0] * 40, [0.02, 0.0, 0.01, 0.0] * 10))
    assert first == second
    assert {len(one) for one in first} == {1, 2}
    total = sum(tokens(one) for examples in first for one in examples)
    assert abs(total - 40 * tokens(journeyed)) <= tokens(first[0][0]) / 2


LATE = "tests.builders.test_journey_shortcut:late_journey"


def tokens(one: Example) -> int:
    """As `FakeWorkshop` counts them."""
    found = FORMATS["think"].parse(one.completion[0]["content"])
    return len(found.thinking) + len(found.answer)


def late_journey() -> Builder:
    made = journey()

    async def build(lesson: Lesson, workshop: Workshop) -> Iterable[Example]:
        await asyncio.sleep(float(str(workshop.folder)))
        return await made(lesson, workshop)  # type: ignore[misc]

    return build


def test_a_problem_that_fails_leaves_no_other_waiting():
    def fails(given: Lesson, workshop: Workshop) -> Iterable[Example]:
        raise ValueError("no")

    async def both() -> list[object]:
        build = shortcut(match="tokens")
        build.inner, made = fails, build.inner  # type: ignore[attr-defined]
        first = asyncio.create_task(build(lesson(), FakeWorkshop()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        build.inner = made  # type: ignore[attr-defined]
        second = build(lesson(), FakeWorkshop())
        return await asyncio.gather(first, second, return_exceptions=True)  # type: ignore[arg-type]

    failed, found = asyncio.run(asyncio.wait_for(both(), 5))
    assert isinstance(failed, ValueError)
    assert found


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
    assert abs(lengths["tokens"] - lengths["journey"]) < 300, "to within a trace, but for the marks, which are tokens"
