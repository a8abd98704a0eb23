"""Numbers too large for anything: proven different by their logarithms, or by the height of their towers."""

from flint import acb, arb

from distill.verifiers.math import balls, exact
from distill.verifiers.math.functions import Undefined
from distill.verifiers.math.tree import Apply, Node


def differ(a: Node, b: Node) -> bool:
    """Whether two values without unknowns are proven different by their size alone."""
    with balls.working():
        try:
            return not _logarithm(a).overlaps(_logarithm(b))
        except (Undefined, exact.Beyond, RecursionError, ArithmeticError):
            return _is_above(a, b) or _is_above(b, a)


def _logarithm(node: Node) -> arb:
    """Of the absolute value."""
    match node:
        case Apply(op="^", args=(base, exponent)):
            log = balls.evaluate(exponent, {}).real * _logarithm(base)
        case Apply(op="*", args=args):
            log = sum((_logarithm(arg) for arg in args), arb(0))
        case Apply(op="/", args=(above, below)):
            log = _logarithm(above) - _logarithm(below)
        case Apply(op="neg", args=(arg,)):
            log = _logarithm(arg)
        case Apply(op="!", args=(arg,)):
            log = (balls.evaluate(arg, {}).real + 1).lgamma()
        case _:
            log = _size(node).log()
    if not log.is_finite():
        raise Undefined("too large")
    return log


def _size(node: Node) -> arb:
    value: acb = balls.evaluate(node, {})
    if value.contains(0) or not value.is_finite():
        raise Undefined("no logarithm")
    return value.abs_lower().union(value.abs_upper())


def _is_above(tower: Node, node: Node) -> bool:
    """Whether a tower of powers and factorials is larger than a value that can be written out."""
    try:
        height, top = _tower(tower)
        value = balls.evaluate(node, {})
    except (Undefined, exact.Beyond, RecursionError, ArithmeticError):
        return False
    if not value.is_finite():
        return False
    size = value.abs_upper()
    for _ in range(height):
        if size <= 1:
            return bool(top > 1)
        size = size.log()
    return bool(top > size)


def _tower(node: Node) -> tuple[int, arb]:
    """A height and a top: the exponential function, so many times applied to the top, is a lower bound."""
    match node:
        case Apply(op="neg", args=(arg,)):
            return _tower(arg)
        case Apply(op="!", args=(arg,)):  # n! >= e^n from 6 on
            height, top = _tower(arg)
            if height or top >= 6:
                return height + 1, top
        case Apply(op="^", args=(base, exponent)):  # b^n = e^(n ln b), and ln 2 > 1/e
            height, top = _tower(exponent)
            if _size(base) >= 2 and (height or top >= 1):
                return height + 1, top - 1 if height else top * _size(base).log()
        case _:
            pass
    return 0, _size(node).abs_lower()
