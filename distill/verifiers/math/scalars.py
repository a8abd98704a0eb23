"""Are two single values equal: exactly where they are rational, by balls where they are not, and as printed decimals.

The reference decides what a decimal may stand for:

- A decimal reference of three digits or more accepts an exact answer that rounds to it, and one of four digits or more
  accepts a longer decimal that rounds to it. Relative to its own digits: 6.63e-34 is not 1.05e-34.
- An exact reference accepts a decimal of six significant digits and six places or more that is its rounding or its
  truncation.
- A percent sign, a degree sign and a unit may be left out; a different one may not stand in their place.
"""

from collections.abc import Sequence

from flint import fmpq

from distill.verifiers.math import balls, exact, magnitudes, units
from distill.verifiers.math.exact import Beyond
from distill.verifiers.math.tree import RANGES, Apply, Constant, Node, Number, Quantity, Symbol, symbols, walk

_RATIONAL = frozenset(("+", "*", "/", "inv", "neg", "^", "!", "binom", "percent"))
_RADIANS = units.read_unit("radian")
_EXACT_DIGITS, _LONGER_DIGITS = 3, 4
_PLACES = 6


def equal(reference: Node, answer: Node) -> bool | None:
    """Whether an answer is worth what the reference is; None if that cannot be said."""
    if reference == answer:
        return True
    if isinstance(reference, Quantity) or isinstance(answer, Quantity):
        return _quantities(reference, answer)
    if _has(reference, "class") or _has(answer, "class"):
        return _classes(reference, answer)
    for sign in ("percent", "degree"):
        if _has(reference, sign) or _has(answer, sign):
            return _signed(reference, answer, sign)
    return _values(reference, answer)


def _values(reference: Node, answer: Node) -> bool | None:
    is_same = same_value(reference, answer)
    if is_same is not False:
        return is_same
    return _as_decimals(reference, answer)


def same_value(a: Node, b: Node) -> bool | None:
    """Whether two trees have exactly the same value."""
    if any("..." in symbols(side) for side in (a, b)):
        return None  # what the dots stand for is not written
    infinite = [infinity(a), infinity(b)]
    if any(infinite):
        return infinite[0] == infinite[1]
    (left, is_undefined), (right, is_undefined_too) = _evaluated(a), _evaluated(b)
    if is_undefined or is_undefined_too:
        return None if is_undefined and is_undefined_too else False
    if left is not None and right is not None:
        return left == right
    if _is_rational(a) and _is_rational(b):
        return _same_residues(a, b)
    return balls.equal(a, b)


def infinity(node: Node) -> int:
    """1 and -1 for the two infinities, 0 for all else."""
    if node == Constant("inf"):
        return 1
    return -infinity(node.args[0]) if isinstance(node, Apply) and node.op == "neg" else 0


def _evaluated(node: Node) -> tuple[fmpq | None, bool]:
    """The exact value of a tree if it has one, and whether it is no number for certain."""
    try:
        return exact.rational(node), False
    except exact.NoValue:
        return None, True
    except (Beyond, ArithmeticError, RecursionError):
        return None, False


def _rational(node: Node) -> fmpq | None:
    return _evaluated(node)[0]


def _is_rational(node: Node) -> bool:
    """Whether a value is rational by its form, however large."""
    return all(isinstance(part, Number) or (isinstance(part, Apply) and part.op in _RATIONAL) for part in walk(node))


def _same_residues(a: Node, b: Node) -> bool | None:
    """For numbers too large to write out; a rounding proves nothing about them."""
    try:
        return all(exact.residue(a, prime) == exact.residue(b, prime) for prime in exact.PRIMES)
    except (Beyond, ArithmeticError, RecursionError):
        return False if magnitudes.differ(a, b) else None


def _as_decimals(reference: Node, answer: Node) -> bool:
    printed, given = _printed(reference), _printed(answer)
    if printed is not None:
        if given is None:
            return _digits(printed) >= _EXACT_DIGITS and _rounds_to(answer, printed, fmpq(1, 2))
        is_longer = given.last is not None and printed.last is not None and given.last < printed.last
        return is_longer and _digits(printed) >= _LONGER_DIGITS and _rounds_to(answer, printed, fmpq(1, 2))
    if given is None or given.last is None or given.last > -_PLACES or _digits(given) < _PLACES:
        return False
    exactly = _rational(reference)
    if exactly is not None and (exactly / fmpq(10) ** given.last).q == 1:
        return False  # so many places could have said it exactly
    return _rounds_to(reference, given, fmpq(1))


def _printed(node: Node) -> Number | None:
    """A decimal as it is printed, with its sign."""
    return node if isinstance(node, Number) and node.last is not None else None


def _digits(number: Number) -> int:
    """Significant digits as printed."""
    assert number.last is not None
    shift = 10**-number.last if number.last < 0 else 1
    return len(str(abs(number.numerator * shift // number.denominator)))


def _rounds_to(value: Node, printed: Number, ulps: fmpq) -> bool:
    assert printed.last is not None
    step = fmpq(10) ** printed.last
    target = fmpq(printed.numerator, printed.denominator)
    exactly = _rational(value)
    if exactly is not None:
        return bool(abs(exactly - target) <= step * ulps)
    return balls.is_near(value, target, step * ulps)


def _has(node: Node, sign: str) -> bool:
    return isinstance(node, Apply) and node.op == sign


def _signed(reference: Node, answer: Node, sign: str) -> bool | None:
    """Percent and degrees: 50 % is 50 and 0.5; 90 degrees is 90 and pi/2. Without a sign, 0.5 is not 50."""
    bare = [node.args[0] if isinstance(node, Apply) and node.op == sign else node for node in (reference, answer)]
    if _has(reference, sign) and _has(answer, sign):
        return _values(*bare)
    outcomes = [_values(reference, answer), _values(*bare)]
    return True if True in outcomes else outcomes[0]


def _classes(reference: Node, answer: Node) -> bool | None:
    """Residue classes: the same modulus, and a difference that it divides. Without a modulus, the same number."""
    sides = (reference, answer)
    classes = [node.args for node in sides if isinstance(node, Apply) and node.op == "class"]
    if len(classes) < 2:
        return same_value(*(node.args[0] if isinstance(node, Apply) and node.op == "class" else node for node in sides))
    (a, m), (b, n) = classes
    if same_value(m, n) is not True:
        return False
    difference = _rational(Apply("/", (Apply("+", (a, Apply("neg", (b,)))), m)))
    return same_value(a, b) if difference is None else difference.q == 1


def _quantities(reference: Node, answer: Node) -> bool | None:
    values = [node.value if isinstance(node, Quantity) else node for node in (reference, answer)]
    read = [units.read_unit(node.unit) if isinstance(node, Quantity) else None for node in (reference, answer)]
    if any(_has(value, "degree") for value in values) and (any(read) or _is_raised(reference) or _is_raised(answer)):
        return _values(*values) if _RADIANS in read else False
    if read[0] is None or read[1] is None or read[0] == read[1]:
        return equal(*values)
    if read[0][0] != read[1][0]:
        return False
    factor = read[1][1] / read[0][1]
    scaled = Apply("*", (Number(factor.numerator, factor.denominator), values[1]))
    return equal(values[0], scaled)


def _is_raised(node: Node) -> bool:
    return isinstance(node, Quantity) and ("^" in node.unit or "square" in node.unit or "cubic" in node.unit)


def in_order(nodes: Sequence[Node]) -> list[Node] | None:
    """Numbers in the order of their values, real part first; None if one of them has no value."""
    keyed: list[tuple[float, float, Node]] = []
    for node in nodes:
        if isinstance(node, Number):
            try:
                keyed.append((node.numerator / node.denominator, 0.0, node))
            except OverflowError:
                return None
            continue
        ball = balls.number(node)
        if ball is None:
            return None
        keyed.append((float(ball.real.mid()), float(ball.imag.mid()), node))
    return [node for *_, node in sorted(keyed, key=lambda key: key[:2])]


def is_closed(node: Node) -> bool:
    """Whether there is nothing to solve: no unknowns but dots, no sums over a range, no integrals."""
    return is_scalar(node) and not any(
        (isinstance(part, Symbol) and part.name != "...") or (isinstance(part, Apply) and part.op in RANGES)
        for part in walk(node)
    )


def is_scalar(node: Node) -> bool:
    """Whether it is one value."""
    return isinstance(node, Number | Symbol | Constant | Apply | Quantity) and not _has(node, "cup")
