"""What a mathematical answer is, once read: a small immutable tree.

Nothing in it computes: a tower of powers is four nodes. The lanes (`exact`, `balls`) decide what they evaluate.
"""

import re
from collections.abc import Iterator, Mapping
from typing import TypeAlias, TypeGuard

import msgspec


class Number(msgspec.Struct, frozen=True):
    """A literal: ``numerator / denominator``."""

    numerator: int
    denominator: int = 1
    last: int | None = None
    """Power of ten of the last printed digit of a decimal (-2 for 3.14, -36 for 6.63e-34); None for an integer."""


class Symbol(msgspec.Struct, frozen=True):
    """A variable or a name: ``x``, ``x_1``, ``alpha``."""

    name: str


class Constant(msgspec.Struct, frozen=True):
    """``pi``, ``e``, ``i`` or ``inf``."""

    name: str


class Apply(msgspec.Struct, frozen=True):
    """An operation or a function on its arguments: ``+ * / ^ neg ! pm sqrt sin log binom ...``."""

    op: str
    args: "tuple[Node, ...]"


class Quantity(msgspec.Struct, frozen=True):
    """A value and its unit, as it is written."""

    value: "Node"
    unit: str


class Group(msgspec.Struct, frozen=True):
    """Items in brackets: a tuple, an interval, a set, by the brackets: ``( ) [ ] { }`` or ``< >``."""

    opening: str
    items: "tuple[Node, ...]"
    closing: str


class Listing(msgspec.Struct, frozen=True):
    """Items without brackets, in no particular order."""

    items: "tuple[Node, ...]"
    joint: str = ","
    """What stands between them: ``,``, ``and`` or ``or``."""


class Matrix(msgspec.Struct, frozen=True):
    """Rows of cells."""

    rows: "tuple[tuple[Node, ...], ...]"


class Relation(msgspec.Struct, frozen=True):
    """A chain: ``a < x <= b`` has the signs ``< <=`` and three sides."""

    signs: tuple[str, ...]
    sides: "tuple[Node, ...]"


class Ratio(msgspec.Struct, frozen=True):
    """``a : b``, or ``a : b : c``; also a time of day."""

    parts: "tuple[Node, ...]"


class Based(msgspec.Struct, frozen=True):
    """Digits in a base that is written beside them."""

    digits: str
    base: int


class Words(msgspec.Struct, frozen=True):
    """Text, folded to lower case, its white space to single blanks."""

    text: str


Node: TypeAlias = (
    Number | Symbol | Constant | Apply | Quantity | Group | Listing | Matrix | Relation | Ratio | Based | Words
)

RANGES = frozenset(("sum", "prod", "int"))
"""Operations with a body, an index and two bounds."""
ZERO, ONE, TEN, HUNDRED = Number(0), Number(1), Number(10), Number(100)
INFINITY = Constant("inf")
MAX_DIGITS = 4000
"""Digits of one literal that is turned into a number: Python refuses 4,300."""

_PLAIN = re.compile(r"([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d{1,4}))?")


def literal(text: str) -> Number | None:
    """The number that a text of digits is, such as ``-12``, ``.5``, ``1e-3``; None if it is none.

    Raises:
        ValueError: If it has more than `MAX_DIGITS` digits.
    """
    found = _PLAIN.fullmatch(text)
    if found is None or not (found[2] or found[3]):
        return None
    sign, whole, places, power = found[1], found[2], found[3], found[4]
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    digits = int(whole + (places or ""))
    return decimal(
        -digits if sign == "-" else digits, int(power or 0) - len(places or ""), is_decimal=places is not None
    )


def decimal(digits: int, last: int, *, is_decimal: bool = True) -> Number:
    """``digits * 10 ** last`` as a literal that was printed to its last digit."""
    printed = last if is_decimal or last < 0 else None
    if last >= 0:
        return Number(digits * 10**last, 1, printed)
    return Number(digits, 10**-last, printed)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    match node:
        case Apply(args=parts) | Group(items=parts) | Listing(items=parts) | Relation(sides=parts) | Ratio(parts=parts):
            return parts
        case Quantity(value=value):
            return (value,)
        case Matrix(rows=rows):
            return tuple(cell for row in rows for cell in row)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in no particular order."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children(current))


def symbols(node: Node) -> frozenset[str]:
    """The names of all symbols."""
    return frozenset(part.name for part in walk(node) if isinstance(part, Symbol))


def substituted(node: Node, values: "Mapping[str, Node]") -> Node:
    """A scalar tree with nodes in place of symbols."""
    if isinstance(node, Symbol):
        return values.get(node.name, node)
    if isinstance(node, Apply):
        if node.op in RANGES and isinstance(index := node.args[1], Symbol):  # an index is bound, and stays
            values = {name: value for name, value in values.items() if name != index.name}
        return Apply(node.op, tuple(substituted(arg, values) for arg in node.args))
    return node


def is_integer(node: Node) -> TypeGuard[Number]:
    """Whether it is a literal without a fractional part."""
    return isinstance(node, Number) and node.numerator % node.denominator == 0
