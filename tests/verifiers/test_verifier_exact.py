"""Exact: the reference itself, whatever its white space, bare or marked."""

import pytest

from distill.sources import make_problem
from distill.verifiers.exact import ExactVerifier


def judge(answer: str, reference: str | None = "new  delhi", **options: bool):
    return ExactVerifier(**options)(make_problem(prompt="p", verifier="exact", reference=reference), answer)


@pytest.mark.parametrize(
    "answer",
    ["new delhi", " new\ndelhi ", r"It is \boxed{new delhi}.", "<answer>new delhi</answer>", r"\fbox{new delhi}"],
)
def test_white_space_and_marks_do_not_matter(answer: str) -> None:
    assert judge(answer).outcome == "correct"


@pytest.mark.parametrize(
    "answer", ["New Delhi", "newdelhi", "It is new delhi", r"\boxed{delhi}", r"\boxed{new delhi} \boxed{x}"]
)
def test_anything_else_is_incorrect(answer: str) -> None:
    assert judge(answer).reason == "differs from the reference"


def test_case_may_be_ignored() -> None:
    assert judge("NEW DELHI", ignore_case=True).outcome == "correct"


def test_a_reference_with_a_box_of_its_own_is_met_by_itself() -> None:
    assert judge(r"x = \boxed{1}", reference=r"x = \boxed{1}").outcome == "correct"


@pytest.mark.parametrize("answer", ["", "  ", r"\boxed{}"])
def test_no_answer_is_incorrect(answer: str) -> None:
    assert (judge(answer).outcome, judge(answer).reason) == ("incorrect", "no answer")


def test_no_reference_is_unverifiable() -> None:
    assert judge("x", reference=None).outcome == "unverifiable"
