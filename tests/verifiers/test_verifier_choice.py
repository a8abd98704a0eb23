"""Multiple choice: the declared letters, in every usual form; a hedge and an article are no choice."""

import pytest

from distill.sources import make_problem
from distill.verifiers.choice import ChoiceVerifier

judge = ChoiceVerifier()
COLOURS = ["red", "sea green", "pale blue", "a warm grey"]


def problem(reference: str | None = "C", options: object = None):
    metadata = {} if options is None else {"options": options}
    return make_problem(prompt="p", verifier="choice", reference=reference, metadata=metadata)


@pytest.mark.parametrize(
    "answer",
    [
        "C",
        " c. ",
        "(C)",
        "[C]",
        "**C**",
        "C)",
        "C. because of the sea",
        "(C) pale blue",
        r"\boxed{C}",
        r"\boxed{\text{C}}",
        r"\boxed{\textbf{(C)}}",
        r"$\boxed{\mathrm{C}}$",
        "<answer>C</answer>",
        "<answer>(C) pale blue</answer>",
        "Answer: C",
        "**Answer:** C",
        "**Answer: C**",
        "Final answer: **(C)**.",
        "The answer is (C)",
        "The answer is C.",
        "The answer is C because A is too dark.",
        "The answer is: \\(C\\)",
        "The correct option is C",
        "Correct answer:\n\nC",
        "The answer is A. No, wait: the answer is C.",
        "It cannot be red.\n\nC",
        "It cannot be red.\nSo we choose (C).",
        "So I take **C**, for its hue.",
        r"\boxed{A}, or rather \boxed{C}",
        "pale blue",
        "Pale  Blue.",
        r"\boxed{\text{pale blue}}",
        "The answer is pale blue.",
        "\uff23",
    ],
)
def test_the_chosen_letter_is_found(answer: str) -> None:
    judgement = judge(problem(options=COLOURS), answer)
    assert (judgement.outcome, judgement.extracted) == ("correct", "C")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("A", "chooses A, not C"),
        (r"\boxed{C} or rather \boxed{D}", "chooses D, not C"),
        ("red", "chooses A, not C"),
        ("A or C", "names more than one option"),
        ("C/D", "names more than one option"),
        ("(C) or (D)", "names more than one option"),
        (r"\boxed{C, D}", "names more than one option"),
        (r"\boxed{\text{C and D}}", "names more than one option"),
        ("The answer is C or maybe D.", "names more than one option"),
        ("The answer is either B or C", "names more than one option"),
        ("It is (C), unless it is (D)", "names more than one option"),
        ("E", "no option of that name"),
        (r"\boxed{E}", "no option of that name"),
        ("A simple answer", "no answer"),
        ("The answer is A simple one", "no answer"),
        ("The answer is not C", "no answer"),
        ("I do not know.", "no answer"),
        ("Cats", "no answer"),
        (r"\boxed{}", "no answer"),
        ("", "no answer"),
    ],
)
def test_what_chooses_nothing_says_why(answer: str, reason: str) -> None:
    judgement = judge(problem(options=COLOURS), answer)
    assert (judgement.outcome, judgement.reason) == ("incorrect", reason)


def test_options_declare_the_letters() -> None:
    assert judge(problem("E", list("vwxyz")), "E").outcome == "correct"
    assert judge(problem("E", list("vwxyz")), "z").outcome == "correct"
    assert judge(problem("T", {"T": "true", "F": "false"}), "The answer is true.").outcome == "correct"
    assert judge(problem("T", {"T": "true", "F": "false"}), "A").reason == "no option of that name"
    assert judge(problem("2", {"1": "one", "2": "two"}), r"\boxed{2}").outcome == "correct"


@pytest.mark.parametrize(
    ("reference", "reason"),
    [(None, "no reference"), ("", "no reference"), ("E", "the reference is not one of A B C D")],
)
def test_a_reference_that_is_no_option_is_unverifiable(reference: str | None, reason: str) -> None:
    judgement = judge(problem(reference), "A")
    assert (judgement.outcome, judgement.reason) == ("unverifiable", reason)


def test_the_reference_may_wear_parentheses() -> None:
    assert judge(problem("(c)"), "The answer is C").outcome == "correct"
