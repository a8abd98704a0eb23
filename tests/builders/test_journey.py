"""Journeys: from the wrong and right samples of a run; a fault that is planted in one is refused."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.builders.journey import journey
from distill.builders.journey.checks import Bounds, refused
from distill.builders.journey.draft import Draft, resume_at
from distill.builders.journey.finders import Case, arithmetic
from distill.builders.journey.phrases import acknowledged
from distill.builders.journey.slips import Slip
from distill.builders.journey.splice import Turn, spliced
from distill.countdown import search
from distill.errors import PluginError
from distill.formats import FORMATS
from distill.types import Example
from tests.builders.journeys import (
    ANSWER,
    PROBLEM,
    RIGHT,
    RIGHT_ONE,
    WRONG,
    WRONG_ONE,
    FakeWorkshop,
    candidate,
    draft,
    lesson,
    with_part,
)
from tests.conftest import SOLVER_RECIPE, Distill, lines


def fault(made: Draft, bounds: Bounds | None = None) -> str | None:
    return asyncio.run(refused(made, bounds or Bounds(), PROBLEM, FakeWorkshop()))


def built(given: object = None, workshop: FakeWorkshop | None = None, **options: object) -> list[Example]:
    made = journey(**options)(given or lesson(), workshop or FakeWorkshop())  # type: ignore[arg-type]
    return list(asyncio.run(made))  # type: ignore[arg-type]


def test_a_journey_goes_wrong_says_so_and_comes_back():
    made = draft()
    attempt, words, rest = made.parts
    assert attempt.text == "I multiply first.\n12 * 13 = 146"
    assert "12 * 13 = 146" in words.text
    assert "12 * 13 = 156" in words.text
    assert rest.text == RIGHT.partition("\n")[2], "the step that both begin with is established, and not said again"
    assert fault(made) is None
    (example,) = built()
    thinking = FORMATS["think"].parse(example.completion[0]["content"]).thinking
    assert thinking.startswith(attempt.text + "\n")
    assert thinking.endswith("So it is 160.")
    assert FORMATS["think"].parse(example.completion[0]["content"]).answer == ANSWER
    assert sorted(example.trace_ids) == ["right", "wrong"]


def in_words(made: Draft, text: str) -> Draft:
    return replace(made, parts=with_part(made, 1, text=text))


PLANTED: dict[str, tuple[Callable[[Draft], Draft], str]] = {
    "wrong answer in the box": (
        lambda made: replace(made, answer=r"It is \boxed{150}."),
        "a wrong answer in the final answer",
    ),
    "wrong answer in a second box": (
        lambda made: replace(made, answer="Either $\\boxed{150}$.\n\nOr $\\boxed{160}$."),
        "several answers",
    ),
    "wrong answer boxed after the acknowledgement": (
        lambda made: replace(
            made,
            parts=with_part(made, 2, text=made.parts[2].text + "\n\\boxed{150}"),
            thoughts={**made.thoughts, "right": RIGHT + "\n\\boxed{150}"},
        ),
        "a wrong answer in the final answer",
    ),
    "another wrong answer": (
        lambda made: replace(made, answer=r"It is \boxed{161}."),
        "the final answer is incorrect",
    ),
    "no acknowledgement": (
        lambda made: replace(made, parts=[made.parts[0], made.parts[2]]),
        "the error is not acknowledged",
    ),
    "an acknowledgement that names nothing": (
        lambda made: in_words(made, "Wait, that is wrong."),
        "the error is not acknowledged",
    ),
    "an acknowledgement without the correction": (
        lambda made: in_words(made, "Wait, 12 * 13 = 146 is wrong."),
        "the error is not acknowledged",
    ),
    "an error outside of the attempt": (
        lambda made: replace(made, parts=with_part(made, 0, text=made.parts[0].text[:-6])),
        "the error is not in the attempt",
    ),
    "text that no sample said": (
        lambda made: replace(made, parts=with_part(made, 0, text="I guess. 12 * 13 = 146")),
        "an attempt without a known error",
    ),
    "a broken tag": (
        lambda made: replace(
            made,
            parts=with_part(made, 2, text="</think>" + made.parts[2].text),
            thoughts={**made.thoughts, "right": RIGHT.replace("12 * 10", "</think>12 * 10")},
        ),
        "a mark of the trace format in the text",
    ),
    "a tag in the answer": (lambda made: replace(made, answer="<think>" + ANSWER), "a mark of the trace format *"),
    "a detour without return": (lambda made: replace(made, parts=made.parts[:2]), "the detour does not return"),
    "a return that breaks off": (
        lambda made: replace(made, parts=with_part(made, 2, text=made.parts[2].text.partition("\n")[0])),
        "the detour does not return",
    ),
    "a return without the way to the answer": (
        lambda made: replace(
            made,
            parts=with_part(made, 2, text="So that is all.", start=len(RIGHT) + 1),
            thoughts={**made.thoughts, "right": RIGHT + "\nSo that is all."},
        ),
        "the detour does not return",
    ),
    "a leap": (
        lambda made: replace(
            made, parts=with_part(made, 2, text="Then 156 + 4 = 160.\nSo it is 160.", start=RIGHT.index("Then"))
        ),
        "a leap",
    ),
    "a leap into a step": (
        lambda made: replace(made, parts=with_part(made, 2, text=RIGHT[3:], start=3)),
        "a leap",
    ),
    "no detour": (lambda made: replace(made, parts=made.parts[2:]), "no detour"),
    "a false equation left standing": (
        lambda made: replace(
            made,
            parts=with_part(made, 2, text=made.parts[2].text.replace("12 * 3 = 36", "12 * 3 = 37")),
            thoughts={**made.thoughts, "right": RIGHT.replace("12 * 3 = 36", "12 * 3 = 37")},
        ),
        "an error left standing",
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_refused(planted: str):
    plant, reason = PLANTED[planted]
    found = fault(plant(draft()))
    assert found
    assert found.startswith(reason.rstrip("*").rstrip()), found


def test_an_error_that_the_finder_has_passed_over_is_not_taught():
    step = WRONG.index("Then")
    late = Slip(step, len(WRONG.partition("150.")[0]) + 4, "Then 146 + 4 = 150.", "", "a step that a judge names")
    made = spliced(RIGHT_ONE, [Turn(WRONG_ONE, late)], (), random.Random(0))
    assert "12 * 13 = 146" in made.thinking
    assert fault(made, Bounds(max_share=0.95)) == "an error left standing"


@pytest.mark.parametrize("name", FORMATS)
def test_a_journey_is_whole_in_every_trace_format(name: str):
    (example,) = built(workshop=FakeWorkshop(trace_format=FORMATS[name]))
    reply = example.completion[0]["content"]
    found = FORMATS[name].parse(reply)
    assert found.malformed is None
    assert FORMATS[name].render(found.thinking, found.answer) == reply
    assert found.answer.endswith(ANSWER)


@pytest.mark.parametrize("name", FORMATS)
def test_errors_can_be_read_and_not_taught(name: str):
    trace_format = FORMATS[name]
    (taught,), (masked,) = (
        built(workshop=FakeWorkshop(trace_format=trace_format), teach_errors=is_taught) for is_taught in (True, False)
    )
    reply = masked.completion[0]["content"]
    assert (reply, taught.masked) == (taught.completion[0]["content"], [])
    assert b"masked" not in msgspec.json.encode(taught), "what is seldom there is not written"
    [(start, end)] = masked.masked
    assert reply[start:end] == "12 * 13 = 146"
    assert reply[:start].endswith("I multiply first.\n"), "the steps before the error are taught"


def test_a_share_of_the_journeys_is_told_and_plain_examples_of_the_others():
    right = [candidate(f"right-{n}", RIGHT, ANSWER, "correct") for n in range(200)]
    workshop = FakeWorkshop()
    examples = built(lesson(right), workshop, share_of_journeys=0.2)
    assert len(examples) == 200
    journeys = [found for found in examples if "146" in found.completion[0]["content"]]
    assert 20 <= len(journeys) <= 60
    assert {len(found.trace_ids) for found in journeys} == {2}
    assert workshop.tallies == {"a journey": len(journeys), "a plain example beside the journeys": 200 - len(journeys)}
    assert examples == built(lesson(right), FakeWorkshop(), share_of_journeys=0.2)
    assert len([found for found in built(lesson(right)) if "146" in found.completion[0]["content"]]) == 200


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share: float):
    with pytest.raises(PluginError, match="share_of_journeys is"):
        journey(share_of_journeys=share)


@pytest.mark.parametrize("gap", ["\n", "\n\n"])
def test_the_errors_of_several_detours_are_found_in_the_text(gap: str):
    first, second = (f"I try {n}.{gap}12 * 13 = {n}" for n in (146, 147))
    turns = []
    for n, thought in ((146, first), (147, second)):
        slip = arithmetic(Case(PROBLEM, thought, RIGHT))
        assert slip
        turns.append(Turn(candidate(f"wrong-{n}", thought, "It is 1.", "incorrect"), slip))
    made = spliced(RIGHT_ONE, turns, (), random.Random(0))
    assert [made.thinking[start:end] for start, end in made.errors] == ["12 * 13 = 146", "12 * 13 = 147"]


def test_detours_are_bounded():
    assert fault(draft(), Bounds(max_detours=0)) == "too many detours"
    assert fault(draft(), Bounds(max_share=0.3)) == "the detours are too long"


def test_an_error_that_the_right_sample_takes_back_itself_may_stand():
    noticed = RIGHT.replace("12 * 3 = 36", "12 * 3 = 37, no, wait, 12 * 3 = 36")
    assert len(built(lesson([candidate("right", noticed, ANSWER, "correct")]))) == 1


OTHER = candidate("other", "I multiply first.\n12 * 13 = 136.\nSo it is 140.", r"\boxed{140}", "incorrect")


def test_several_detours_are_told_one_after_the_other_and_say_nothing_twice():
    (example,) = built(lesson(dropped=[WRONG_ONE, OTHER]), detours=2)
    text = example.completion[0]["content"]
    assert sorted(example.trace_ids) == ["other", "right", "wrong"]
    assert text.count("I multiply first.") == 1
    first, second = sorted(("12 * 13 = 146", "12 * 13 = 136"), key=text.index)
    assert text.index(first) < text.index("12 * 13 = 156") < text.index(second) < text.index("12 * 10 = 120")


def test_the_same_error_is_made_once():
    twin = candidate("twin", WRONG.replace("So it", "Thus it"), r"\boxed{150}", "incorrect")
    (example,) = built(lesson(dropped=[WRONG_ONE, twin]), detours=2)
    assert len(example.trace_ids) == 2


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lesson(dropped=[]), "no wrong sample"),
        (lesson(dropped=[candidate("w", "It is plain to see.", r"\boxed{1}", "incorrect")]), "no error found"),
        (lesson([candidate("r", RIGHT, ANSWER, "unverifiable")]), "the trace is not verified"),
        (lesson([candidate("r", "", ANSWER, "correct")]), "the trace has no thought"),
        (lesson(dropped=[candidate("w", WRONG + "</think>", r"\boxed{1}", "incorrect")]), ""),
    ],
)
def test_a_trace_without_a_journey_gives_none_or_its_plain_example(given: object, reason: str):
    workshop = FakeWorkshop()
    made = built(given, workshop)
    if not reason:  # the mark stands behind the error, where the wrong thought is cut
        assert len(made) == 1
        return
    assert made == []
    assert dict(workshop.tallies) == {f"no journey: {reason}": 1}
    (example,) = built(given, otherwise="plain")
    assert example.trace_ids == [given.kept[0].trace.id]  # type: ignore[attr-defined]


def test_a_cut_off_sample_is_no_mistake():
    import msgspec

    cut = replace(WRONG_ONE, trace=msgspec.structs.replace(WRONG_ONE.trace, finish_reason="length"))
    assert built(lesson(dropped=[cut])) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"find": "judgement"}, "no finder named 'judgement'"),
        ({"detours": 0}, "detours is 0"),
        ({"votes": 0}, "votes is 0"),
        ({"find": ["countdown", "judge"]}, "'judge' asks a model; name it as engine"),
        ({"by": "tree"}, "by tree asks a model"),
        ({"by": "beam"}, "by is 'beam'; choose splice or tree"),
        ({"max_share": 1.5}, "max_share is 1.5"),
        ({"find": "rollouts", "engine": {"engine": "solver"}}, "'solver' always begins anew"),
        ({"by": "tree", "engine": {"engine": "replay"}}, "'replay' always begins anew"),
        ({"otherwise": "rewrite"}, "choose plain or nothing"),
        ({"phrases": ["Wait, that is wrong."]}, "must hold {said}"),
        ({"phrases": ["{said} is wrong {0}"]}, "no other braces"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str):
    with pytest.raises(PluginError, match=message.replace("{", r"\{")):
        journey(**options)  # type: ignore[arg-type]


@given(st.text(max_size=60), st.text(max_size=60), st.booleans(), st.integers(0, 9))
def test_an_acknowledgement_names_any_error_as_it_is(said: str, truth: str, goes_back: bool, seed: int):
    slip = Slip(0, 1, said, truth, "")
    own = ["Oh: {said}.", "Oh: {said}. So {truth}."]
    words = acknowledged(slip, goes_back=goes_back, own=own, rng=random.Random(seed))
    assert words.startswith(f"Oh: {' '.join(said.split())}.{f' So {truth}.' if truth else ''}")


def test_a_phrase_of_ones_own_that_leaves_the_correction_out_costs_no_journey():
    (example,) = built(phrases=["Oh: {said}."])
    assert "12 * 13 = 156" in example.completion[0]["content"]
    (example,) = built(phrases=["Oh: {said}, but {truth}!"])
    assert "Oh: 12 * 13 = 146, but 12 * 13 = 156!" in example.completion[0]["content"]


def test_the_quoted_step_ends_before_the_way_back():
    slip = Slip(0, 1, "11+1=12: 12/12=22=22", "", "")
    words = acknowledged(slip, goes_back=False, own=(), rng=random.Random(0))
    assert ": 11+1=12: 12/12=22=22. " in words


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_what_is_left_out_stands_word_for_word_in_what_was_said(first: int, second: int):
    said, gone_on = (search([3, 5, 7], 22, slips=0.3, rng=random.Random(n)).text for n in (first, second))
    place = resume_at(gone_on, [said])
    assert set(gone_on[:place].splitlines()) <= set(said.splitlines())


def test_journeys_come_from_a_run(distill: Distill, tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(SOLVER_RECIPE.replace("samples: 2", "samples: 4") + "  build: journey\n")
    distill("generate", recipe)
    said = distill("filter", recipe).stderr
    examples = [json.loads(line) for line in lines(tmp_path / "runs/small/train.jsonl")]
    assert len(examples) >= 10
    assert "a journey: " in said
    traces = {trace["id"]: trace for trace in map(json.loads, lines(tmp_path / "runs/small/traces.jsonl"))}
    verdicts = {v["trace_id"]: v["outcome"] for v in map(json.loads, lines(tmp_path / "runs/small/verdicts.jsonl"))}
    for example in examples:
        found = FORMATS["think"].parse(example["completion"][0]["content"])
        outcomes = [verdicts[trace_id] for trace_id in example["trace_ids"]]
        right = traces[example["trace_ids"][outcomes.index("correct")]]
        assert sorted(outcomes) == ["correct", "incorrect"]
        assert found.malformed is None
        assert found.answer == right["answer"]
        assert found.thinking.endswith(right["thinking"].splitlines()[-1])
    first = (tmp_path / "runs/small/train.jsonl").read_bytes()
    (tmp_path / "runs/small/train.jsonl").unlink()
    distill("filter", recipe, "--set", "filter.workers=2")
    assert (tmp_path / "runs/small/train.jsonl").read_bytes() == first
