r"""What holds for every answer: it equals itself however it is dressed, and never its neighbour.

A `Case` is an answer, the same answer written otherwise, and another one that is a slip away.
"""

import random
import re
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import NamedTuple

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from distill.types import Judgement, Problem
from distill.verifiers.math import MathVerifier

many = settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


class Case(NamedTuple):
    text: str
    same: str
    other: str


@cache
def verifier() -> MathVerifier:
    return MathVerifier()


def judged(reference: str, response: str) -> Judgement:
    return verifier()(Problem(id="", prompt="", verifier="math", reference=reference), response)


def is_correct(reference: str, response: str) -> bool:
    return judged(reference, response).outcome == "correct"


# -- numbers --


def fractions_of(value: Fraction) -> list[str]:
    """A number as a fraction and as a mixed number."""
    sign, top, bottom = "-" if value < 0 else "", abs(value.numerator), value.denominator
    whole, rest = divmod(top, bottom)
    forms = [
        rf"{sign}\frac{{{top}}}{{{bottom}}}",
        f"{sign}{top}/{bottom}",
        rf"{sign}\dfrac{{{3 * top}}}{{{3 * bottom}}}",
    ]
    forms += [rf"\frac{{{value.numerator}}}{{{bottom}}}", f"({sign}{top})/{bottom}", f"{sign}{top}\u2044{bottom}"]
    if whole and rest:
        forms += [rf"{sign}{whole}\frac{{{rest}}}{{{bottom}}}", f"{sign}{whole} {rest}/{bottom}"]
    return forms


def places_of(value: Fraction) -> int | None:
    return next((places for places in range(12) if (value * 10**places).denominator == 1), None)


def decimals_of(value: Fraction) -> list[str]:
    """A number as exact decimals, plain and scientific; none if it has none."""
    places = places_of(value)
    if places is None:
        return []
    sign, digits = "-" if value < 0 else "", str(abs(value * 10**places).numerator).rjust(places + 1, "0")
    whole, point = digits[: len(digits) - places], digits[len(digits) - places :]
    plain = f"{sign}{whole}.{point}" if places else sign + whole
    mantissa = f"{sign}{digits[0]}.{digits[1:] or '0'}"
    power = len(whole) - 1
    forms = [plain, plain + "00" if places else plain + ".0", f"{mantissa}e{power}", f"{sign}{digits}e-{places}"]
    forms += [rf"{mantissa} \times 10^{{{power}}}", f"{mantissa}*10^{power}", rf"{sign}{digits}\cdot 10^{{-{places}}}"]
    if len(whole) > 3:
        grouped = f"{int(whole):,}"
        tail = f".{point}" if places else ""
        forms += [sign + grouped.replace(",", by) + tail for by in (",", "{,}", r"\,", r",\!", "\u2009")]
    return forms


def notations(value: Fraction) -> st.SearchStrategy[str]:
    forms = [*fractions_of(value), *decimals_of(value)]
    return st.sampled_from([*forms, *(form.replace("-", "\u2212") for form in forms if form.startswith("-"))])


def are_apart(one: Fraction, text: str, other: Fraction, other_text: str) -> bool:
    """Whether neither may be a rounding of the other: a decimal of three digits or more stands for what is near it."""
    return abs(one - other) >= max(blur(one, text), blur(other, other_text))


def blur(value: Fraction, text: str) -> Fraction:
    is_decimal = re.search(r"\.|\de|10\^", text) and len(re.findall(r"\d", text)) >= 3
    return Fraction(1, 10 ** (places_of(value) or 0)) if is_decimal else Fraction(0)


def slips(value: Fraction) -> list[Fraction]:
    """Numbers that somebody would write who made one mistake."""
    near = [-value, value * 10, value / 10, value + 1, value - 1, value + Fraction(1, 1000), value * 2]
    near += [Fraction(value.numerator + 1, value.denominator), Fraction(value.numerator, value.denominator + 1)]
    near += [1 / value] if value else []
    return [other for other in near if other != value]


simple = st.builds(Fraction, st.integers(-50, 50), st.integers(1, 20))
decimal = st.builds(lambda n, k: Fraction(n, 10**k), st.integers(-(10**7), 10**7), st.integers(0, 7))
values = st.one_of(simple, decimal, st.builds(Fraction, st.integers(-(10**12), 10**12), st.integers(1, 10**9)))


@st.composite
def number_cases(draw: st.DrawFn) -> Case:
    value = draw(values)
    other = draw(st.sampled_from(slips(value)))
    case = Case(draw(notations(value)), draw(notations(value)), draw(notations(other)))
    assume(are_apart(value, case.text, other, case.other) and are_apart(value, case.same, other, case.other))
    return case


# -- what is made of numbers --

distinct = st.lists(simple, min_size=2, max_size=5, unique=True)


@st.composite
def collection_cases(draw: st.DrawFn) -> Case:
    """A set or a list, whose order is free, or a tuple, whose order is not."""
    form = draw(st.sampled_from([r"\{%s\}", "%s", "(%s)"]))
    items = draw(distinct)
    other = list(items)
    other[draw(st.integers(0, len(items) - 1))] += Fraction(1, 3)
    assume(len(set(other)) == len(items))
    order = list(items)
    if form == "(%s)":
        other = draw(st.sampled_from([other, items[::-1], items[:-1]]))
        assume(other != items and len(other) > 1)
    else:
        order = draw(st.permutations(items))
        assume(set(other) != set(items))
    texts = (", ".join(draw(st.sampled_from(fractions_of(v)[:4])) for v in some) for some in (items, order, other))
    return Case(*(form % text for text in texts))


@st.composite
def interval_cases(draw: st.DrawFn) -> Case:
    low, high = sorted(draw(st.lists(simple, min_size=2, max_size=2, unique=True)))
    opening, closing = draw(st.sampled_from("[(")), draw(st.sampled_from("])"))
    ends = [rf"\frac{{{end.numerator}}}{{{end.denominator}}}" for end in (low, high)]
    other = draw(
        st.sampled_from(
            [
                f"{'(' if opening == '[' else '['}{ends[0]}, {ends[1]}{closing}",
                f"{opening}{ends[0]}, {ends[1]}{')' if closing == ']' else ']'}",
                f"{opening}{ends[0]}, {high + 1}{closing}",
                rf"{opening}{ends[0]}, \infty)",
            ]
        )
    )
    return Case(f"{opening}{ends[0]}, {ends[1]}{closing}", f"{opening}{low},{high}{closing}", other)


# -- expressions --

LEAVES = ["2", "3", "7", "x", "y", r"\pi", r"\sqrt{2}", r"\sqrt{x}", r"\frac{1}{3}", "x^{2}", r"\sin(x)", r"e^{y}"]
trees = st.recursive(
    st.sampled_from(LEAVES),
    lambda parts: st.tuples(st.sampled_from("+*"), st.lists(parts, min_size=2, max_size=3)),
    max_leaves=7,
)


def rendered(tree: object, order: random.Random) -> str:
    """A sum of products, its terms and factors in some order, its products in some notation."""
    if isinstance(tree, str):
        return tree
    sign, parts = tree  # type: ignore[misc]
    texts = [rendered(part, order) for part in parts]
    order.shuffle(texts)
    if sign == "+":
        return " + ".join(texts)
    by = order.choice([r" \cdot ", r" \times ", " * ", ""])
    return by.join(f"({text})" if "+" in text or not by else text for text in texts)


@st.composite
def expression_cases(draw: st.DrawFn) -> Case:
    tree = draw(trees)
    first, second, third = (random.Random(draw(st.integers(0, 999))) for _ in range(3))
    slip = draw(
        st.sampled_from([f"1 + {rendered(tree, third)}", f"-({rendered(tree, third)})", f"2({rendered(tree, third)})"])
    )
    return Case(rendered(tree, first), rendered(tree, second), slip)


cases = st.one_of(number_cases(), collection_cases(), interval_cases(), expression_cases())

# -- dress: what changes how an answer looks, and nothing else --

WRAPPINGS: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: rf"\boxed{{{text}}}",
    lambda text: rf"So we find $\boxed{{{text}}}$.",
    lambda text: f"${text}$",
    lambda text: f"$${text}$$",
    lambda text: rf"\({text}\)",
    lambda text: rf"\[ {text} \]",
    lambda text: f"{text}.",
    lambda text: f"  {text} \n",
    lambda text: f"The answer is ${text}$.",
    lambda text: f"**Answer:** ${text}$",
    lambda text: f"<answer>{text}</answer>",
    lambda text: f"It was work.\n#### {text}",
    lambda text: f"<think>Is it 5? \\boxed{{5}}</think>\n\\boxed{{{text}}}",
    lambda text: rf"First I had \boxed{{5}}, which was wrong. By the other way it is \boxed{{{text}}}.",
    lambda text: f"Final Answer: The final answer is ${text}$. I hope it is correct.",
]
REWRITINGS: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: text.replace(r"\frac", r"\dfrac"),
    lambda text: text.replace(r"\dfrac", r"\tfrac").replace(r"\frac", r"\tfrac"),
    lambda text: (
        re.sub(r"(?<!left)\(", r"\\left(", re.sub(r"(?<!right)\)", r"\\right)", text)) if balanced(text) else text
    ),
    lambda text: text.replace("(", r"\bigl(").replace(")", r"\bigr)") if balanced(text) else text,
    lambda text: text.replace("-", "\u2212") if "e-" not in text else text,
    lambda text: text.replace(r"\times", "\u00d7").replace(r"\cdot", "\u00b7"),
    lambda text: text.replace(", ", ",").replace(" + ", "+"),
    lambda text: text.replace(",", r",\ ") if ", " in text else text,
    lambda text: text.replace(r"\pi", "\u03c0").replace(r"\infty", "\u221e"),
    lambda text: rf"\displaystyle {text}",
]


def balanced(text: str) -> bool:
    return text.count("(") == text.count(")")


wrappings, rewritings = st.sampled_from(WRAPPINGS), st.sampled_from(REWRITINGS)


@many
@given(case=cases, wrap=wrappings)
def test_an_answer_equals_itself(case: Case, wrap: Callable[[str], str]) -> None:
    assert is_correct(case.text, wrap(case.text))


@many
@given(case=cases)
def test_the_same_written_otherwise_is_correct_both_ways(case: Case) -> None:
    assert is_correct(case.text, case.same)
    assert is_correct(case.same, case.text)


@many
@given(case=cases, wrap=wrappings, rewrite=rewritings)
def test_dress_does_not_make_it_wrong(case: Case, wrap: Callable[[str], str], rewrite: Callable[[str], str]) -> None:
    assert is_correct(case.text, wrap(rewrite(case.same)))


@many
@given(case=cases, wrap=wrappings, rewrite=rewritings)
def test_dress_does_not_make_it_right(case: Case, wrap: Callable[[str], str], rewrite: Callable[[str], str]) -> None:
    assert not is_correct(case.text, wrap(rewrite(case.other)))
    assert not is_correct(case.other, wrap(rewrite(case.text)))


@many
@given(pair=st.one_of(*(st.tuples(kind, kind) for kind in (number_cases(), interval_cases(), expression_cases()))))
def test_it_does_not_matter_which_is_the_reference(pair: tuple[Case, Case]) -> None:
    one, other = pair[0].text, pair[1].text
    assert is_correct(one, other) == is_correct(other, one)


@many
@given(
    value=values, form=st.sampled_from(["x={}", "x = {}", "{}\\text{{ cm}}", "{} cm", "$y={}$", "{}\\,\\mathrm{{kg}}"])
)
def test_a_name_before_a_number_or_a_unit_after_it_is_fine(value: Fraction, form: str) -> None:
    text = decimals_of(value)[0] if decimals_of(value) else fractions_of(value)[0]
    assert is_correct(text, form.format(text))
    assert not is_correct(text, form.format(fractions_of(value + 1)[0]))


@settings(many, max_examples=1500)
@given(data=st.data(), value=values, percent=st.booleans())
def test_two_different_rationals_are_never_equal(data: st.DataObject, value: Fraction, percent: bool) -> None:
    other = data.draw(st.one_of(st.sampled_from(slips(value)), values))
    assume(other != value)
    pair = data.draw(notations(value)), data.draw(notations(other))
    assume(are_apart(value, pair[0], other, pair[1]))
    if percent and "e" not in pair[0] + pair[1]:
        pair = (pair[0] + r"\%", pair[1] + r"\%")
    assert not is_correct(*pair)


@many
@given(digits=st.text("0123456789", min_size=1, max_size=40), times=st.integers(1, 250), data=st.data())
def test_integers_that_differ_in_one_digit_are_never_equal(digits: str, times: int, data: st.DataObject) -> None:
    number = "1" + digits * times
    place = data.draw(st.integers(0, len(number) - 1))
    digit = data.draw(st.sampled_from([d for d in "123456789" if d != number[place]]))
    other = number[:place] + digit + number[place + 1 :]
    assert is_correct(number, rf"\boxed{{{number}}}")
    assert not is_correct(number, other)
    assert not is_correct(number, f"The answer is {other}.")
