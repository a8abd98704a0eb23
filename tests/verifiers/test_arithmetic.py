"""The value of an expression is that of fractions, and nothing a model writes is dangerous to read."""

import contextlib
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.verifiers.arithmetic import MAX_DEPTH, ExpressionError, evaluate, numbers_in

Tree = int | tuple["Tree", str, "Tree"]
trees = st.recursive(st.integers(0, 99), lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner), max_leaves=10)


def written(tree: Tree) -> str:
    return str(tree) if isinstance(tree, int) else f"({written(tree[0])} {tree[1]} {written(tree[2])})"


def value(tree: Tree) -> Fraction:
    if isinstance(tree, int):
        return Fraction(tree)
    left, right = value(tree[0]), value(tree[2])
    return {"+": left.__add__, "-": left.__sub__, "*": left.__mul__, "/": left.__truediv__}[tree[1]](right)


def leaves(tree: Tree) -> list[int]:
    return [tree] if isinstance(tree, int) else leaves(tree[0]) + leaves(tree[2])


@settings(deadline=None)
@given(trees)
def test_a_written_tree_has_the_value_of_the_tree(tree: Tree) -> None:
    text = written(tree)
    assert numbers_in(text) == leaves(tree)
    try:
        expected = value(tree)
    except ZeroDivisionError:
        with pytest.raises(ExpressionError, match="division by zero"):
            evaluate(text)
    else:
        assert evaluate(text) == expected


@settings(deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.randoms())
def test_precedence_without_parentheses_is_that_of_python(numbers: list[int], rng) -> None:
    signs = [rng.choice("+-*/") for _ in numbers[1:]]
    ours = str(numbers[0]) + "".join(f"{s}{n}" for s, n in zip(signs, numbers[1:], strict=True))
    theirs = f"F({numbers[0]})" + "".join(f"{s}F({n})" for s, n in zip(signs, numbers[1:], strict=True))
    assert evaluate(ours) == eval(theirs, {"F": Fraction})


@settings(deadline=None)
@given(st.text() | st.text(alphabet="0123456789+-*/() .e=٣²", max_size=250))
def test_any_text_has_a_value_or_an_expression_error(text: str) -> None:
    start = time.perf_counter()
    for read in (evaluate, numbers_in):
        with contextlib.suppress(ExpressionError):
            read(text)
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("9**9**9**9", "no expression"),
        ("7//2", "no expression"),
        ("2^8", "no expression"),
        ("__import__('os').system('true')", "no expression"),
        ("1e9", "no expression"),
        ("0x10", "no expression"),
        ("1_000", "no expression"),
        ("3.5+1", "no expression"),
        ("٣+٤", "no expression"),
        ("\uff15+1", "no expression"),
        ("²", "no expression"),
        ("-3+5", "no expression"),
        ("3*-5", "no expression"),
        ("3 5", "no expression"),
        ("(3+5", "no expression"),
        ("3+5)", "no expression"),
        ("()", "no expression"),
        ("", "no expression"),
        ("3+\n5", "no expression"),
        ("5/(3-3)", "division by zero"),
        ("0/0", "division by zero"),
        ("(" * 10_000 + "1" + ")" * 10_000, "longer than 200 characters"),
        ("(" * 60 + "1" + ")" * 60, f"more than {MAX_DEPTH} parentheses deep"),
        ("1234567890123", "a number of more than 12 digits"),
    ],
)
def test_what_is_no_arithmetic_is_refused_at_once(text: str, reason: str) -> None:
    start = time.perf_counter()
    with pytest.raises(ExpressionError) as caught:
        evaluate(text)
    assert str(caught.value) == reason
    assert time.perf_counter() - start < 0.1
