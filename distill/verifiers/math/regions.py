"""Sets of real numbers: inequalities, intervals and their unions, brought to one list of intervals.

``-x > -1``, ``x < 1``, ``1 > x``, ``x in (-oo, 1)`` and ``(-oo, 1)`` are one region.
"""

from collections.abc import Callable, Sequence
from functools import cmp_to_key
from itertools import pairwise
from typing import NamedTuple

from flint import arb, fmpq

from distill.verifiers.math import balls, polynomials, scalars
from distill.verifiers.math.tree import (
    INFINITY,
    Apply,
    Group,
    Listing,
    Node,
    Number,
    Relation,
    Symbol,
    substituted,
    symbols,
)

_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "!=": "!=", "=": "="}
_ORDERS = frozenset(("<", ">", "<=", ">=", "!="))
MAX_INTERVALS = 50
"""Intervals of a region, and conditions on one unknown."""
_TRUTHS: dict[str, Callable[[int], bool]] = {
    "<": lambda order: order < 0,
    ">": lambda order: order > 0,
    "<=": lambda order: order <= 0,
    ">=": lambda order: order >= 0,
    "!=": lambda order: order != 0,
}
_SAMPLES = tuple(Number(above, 7) for above in (-33, -12, -5, 0, 3, 9, 16, 41))
_MINUS_INFINITY = Apply("neg", (INFINITY,))


class Interval(NamedTuple):
    """Ends, and whether they belong to it."""

    low: Node
    high: Node
    has_low: bool = False
    has_high: bool = False


Region = list[Interval]


class _Unclear(Exception):
    """Not a region, or its ends cannot be ordered."""


REALS = Group("(", (_MINUS_INFINITY, INFINITY), ")")
"""All real numbers."""


def is_order(node: Node) -> bool:
    """Whether it is an inequality, or several."""
    if isinstance(node, Listing):
        return any(map(is_order, node.items))
    return isinstance(node, Relation) and any(sign in _ORDERS for sign in node.signs)


def reversed_chain(relation: Relation) -> Relation:
    """``a < b`` as ``b > a``."""
    return Relation(tuple(_FLIPPED.get(sign, sign) for sign in reversed(relation.signs)), relation.sides[::-1])


def is_set(node: Node) -> bool:
    """Whether it can only be a set of numbers, not a point."""
    if isinstance(node, Listing):
        return any(map(is_set, node.items))
    if isinstance(node, Apply) and node.op in ("cup", "cap", "without"):
        return True
    if isinstance(node, Relation) and node.signs == ("in",):
        return True
    return is_order(node)


def same_region(a: Node, b: Node) -> bool | None:
    """Whether two trees mean the same set of real numbers; None if one of them means none that we read."""
    try:
        left, right = _region(a), _region(b)
        if len(left) != len(right):
            return False
        return all(_same_interval(one, other) for one, other in zip(left, right, strict=True))
    except _Unclear:
        return None


def differ_somewhere(a: Node, b: Node) -> bool:
    """Whether there is a point at which one of two conditions holds and the other does not."""
    names = sorted(symbols(a) | symbols(b))
    for shift in range(len(_SAMPLES)):
        point: dict[str, Node] = {
            name: _SAMPLES[(shift * (1 + 2 * i) + i) % len(_SAMPLES)] for i, name in enumerate(names)
        }
        truths = [_holds(a, point), _holds(b, point)]
        if None not in truths and truths[0] != truths[1]:
            return True
    return False


def _holds(condition: Node, point: dict[str, Node]) -> bool | None:
    """Whether an inequality, or several, hold at a point; None if that cannot be said."""
    if isinstance(condition, Listing):
        truths = [_holds(item, point) for item in condition.items]
        if None in truths or condition.joint == ",":
            return None
        return all(truths) if condition.joint == "and" else any(truths)
    if not isinstance(condition, Relation) or not _ORDERS.issuperset(condition.signs):
        return None
    try:
        sides = [substituted(side, point) for side in condition.sides]
        orders = [_compare(left, right) for left, right in pairwise(sides)]
    except _Unclear:
        return None
    return all(_TRUTHS[sign](order) for sign, order in zip(condition.signs, orders, strict=True))


def _same_interval(a: Interval, b: Interval) -> bool:
    if (a.has_low, a.has_high) != (b.has_low, b.has_high):
        return False
    ends = [scalars.equal(a.low, b.low), scalars.equal(a.high, b.high)]
    if None in ends and False not in ends:
        raise _Unclear
    return all(ends)


def _region(node: Node) -> Region:
    match node:
        case Relation(signs=("in",), sides=(Symbol(), Group() | Apply() as inside)):
            return _region(inside)
        case Relation():
            return _of_relation(node)
        case Listing(items=items, joint=joint):
            met = _meet([_region(item) for item in items]) if joint != "or" and all(map(is_set, items)) else []
            if met or joint == "and":
                return met
            return _joined([interval for item in items for interval in _region(item)])
        case Group(opening="(" | "[" as opening, items=(low, high), closing=closing):
            return [Interval(low, high, opening == "[", closing == "]")]
        case Group(opening="{", items=items):
            return _joined([Interval(item, item, True, True) for item in items])
        case Apply(op="cup", args=args):
            return _joined([interval for arg in args for interval in _region(arg)])
        case Apply(op="cap", args=args):
            return _meet([_region(arg) for arg in args])
        case Apply(op="without", args=(whole, hole)):
            return _meet([_region(whole), _complement(_region(hole))])
        case _ if scalars.is_scalar(node):
            return [Interval(node, node, True, True)]
        case _:
            raise _Unclear


def _of_relation(relation: Relation) -> Region:
    names = symbols(relation)
    if len(names) != 1 or not all(sign in _FLIPPED for sign in relation.signs):
        raise _Unclear
    (name,) = names
    pairs = zip(relation.sides, relation.signs, relation.sides[1:], strict=False)
    return _meet([_solved(left, sign, right, Symbol(name)) for left, sign, right in pairs])


def _solved(left: Node, sign: str, right: Node, unknown: Symbol) -> Region:
    """The solutions of one inequality in one unknown: rational in it, or in its absolute value."""
    if unknown.name not in symbols(left):
        left, sign, right = right, _FLIPPED[sign], left
    if left == unknown and unknown.name not in symbols(right):
        return _half_line(sign, right)
    if isinstance(left, Apply) and left.op == "abs" and unknown.name not in symbols(right):
        inside = left.args[0]
        if sign in ("<", "<="):
            return _meet([_solved(inside, sign, right, unknown), _solved(inside, _FLIPPED[sign], _neg(right), unknown)])
        return _joined(_solved(inside, sign, right, unknown) + _solved(inside, _FLIPPED[sign], _neg(right), unknown))
    return _where(Apply("+", (left, _neg(right))), sign, unknown)


def _where(tree: Node, sign: str, unknown: Symbol) -> Region:
    """Where a quotient of polynomials has a sign, by its sign between the roots of its two halves."""
    try:
        above, below = polynomials.quotient(tree, unknown.name)
        zeros, poles = polynomials.roots(above), polynomials.roots(below)
    except polynomials.NoPolynomial:
        raise _Unclear from None
    ends = sorted([*zeros, *poles], key=cmp_to_key(_compare))
    has_zeros = sign in ("<=", ">=", "=")
    region = [Interval(zero, zero, True, True) for zero in zeros if has_zeros and zero not in poles]
    for low, high in pairwise([_MINUS_INFINITY, *ends, INFINITY]):
        point = _between(low, high)
        if point is not None:
            value = above(point) * below(point)
            if sign == "!=" or (value > 0 and sign in (">", ">=")) or (value < 0 and sign in ("<", "<=")):
                region.append(Interval(low, high))
    return _joined(region)


def _between(low: Node, high: Node) -> fmpq | None:
    """A rational between two ends; None if they are one."""
    if low == _MINUS_INFINITY and high == INFINITY:
        return fmpq(0)
    if scalars.infinity(low):
        return _rounded(_value(high)) - 1
    if scalars.infinity(high):
        return _rounded(_value(low)) + 1
    middle = (_value(low) + _value(high)) / 2
    return None if middle.overlaps(_value(low)) else _rounded(middle)


def _rounded(value: arb) -> fmpq:
    mantissa, exponent = value.mid().man_exp()
    return fmpq(mantissa) * fmpq(2) ** int(exponent)


def _half_line(sign: str, end: Node) -> Region:
    below, above = Interval(_MINUS_INFINITY, end, False, sign == "<="), Interval(end, INFINITY, sign == ">=")
    return {"<": [below], "<=": [below], ">": [above], ">=": [above], "=": [Interval(end, end, True, True)]}.get(
        sign, [below, above]
    )


def _neg(node: Node) -> Node:
    return Apply("neg", (node,))


def _value(node: Node) -> arb:
    if scalars.infinity(node):
        return arb("inf") * scalars.infinity(node)
    ball = balls.number(node)
    if ball is None or not ball.imag.contains(0):
        raise _Unclear
    return ball.real


def _compare(a: Node, b: Node) -> int:
    if isinstance(a, Number) and isinstance(b, Number):
        difference = a.numerator * b.denominator - b.numerator * a.denominator
        return (difference > 0) - (difference < 0)
    if scalars.same_value(a, b):
        return 0
    left, right = _value(a), _value(b)
    if left < right:
        return -1
    if left > right:
        return 1
    raise _Unclear


def _joined(intervals: Sequence[Interval]) -> Region:
    """The union, in order, touching intervals made one."""
    if len(intervals) < 2:
        return list(intervals)
    if len(intervals) > MAX_INTERVALS:
        raise _Unclear
    ordered = sorted(intervals, key=cmp_to_key(lambda a, b: _compare(a.low, b.low) or b.has_low - a.has_low))
    region = ordered[:1]
    for interval in ordered[1:]:
        last = region[-1]
        order = _compare(interval.low, last.high)
        if order > 0 or (order == 0 and not (interval.has_low or last.has_high)):
            region.append(interval)
            continue
        further = _compare(interval.high, last.high)
        has_high = interval.has_high if further > 0 else last.has_high or (further == 0 and interval.has_high)
        high = interval.high if further > 0 else last.high
        region[-1] = Interval(last.low, high, last.has_low, has_high)
    return region


def _complement(region: Region) -> Region:
    holes: Region = []
    low, has_low = _MINUS_INFINITY, False
    for interval in _joined(region):
        holes.append(Interval(low, interval.low, has_low, not interval.has_low))
        low, has_low = interval.high, not interval.has_high
    return [*holes, Interval(low, INFINITY, has_low)]


def _meet(regions: Sequence[Region]) -> Region:
    """The intersection."""
    if len(regions) > MAX_INTERVALS:
        raise _Unclear
    met = regions[0]
    for region in regions[1:]:
        met = [both for one in met for other in region if (both := _both(one, other))]
    return met


def _both(a: Interval, b: Interval) -> Interval | None:
    lows, highs = _compare(a.low, b.low), _compare(a.high, b.high)
    low = a if lows > 0 or (lows == 0 and not a.has_low) else b
    high = a if highs < 0 or (highs == 0 and not a.has_high) else b
    order = _compare(low.low, high.high)
    if order > 0 or (order == 0 and not (low.has_low and high.has_high)):
        return None
    return Interval(low.low, high.high, low.has_low, high.has_high)
