r"""Math: the border of each lane. What is judged right is in test_math_cases; what is hostile in test_math_hostile."""

import sys
import threading

import pytest
from flint import ctx

from distill.sources import make_problem
from distill.types import Judgement
from distill.verifiers.math import MathVerifier, balls, exact, scalars
from distill.verifiers.math.equality import same
from distill.verifiers.math.notation import plain
from distill.verifiers.math.parser import parse
from distill.verifiers.math.reading import readings
from distill.verifiers.math.replies import Wanted, candidates
from distill.verifiers.math.tokens import Unreadable
from distill.verifiers.math.tree import Listing, Node, Number, Quantity
from distill.verifiers.math.units import read_unit
from distill.verifiers.math.words import spelt_number


def problem(reference: str | None):
    return make_problem(prompt="p", verifier="math", reference=reference)


def judge(reference: str | None, answer: str, *, symbolic: bool = False) -> Judgement:
    return MathVerifier(symbolic=symbolic)(problem(reference), answer)


def tree(text: str) -> Node:
    return parse(plain(text))


# -- which lane decides --


@pytest.mark.parametrize(
    ("reference", "answer", "method"),
    [
        ("17", r"It follows that \boxed{17}.", "string"),
        (r"\frac{7}{4}", r"\boxed{\dfrac{7}{4}}", "string"),
        (r"\frac{7}{4}", r"\boxed{1.75}", "exact"),
        (r"a^2 - 1", r"\boxed{(a-1)(a+1)}", "value"),
    ],
)
def test_the_cheapest_lane_that_can_decides(reference: str, answer: str, method: str) -> None:
    judgement = judge(reference, answer)
    assert (judgement.outcome, judgement.method, judgement.reason) == ("correct", method, "")


def test_the_symbolic_lane_is_asked_only_for_the_rest() -> None:
    limit, answer = r"\lim_{t \to 0} \frac{\sin 5t}{t}", r"\boxed{5}"
    assert judge(limit, answer).outcome == "unverifiable"
    asked = judge(limit, answer, symbolic=True)
    assert (asked.outcome, asked.method) == ("correct", "symbolic")


def test_the_symbolic_lane_is_not_asked_about_numbers_it_would_round() -> None:
    judgement = judge("((90!)!)!", r"\boxed{((91!)!)!}", symbolic=True)
    assert (judgement.outcome, judgement.method) == ("unverifiable", "value")


# -- no answer, no reference --


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "no answer"),
        ("  \n", "no answer"),
        ("I cannot tell what this is", "no answer"),
        ("It is what it is", "no answer that can be read"),
        (r"<think>So it is \boxed{17}", "truncated"),
    ],
)
def test_no_answer_is_incorrect(answer: str, reason: str) -> None:
    judgement = judge("17", answer)
    assert (judgement.outcome, judgement.reason) == ("incorrect", reason)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [(None, "no reference"), ("  ", "no reference"), (r"\frac{}", "cannot read the reference")],
)
def test_a_reference_that_cannot_be_read_is_unverifiable(reference: str | None, reason: str) -> None:
    judgement = judge(reference, r"\boxed{5}")
    assert (judgement.outcome, judgement.reason) == ("unverifiable", reason)


def test_a_reference_that_cannot_be_read_still_equals_itself() -> None:
    assert judge(r"\oiint_S F", r"\boxed{\oiint_S F}").outcome == "correct"


# -- extraction --


@pytest.mark.parametrize(
    ("reply", "wants", "text", "anchor"),
    [
        (r"First \boxed{1}, no: \boxed{2}", "number", "2", "box"),
        (r"\boxed{2} and check: \boxed{}", "number", "2", "box"),
        (r"\boxed{\frac{1}{2}} is what #### 3 said", "number", r"\frac{1}{2}", "box"),
        ("<answer> 4 </answer>, and the answer is 5", "number", "4", "tag"),
        ("I said 5.\n#### 1,234", "number", "1,234", "hashes"),
        ("The answer is 6. Not 7.", "number", "6", "said"),
        ("**Final answer for part two:** 8 litres", "number", "8 litres", "said"),
        ("x = 9", "number", "x = 9", "whole"),
        ("We see that $y$ is large, so $y = 10$ holds, say " + "on " * 100, "other", "y = 10", "formula"),
    ],
)
def test_the_answer_is_looked_for_where_it_is_marked(reply: str, wants: Wanted, text: str, anchor: str) -> None:
    first = next(candidates(reply, wants=wants))
    assert (first.text, first.anchor) == (text, anchor)


def test_boxes_that_stand_together_are_one_answer_of_several_parts() -> None:
    joined = r"so \boxed{3} and \boxed{5}"
    assert [tuple(c) for c in candidates(joined, wants="number")] == [("3 , 5", "box"), ("5", "box")]
    near = r"so $x = \boxed{3}$, which gives $y = \boxed{5}$"
    assert [tuple(c) for c in candidates(near, wants="brackets", parts=2)] == [("3 , 5", "boxes"), ("5", "box")]
    assert [tuple(c) for c in candidates(near, wants="number")] == [("5", "box")]
    retracted = r"\boxed{3} is wrong. Now \boxed{5}"
    assert [c.text for c in candidates(retracted, wants="number", parts=2)] == ["5"]


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("We compute $3x = 12$.\n\nSo the total is **7/2**.", "7/2"),
        ("He sets out at 7.\nHe arrives at 8:15.", "8:15"),
        ("The smallest one is **17** (its square is 289).", "17"),
        ("So the smallest such integer is 17, which is prime.", "17"),
        ("The solutions are $3$ and $7$.", "3, 7"),
        ("It can be **1**, **4**, or **9**.", "1, 4, 9"),
    ],
)
def test_a_reply_without_marks_is_read_by_its_last_line(reply: str, answer: str) -> None:
    assert judge(answer, reply).outcome == "correct"


@pytest.mark.parametrize(
    "reply",
    [
        "The solutions are $3$ and $7$.",
        "It is more than 7.",
        r"\boxed{\text{not } 7}",
        r"\boxed{2 + 5 = 7 \text{ is false}}",
    ],
)
def test_a_value_that_is_not_said_to_be_the_answer_is_not_taken(reply: str) -> None:
    assert judge("7", reply).outcome == "incorrect"


def test_cases_domains_and_moduli_count() -> None:
    cases = r"\begin{cases} %s & x > 0 \\ %s & x \le 0 \end{cases}"
    assert same(tree(cases % ("x", "-x")), tree(cases % ("x", "-x"))) is True
    assert same(tree(cases % ("x", "-x")), tree(cases % ("-x", "x"))) is False
    assert same(tree(r"x \equiv 2 \pmod 5"), tree(r"x \equiv 7 \pmod 5")) is True
    assert same(tree(r"x \equiv 2 \pmod 5"), tree(r"x \equiv 2 \pmod 6")) is False
    assert same(tree(r"\{n \in \mathbb{Z} : n > 3\}"), tree(r"(3, \infty)")) is not True


def test_a_number_inside_another_token_is_no_number() -> None:
    for reply in ("the plate read QX7B", "it costs 7x in all", "see [7]", "either way, 4 or 7"):
        assert judge("7", reply).outcome == "incorrect", reply


# -- reading --


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,234", Number(1234)),
        (r"1\,234", Number(1234)),
        ("2.345.678", Number(2345678)),
        ("\u0663\u0664", Number(34)),
        ("\u00be", Number(3, 4)),
        (r"0.1\overline{6}", Number(15, 90)),
        ("4.5e-3", Number(45, 10_000, -4)),
        (r"4.5 \times 10^{-3}", Number(45, 10_000, -4)),
    ],
)
def test_a_number_is_read_in_every_clothing(text: str, value: Number) -> None:
    read = readings(text)[0]
    assert isinstance(read, Number)
    assert (read.numerator * value.denominator, read.last) == (value.numerator * read.denominator, value.last)


def test_an_ambiguous_comma_has_both_readings() -> None:
    kinds = [type(node) for node in readings("2,75")]
    assert Listing in kinds
    assert Number in kinds


@pytest.mark.parametrize(
    "text", ["", "$$", r"\frac{1}", "(1", "1 2 3", "{" * 50 + "1" + "}" * 50, "1" * 5000, "a" * 20_000]
)
def test_what_cannot_be_read_is_said_to_be_so(text: str) -> None:
    with pytest.raises(Unreadable):
        readings(text)


def test_depth_is_bounded_below_the_recursion_limit() -> None:
    for opening, closing in (
        ("(", ")"),
        (r"\sqrt{", "}"),
        ("x^{", "}"),
        (r"\frac{1}{", "}"),
        (r"\sin ", ""),
        ("|", "|"),
    ):
        with pytest.raises(Unreadable):
            tree(opening * 400 + "1" + closing * 400)
    assert sys.getrecursionlimit() >= 1000


@pytest.mark.parametrize(
    ("words", "value"),
    [("twenty-one", "21"), ("minus two thirds", "-2/3"), ("three hundred and five", "305"), ("a dozen", "12"),
     ("two million", "2000000"), ("\u4e09\u767e\u4e8c\u5341", "320"), ("twenty twenty", None), ("forty cats", None)],
)  # fmt: skip
def test_numbers_are_read_from_words(words: str, value: str | None) -> None:
    spelt = spelt_number(words)
    assert (None if spelt is None else str(spelt)) == value


@pytest.mark.parametrize(
    ("one", "other"), [("km/h", "kilometers per hour"), ("cm^2", "square centimeters"), ("ml", "cubic centimeter")]
)
def test_units_are_one_however_they_are_written(one: str, other: str) -> None:
    assert read_unit(one) is not None
    assert read_unit(one) == read_unit(other)


# -- exact lane --


def test_integers_of_any_size_differ_in_their_last_digit() -> None:
    assert scalars.equal(tree("3^{2500}"), tree("3^{2500}+1")) is False
    assert scalars.equal(tree("7^{30000000}"), tree("7^{30000000}+7")) is False  # by residues: too large to write out
    assert scalars.equal(tree("7^{30000001}"), tree(r"7 \cdot 7^{30000000}")) is True


def test_a_value_beyond_the_budget_is_refused_not_computed() -> None:
    for text in ("9^{9^{9^9}}", "30000!", r"\binom{999999}{400000}", r"\sum_{k=1}^{100000} k", "0^{-1}", "1/(2-2)"):
        with pytest.raises(exact.Beyond):
            exact.rational(tree(text))


def test_sums_inside_each_other_share_one_budget() -> None:
    assert exact.rational(tree(r"\sum_{a=1}^{9} \sum_{b=1}^{9} ab")) == 45 * 45
    with pytest.raises(exact.Beyond):
        exact.rational(tree(r"\sum_{a=1}^{900} \sum_{b=1}^{900} ab"))


# -- balls --


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        (r"\sqrt{7 + 4\sqrt 3}", r"2 + \sqrt 3", True),
        (r"\sqrt{7 + 4\sqrt 3}", r"2 + \sqrt 3 + 10^{-40}", False),
        (r"\ln x^2", r"2 \ln x", True),
        (r"\sqrt{x^2}", "x", False),
        (r"\sqrt{x^2}", "|x|", True),
        (r"\sqrt[3]{-27}", "-3", True),
        ("(-1)^n", r"\cos(n \pi)", True),
        ("e^{i x}", r"\cos x + i \sin x", True),
        (r"\int_0^1 3t^2 \, dt", "1", True),
        ("x!", "x (x-1)!", True),
        ("9^{9^{9^9}}", "3", None),
    ],
)
def test_values_are_compared_at_points_with_proven_bounds(one: str, other: str, verdict: bool | None) -> None:
    assert balls.equal(tree(one), tree(other)) is verdict
    assert balls.equal(tree(other), tree(one)) is verdict


def test_towers_differ_by_their_logarithms() -> None:
    assert scalars.equal(tree("9^{9^{9^9}}"), tree("8^{8^{8^8}}")) is False


def test_the_precision_of_the_process_is_left_as_it_was() -> None:
    before = ctx.prec
    threads = [threading.Thread(target=balls.equal, args=(tree(r"\sqrt 2"), tree("2^{1/2}"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ctx.prec == before


# -- decimals, by the reference's own digits --


@pytest.mark.parametrize(
    ("reference", "answer", "verdict"),
    [
        ("0.3333", "1/3", True),
        ("0.3", "1/3", False),
        ("0.4", "0.38", False),
        ("1/3", "0.33333333", True),
        ("1/3", "0.333", False),
        ("1/4", "0.24999999999", False),
        ("6.63e-34", "1.05e-34", False),
        ("17", "17.0001", False),
        ("2.5", "2.50", True),
        ("2.718", "e", True),
    ],
)
def test_decimals_round_to_the_reference_or_not(reference: str, answer: str, verdict: bool) -> None:
    assert same(tree(reference), tree(answer)) is verdict


def test_a_unit_may_be_missing_but_not_different() -> None:
    metres = Quantity(Number(5), "m")
    assert same(metres, Number(5)) is True
    assert same(metres, Quantity(Number(500), "cm")) is True
    assert same(metres, Quantity(Number(5), "cm")) is False
    assert same(metres, Quantity(Number(5), "kg")) is False


def test_a_parameter_may_have_another_name_but_not_another_domain() -> None:
    family = tree(r"x = 2k\pi, k \in \mathbb{Z}")
    assert same(family, tree(r"2n\pi, n \in \mathbb{Z}")) is True
    assert same(family, tree(r"x = 2k\pi, k \in \mathbb{N}")) is False
    assert same(family, tree(r"x = k\pi, k \in \mathbb{Z}")) is not True


# -- threads --


def test_a_verifier_works_off_the_main_thread() -> None:
    found: list[Judgement] = []
    thread = threading.Thread(target=lambda: found.append(judge(r"\sqrt{12}", r"\boxed{2\sqrt3}", symbolic=True)))
    thread.start()
    thread.join(10)
    assert [judgement.outcome for judgement in found] == ["correct"]
