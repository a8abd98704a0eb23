r"""Countdown: the last expression counts, each number is used exactly once, and the target is met exactly."""

import pytest

from distill.sources import make_problem
from distill.verifiers.countdown import CountdownVerifier

judge = CountdownVerifier()


def problem(numbers: object = (4, 6, 9), target: object = 30):
    shown = list(numbers) if isinstance(numbers, tuple) else numbers
    return make_problem(prompt="p", verifier="countdown", metadata={"numbers": shown, "target": target})


@pytest.mark.parametrize(
    "answer",
    [
        "(9-4)*6",
        "  6 * (9 - 4)  ",
        "<answer>(9-4)*6</answer>",
        "<answer> (9-4)*6 = 30 </answer> and that is it",
        "<ANSWER>(9-4)*6",
        r"So it is \boxed{(9-4)*6}.",
        r"\boxed{(9-4) \times 6 = 30}",
        r"\[ \boxed{\left(9-4\right)\cdot 6} \]",
        "(9−4)×6",  # noqa: RUF001
        "(9-4)·6 = 30.",
        "$(9-4) \\times 6$",
        "**(9-4)*6**",
        "`(9-4)*6`",
        "Answer: (9-4)*6",
        "The answer is (9-4)*6",
        "(9-4)*6 = 5*6 = 30",
        "First I thought of 4+6+9.\n4+6+9\nBut this works:\n(9-4)*6\n",
        "(9-4)*6\nwhich uses every number.",
        r"<answer>4+6+9</answer> no: <answer>(9-4)*6</answer>",
        r"<answer>\boxed{(9-4)*6}</answer>",
    ],
)
def test_right_expressions_in_every_dress(answer: str) -> None:
    judgement = judge(problem(), answer)
    assert (judgement.outcome, judgement.reason) == ("correct", "")
    assert judgement.method == "exact"


@pytest.mark.parametrize("answer", [r"\frac{6}{4}*8", "6÷4*8", r"6 \div 4 \times 8", r"8\cdot\dfrac{6}{4}", "8/(4/6)"])
def test_fractions_are_exact(answer: str) -> None:
    assert judge(problem((4, 6, 8), 12), answer).outcome == "correct"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("(9-4)", "uses 4 9 instead of 4 6 9"),
        ("(9-4)*6+6-6", "uses 4 6 6 6 9 instead of 4 6 9"),
        ("5*6", "uses 5 6 instead of 4 6 9"),
        ("30", "uses 30 instead of 4 6 9"),
        ("46-9", "uses 9 46 instead of 4 6 9"),
        ("4+6+9", "gives 19, not 30"),
        ("4/6*9-0", "uses 0 4 6 9 instead of 4 6 9"),
        ("9*4/6", "gives 6, not 30"),
        ("<answer>6/4+9</answer>", "gives 21/2, not 30"),
        ("(9-4)*6 = 31", "says that it equals 31, not 30"),
        ("<answer>(9-4)*6</answer><answer>4+6+9</answer>", "gives 19, not 30"),
        ("<answer>9/(6-6)</answer>", "division by zero"),
        ("<answer>-4+6+9</answer>", "no expression"),
        ("<answer></answer>", "no expression"),
        ("<answer>9**4**6</answer>", "no expression"),
        ("<answer>__import__('os')</answer>", "no expression"),
        ("<answer>" + "(" * 10_000 + "</answer>", "longer than 200 characters"),
        ("I cannot find one.", "no expression"),
        ("", "no expression"),
    ],
)
def test_wrong_expressions_say_why(answer: str, reason: str) -> None:
    judgement = judge(problem(), answer)
    assert (judgement.outcome, judgement.reason) == ("incorrect", reason)


def test_a_number_given_twice_is_used_twice() -> None:
    twice = problem((5, 5, 2), 12)
    assert judge(twice, "5+5+2").outcome == "correct"
    assert judge(twice, "5*2+2").reason == "uses 2 2 5 instead of 2 5 5"


@pytest.mark.parametrize(("numbers", "target"), [(None, 3), ("345", 3), ((), 3), ((1, 2), None), ((1, "2"), 3)])
def test_a_problem_without_numbers_is_unverifiable(numbers: object, target: object) -> None:
    assert judge(problem(numbers, target), "1+2").outcome == "unverifiable"
