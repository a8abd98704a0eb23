"""Numbers with proven error bounds, by Arb's ball arithmetic (python-flint): what does not overlap is different.

Real roots are meant where a real root exists: the cube root of -8 is -2. Unknowns take values at fixed points, some of
them negative, and a point where a part of one side is not real is passed over, unless an ``i`` is written: so
``ln x^2`` and ``2 ln x`` agree, and ``|x|`` and ``x`` do not.

Source: F. Johansson, "Arb: efficient arbitrary-precision midpoint-radius interval arithmetic", IEEE Trans. Comp. 2017.
"""

import contextlib
import threading
import zlib
from collections.abc import Callable, Generator, Mapping
from functools import partial

from flint import acb, arb, ctx, fmpq

from distill.verifiers.math import exact
from distill.verifiers.math.functions import FUNCTIONS, Undefined, constant, plus, times
from distill.verifiers.math.tree import Apply, Constant, Node, Number, Symbol, symbols, walk

PRECISIONS = (128, 2048)
"""Bits: the first proves most differences, the second is what an equality rests on."""
MIN_POINTS = 3
"""Points that must agree before two expressions with unknowns are taken for equal."""
MAX_EVALUATIONS = 300
"""Of an integrand, for one integral in one precision."""
_AGREEMENT = 256
"""Bits to which two values that overlap must be known to count as equal."""
_POINTS = (fmpq(5, 7), fmpq(19, 10), fmpq(31, 11), fmpq(-4, 7), fmpq(-17, 9), fmpq(37, 5))
_WHOLE_POINTS = (3, 4, 7, 10)

_lock = threading.Lock()  # the precision belongs to the whole process

Values = Mapping[str, acb | fmpq]


def equal(a: Node, b: Node) -> bool | None:
    """Whether two trees have the same value for all values of their unknowns; None if that cannot be said."""
    names = sorted(symbols(a) | symbols(b))
    with working():
        return _equal_everywhere(a, b, names) if names else _equal_at(a, b, {})


@contextlib.contextmanager
def working(precision: int = PRECISIONS[0]) -> Generator[None]:
    """Work in a precision of so many bits, alone; the process has only one."""
    with _lock:
        before, ctx.prec = ctx.prec, precision
        try:
            yield
        finally:
            ctx.prec = before


def number(node: Node) -> acb | None:
    """The value of a tree without unknowns to about 120 bits; None if it has none."""
    with working():
        try:
            value = evaluate(node, {})
            return value if value.is_finite() else None
        except (Undefined, exact.Beyond, RecursionError):
            return None


def is_near(node: Node, target: fmpq, distance: fmpq) -> bool:
    """Whether a value without unknowns is surely within a distance of a rational."""
    value = number(node)
    if value is None or not value.imag.contains(0):
        return False
    with working():
        return bool(abs(value.real - arb(target)) <= arb(distance))


def _equal_everywhere(a: Node, b: Node, names: list[str]) -> bool | None:
    is_complex = any(part == Constant("i") for tree in (a, b) for part in walk(tree))
    agreed = 0
    for point in _points(names):
        verdict = _equal_at(a, b, point, is_complex)
        if verdict is False:
            return False
        agreed += verdict is True
    if agreed >= MIN_POINTS:
        return True
    return _equal_at_integers(a, b, names)


def _equal_at_integers(a: Node, b: Node, names: list[str]) -> bool | None:
    """For what is real at whole numbers only, such as ``(-1)^n``."""
    agreed = 0
    for whole in _WHOLE_POINTS:
        verdict = _equal_at(a, b, {name: fmpq(whole + i) for i, name in enumerate(names)}, is_complex=True)
        if verdict is False:
            return False
        agreed += verdict is True
    return True if agreed >= MIN_POINTS else None


def _points(names: list[str]) -> list[Values]:
    """The same value for the same name everywhere, another one for every other name."""
    points: list[Values] = []
    for index in range(len(_POINTS)):
        values: dict[str, acb | fmpq] = {}
        for name in names:
            spread = zlib.crc32(name.encode())
            start = 0 if len(names) == 1 else spread % 5
            # several unknowns: some point has all of them positive, and some has them of different signs
            base = _POINTS[(index + start) % len(_POINTS)] if index else abs(_POINTS[start])
            values[name] = base + fmpq(spread % 997, 9973)
        points.append(values)
    return points


def _equal_at(a: Node, b: Node, point: Values, is_complex: bool = True) -> bool | None:
    """At one point. None: one side has no value there, or is not real where it should be."""
    for precision in PRECISIONS:
        ctx.prec = precision
        try:
            left, right = evaluate(a, point, not is_complex), evaluate(b, point, not is_complex)
        except (Undefined, exact.Beyond, ZeroDivisionError, OverflowError, RecursionError):
            return None
        if not (left.is_finite() and right.is_finite()):
            return None
        if not left.overlaps(right):
            return False
    return True if _is_sharp(left, right) else None  # pyright: ignore[reportPossiblyUnboundVariable]


def _is_sharp(left: acb, right: acb) -> bool:
    """Whether an overlap means something: both are known to many bits."""
    size = max(left.abs_upper(), right.abs_upper(), arb(1))
    return bool((left - right).abs_upper() < size * arb(2) ** -_AGREEMENT)


def evaluate(node: Node, values: Values, is_real: bool = False) -> acb:
    """The value of a tree in the precision of the context.

    Args:
        node: A tree of single values.
        values: Of its unknowns.
        is_real: Whether every part must be real: the root of a negative number is then undefined.

    Raises:
        Undefined: If it has none, or none that we compute.
    """
    match node:
        case Number(numerator=above, denominator=below):
            return acb(fmpq(above, below))
        case Symbol(name=name):
            if name not in values:
                raise Undefined(f"no value for {name}")
            return acb(values[name])  # a rational becomes a ball in the precision of the moment
        case Constant(name=name):
            return constant(name)
        case Apply(op=op, args=args):
            if op in _RANGES:
                return _RANGES[op](args, values)
            if op not in FUNCTIONS:
                raise Undefined(f"no value of {op}")
            value = FUNCTIONS[op](*(evaluate(arg, values, is_real) for arg in args))
            if is_real and not value.imag.contains(0):
                raise Undefined("not real")
            return value
        case _:
            raise Undefined("not a number")


def _over_range(combine: Callable[..., acb], args: tuple[Node, ...], values: Values) -> acb:
    body, index, start, stop = args
    if not isinstance(index, Symbol):
        raise Undefined("no index")
    terms = exact.bounds(body, exact.rational(start), exact.rational(stop))
    return combine(*(evaluate(body, {**values, index.name: acb(k)}) for k in terms))


def _integral(args: tuple[Node, ...], values: Values) -> acb:
    body, variable, start, stop = args
    if not isinstance(variable, Symbol):
        raise Undefined("no variable")
    if any(isinstance(part, Apply) and part.op == "int" for part in walk(body)) or symbols(body) != frozenset(
        (variable.name,)
    ):
        raise Undefined("an integral of more than one variable")
    if ctx.prec > PRECISIONS[0]:
        ctx.prec = 320  # quadrature in full precision takes seconds

    def integrand(x: acb, _: bool) -> acb:
        try:
            return evaluate(body, {**values, variable.name: x})
        except (Undefined, exact.Beyond):
            return acb("nan")

    return acb.integral(integrand, evaluate(start, values), evaluate(stop, values), eval_limit=MAX_EVALUATIONS)


_RANGES: dict[str, Callable[[tuple[Node, ...], Values], acb]] = {
    "sum": partial(_over_range, plus),
    "prod": partial(_over_range, times),
    "int": _integral,
}
