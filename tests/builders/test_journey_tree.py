"""Journeys from a search: failed branches are told on the way down, and the model is asked no more than it need be."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from distill.builders.journey import journey
from distill.engines import Completion, Request
from distill.formats import FORMATS
from tests.builders.journeys import FakeWorkshop, lesson

ENGINE = {"engine": "transformers", "model": "a stand-in"}
END = "so it is 160\n</think>\n\n\\boxed{160}"
LOST = "so it is 150\n</think>\n\n\\boxed{150}"


def climber(wrong: set[int] | None = None) -> Callable[[Request], Completion]:
    """Proposes the next level, and on wrong levels every other time a step from which no way leads to the answer."""
    at = set(range(1, 100)) if wrong is None else wrong
    asked = Counter[str]()

    def says(request: Request) -> Completion:
        level = request.prefill.count("\n")  # the mark of the thought is the first line
        if request.stop:
            asked[request.prefill] += 1
            errs = level in at and asked[request.prefill] % 2 == 0
            return Completion(text=f"{'slip' if errs else 'go'} to {level}")
        return Completion(text=LOST if "slip" in request.prefill else END)

    return says


def grown(tmp_path: Path, says: Callable[[Request], Completion], **options: object) -> tuple[FakeWorkshop, str]:
    workshop = FakeWorkshop(says=says, folder=tmp_path)
    build = journey(**{"by": "tree", "engine": ENGINE, "rollouts": 2, **options})  # type: ignore[arg-type]
    examples = asyncio.run(build(lesson(dropped=[]), workshop))  # type: ignore[arg-type]
    if not examples:
        return workshop, ""
    (example,) = examples
    assert example.trace_ids == ["right"]
    return workshop, FORMATS["think"].parse(example.completion[0]["content"]).thinking


def test_failed_branches_are_told_on_the_way_down_and_nothing_twice(tmp_path: Path):
    workshop, text = grown(tmp_path, climber(), detours=3, width=4, depth=6, max_share=0.9)
    lines = text.splitlines()
    assert [line for line in lines if line.startswith("go to")] == [f"go to {level}" for level in range(1, 7)]
    assert lines[-1] == "so it is 160"
    failed = [place for place, line in enumerate(lines) if line.startswith("slip")]
    assert 2 <= len(failed) <= 3
    for place in failed:
        level = lines[place].removeprefix("slip to ")
        assert f": {lines[place]}" in lines[place + 1], "the acknowledgement names the step"
        assert f"go to {level}" in lines[place + 2 :], "and the way goes on from before it"
        assert f"go to {level}" not in lines[:place]
    assert workshop.tallies == {"a journey": 1}


def test_width_depth_and_rollouts_bound_what_is_asked(tmp_path: Path):
    workshop, _ = grown(tmp_path, climber(), width=3, depth=5, rollouts=2)
    proposals = [request for request in workshop.asked if request.stop]
    assert len(proposals) == 15
    assert max(request.prefill.count("\n") for request in proposals) == 5
    assert len(workshop.asked) <= 15 + 2 * 2 * 5, "two new steps at most on each level, and the end is paid for already"
    again, text = grown(tmp_path, climber(), width=3, depth=5, rollouts=2)
    assert text
    assert again.asked == []


def test_one_detour_is_told_where_one_is_allowed(tmp_path: Path):
    _, text = grown(tmp_path, climber(), width=6, depth=4, detours=1, max_share=0.9)
    assert len(re.findall(r"^slip", text, re.MULTILINE)) == 1


def always(step: str, rest: str) -> Callable[[Request], Completion]:
    return lambda request: Completion(text=step if request.stop else rest)


def never_ends(request: Request) -> Completion:
    return Completion(text="go on", finish_reason="length")


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (climber(set()), "the search takes no wrong turn"),
        (always("slip", LOST), "the search finds no answer"),
        (never_ends, "the search finds no answer"),
        (always("</think>", END), "the search takes no wrong turn"),
    ],
)
def test_a_search_that_comes_to_nothing_gives_no_journey(
    says: Callable[[Request], Completion], reason: str, tmp_path: Path
):
    workshop, text = grown(tmp_path, says)
    assert not text
    assert workshop.tallies == {f"no journey: {reason}": 1}


def test_a_judge_can_score_the_steps(tmp_path: Path):
    climbs = climber()

    def says(request: Request) -> Completion:
        mark = re.search(r"\[([0-9a-f]{12}) NO WRONG STEP\]", request.messages[0]["content"])
        if not mark:
            return climbs(request)
        assert "may be right as far as it goes" in request.messages[0]["content"]
        found = re.search(r"^([0-9]+)\. slip", request.messages[1]["content"], re.MULTILINE)
        said = f"FIRST WRONG STEP: {found[1]}" if found else "NO WRONG STEP"
        return Completion(text=f"[{mark[1]} {said}]")

    _, text = grown(tmp_path, says, width=6, depth=4, score="judge", max_share=0.9)
    assert len(re.findall(r"^slip", text, re.MULTILINE)) == 1
