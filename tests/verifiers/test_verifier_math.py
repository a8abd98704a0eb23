r"""Math: equal values are equal, however they are written. What the pool is for is tested in test_pool."""

import pytest

from distill.sources import make_problem
from distill.verifiers.extraction import last_marked
from distill.verifiers.math import MathVerifier


@pytest.fixture(scope="module")
def verifier() -> MathVerifier:
    pytest.importorskip("math_verify")
    return MathVerifier()


def problem(reference: str | None):
    return make_problem(prompt="p", verifier="math", reference=reference)


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("17", "17"),
        ("17", r"It follows that \boxed{17}."),
        ("17", "The answer is 17."),
        ("2400", r"\boxed{2{,}400}"),
        (r"\frac{7}{4}", "1.75"),
        (r"\frac{7}{4}", r"$\dfrac{7}{4}$"),
        (r"$\frac{7}{4}$", "<answer>7/4</answer>"),
        ("a^2-1", r"\boxed{(a-1)(a+1)}"),
        (r"\left( 2, \frac{\pi}{3} \right)", r"\boxed{(2, \pi/3)}"),
        (r"\{1, 5\}", r"\boxed{\{5, 1\}}"),
        (r"\text{odd}", r"\boxed{\text{odd}}"),
    ],
)
def test_equal_values_are_correct(verifier: MathVerifier, reference: str, answer: str) -> None:
    judgement = verifier(problem(reference), answer)
    assert (judgement.outcome, judgement.reason) == ("correct", "")


@pytest.mark.parametrize(
    ("reference", "answer"), [("17", "18"), ("17", r"\boxed{17} no, \boxed{71}"), ("x>2", r"\boxed{2}")]
)
def test_other_values_are_incorrect(verifier: MathVerifier, reference: str, answer: str) -> None:
    judgement = verifier(problem(reference), answer)
    assert (judgement.outcome, judgement.reason) == ("incorrect", "differs from the reference")


@pytest.mark.parametrize("answer", ["", "  \n", "I cannot tell what this is"])
def test_no_answer_is_incorrect(verifier: MathVerifier, answer: str) -> None:
    judgement = verifier(problem("17"), answer)
    assert (judgement.outcome, judgement.reason) == ("incorrect", "no answer")


@pytest.mark.parametrize(
    ("reference", "reason"), [(None, "no reference"), ("  ", "no reference"), (r"\sqrt{}", "cannot read the reference")]
)
def test_a_reference_that_cannot_be_read_is_unverifiable(
    verifier: MathVerifier, reference: str | None, reason: str
) -> None:
    judgement = verifier(problem(reference), "17")
    assert (judgement.outcome, judgement.reason) == ("unverifiable", reason)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        (r"\boxed{\frac{1}{2}} end", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed {3} then \fbox{4}", "4"),
        ("\\boxed{3 + 4\nand more", "3 + 4"),
        ("<answer>a\nb</answer>", "a\nb"),
        ("no mark", None),
        (r"\boxed{" * 3000, ""),
    ],
)
def test_the_last_mark_is_found(text: str, marked: str | None) -> None:
    assert last_marked(text) == marked
