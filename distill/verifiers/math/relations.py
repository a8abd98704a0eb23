"""Equations: what is a name and its value, and when two equations say the same.

``x = 5`` names a value, as do ``f(2) = 5``, ``AB = 5`` and ``a + b = 5``; ``2x + z = 1`` does not. Two equations are
one if their sides' differences are proportional, if both have the same real roots, or if both give the same value for
an unknown that is linear in both.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from distill.verifiers.math import balls, polynomials, scalars
from distill.verifiers.math.tree import (
    Apply,
    Constant,
    Group,
    Matrix,
    Node,
    Number,
    Ratio,
    Relation,
    Symbol,
    Words,
    substituted,
    symbols,
    walk,
)

_EQUALS = frozenset(("=", "~", "=="))
_NAMING = frozenset(("+", "*", "/", "inv", "neg", "abs", "sin", "cos", "tan"))


class Named(NamedTuple):
    """A value and what it is called; the name is None for a bare value."""

    name: Node | None
    value: Node


def named(node: Node) -> Named | None:
    """A node as a value with or without a name; None for an equation that names nothing."""
    if not isinstance(node, Relation) or not _EQUALS.issuperset(node.signs):
        if isinstance(node, Relation) and node.signs == ("in",) and _is_name(node.sides[0]):
            return Named(node.sides[0], node.sides[1])
        return Named(None, node)
    first, last = node.sides[0], _exact_end(node)
    if not symbols(first) and not isinstance(first, Words):
        if isinstance(last, Symbol) and len(node.sides) == 2:  # 2 = y
            return Named(last, first)
        return Named(None, last)
    if _is_name(first):
        return Named(first, node.sides[1] if node.signs[0] == "~" else last)
    if isinstance(last, Symbol) and len(node.sides) == 2:
        return Named(last, first)
    if isinstance(last, Matrix):
        return Named(Words("matrix"), last)  # A^2 = ...
    return None


def _exact_end(node: Relation) -> Node:
    """The last side before the first approximation."""
    for index, sign in enumerate(node.signs):
        if sign == "~":
            return node.sides[index]
    return node.sides[-1]


def ends(node: Node) -> Iterator[Node]:
    """The other values that a chain claims: what follows an approximation sign."""
    if isinstance(node, Relation) and "~" in node.signs and _EQUALS.issuperset(node.signs):
        yield node.sides[-1]


def _is_name(node: Node) -> bool:
    """A symbol, text, a tuple or ratio of names, an application, a sum of names: nothing with a coefficient."""
    match node:
        case Symbol() | Words():
            return True
        case Group(items=items) | Ratio(parts=items):
            return bool(items) and all(map(_is_name, items))
        case Apply(
            op="*", args=(Symbol() | Apply(op="^", args=(Symbol(), Number())), Symbol() | Number() | Constant())
        ):
            return True  # h(2), f^{-1}(x)
        case Apply(op=op, args=args):
            return op in _NAMING and all(_is_name(arg) or isinstance(arg, Constant) for arg in args)
        case _:
            return False


def same_equation(a: Node, b: Node) -> bool | None:
    """Whether two equations have the same solutions; None if that cannot be said."""
    left, right = _difference(a), _difference(b)
    if left is None or right is None:
        return None
    names = sorted(symbols(left) | symbols(right))
    if symbols(left) != symbols(right):
        return False
    if proportional(left, right):
        return True
    if len(names) == 1 and (outcome := _same_zeros(_zeros(left, names[0]), _zeros(right, names[0]))) is not None:
        return outcome
    if (outcome := _same_curve(left, right, names)) is not None:
        return outcome
    outcomes = [_same_solution(left, right, name) for name in names]
    decided = [outcome for outcome in outcomes if outcome is not None]
    return decided[0] if decided else None


def solves(equation: Node, values: Sequence[Node]) -> bool:
    """Whether an equation in one unknown has exactly these real solutions.

    The values are numbers, or name the unknown: ``x = 1``.
    """
    tree = _difference(equation)
    unknowns = symbols(tree) if tree is not None else frozenset[str]()
    if tree is None or len(unknowns) != 1:
        return False
    (unknown,) = unknowns
    parts = [named(value) for value in values]
    if any(part is None or part.name not in (None, Symbol(unknown)) or symbols(part.value) for part in parts):
        return False
    return _same_zeros(_zeros(tree, unknown), [part.value for part in parts if part is not None]) is True


def _zeros(tree: Node, unknown: str) -> list[Node] | None:
    try:
        return polynomials.roots(polynomials.quotient(tree, unknown)[0])
    except polynomials.NoPolynomial:
        return None


def _same_zeros(one: Sequence[Node] | None, other: Sequence[Node] | None) -> bool | None:
    if one is None or other is None:
        return None
    return len(one) == len(other) and all(any(scalars.same_value(a, b) for b in other) for a in one)


def _difference(node: Node) -> Node | None:
    if isinstance(node, Relation) and len(node.sides) == 2 and node.signs[0] in ("=", "=="):
        return Apply("+", (node.sides[0], Apply("neg", (node.sides[1],))))
    return None


def proportional(a: Node, b: Node, positive: bool = False) -> bool:
    """Whether ``a = k b`` for one number k: compares ``a(x) b(y)`` with ``a(y) b(x)``, and the sign of k."""
    names = sorted(symbols(a) | symbols(b))
    shifted = {name: Symbol(f"{name}'") for name in names}
    other_a, other_b = substituted(a, shifted), substituted(b, shifted)
    if scalars.same_value(Apply("*", (a, other_b)), Apply("*", (other_a, b))) is not True:
        return False
    return not positive or _same_sign(a, b, names)


def _same_sign(a: Node, b: Node, names: list[str]) -> bool:
    for value in (Number(3, 7), Number(-5, 3)):
        point: dict[str, Node] = dict.fromkeys(names, value)
        balls_at = [balls.number(substituted(tree, point)) for tree in (a, b)]
        if balls_at[0] is not None and balls_at[1] is not None and not balls_at[1].contains(0):
            return bool((balls_at[0] / balls_at[1]).real > 0)
    return False


def _same_curve(a: Node, b: Node, names: list[str]) -> bool | None:
    """Whether two polynomial equations hold at the same points: compares them along lines parallel to each axis."""
    outcomes: list[bool] = []
    for name in names:
        for shift in (3, 7):
            others = [other for other in names if other != name]
            line: dict[str, Node] = {other: Number(shift + 2 * i, 5 + i) for i, other in enumerate(others)}
            try:
                outcome = polynomials.same_zeros(substituted(a, line), substituted(b, line), name)
            except polynomials.NoPolynomial:
                return None
            outcomes += [] if outcome is None else [outcome]
    return all(outcomes) if outcomes else None


def _same_solution(a: Node, b: Node, name: str) -> bool | None:
    """Whether both give the same value for an unknown in which both are linear."""
    one, other = _solution(a, name), _solution(b, name)
    return None if one is None or other is None else scalars.same_value(one, other)


def _solution(tree: Node, name: str) -> Node | None:
    at = [substituted(tree, {name: Number(k)}) for k in (0, 1, 3)]
    minus_start = Apply("neg", (at[0],))
    slope, thrice = Apply("+", (at[1], minus_start)), Apply("+", (at[2], minus_start))
    if scalars.same_value(thrice, Apply("*", (Number(3), slope))) is not True:
        return None
    if scalars.same_value(slope, Number(0)) is not False:
        return None
    return Apply("/", (minus_start, slope))


def has_unknowns(node: Node) -> bool:
    """Whether a value still holds symbols."""
    return any(isinstance(part, Symbol) for part in walk(node))
