"""The gate on several answers: which are different, and which are one in parts or in other words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.selectors.answers import answers, boxes, several, spelled
from tests.selectors.replies import reply

SEVERAL = [
    r"So \boxed{5}. But with the tip, \boxed{7}.",
    "\\[\n\\boxed{t_s = -\\tau \\ln 9}\n\\]\n\nThen\n\n\\[\n\\boxed{t_r = \\tau \\ln 9}\n\\]",
    "**1.** \\boxed{3}\n\n**2.** \\boxed{\\sqrt{3}}",
    "<answer>First \\boxed{5}.\n\nNo: \\boxed{7}</answer>",
    r"\boxed{A}. Wait, no. It must be \boxed{C}",
    "The answer is 5. Wait: it was doubled. The answer is 7.",
    "The final answer is $12$.\nHmm, I forgot one. The final answer is $13$.",
    "The answer is A. Looking again, the answer is B.",
    "The sum is 900.\n\n<answer>900</answer>\n<answer>1080</answer>",
]
ONE = [
    "",
    "It is 4.",
    r"\boxed{4}",
    r"So \boxed{\frac12}, that is \boxed{0.5}.",
    "\\boxed{1{,}250}\n\nFinal: \\boxed{1250}",
    "\\boxed{\\text{C}}\n\nSo \\boxed{(C)}",
    "\\boxed{x = 5}\n\nThus \\boxed{5}.",
    "\\boxed{5\\text{ cm}}\n\nThus \\boxed{5}.",
    "\\boxed{\\dfrac{3}{4}}\n\nThus \\boxed{\\frac{3}{4}}.",
    "\\boxed{\\left(1, 2\\right)}\n\n\\boxed{(1,2)}",
    r"x = \boxed{1}, y = \boxed{2}",
    r"either \boxed{1} or \boxed{2}",
    "First \\boxed{3}.\n\nSecond \\boxed{4}.\n\nSo in all: \\boxed{(3, 4)}",
    r"\boxed{\boxed{7}}",
    "<answer>900</answer>\n\nSo \\boxed{900}.",
    "<answer>\\boxed{900}</answer>",
    "So \\boxed{900}.\n\n<answer>\\boxed{900}</answer>",
    "So \\boxed{B}.\n\n<answer>B) Paris</answer>",
    "I use `<answer></answer>` and `<answer>6</answer>` tags: <answer>12</answer>",
    "```xml\n<answer>4</answer>\n<answer>6</answer>\n```",
    "<answer>900",
    "The answer is 12. So the correct option is (C).",
    "The answer is 42, as shown. The answer is 42.",
    "The answer is 5. So the answer is \\(5\\).",
    "The answer is 12 minutes, so in hours the answer is 0.2 hours.",
    "The answer is not 5. The answer is 7.",
    "If the answer is 5, then x is odd. But the answer is 7.",
    "(a) The answer is 5.\n(b) The answer is 7.",
    "Part 1: the answer is 5.\nPart 2: the answer is 7.",
    "The answer is 2^10. That is, the answer is 1024.",
    "The answer is a number. The answer is 7.",
    "answer = 3\nprint(answer)",
]


@pytest.mark.parametrize("text", SEVERAL)
def test_different_answers_are_several(text: str):
    drop = several(text)
    assert drop is not None
    assert drop.reason == "several answers"
    assert " | " in drop.detail


@pytest.mark.parametrize("text", ONE)
def test_equal_answers_and_parts_of_one_pass(text: str):
    assert several(text) is None


@pytest.mark.parametrize("content", ["", " ", "?", "...", r"\ldots", r"\text{}", r"\text{\mathrm{ }}", r"\quad"])
def test_an_empty_box_is_no_answer(content: str):
    assert several(rf"What is N? \boxed{{{content}}}.") == ("an empty answer", rf"\boxed{{{content.strip()}}}")


@pytest.mark.parametrize("content", ["+", ">", r"\emptyset", "∞", "-", "x", "0", ".", "~", "[]"])
def test_a_sign_is_an_answer(content: str):
    assert several(rf"It is \boxed{{{content}}}.") is None


TWO_QUESTIONS = "A tank holds 40 l. (a) How much is left after an hour? (b) When is it empty?"
LABELLED = [
    "**(a)** \\boxed{30}\n\n**(b)** After 4 hours:\n\n\\boxed{4}",
    "(a) $\\boxed{30}$\n(b) $\\boxed{4}$",
    "1. Left: \\boxed{30}\n2. Empty: \\boxed{4}",
    "# (A)\n\\boxed{30}\n# (B)\n\\boxed{4}",
    "Part (a): it is \\boxed{30}, that is\n\\boxed{30\\text{ l}}.\nPart (b): \\boxed{4}",
]


def test_options_and_steps_are_no_parts():
    text = "A. 3 no\nB. 4 \\boxed{B}\n\n1. check\n\\boxed{C}"
    assert several(text, "Is it 3? Or is it 4?") is not None


def test_many_boxes_are_compared_in_no_time():
    started = time.perf_counter()
    several("1.\\boxed{1}\n" * 20_000, "a? b?")
    several("\\boxed{" + "\\text{" * 20_000, "a? b?")
    several("\\boxed{5}. " * 20_000, "Find the mean and the mode.")
    several("The answer is 5. " * 20_000)
    several("<answer>" * 20_000)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize("text", LABELLED)
def test_a_problem_that_asks_several_questions_has_an_answer_to_each(text: str):
    assert several(text, TWO_QUESTIONS) is None
    assert several(text, "How much is left after an hour?") is not None, "who asks once wants one answer"
    changed_its_mind = text + "\n\nNo, wait.\n\n\\boxed{5}"
    assert several(changed_its_mind, TWO_QUESTIONS) is not None


def test_boxes_under_words_of_the_problem_are_its_parts():
    asked = "Find the mean and the standard deviation of 2, 4, 4, 6."
    assert several("Mean: $\\boxed{5}$\n\nStandard deviation: $\\boxed{2}$", asked) is None
    assert several("- **Mean**: \\boxed{5}\n- **Deviation:** \\boxed{2}", asked) is None
    for text in (
        "Mean: \\boxed{5}\n\nMean: \\boxed{2}",
        "Mean: \\boxed{5}\n\nAnswer: \\boxed{2}",
        "So the mean must be \\boxed{5}\n\nand the deviation is \\boxed{2}",
        "Mean: \\boxed{5}\n\nStandard deviation: \\boxed{2}\n\nMean: \\boxed{4}",
    ):
        assert several(text, asked) is not None
    asked = "Please reason step by step, and put your final answer within \\boxed{}. What is 2 + 2?"
    assert several("Step one: \\boxed{3}\n\nYour answer: \\boxed{4}", asked) is not None
    asked = "What is the number of dollars in the price?"
    assert several("Initial number: \\boxed{12}\n\nFinal price: \\boxed{14}", asked) is not None
    assert several("Mean: \\boxed{5}\n\nStandard deviation: \\boxed{2}", "What is the value?") is not None


def test_a_thought_may_try_boxes_on():
    seen = reply(r"Maybe \boxed{5}. No: \boxed{7}.", r"It is \boxed{7}.")
    assert answers()(seen, None) is None
    assert answers()(reply("", r"\boxed{5}. No: \boxed{7}."), None).detail == "5 | 7"


def test_a_box_that_is_not_closed_ends_with_its_line():
    assert boxes("\\boxed{4\nmore") == [["4"]]


@pytest.mark.parametrize(
    ("value", "same"),
    [("0.50", "1/2"), (r"-\frac{1}{2}", "-0.5"), ("12,000", "12000"), (r"90^\circ", "90"), (r"\$5", "5"), ("5.", "5")],
)
def test_spelling_does_not_matter(value: str, same: str):
    assert spelled(value) == spelled(same)


@given(st.text() | st.text(alphabet="\\boxed{}frac 12/,.\nanswer is"))
def test_no_text_breaks_it(text: str):
    several(text)
    several(f"the answer is {text} \\boxed{{{text}}}")
    spelled(text)


@given(st.text(alphabet="0123456789", min_size=1, max_size=12), st.integers(1, 9))
def test_a_number_is_equal_to_itself(number: str, times: int):
    assert several(f"So \\boxed{{{number}}}.\n\n" * times) is None
