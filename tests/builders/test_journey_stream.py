"""Streams: a flawless search is taught as it is or without its dead ends; every planted fault is refused."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.builders.journey import journey
from distill.builders.journey.countdown import countdown_slip
from distill.builders.journey.stream import Operation, Stream, faulty, is_read_off, read, stream
from distill.countdown import search
from distill.errors import PluginError
from distill.formats import FORMATS
from distill.sources.countdown import CountdownSource
from distill.types import Example, Problem, Verdict
from distill.verifiers.countdown import CountdownVerifier
from tests.builders.journeys import FakeWorkshop, candidate, lesson
from tests.conftest import SOLVER_RECIPE, Distill, lines

GAME = Problem(
    id="g",
    prompt="3 7 1 -> 22",
    verifier="countdown",
    reference="(7*3)+1",
    metadata={"numbers": [3, 7, 1], "target": 22, "largest": 99},
)
TEXT = search([3, 7, 1], 22, largest=99).text
ANSWER = "(7*3)+1"


def built(thinking: str = TEXT, answer: str = ANSWER, workshop: FakeWorkshop | None = None, **options: object) -> str:
    """What a stream gives: the reply, or why there is none."""
    workshop = workshop or FakeWorkshop()
    right = candidate("right", thinking, answer, "correct", problem=GAME)
    made: list[Example] = asyncio.run(stream(**options)(lesson([right], []), workshop))  # type: ignore[arg-type]
    if made:
        assert made[0].trace_ids == ["right"]
        return made[0].completion[0]["content"]
    (reason,) = workshop.tallies
    return reason.removeprefix("no stream: ")


def test_a_search_is_taught_word_for_word():
    assert TEXT.count("<") + TEXT.count(">") > 4
    assert FORMATS["think"].parse(built()).thinking == TEXT
    assert FORMATS["think"].parse(built()).answer == ANSWER


def test_the_control_is_the_way_without_dead_ends_for_the_same_searches():
    assert built(dead_ends="drop") == f"<think>\n7*3=21: 21+1=22=22\n</think>\n\n{ANSWER}"
    alone = "7*3=21: 21+1=22=22"
    assert built(alone) == built(alone, dead_ends="drop") == "no dead end"


PLANTED: dict[str, tuple[Callable[[], str], str]] = {
    "a false result": (lambda: built(TEXT.replace("7+3=10", "7+3=11")), "an error left standing"),
    "a false comparison": (lambda: built(TEXT.replace("=22=22", "=22>22")), "an error left standing"),
    "a dead end that is not acknowledged": (
        lambda: built("7+3=10: 10+1=11=22\n7*3=21: 21+1=22=22"),
        "an error left standing",
    ),
    "a detour without return": (lambda: built(TEXT.rpartition("\n")[0]), "the detour does not return"),
    "a match passed over": (lambda: built(TEXT + "\n7-1=6: 6+3=9<22"), "a match passed over"),
    "a number that is not there": (lambda: built(TEXT.replace("21+1=22=22", "18+4=22=22")), "a leap"),
    "a number used twice": (lambda: built(TEXT.replace("21+1=22=22", "21+3=24>22")), "a leap"),
    "another answer": (lambda: built(answer="1+(3*7)-0"), "the answer is not that of the search"),
    "a tag in the thought": (lambda: built(TEXT + "\n</think>"), "not a search"),
    "a tag in the answer": (lambda: built(answer=ANSWER + "</think>"), "a mark of the trace format in the text"),
    "words": (lambda: built("I try 7*3=21.\n" + TEXT), "not a search"),
    "nothing": (lambda: built(""), "not a search"),
    "too many dead ends": (lambda: built(most=2), "too many dead ends"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_fault_is_refused(planted: str):
    plant, reason = PLANTED[planted]
    assert plant() == reason


def test_an_answer_that_is_judged_wrong_is_refused():
    class Strict(FakeWorkshop):
        async def judge(self, problem: Problem, answer: str) -> Verdict:
            return Verdict(trace_id="", outcome="incorrect")

    assert built(workshop=Strict()) == "the final answer is incorrect"


def test_what_is_no_search_may_give_its_plain_example():
    assert "I multiply." in built("I multiply.", otherwise="plain")


@pytest.mark.parametrize("numbers", [3, 4, 5])
def test_the_way_is_the_searchs_own_solution(numbers: int):
    for problem in CountdownSource(count=12, numbers=numbers, largest=99):
        solved = search(problem.metadata["numbers"], problem.metadata["target"], largest=99)
        found = read(solved.text)
        assert found
        assert len(found.operations) == numbers - 1
        assert is_read_off(solved.expression, found.operations)
        assert found.dead_ends == solved.text.count("<") + solved.text.count(">")
        assert [line.partition(":")[0] for line in found.way] == [
            f"{one.left}{one.sign}{one.right}={one.result}" for one in found.operations[:-1]
        ]


@pytest.mark.parametrize(
    ("answer", "is_right"),
    [
        ("(7*3)+1", True),
        ("1+3*7", True),
        ("7*3+1", True),
        ("(7+1)*3-2", False),
        ("17*3+1", False),
        ("7*3", False),
        ("22", False),
        ("", False),
    ],
)
def test_an_answer_is_read_off_the_way(answer: str, is_right: bool):
    way = [Operation("7", "*", "3", "21"), Operation("21", "+", "1", "22")]
    assert is_read_off(answer, way) is is_right
    assert not is_read_off(answer, [])


@given(st.text(alphabet="0123456789+-*/=<>: \nleft", max_size=200))
def test_any_text_can_be_read(text: str):
    found = read(text)
    assert found is None or isinstance(found, Stream)


@pytest.mark.parametrize("text", ["1+1=2: " + "1+1=2<3 " * 20_000, "1+1=2: 1+1=2<3\n" * 20_000, "1+1=2: left" * 9_000])
def test_hostile_text_is_read_in_time(text: str):
    import time

    begun = time.process_time()
    read(text)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dead_ends": "some"}, "choose keep or drop"),
        ({"most": 0}, "from 1 up"),
        ({"otherwise": "rewrite"}, "choose plain or nothing"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str):
    with pytest.raises(PluginError, match=message):
        stream(**options)  # type: ignore[arg-type]


def test_streams_and_their_ways_come_from_the_same_problems_of_a_run(distill: Distill, tmp_path: Path):
    recipe = tmp_path / "small.yaml"
    recipe.write_text(SOLVER_RECIPE)
    distill("generate", recipe)
    taught: list[dict[str, str]] = []
    for dead_ends in ("keep", "drop"):
        build = f"filter.build={{use: stream, dead_ends: {dead_ends}}}"
        distill("filter", recipe, "--set", build, "--restart", "filter")
        examples = [json.loads(line) for line in lines(tmp_path / "runs/small/train.jsonl")]
        taught.append({one["problem_id"]: one["completion"][0]["content"] for one in examples})
    streams, ways = taught
    assert len(streams) >= 10
    assert streams.keys() == ways.keys()
    for problem_id, text in streams.items():
        assert len(ways[problem_id]) < len(text)
        assert FORMATS["think"].parse(ways[problem_id]).answer == FORMATS["think"].parse(text).answer


def test_a_journey_without_its_wrong_turns_is_a_flawless_search():
    """What the splice makes, by another reader than its own checks."""

    class Exact(FakeWorkshop):
        async def judge(self, problem: Problem, answer: str) -> Verdict:
            return Verdict(trace_id="", outcome=CountdownVerifier()(problem, answer).outcome)

    num_made = 0
    for problem in CountdownSource(count=80, largest=99):
        numbers, target = problem.metadata["numbers"], problem.metadata["target"]
        samples = [search(numbers, target, largest=99, slips=0.06, rng=random.Random(n)) for n in range(6)]
        judged = [
            candidate(str(n), one.text, one.expression, CountdownVerifier()(problem, one.expression).outcome)
            for n, one in enumerate(samples)
        ]
        found = [replace(one, problem=problem) for one in judged]
        right = [one for one in found if one.verdict.outcome == "correct"][:1]
        wrong = [one for one in found if one.verdict.outcome == "incorrect"]
        made = asyncio.run(journey(detours=2)(lesson(right, wrong), Exact())) if right and wrong else []  # type: ignore[arg-type]
        for one in made:
            reply = FORMATS["think"].parse(one.completion[0]["content"])
            said = reply.thinking.split("\n")
            words = {place for place, line in enumerate(said) if any(char.isalpha() for char in line)}
            assert all(countdown_slip(problem.metadata, said[place - 1]) for place in words)
            sound = "\n".join(line for place, line in enumerate(said) if place not in words and place + 1 not in words)
            kept = read(sound)
            assert kept
            assert faulty(problem.metadata, sound, kept, reply.answer) in (None, "no dead end")
            num_made += 1
    assert num_made >= 15
