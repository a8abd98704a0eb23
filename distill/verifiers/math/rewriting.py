"""Other ways to write the same answer, chosen so that two of them can be laid side by side."""

from math import gcd

from distill.verifiers.math.tree import (
    Apply,
    Group,
    Listing,
    Matrix,
    Node,
    Number,
    Ratio,
    Relation,
    Symbol,
    substituted,
    walk,
)

FAMILY = "family over "
"""The opening of a group whose items hold a parameter, followed by what the parameter runs over."""
_PARAMETER = Symbol("parameter")


def spread(node: Node) -> Node:
    """Plus-minus as two values, wherever it stands; a name before a list as a name before each; parameters renamed."""
    match node:
        case Listing(items=(*values, Relation(signs=("in",), sides=(Symbol() as own, Symbol(name=domain))))) if (
            values and domain.startswith("mathbb")
        ):  # x = k pi, k in Z
            return Group(f"{FAMILY}{domain}", tuple(_renamed(value, own) for value in values), "")
        case _:
            pass
    if isinstance(node, Relation) and len(node.sides) == 2 and node.signs == ("=",):
        value = spread(node.sides[1])
        if isinstance(value, Listing | Group) and value != node.sides[1]:
            return Listing(tuple(Relation(("=",), (node.sides[0], item)) for item in value.items), "or")
    if isinstance(node, Apply) and any(isinstance(part, Apply) and part.op in ("pm", "mp") for part in walk(node)):
        return Listing((_chosen(node, 1), _chosen(node, -1)), "or")
    if isinstance(node, Listing) or (isinstance(node, Group) and node.opening == "{"):
        items: list[Node] = []
        for item in node.items:
            both = spread(item)
            items.extend(both.items if isinstance(both, Listing) else [both])
        items = _with_first_name(items)
        if isinstance(node, Listing):
            return Listing(tuple(items), node.joint)
        return Group(node.opening, tuple(items), node.closing)
    return node


def _renamed(node: Node, parameter: Symbol) -> Node:
    if isinstance(node, Relation):
        return Relation(node.signs, tuple(_renamed(side, parameter) for side in node.sides))
    return substituted(node, {parameter.name: _PARAMETER})


def _with_first_name(items: list[Node]) -> list[Node]:
    """``x = 1, 2`` as ``x = 1, x = 2``."""
    first = items[0] if items else None
    if not isinstance(first, Relation) or first.signs != ("=",) or any(isinstance(i, Relation) for i in items[1:]):
        return items
    return [first, *(Relation(("=",), (first.sides[0], item)) for item in items[1:])]


def _chosen(node: Node, sign: int) -> Node:
    if not isinstance(node, Apply):
        return node
    args = tuple(_chosen(arg, sign) for arg in node.args)
    if node.op in ("pm", "mp"):
        is_plus = (sign > 0) == (node.op == "pm")
        return Apply("+", (args[0], args[1] if is_plus else Apply("neg", (args[1],))))
    return Apply(node.op, args)


def one_by_one(node: Node) -> Node:
    """``(x, y) = (1, 2)`` as ``x = 1, y = 2``."""
    match node:
        case Relation(signs=("=",), sides=(Group(items=names), Group(items=values))) if len(names) == len(values):
            pairs = zip(names, values, strict=True)
            return Listing(tuple(Relation(("=",), pair) for pair in pairs))
        case _:
            return node


def table(node: Node) -> Matrix | None:
    """A matrix, also where it is written as a list of lists."""
    if isinstance(node, Group) and all(isinstance(item, Group) for item in node.items) and node.items:
        return Matrix(tuple(item.items for item in node.items if isinstance(item, Group)))
    return node if isinstance(node, Matrix) else None


def is_time(node: Ratio) -> bool:
    """Whether it is a time of day rather than a ratio: hours and two digits of minutes, not in lowest terms."""
    match node:
        case Ratio(parts=(Number(numerator=hours, denominator=1), Number(numerator=minutes, denominator=1))):
            is_written_so = minutes == 0 or (10 <= minutes < 60 and gcd(hours, minutes) > 1)
            return 0 <= hours <= 24 and is_written_so
        case _:
            return False
