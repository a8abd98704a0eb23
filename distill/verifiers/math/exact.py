"""Exact values: rationals of any size under a budget of bits, and residues where the budget ends.

A value that is a ratio of two integers is decided here and nowhere else: no rounding can make 2^100 its neighbour.
"""

import math
from collections.abc import Callable, Mapping

from flint import fmpq, fmpz

from distill.verifiers.math.tree import Apply, Node, Number, Symbol, children

MAX_BITS = 400_000
"""Of numerator or denominator. 2024^4046 has 44,000."""
MAX_FACTORIAL = 20_000
MAX_TERMS = 2_000
"""Of a sum or a product over a range."""
PRIMES = (2305843009213693951, 2305843009213693921, 2305843009213693907)
"""The three largest below 2^61: two different numbers agree modulo all of them with a chance of about 2^-183."""


class Beyond(ArithmeticError):
    """Not a rational, or too large to write out."""


class NoValue(Beyond):
    """Undefined for certain, as a division by zero is."""


def rational(node: Node, values: Mapping[str, fmpq] | None = None) -> fmpq:
    """The exact value of a tree.

    Raises:
        NoValue: If it is undefined.
        Beyond: If it is not rational by its form, or larger than the budget.
    """
    match node:
        case Number(numerator=above, denominator=below):
            return fmpq(above, below)
        case Symbol(name=name) if values and name in values:
            return values[name]
        case Apply(op=op, args=args) if op in _RANGES:
            return _range(op, args, values or {})
        case Apply(op=op, args=args) if op in _OPERATIONS:
            value = _OPERATIONS[op]([rational(arg, values) for arg in args])
            if value.p.bit_length() > MAX_BITS or value.q.bit_length() > MAX_BITS:
                raise Beyond("too large")
            return value
        case _:
            raise Beyond("not rational")


def as_number(value: fmpq) -> Number:
    """A rational as a literal."""
    return Number(int(value.p), int(value.q))


def _power(args: list[fmpq]) -> fmpq:
    base, exponent = args
    if exponent.q != 1:
        return _root([base ** _small(exponent.p, base), fmpq(exponent.q)])
    if base == 0 and exponent <= 0:
        raise NoValue("undefined")
    return base ** _small(exponent.p, base)


def _small(exponent: fmpz, base: fmpq) -> int:
    bits = max(base.p.bit_length(), base.q.bit_length(), 1)
    if base in (0, 1, -1):
        return int(exponent % 2 + 2) if base == -1 else min(int(exponent), 1) if exponent.bit_length() < 64 else 1
    if exponent.bit_length() > 30 or bits * abs(int(exponent)) > 2 * MAX_BITS:
        raise Beyond("too large")
    return int(exponent)


def _root(args: list[fmpq]) -> fmpq:
    """A root that is rational; of a negative number only an odd one."""
    value, degree = args[0], args[1] if len(args) > 1 else fmpq(2)
    if degree.q != 1 or not 2 <= degree.p <= 64 or (value < 0 and degree.p % 2 == 0):
        raise Beyond("not rational")
    n = int(degree.p)
    parts = [abs(part).root(n) for part in (value.p, value.q)]
    if parts[0] ** n != abs(value.p) or parts[1] ** n != value.q:
        raise Beyond("not rational")
    return fmpq(-parts[0] if value < 0 else parts[0], parts[1])


def _divide(args: list[fmpq]) -> fmpq:
    above, below = args if len(args) == 2 else (fmpq(1), args[0])
    if below == 0:
        raise NoValue("undefined")
    return above / below


def _factorial(args: list[fmpq]) -> fmpq:
    (n,) = args
    if n.q != 1 or not 0 <= n.p <= MAX_FACTORIAL:
        raise Beyond("too large")
    return fmpq(math.factorial(int(n.p)))


def _binomial(args: list[fmpq]) -> fmpq:
    n, k = args
    if n.q != 1 or k.q != 1 or not 0 <= n.p <= 10**6:
        raise Beyond("too large")
    if not 0 <= k.p <= n.p:
        return fmpq(0)
    if min(k.p, n.p - k.p) > MAX_FACTORIAL:
        raise Beyond("too large")
    return fmpq(math.comb(int(n.p), int(k.p)))


def _whole(args: list[fmpq]) -> list[int]:
    if any(value.q != 1 for value in args):
        raise Beyond("not rational")
    return [int(value.p) for value in args]


def _modulo(args: list[fmpq]) -> fmpq:
    value, modulus = _whole(args)
    if not modulus:
        raise NoValue("undefined")
    return fmpq(value % modulus)


def _product(args: list[fmpq]) -> fmpq:
    value = fmpq(1)
    for arg in args:
        value *= arg
        if value.p.bit_length() > 2 * MAX_BITS:
            raise Beyond("too large")
    return value


_OPERATIONS: dict[str, Callable[[list[fmpq]], fmpq]] = {
    "+": lambda args: sum(args, fmpq(0)),
    "*": _product,
    "/": _divide,
    "inv": _divide,
    "^": _power,
    "neg": lambda args: -args[0],
    "percent": lambda args: args[0] / 100,
    "sqrt": _root,
    "root": _root,
    "!": _factorial,
    "binom": _binomial,
    "abs": lambda args: abs(args[0]),
    "floor": lambda args: fmpq(args[0].floor()),
    "ceil": lambda args: fmpq(args[0].ceil()),
    "max": max,
    "min": min,
    "gcd": lambda args: fmpq(math.gcd(*_whole(args))),
    "lcm": lambda args: fmpq(math.lcm(*_whole(args))),
    "mod": _modulo,
}
_RANGES = ("sum", "prod")


def bounds(body: Node, start: fmpq, stop: fmpq) -> range:
    """The values of an index. All ranges inside each other have `MAX_TERMS` terms together.

    Raises:
        Beyond: If the bounds are no integers, or there are too many.
    """
    most = int(MAX_TERMS ** (1 / (1 + _ranges_inside(body))))
    if start.q != 1 or stop.q != 1 or not 0 <= stop - start + 1 <= most:
        raise Beyond("too many terms")
    return range(int(start.p), int(stop.p) + 1)


def _ranges_inside(node: Node) -> int:
    own = isinstance(node, Apply) and node.op in _RANGES
    return own + max(map(_ranges_inside, children(node)), default=0)


def _range(op: str, args: tuple[Node, ...], values: Mapping[str, fmpq]) -> fmpq:
    body, index, start, stop = args
    if not isinstance(index, Symbol):
        raise Beyond("no index")
    terms = [
        rational(body, {**values, index.name: fmpq(k)})
        for k in bounds(body, rational(start, values), rational(stop, values))
    ]
    return sum(terms, fmpq(0)) if op == "sum" else _product(terms)


def residue(node: Node, prime: int) -> int:
    """The value of a tree modulo a prime, for powers too large to write out.

    Raises:
        Beyond: If it is not rational by its form, or not defined modulo this prime.
    """
    match node:
        case Number(numerator=above, denominator=below):
            return above * _inverse(below, prime) % prime
        case Apply(op="+", args=args):
            return sum(residue(arg, prime) for arg in args) % prime
        case Apply(op="*", args=args):
            return math.prod(residue(arg, prime) for arg in args) % prime
        case Apply(op="neg", args=(arg,)):
            return -residue(arg, prime) % prime
        case Apply(op="inv", args=(arg,)):
            return _inverse(residue(arg, prime), prime)
        case Apply(op="/", args=(above, below)):
            return residue(above, prime) * _inverse(residue(below, prime), prime) % prime
        case Apply(op="^", args=(base, exponent)):
            (power,) = _whole([rational(exponent)])
            value = residue(base, prime)
            if not value:
                raise NoValue("undefined")
            return pow(value, power, prime)
        case _:
            (value,) = [rational(node)]
            return int(value.p) * _inverse(int(value.q) % prime, prime) % prime


def _inverse(value: int, prime: int) -> int:
    if not value % prime:
        raise NoValue("undefined")
    return pow(value, -1, prime)
