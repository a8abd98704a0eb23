"""Quotients of polynomials in one unknown: where they are zero, and where they are positive.

Enough for the inequalities and equations of school: rational coefficients, and factors of degree one and two over the
rationals, whose roots are written out exactly.
"""

from typing import Any

from flint import fmpq, fmpq_poly

from distill.verifiers.math import exact
from distill.verifiers.math.tree import Apply, Node, Number, Symbol

MAX_DEGREE = 12

Quotient = tuple[fmpq_poly, fmpq_poly]
"""Above and below."""


class NoPolynomial(ArithmeticError):
    """Not a quotient of polynomials that we solve."""


def quotient(node: Node, unknown: str) -> Quotient:
    """A tree as a quotient of polynomials.

    Raises:
        NoPolynomial: If it is none, or one of too high a degree.
    """
    match node:
        case Number(numerator=above, denominator=below):
            return fmpq_poly([fmpq(above, below)]), fmpq_poly([1])
        case Symbol(name=name) if name == unknown:
            return fmpq_poly([0, 1]), fmpq_poly([1])
        case Apply(op="+" | "*" as op, args=args):
            total = quotient(args[0], unknown)
            for arg in args[1:]:
                total = _combined(op, total, quotient(arg, unknown))
            return total
        case Apply(op="neg", args=(arg,)):
            above, below = quotient(arg, unknown)
            return -above, below
        case Apply(op="inv", args=(arg,)):
            return _turned(quotient(arg, unknown))
        case Apply(op="/", args=(top, bottom)):
            return _combined("*", quotient(top, unknown), _turned(quotient(bottom, unknown)))
        case Apply(op="^", args=(base, Number(numerator=power, denominator=1))) if 0 <= power <= MAX_DEGREE:
            above, below = quotient(base, unknown)
            return _small((above**power, below**power))
        case _:
            raise NoPolynomial


def _combined(op: str, a: Quotient, b: Quotient) -> Quotient:
    above = a[0] * b[1] + b[0] * a[1] if op == "+" else a[0] * b[0]
    return _small((above, a[1] * b[1]))


def _turned(fraction: Quotient) -> Quotient:
    if not fraction[0]:
        raise NoPolynomial
    return fraction[1], fraction[0]


def _small(fraction: Quotient) -> Quotient:
    if max(fraction[0].degree(), fraction[1].degree()) > MAX_DEGREE:
        raise NoPolynomial
    return fraction


def roots(polynomial: fmpq_poly) -> list[Node]:
    """The distinct real roots, in no particular order.

    Raises:
        NoPolynomial: If one of them is no root of a factor of degree one or two, or all numbers are.
    """
    if not polynomial:
        raise NoPolynomial
    found: list[Node] = []
    _, factors = polynomial.factor()
    for factor, _ in factors:
        if factor.degree() == 1:
            found.append(exact.as_number(-factor[0] / factor[1]))
        elif factor.degree() == 2:
            found.extend(_of_quadratic(*(fmpq(factor[k]) for k in (2, 1, 0))))
        elif factor.degree() > 2 and _has_real_root(factor):
            raise NoPolynomial
    return found


def same_zeros(a: Node, b: Node, unknown: str) -> bool | None:
    """Whether two equations ``a = 0`` and ``b = 0`` have the same complex solutions; None if the unknown is in neither.

    Raises:
        NoPolynomial: If one of them is no quotient of polynomials.
    """
    one, other = quotient(a, unknown)[0], quotient(b, unknown)[0]
    if one.degree() < 1 and other.degree() < 1:
        return None
    return _radical(one) == _radical(other)


def _radical(polynomial: fmpq_poly) -> fmpq_poly:
    """The monic polynomial with the same zeros, each once."""
    if polynomial.degree() < 1:
        return polynomial
    single = polynomial // polynomial.gcd(polynomial.derivative())
    return single / single[single.degree()]


def _has_real_root(polynomial: fmpq_poly) -> bool:
    roots_found: Any = polynomial.complex_roots()  # pairs of a root and its multiplicity; the stubs say otherwise
    return any(root.imag.contains(0) for root, _ in roots_found)


def _of_quadratic(a: fmpq, b: fmpq, c: fmpq) -> list[Node]:
    discriminant = b * b - 4 * a * c
    if discriminant < 0:
        return []
    root = Apply("sqrt", (exact.as_number(discriminant),))
    halves = (root, Apply("neg", (root,)))
    below = exact.as_number(2 * a)
    return [Apply("/", (Apply("+", (exact.as_number(-b), half)), below)) for half in halves]
