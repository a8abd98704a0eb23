"""The first error of a thought: what is found is an error, at its place, with what holds instead."""

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.builders.journey.countdown import countdown_slip
from distill.builders.journey.equations import equations
from distill.builders.journey.finders import Case, arithmetic, divergence
from distill.builders.journey.steps import start_of_step, steps
from distill.countdown import search
from distill.sources.countdown import CountdownSource
from tests.builders.journeys import PROBLEM, FakeWorkshop

WORKSHOP = FakeWorkshop()
GAME = {"numbers": [3, 5, 7], "target": 22}


@pytest.mark.parametrize(
    ("text", "said", "truth"),
    [
        ("7*3=22", "7*3=22", "7*3=21"),
        ("So 7 * 3 = 22, and so on.", "7 * 3 = 22", "7 * 3 = 21"),
        ("2+2=4, 3+3=7, 4+4=9", "3+3=7", "3+3=6"),
        ("7*3=21: 21+5=27>22", "21+5=27", "21+5=26"),
        ("22 8*7=54>22", "8*7=54", "8*7=56"),
        ("a total of 15 + 45 = 50 spools", "15 + 45 = 50", "15 + 45 = 60"),
        ("$1,200 × 3 = $3,500.", "1,200 × 3 = $3,500", "1,200 × 3 = 3600"),  # noqa: RUF001
        ("-7 * 2 = 14", "-7 * 2 = 14", "-7 * 2 = -14"),
        ("1 / 3 = 0.5", "1 / 3 = 0.5", ""),
        ("0.5 * 3 = 1.6", "0.5 * 3 = 1.6", "0.5 * 3 = 1.5"),
        ("(2 + 3) * 4 = 5 * 4 = 21", "5 * 4 = 21", "5 * 4 = 20"),
        ("12*3+4 = 37+4 = 41", "12*3+4 = 37+4", "12*3+4 = 40"),
        ("40+25+60 = 40+25, so 65", "40+25+60 = 40+25", "40+25+60 = 125"),
        ("100/3 * 60 = 2000/3", "100/3 * 60 = 2000/3", "100/3 * 60 = 2000"),
        (r"\(12 \times 13 = 146\)", None, None),
        (r"12 \times 13 = 146", r"12 \times 13 = 146", r"12 \times 13 = 156"),
    ],
)
def test_a_false_equation_is_found_at_its_place(text: str, said: str | None, truth: str | None):
    found = next((equation for equation in equations(text) if equation.is_false), None)
    if said is None:
        return  # what cannot be read for sure may be passed over
    assert found
    assert (found.text.removeprefix("$"), found.truth) in {(said, truth), (said, f"${truth}")}
    assert text[found.start : found.end] == found.text


@pytest.mark.parametrize(
    "text",
    [
        "7*3=21, 2.5 + 1 = 3.5",
        "(140/150) * 100 = 93.33%",
        "In all: 40+25+60+5=40+25=65; 65+60=125; 125+5=130",
        "90 - 200 + 150 - 30 = (90+150)=240, less 230 is 10",
        "So 9×8×7 / 3×2×1 = 504 / 6 =84",  # noqa: RUF001
        "So 9*8*7 / 3*2*1 = 84",
        "140/150*100 = 93",
        "20% of 50 + 3 = 13",
        "half of 3 * 4 = 6",
        "x - 3 = 4, 2x + 3 = 7, f(3) + 1 = 5, 2^3 + 1 = 9",
        "3 * 4 = 12x, 3 * 4 = 2^3 + 4",
        "7 / 2 = 3 remainder 1",
        "7 * 3 = 1 (mod 5)",
        "1 + 2 + ... + 10 = 55",
        "- 3 + 4 = 7",
        "5! / 4 = 30",
        "3 apples * 4 = 12",
        "sin 30 + 1 = 1.5",
        r"\frac{72}{2} (0.5 + 36) = 1314",
        r"1000 \div 7 = 142 \text{ remainder } 6",
        "345 - 15 = 3|P|",
        "195*(1/3) = 195 divided by 3",
        "1/0 = 7",
        "3/5*0 = 0",
        "9" * 500 + "*2=3",
        "(" * 300 + "1" + ")" * 300 + "+1=3",
        "__import__('os').system('true')*1=2",
        "",
    ],
)
def test_what_is_right_or_cannot_be_read_is_left_alone(text: str):
    assert [equation.text for equation in equations(text) if equation.is_false] == []


@given(st.text(alphabet="0123456789+-*/=()., $%\n<>:x", max_size=200))
def test_any_text_can_be_read(text: str):
    for equation in equations(text):
        assert text[equation.start : equation.end] == equation.text
    assert countdown_slip(GAME, text) is None or True
    assert all(text[step.start : step.end] == step.text for step in steps(text))
    assert 0 <= start_of_step(text, len(text) // 2) <= len(text)


@pytest.mark.parametrize("text", ["=" * 20_000, "1+" * 10_000 + "=1", "1+1=3 " * 3_000, "(" * 20_000, ". \t" * 7_000])
def test_hostile_text_is_read_in_time(text: str):
    begun = time.process_time()
    arithmetic(Case(PROBLEM, text, ""))
    divergence(Case(PROBLEM, text, text), WORKSHOP)
    countdown_slip(GAME, text)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize(
    ("text", "said", "truth", "kind"),
    [
        ("7*3=21: 21+5=22=22", "21+5=22", "21+5=26", "a false equation"),
        ("7*3=21: 21+5=26<22", "26<22", "26>22", "a false comparison"),
        ("7*3=21: 21+5=26>21", "26>21", "26>22", "a false comparison"),
        ("7*3=21: 21+3=24>22", "21+3", "", "a number used twice"),
        ("3*3=9: 9+7=16<22", "3*3", "", "a number used twice"),
        ("7*3=21: 21+9=30>22", "21+9", "", "a number that is not there"),
        ("I try 5*5=25 and 25-3=22.", "5*5", "", "a number used twice"),
        ("I try 5*3 = 15 and then 15 + 7 = 21", "15 + 7 = 21", "15+7=22", "a false equation"),
    ],
)
def test_the_first_error_of_a_search_is_found_exactly(text: str, said: str, truth: str, kind: str):
    slip = countdown_slip(GAME, text)
    assert slip
    assert (slip.said, slip.truth, slip.kind) == (said, truth, kind)
    assert said in text[slip.start : slip.end]


def test_a_search_over_four_numbers_keeps_to_what_is_left():
    game = {"numbers": [2, 3, 5, 7], "target": 50}
    assert countdown_slip(game, "3+2=5: left 5 5 7\n5+5=10: 10+7=17<50\n7+5=12: 12+5=17<50") is None
    slip = countdown_slip(game, "3+2=5: left 5 7 7")
    assert slip
    assert slip.kind == "a number that is not there"
    again = countdown_slip(game, "3+2=5: left 5 5 7\n7-2=5: 5+5=10<50")
    assert again
    assert again.said == "7-2"


@pytest.mark.parametrize("numbers", [3, 4])
def test_what_the_solver_slipped_in_is_what_is_found(numbers: int):
    num_found = 0
    for problem in CountdownSource(count=40, numbers=numbers, largest=99):
        given_numbers, target = problem.metadata["numbers"], problem.metadata["target"]
        flawless = search(given_numbers, target, largest=99).text
        assert countdown_slip(problem.metadata, flawless) is None
        text = search(given_numbers, target, largest=99, slips=0.05, rng=random.Random(problem.id)).text
        slip = countdown_slip(problem.metadata, text)
        place = next((n for n, (a, b) in enumerate(zip(text + "$", flawless + "$", strict=False)) if a != b), None)
        if place is None:
            assert slip is None
            continue
        assert slip
        assert slip.start <= place <= slip.end
        num_found += 1
    assert num_found >= 10


def test_without_a_game_nothing_is_found():
    assert countdown_slip({}, "1+1=3") is None
    assert countdown_slip({"numbers": "1 2", "target": 3}, "1+1=3") is None


def test_divergence_takes_the_same_calculation_with_another_result_for_the_error():
    right = "15 + 45 = 60.\n60 / 150 = 0.4"
    slip = divergence(Case(PROBLEM, "In all 150.\n15 + 45 = 70.\n70 / 150 = 0.47", right))
    assert slip
    assert (slip.said, slip.truth) == ("15 + 45 = 70", "15 + 45 = 60")
    step = divergence(Case(PROBLEM, "There are 12 * 4 = 48.\nSo 48.", "12 * 13 = 156"))
    assert step
    assert step.said == "There are 12 * 4 = 48."
    assert divergence(Case(PROBLEM, "It is 12.", right)) is None
    assert divergence(Case(PROBLEM, "1 + 1 = 3", "")) is None
