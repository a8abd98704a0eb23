"""Multiple choice: the declared letters, in every usual form; a hedge and an article are no choice."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.sources import make_problem
from distill.verifiers.choice import ChoiceVerifier, choose

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
    judgement = judge(problem(reference, COLOURS), "A")
    assert (judgement.outcome, judgement.reason) == ("unverifiable", reason)


def test_the_reference_may_wear_parentheses() -> None:
    assert judge(problem("(c)"), "The answer is C").outcome == "correct"


@pytest.mark.parametrize(
    "answer",
    [
        "__Answer__: B",
        "ANSWER IS b",
        "answer: b) the second",
        "Answer: B/B",
        "Answer:B",
        "Ans: [B]",
        "Final: B",
        "Selected option = B",
        "The answer choice is B.",
        "The answer to the question above is B.",
        "The best answer here is therefore option (B).",
        "Hence the correct statement is B.",
        "The answer is B, not A.",
        "The answer is (B) and not (A).",
        "My final answer would be B!",
        "### Final Answer\n\n**B) the second**",
        "**Answer**\nB",
        "#### B",
        "Answer: C\nNo. Final choice: b",
        "A cannot be, so the answer must be B",
        "I think it's B",
        "I'd go with B.",
        "Therefore, (B).",
        "B is correct",
        "Option B is the right answer, for A is too small.",
        "B\n\nThe others are too small.",
        "B Second",
        "A. too small\nB. fits\n\nI choose B because it fits",
        r"\textbf{(B)}\ 7",
        r"\boxed{B: \text{A second thought}}",
        r"\boxed{\text{Answer: B}}",
        r"\boxed{7 \text{ (B)}}",
        r"So \boxed{\text{a guess}} was bad. Final answer: $\boxed{B}$.",
        "The answer is B.\n\nSo x = \\boxed{7}",
        "La respuesta correcta es la B.",
        "La réponse correcte est (B), et non A",
        "Die richtige Antwort lautet: B",
        "A resposta é a letra B.",
        "Правильный ответ: B",
        "答案：B",  # noqa: RUF001
        "故选B项",
        "B。而不是 A",
        "答えは B です",
        "정답은 B입니다",
        "الإجابة هي B",
    ],
)
def test_a_letter_is_found_where_no_options_are_declared(answer: str) -> None:
    judgement = choose("B", answer)
    assert (judgement.outcome, judgement.extracted, judgement.method) == ("correct", "B", "choice")


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("A", "A Bayesian model is used."),
        ("A", "The answer is A Bayesian model"),
        ("A", r"\boxed{A gentle slope}"),
        ("A", "answer: a gentle slope"),
        ("A", "A is wrong"),
        ("A", "A. too small\nB. fits"),
        ("I", "I do not know the answer."),
        ("B", "Neither A nor B is correct"),
        ("B", "The answer cannot be B"),
        ("B", "For the answer: (B) is too small, (C) fits"),
        ("B", "A or B"),
        ("B", "Answer: B, or maybe C"),
        ("A", "Answer: A/B/C"),
        ("B", r"\boxed{\text{B or C}}"),
        ("B", r"\boxed{B} or \boxed{C}"),
        ("E", "E = mc^2"),
        ("E", r"\mathrm{E}*2"),
        ("E", r"$\mathbb{E}$"),
        ("E", "$E_1$"),
        ("E", "E^2"),
        ("E", "E(x)"),
        ("B", "Answer: X"),
        ("A", "So A, B and C are on a line."),
    ],
)
def test_what_is_no_choice_is_none(reference: str, answer: str) -> None:
    assert choose(reference, answer).outcome == "incorrect"


@pytest.mark.parametrize("reference", ["A, C", "AC", "A and C", "(A) & (C)", "C;A"])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("A, C", "correct"),
        ("Answer: CA", "correct"),
        ("The answers are (A) and (C).", "correct"),
        ("both A and C", "correct"),
        (r"\boxed{A} and \boxed{C}", "correct"),
        (r"\boxed{\text{A, C}}", "correct"),
        ("A", "incorrect"),
        ("A, B, C", "incorrect"),
        ("A, B, and C", "incorrect"),
        ("A or C", "incorrect"),
        ("BC", "incorrect"),
    ],
)
def test_of_several_letters_the_set_counts(reference: str, answer: str, outcome: str) -> None:
    assert choose(reference, answer).outcome == outcome


@pytest.mark.parametrize(
    "reference", ["D", "(d)", "$D$", r"\text{D}", "(D) Delia", "D Delia", "so the answer is\nD Delia", "D Delia\nA Ann"]
)
def test_a_reference_may_wear_other_clothes(reference: str) -> None:
    assert choose(reference, "Answer: D").outcome == "correct"
    assert choose(reference, "Answer: A").outcome == "incorrect"


def test_an_options_text_stands_for_its_letter() -> None:
    numbers = {"A": "10", "B": "12", "C": "120", "D": "both A and B"}
    assert choose("C", "The answer is 120.", numbers).outcome == "correct"
    assert choose("B", r"x = \boxed{12}", numbers).outcome == "correct"
    assert choose("B", "The answer is 12.5", numbers).outcome == "incorrect"
    assert choose("B", "The answer is B = 12", numbers).outcome == "correct"
    assert choose("D", "both A and B", numbers).outcome == "correct"
    assert choose("b", "twelve", {"a": "ten", "b": "twelve"}).outcome == "correct"
    assert choose("B", "twelve", ["ten", "twelve"]).outcome == "correct"
    assert judge(problem("pale blue", COLOURS), "The answer is C").outcome == "correct"


def test_letters_of_other_scripts_are_letters() -> None:
    assert choose("ب", "الإجابة هي ب").outcome == "correct"
    assert choose("ب", "الإجابة هي ج").outcome == "incorrect"


@pytest.mark.parametrize(
    "part",
    ["answer ", "the answer is ", "A, ", "A or ", "(", "*", r"\boxed{", "<answer>", "it is ", " ", "\n", "\ufdfa"],
)
def test_a_megabyte_of_anything_is_read_at_once(part: str) -> None:
    start = time.perf_counter()
    choose("A", part * (1_000_000 // len(part)), {"A": "x" * 300, "B": "y"})
    assert time.perf_counter() - start < 2


@settings(deadline=None)
@given(st.text() | st.text(alphabet=r"ABCab()[]{}\\*_$.,:/ \nanswerisboxd", max_size=300))
def test_any_text_is_judged(text: str) -> None:
    assert choose("A", text).outcome in ("correct", "incorrect")
    assert choose("A", "A", {"A": text, "B": "other"}).outcome == "correct"


@settings(deadline=None)
@given(
    st.sampled_from("ABCD"), st.sampled_from("ABCD"), st.sampled_from(["{}", "({})", "**{}**", "{}.", r"\text{{{}}}"])
)
def test_the_last_of_two_statements_wins(first: str, last: str, form: str) -> None:
    answer = f"The answer is {form.format(first)}\nNo: the answer is {form.format(last)}"
    assert choose("B", answer).extracted == last
