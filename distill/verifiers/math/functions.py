"""What operations and functions do with balls. Real roots are meant where a real root exists."""

import operator
from collections.abc import Callable
from functools import reduce

from flint import acb, arb


class Undefined(ArithmeticError):
    """No value at this point, or an operation that has none here."""


def constant(name: str) -> acb:
    """The value of ``pi``, ``e`` or ``i`` in the precision of the context.

    Raises:
        Undefined: If it has none: infinity.
    """
    if name == "pi":
        return acb.pi()
    if name == "e":
        return acb(1).exp()
    if name == "i":
        return acb(0, 1)
    raise Undefined("infinity")


def plus(*args: acb) -> acb:
    """A sum."""
    return sum(args, acb(0))


def times(*args: acb) -> acb:
    """A product."""
    value = acb(1)
    for arg in args:
        value *= arg
    return value


def _is_real(value: acb) -> bool:
    return bool(value.imag == 0)


def _power(base: acb, exponent: acb) -> acb:
    whole = exponent.real.unique_fmpz() if _is_real(exponent) and exponent.is_exact() else None
    if whole is not None and whole.bit_length() < 60:
        if whole < 0 and base.contains(0):
            raise Undefined("division by zero")
        return base ** int(whole)
    if _is_real(base) and base.real < 0 and _is_real(exponent):
        odd = _odd_denominator(exponent)
        if odd is not None:
            size = (-base) ** exponent
            return size if odd % 2 == 0 else -size
    if base == 0:
        raise Undefined("a power of zero")
    return base**exponent


def _odd_denominator(exponent: acb) -> int | None:
    """The numerator of an exponent that is a small fraction with an odd denominator."""
    for denominator in (3, 5, 7, 9, 11):
        numerator = (exponent.real * denominator).unique_fmpz()
        if numerator is not None and abs(numerator) < 1000:
            return int(numerator)
    return None


def _root(value: acb, degree: acb) -> acb:
    whole = degree.real.unique_fmpz()
    if whole is None or not 1 <= whole <= 10_000:
        return _power(value, 1 / degree)
    if whole % 2 and _is_real(value) and value.real < 0:
        return -(-value).root(int(whole))
    return value.root(int(whole)) if _is_real(value) and value.real >= 0 else _power(value, 1 / degree)


def _divide(above: acb, below: acb) -> acb:
    if below.contains(0):
        raise Undefined("division by zero")
    return above / below


def _logarithm(value: acb, base: acb | None = None) -> acb:
    if value.contains(0):
        raise Undefined("log of zero")
    return value.log() if base is None else value.log() / _logarithm(base)


def _floor(value: acb) -> acb:
    return _whole(value.real.floor(), value)


def _ceil(value: acb) -> acb:
    return _whole(value.real.ceil(), value)


def _whole(rounded: arb, value: acb) -> acb:
    if not _is_real(value) or rounded.unique_fmpz() is None:
        raise Undefined("not surely between two whole numbers")
    return acb(rounded)


def _gamma(value: acb) -> acb:
    if value.abs_lower() > 10**6:
        raise Undefined("too large")
    return (value + 1).gamma()


def _binomial(n: acb, k: acb) -> acb:
    return _divide(_gamma(n), times(_gamma(k), _gamma(n - k)))


def _absolute(value: acb) -> acb:
    return acb(abs(value.real)) if _is_real(value) else acb(value.abs_lower().union(value.abs_upper()))


def _degrees(value: acb) -> acb:
    return value * acb.pi() / 180


def _hundredth(value: acb) -> acb:
    return value / 100


def _inverse(value: acb) -> acb:
    return _divide(acb(1), value)


def _largest(*values: acb) -> acb:
    return acb(reduce(lambda a, b: a.max(b), (value.real for value in values)))


def _least(*values: acb) -> acb:
    return acb(reduce(lambda a, b: a.min(b), (value.real for value in values)))


def _real_part(value: acb) -> acb:
    return acb(value.real)


def _imaginary_part(value: acb) -> acb:
    return acb(value.imag)


_METHODS = {
    **{name: name for name in "sqrt exp sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()},
    **{"arcsin": "asin", "arccos": "acos", "arctan": "atan"},
    **{"arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh"},
}


def _method(name: str) -> Callable[[acb], acb]:
    return lambda x: getattr(x, name)()


def _after_inverse(name: str) -> Callable[[acb], acb]:
    return lambda x: getattr(_divide(acb(1), x), name)()


FUNCTIONS: dict[str, Callable[..., acb]] = {
    "+": plus,
    "*": times,
    "/": _divide,
    "^": _power,
    "!": _gamma,
    "neg": operator.neg,
    "inv": _inverse,
    "root": _root,
    "ln": _logarithm,
    "log": _logarithm,
    "abs": _absolute,
    "floor": _floor,
    "ceil": _ceil,
    "percent": _hundredth,
    "degree": _degrees,
    "binom": _binomial,
    "max": _largest,
    "min": _least,
    "Re": _real_part,
    "Im": _imaginary_part,
    **{name: _method(method) for name, method in _METHODS.items()},
    **{"arccot": _after_inverse("atan"), "arcsec": _after_inverse("acos"), "arccsc": _after_inverse("asin")},
}
"""What each operation of a tree does with balls."""
