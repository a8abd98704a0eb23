"""The nodes a parser makes, folded where that loses nothing: ``1/2`` and ``3.1 * 10^4`` are literals."""

from collections.abc import Sequence

from distill.verifiers.math.tokens import Unreadable
from distill.verifiers.math.tree import (
    Apply,
    Group,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    decimal,
    is_integer,
    literal,
)
from distill.verifiers.math.units import DEGREE, PERCENT_WORDS, SCALES, read_unit


def literal_of(text: str) -> Node:
    """A literal token."""
    try:
        number = literal(text)
    except ValueError as error:
        raise Unreadable(str(error)) from None
    if number is None:
        raise Unreadable("no number")
    return number


def mixed(whole: Number, part: Number) -> Number:
    """``2 1/3``."""
    return Number(whole.numerator * part.denominator + part.numerator, part.denominator)


def negative(node: Node) -> Node:
    """The same with the other sign."""
    if isinstance(node, Number):
        return Number(-node.numerator, node.denominator, node.last)
    if isinstance(node, Quantity):
        return Quantity(negative(node.value), node.unit)
    if isinstance(node, Apply) and node.op in ("percent", "degree"):
        return Apply(node.op, (negative(node.args[0]),))
    return Apply("neg", (node,))


def with_unit(value: Node, unit: str) -> Node:
    """A value with a unit, a percent sign, degrees, or a word such as million."""
    if unit in PERCENT_WORDS:
        return Apply("percent", (value,))
    if read_unit(unit) == DEGREE:
        return Apply("degree", (value,))
    scale, _, rest = unit.partition(" ")
    if scale in SCALES:
        value = Apply("*", (value, Number(SCALES[scale])))
        return with_unit(value, rest) if rest else value
    return Quantity(value, unit) if unit else value


def quotient(above: Node, below: Node) -> Node:
    """A fraction; of two whole numbers, a literal."""
    if is_integer(above) and is_integer(below) and (above.last, below.last) == (None, None) and below.numerator:
        return Number(above.numerator, below.numerator)
    return Apply("/", (above, below))


def total(terms: Sequence[Node]) -> Node:
    """A sum, or its only term."""
    if len(terms) > 1 and isinstance(terms[0], Quantity):
        return _in_one_unit(terms, terms[0].unit)
    return terms[0] if len(terms) == 1 else Apply("+", tuple(terms))


def _in_one_unit(terms: Sequence[Node], unit: str) -> Node:
    """A sum of quantities of one kind in the unit of the first."""
    total: list[Node] = []
    first = read_unit(unit)
    for term in terms:
        own = read_unit(term.unit) if isinstance(term, Quantity) else None
        if not isinstance(term, Quantity) or (
            term.unit != unit and (own is None or first is None or own[0] != first[0])
        ):
            raise Unreadable("a sum of different units")
        factor = own[1] / first[1] if own and first else 1
        total.append(Apply("*", (Number(factor.numerator, factor.denominator), term.value)))
    return Quantity(Apply("+", tuple(total)), unit)


def product(factors: Sequence[Node]) -> Node:
    """A product, or its only factor; a decimal times a power of ten is a literal."""
    if len(factors) == 1:
        return factors[0]
    matrices = [factor for factor in factors if isinstance(factor, Matrix)]
    if len(matrices) == 1:
        scale = product([factor for factor in factors if not isinstance(factor, Matrix)])
        return Matrix(tuple(tuple(product([scale, cell]) for cell in row) for row in matrices[0].rows))
    if len(factors) == 2:
        first, second = factors
        if isinstance(second, Apply) and second.op == "inv":
            return quotient(first, second.args[0])
        if isinstance(first, Number) and (power := _power_of_ten(second)) is not None:
            last = first.last if first.last is not None else 0
            digits = first.numerator * 10**-last // first.denominator if last < 0 else first.numerator
            if first.denominator == 1 or first.last is not None:
                return decimal(digits, last + power, is_decimal=first.last is not None or power < 0)
    return Apply("*", tuple(factors))


def _power_of_ten(node: Node) -> int | None:
    if isinstance(node, Apply) and node.op == "^" and node.args[0] == Number(10):
        power = node.args[1]
        if isinstance(power, Number) and power.denominator == 1 and abs(power.numerator) <= 1000:
            return power.numerator
    return None


def applied(name: str, inside: Node, base: Node | None) -> Node:
    """A function with its argument, and its base if it has one."""
    if name == "root3":
        return Apply("root", (inside, Number(3)))
    if name in ("max", "min", "gcd", "lcm"):
        return Apply(name, inside.items if isinstance(inside, Group | Listing) else (inside,))
    if name == "log" and isinstance(inside, Group) and len(inside.items) == 2:
        return Apply("log", inside.items)
    if name == "log" and base is not None:
        return Apply("log", (inside, base))
    return Apply({"log": "ln"}.get(name, name), (inside,))


def determinant(rows: Sequence[tuple[Node, ...]]) -> Node:
    """The determinant of a square of at most four rows, by its first row; not computed."""
    if not 1 <= len(rows) <= 4 or any(len(row) != len(rows) for row in rows):
        raise Unreadable("a determinant of another shape")
    if len(rows) == 1:
        return rows[0][0]
    terms: list[Node] = []
    for column, cell in enumerate(rows[0]):
        minor = determinant([row[:column] + row[column + 1 :] for row in rows[1:]])
        term = Apply("*", (cell, minor))
        terms.append(negative(term) if column % 2 else term)
    return total(terms)


def transposed(node: Matrix | Group) -> Node:
    """Rows as columns; a tuple becomes a column."""
    if isinstance(node, Group):
        return Matrix(tuple((item,) for item in node.items))
    return Matrix(tuple(zip(*node.rows, strict=True))) if len({len(row) for row in node.rows}) == 1 else node
