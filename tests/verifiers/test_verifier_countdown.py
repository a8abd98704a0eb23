r"""Countdown: the last expression counts, each number is used exactly once, and the target is met exactly."""

import time
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    "answer",
    [
        "We can make 30 with (9-4)*6.",
        "Using 4, 6, 9: (9-4)*6 = 30!",
        "30 = (9-4)*6",
        "x = (9-4)*6",
        "(9-4)*6 == 30",
        "(9 - 4) x 6 = ?",
        "So **(9-4)*6** works",
        "1. 9-4 = 5\n2. 5*6 = 30\n\nFinal answer: (9-4)*6 = 30",
        "The answer is (9-4)*6.\nCheck: 9-4 = 5, 5*6 = 30.",
        "(9-4)*6\nThis uses 4, 6 and 9 to get 30.",
        "4+6+9 = 19 is too small. (9-4)*6 = 30 is right.",
        "- (9-4)*6",
        "答案是(9-4)*6",
        "答案：(9－4)×６",  # noqa: RUF001
        r"\[ [9-4]\times 6 = 30 \]",
        r"$$\bigl(9-4\bigr)\,\cdot\,6$$",
        r"(9-4)\times 6 \Rightarrow 30",
    ],
)
def test_an_expression_is_found_in_a_reply(answer: str) -> None:
    assert judge(problem(), answer).outcome == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        "9-4 = 5\n5*6 = 30",
        "<answer>9-4=5, 5*6=30</answer>",
        "(9-4)*6\nNo, better: 4+6+9",
        "(9-4)*6\nNo, better: 5*6",
        "(9-4)*6 = 30\nor rather (9+4)*6 = 78",
        "(9-4)*6 = 5*6 = 31",
        "2^(9-4)*6",
        "2 ^ (9-4)*6",
        "sqrt(9-4)*6",
        r"\sqrt{(9-4)*6}",
        "(9-4)*6!",
        "((9-4)*6)**2",
        "9**-4*6",
        "7//2",
        "2**10",
        "2^10",
        "9**9**9**9",
        "9^{9^{9^9}}",
        "(9-4)*6j",
        "(9-4)*6.0",
        "(٩-٤)*٦",
        "(9-4)*6²",
        "(9-4)(6)",
        "{9-4}*6",
        "eval('(9-4)*6')",
        "__import__('os').system('true')",
        r"\boxed{__import__('os')}",
    ],
)
def test_what_is_no_such_expression_is_refused(answer: str) -> None:
    assert judge(problem(), answer).outcome == "incorrect"


def test_fractions_may_be_nested() -> None:
    answer = r"\boxed{\dfrac{\frac{12}{3}}{\frac12}}"
    assert judge(problem((1, 2, 3, 12), 8), answer).outcome == "correct"
    assert judge(problem((1, 2, 5), 5), r"5\frac{1}{2}").outcome == "incorrect"


@pytest.mark.parametrize(
    ("reference", "metadata"),
    [
        ('{"numbers": [9, 4, 6], "target": 30}', {}),
        ('{"nums": [9, 4, 6], "target": 30}', {}),
        (None, {"nums": [9, 4, 6], "target": 30}),
    ],
)
def test_the_numbers_stand_where_data_sets_put_them(reference: str | None, metadata: dict[str, object]) -> None:
    given = make_problem(prompt="p", verifier="countdown", reference=reference, metadata=metadata)
    assert judge(given, "(9-4)*6").outcome == "correct"
    assert judge(given, "9-4").outcome == "incorrect"


@pytest.mark.parametrize("reference", ["30", "[1]", "{", '{"numbers": [1.5], "target": 3}', "[" * 100_000])
def test_a_reference_of_another_shape_is_unverifiable(reference: str) -> None:
    given = make_problem(prompt="p", verifier="countdown", reference=reference)
    assert judge(given, "1+2").outcome == "unverifiable"


@pytest.mark.parametrize(
    "part",
    ["(", ")", "9-", "9-4=", "1+1\n", "(((\n", "(9-4)*6 ", "**", r"\frac{", "[", " ", "a ", "answer: 9-", "\n", "٣"],
)
@pytest.mark.parametrize("form", ["{}", r"\boxed{{{}", "<answer>{}</answer>"])
def test_a_megabyte_of_anything_is_read_at_once(part: str, form: str) -> None:
    start = time.perf_counter()
    judge(problem(), form.format(part * (1_000_000 // len(part))))
    assert time.perf_counter() - start < 2


Tree = int | tuple["Tree", str, "Tree"]


@st.composite
def trees(draw: st.DrawFn, numbers: list[int]) -> Tree:
    """An expression over all of these numbers, in any order and shape."""
    terms: list[Tree] = list(draw(st.permutations(numbers)))
    while len(terms) > 1:
        at = draw(st.integers(0, len(terms) - 2))
        terms[at : at + 2] = [(terms[at], draw(st.sampled_from("+-*/")), terms[at + 1])]
    return terms[0]


@st.composite
def games(draw: st.DrawFn) -> tuple[list[int], Tree]:
    numbers = draw(st.lists(st.integers(1, 30), min_size=2, max_size=6))
    return numbers, draw(trees(numbers))


def written(tree: Tree) -> str:
    return str(tree) if isinstance(tree, int) else f"({written(tree[0])}{tree[1]}{written(tree[2])})"


def value(tree: Tree) -> Fraction:
    if isinstance(tree, int):
        return Fraction(tree)
    left, right = value(tree[0]), value(tree[2])
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[tree[1]](right)


def latex(tree: Tree) -> str:
    if isinstance(tree, int):
        return str(tree)
    left, right = latex(tree[0]), latex(tree[2])
    if tree[1] == "/":
        return rf"\frac{{{left}}}{{{right}}}"
    return rf"\left({left} {tree[1].replace('*', chr(92) + 'times')} {right}\right)"


FORMS = (
    "{}",
    " {} ",
    "${}$",
    "**{}**",
    "`{}`",
    r"\boxed{{{}}}",
    "<answer> {} </answer>",
    "The answer is {}.",
    "Final answer: {}",
    "{} = TARGET",
    "TARGET = {}",
    "1+1 = 2 helps.\nSo: {}",
)
PRINTED = str.maketrans({"*": "×", "/": "÷", "-": "−", "(": "（", ")": "）"})  # noqa: RUF001


@settings(deadline=None)
@given(games(), st.integers(-1, 1), st.sampled_from(FORMS), st.sampled_from(["plain", "spaced", "printed", "latex"]))
def test_an_expression_is_right_if_and_only_if_it_makes_the_target(
    game: tuple[list[int], Tree], offset: int, form: str, style: str
) -> None:
    numbers, tree = game
    try:
        exact = value(tree)
    except ZeroDivisionError:
        assume(False)
        return
    target = int(exact) + offset
    text = latex(tree) if style == "latex" else written(tree)
    text = text.translate(PRINTED) if style == "printed" else text.replace("*", " * ") if style == "spaced" else text
    given_problem = make_problem(prompt="p", verifier="countdown", metadata={"numbers": numbers, "target": target})
    judgement = judge(given_problem, form.format(text).replace("TARGET", str(target)))
    assert (judgement.outcome == "correct") == (exact == target)


@settings(deadline=None)
@given(st.text() | st.text(alphabet=r"0469()+-*/=^!. xX{}\\[]$\n,:frac", max_size=400))
def test_nothing_but_the_four_operations_is_ever_right(text: str) -> None:
    judgement = judge(problem((4, 6, 9), 1_000_003), text)  # out of reach of 4, 6 and 9, but not of powers
    assert judgement.outcome == "incorrect"
