"""Is an answer the reference: by the reference's type, part by part, down to single values.

Three-valued: None says that it cannot be said. Lists without brackets have no order, tuples have one; the ends of an
interval are open or closed; a name in front (``x =``) may be left out but not exchanged.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import cast

from distill.verifiers.math import regions, relations, scalars, words
from distill.verifiers.math.relations import Named
from distill.verifiers.math.rewriting import FAMILY, is_time, one_by_one, spread, table
from distill.verifiers.math.tree import (
    Apply,
    Based,
    Group,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Ratio,
    Relation,
    Symbol,
    Words,
    symbols,
)

SHORT = 12
"""Items of a list that is not worth sorting."""
MAX_UNORDERED = 40
"""Items of an unordered list that are matched one against another; more only if they can be put in order."""


def same(reference: Node, answer: Node) -> bool | None:
    """Whether an answer is the reference; None if that cannot be said."""
    if reference == answer:
        return True
    reference, answer = spread(reference), spread(answer)
    if _is_braced(reference) != _is_braced(answer):
        reference, answer = _only(reference), _only(answer)
    if regions.is_set(reference) or regions.is_set(answer):
        return _sets(reference, answer)
    if isinstance(reference, Listing) or isinstance(answer, Listing) or _is_braced(reference) or _is_braced(answer):
        return _lists(reference, answer)
    if isinstance(reference, Relation) or isinstance(answer, Relation):
        return _relations(reference, answer)
    return _plain(reference, answer)


def _only(node: Node) -> Node:
    """What a set of one holds."""
    return node.items[0] if isinstance(node, Group) and _is_braced(node) and len(node.items) == 1 else node


def _any(outcomes: Sequence[bool | None]) -> bool | None:
    return True if True in outcomes else (None if None in outcomes else False)


def _all(outcomes: Sequence[bool | None]) -> bool | None:
    return False if False in outcomes else (None if None in outcomes else True)


# -- names and equations --


def _relations(reference: Node, answer: Node) -> bool | None:
    wanted, given = relations.named(reference), relations.named(answer)
    both = isinstance(reference, Relation) and isinstance(answer, Relation)
    if wanted is None or given is None:
        if both and (relations.solves(reference, [answer]) or relations.solves(answer, [reference])):
            return True
        return relations.same_equation(reference, answer) if both else False
    if both and _is_exchanged(wanted, given):
        is_equation = _is_equation(wanted) or _is_equation(given) or isinstance(wanted.name, Apply)
        return relations.same_equation(reference, answer) if is_equation else False
    if wanted.value is reference and given.value is answer:  # relations of which we know no more than the sides
        return _side_by_side(cast(Relation, reference), cast(Relation, answer)) if both else False
    outcome = same(wanted.value, given.value)
    if outcome is not True and both and (_is_equation(wanted) or _is_equation(given)):
        return _any([outcome, relations.same_equation(reference, answer)])
    if outcome is not True:
        others = [same(wanted.value, end) for end in relations.ends(answer)]
        outcome = _any([outcome, *others]) if others else outcome
    return outcome


def _is_exchanged(wanted: Named, given: Named) -> bool:
    if isinstance(wanted.name, Apply) and isinstance(given.name, Apply):
        return same(wanted.name, given.name) is not True
    names = [part.name.name for part in (wanted, given) if isinstance(part.name, Symbol)]
    if len(names) < 2 or ("(" in names[0]) != ("(" in names[1]):
        return False  # f(x) may be called y, but not g(x)
    if ("_" in names[0]) != ("_" in names[1]):  # x_1 is an x
        names = [name.partition("_")[0] for name in names]
    return names[0] != names[1]


def _is_equation(part: Named) -> bool:
    return part.name is not None and scalars.is_scalar(part.value) and relations.has_unknowns(part.value)


# -- sets of numbers --


def _sets(reference: Node, answer: Node) -> bool | None:
    if regions.is_order(reference) and regions.is_order(answer) and symbols(reference) != symbols(answer):
        return False
    for one, other in ((reference, answer), (answer, reference)):
        if regions.is_order(one) and len(symbols(one)) > 1 and isinstance(other, Group):
            return False  # an order of several unknowns is no interval
    outcome = regions.same_region(_bare(reference), _bare(answer))
    if outcome is None and regions.differ_somewhere(reference, answer):
        return False
    if outcome is None and isinstance(reference, Relation) and isinstance(answer, Relation):
        return _chains(reference, answer)
    if outcome is None and not (_may_be_set(reference) and _may_be_set(answer)):
        return False
    return outcome


def _bare(node: Node) -> Node:
    named = relations.named(node)
    return node if named is None or regions.is_order(node) else named.value


def _may_be_set(node: Node) -> bool:
    if isinstance(node, Group):
        return len(node.items) == 2 or _is_braced(node)
    return regions.is_set(node) or isinstance(node, Listing | Relation | Words | Symbol | Apply)


def _chains(reference: Relation, answer: Relation) -> bool | None:
    """Inequalities in several unknowns: side by side, or proportional."""
    if _side_by_side(reference, answer) or _side_by_side(reference, regions.reversed_chain(answer)):
        return True
    if len(reference.signs) != 1 or len(answer.signs) != 1:
        return None
    (one, strict), (other, is_strict_too) = _above_zero(reference), _above_zero(answer)
    if strict != is_strict_too:
        return False
    return True if relations.proportional(one, other, positive=True) else None


def _side_by_side(reference: Relation, answer: Relation) -> bool | None:
    """The same signs between the same sides. Other sides may still mean the same."""
    if reference.signs != answer.signs:
        return None
    return _all([same(a, b) for a, b in zip(reference.sides, answer.sides, strict=True)]) or None


def _above_zero(relation: Relation) -> tuple[Node, str]:
    left, right = relation.sides
    sign = relation.signs[0]
    if sign in ("<", "<="):
        left, right, sign = right, left, {"<": ">", "<=": ">="}[sign]
    return Apply("+", (left, Apply("neg", (right,)))), sign


# -- lists --


def _is_braced(node: Node) -> bool:
    return isinstance(node, Group) and node.opening == "{"


def _lists(reference: Node, answer: Node) -> bool | None:
    if isinstance(reference, Words) or isinstance(answer, Words):
        return _words(reference, answer)
    if isinstance(reference, Matrix | Ratio) or isinstance(answer, Matrix | Ratio):
        return _cells(reference, answer)
    wanted, given = _items(one_by_one(reference)), _items(one_by_one(answer))
    if relations.solves(reference, given) or relations.solves(answer, wanted):
        return True
    if _is_tuple(reference) or _is_tuple(answer):
        if _is_braced(reference) or _is_braced(answer) or len(wanted) != len(given):
            return False
        return _all([same(a, b) for a, b in zip(wanted, given, strict=True)])
    if _is_assignment(wanted) or _is_assignment(given):
        return _assignments(wanted, given)
    joints = {node.joint for node in (reference, answer) if isinstance(node, Listing)}
    if joints == {"and", "or"} and all(isinstance(item, Symbol) for item in (*wanted, *given)):
        return False  # propositions
    if isinstance(answer, Listing) and answer.joint == "or" and not isinstance(reference, Listing | Group):
        return _all([same(reference, item) for item in given])  # one value, written in several ways
    if _is_braced(reference) or _is_braced(answer):
        if (ordered := _ordered(list(dict.fromkeys(wanted)), list(dict.fromkeys(given)))) is not None:
            return _matched(*ordered) if len(ordered[0]) == len(ordered[1]) else False
        return _all([_covers(wanted, given), _covers(given, wanted)])
    return _matched(wanted, given) if len(wanted) == len(given) else False


def _items(node: Node) -> Sequence[Node]:
    return node.items if isinstance(node, Listing | Group) else (node,)


def _is_tuple(node: Node) -> bool:
    return isinstance(node, Group) and node.opening != "{"


def _is_assignment(items: Sequence[Node]) -> bool:
    """Whether every item has a name of its own: ``x = 1, y = 2``, but not the roots ``x_1 = 1, x_2 = 2``."""
    names = [relation.name for item in items if (relation := relations.named(item)) and relation.name is not None]
    distinct = {name.name.partition("_")[0] if isinstance(name, Symbol) else name for name in names}
    return len(items) > 1 and len(distinct) == len(items)


def _assignments(wanted: Sequence[Node], given: Sequence[Node]) -> bool | None:
    """By name where both have names, else in order."""
    if len(wanted) != len(given):
        return False
    if _is_assignment(wanted) and _is_assignment(given):
        return _matched(wanted, given)
    return _all([same(a, b) for a, b in zip(wanted, given, strict=True)])


def _matched(wanted: Sequence[Node], given: Sequence[Node]) -> bool | None:
    """Whether the items of one are those of the other, in any order."""
    ordered = _ordered(wanted, given)
    if ordered is not None:
        one, other = ordered
        return len(one) == len(other) and _all([same(a, b) for a, b in zip(one, other, strict=True)])
    if len(wanted) > MAX_UNORDERED:
        return None
    left = list(given)
    unclear = False
    for item in wanted:
        for index, other in enumerate(left):
            outcome = same(item, other)
            unclear |= outcome is None
            if outcome:
                del left[index]
                break
        else:
            return None if unclear else False
    return True


def _covers(items: Sequence[Node], others: Sequence[Node]) -> bool | None:
    """Whether each of some items is among the others."""
    if len(items) > MAX_UNORDERED or len(others) > MAX_UNORDERED:
        return None
    return _all([_any([same(item, other) for other in others]) for item in items])


def _ordered(wanted: Sequence[Node], given: Sequence[Node]) -> tuple[list[Node], list[Node]] | None:
    """Two long lists of numbers, each in the order of its values; None if they are short, or no numbers."""
    if max(len(wanted), len(given)) <= SHORT:
        return None
    one, other = scalars.in_order(wanted), scalars.in_order(given)
    return None if one is None or other is None else (one, other)


# -- what has a fixed order, and single values --


def _plain(reference: Node, answer: Node) -> bool | None:
    if isinstance(reference, Words) or isinstance(answer, Words):
        return _words(reference, answer)
    if isinstance(reference, Based) or isinstance(answer, Based):
        return _based(reference, answer)
    if isinstance(reference, Group) and isinstance(answer, Group):
        return _groups(reference, answer)
    if isinstance(reference, Matrix | Ratio | Group) or isinstance(answer, Matrix | Ratio | Group):
        return _cells(reference, answer)
    return scalars.equal(reference, answer)


def _groups(reference: Group, answer: Group) -> bool | None:
    if FAMILY in reference.opening and FAMILY in answer.opening and reference.opening != answer.opening:
        return False
    if FAMILY in reference.opening or FAMILY in answer.opening:  # k and -k run over the same: a difference is no proof
        return (reference.opening == answer.opening and _matched(reference.items, answer.items)) or None
    if len(reference.items) != len(answer.items):
        return False
    if "cases" in (reference.opening, answer.opening):
        return _matched(reference.items, answer.items) if reference.opening == answer.opening else False
    brackets = [(group.opening, group.closing) for group in (reference, answer)]
    is_table = table(reference) is not None
    if len(reference.items) == 2 and brackets[0] != brackets[1] and not is_table:
        return False
    return _all([same(a, b) for a, b in zip(reference.items, answer.items, strict=True)])


def _cells(reference: Node, answer: Node) -> bool | None:
    """Matrices, vectors and ratios, cell by cell."""
    if isinstance(reference, Ratio) and isinstance(answer, Ratio):
        parts = [reference.parts, answer.parts]
        if not is_time(reference):
            return len(parts[0]) == len(parts[1]) and _proportional(*parts)
    elif isinstance(reference, Ratio) or isinstance(answer, Ratio):
        return _ratio_value(reference, answer)
    elif (tables := (table(reference), table(answer))) and all(tables):
        reference, answer = cast("tuple[Matrix, Matrix]", tables)
        if [len(row) for row in reference.rows] != [len(row) for row in answer.rows]:
            return False
        parts = [[cell for row in node.rows for cell in row] for node in (reference, answer)]
    else:
        vectors = [_vector(reference), _vector(answer)]
        if vectors[0] is None or vectors[1] is None:
            return False
        parts = [vectors[0], vectors[1]]
    if len(parts[0]) != len(parts[1]):
        return False
    return _all([same(a, b) for a, b in zip(*parts, strict=True)])


def _proportional(wanted: Sequence[Node], given: Sequence[Node]) -> bool | None:
    return _all(
        [
            scalars.equal(Apply("*", (a, given[0])), Apply("*", (b, wanted[0])))
            for a, b in zip(wanted, given, strict=True)
        ]
    )


def _ratio_value(reference: Node, answer: Node) -> bool | None:
    if isinstance(reference, Quantity) or isinstance(answer, Quantity):
        return False
    values = [
        Apply("/", (node.parts[0], node.parts[1])) if isinstance(node, Ratio) and len(node.parts) == 2 else node
        for node in (reference, answer)
    ]
    return scalars.equal(*values) if all(map(scalars.is_scalar, values)) else False


def _vector(node: Node) -> Sequence[Node] | None:
    if isinstance(node, Matrix):
        if len(node.rows) == 1:
            return node.rows[0]
        return [row[0] for row in node.rows] if all(len(row) == 1 for row in node.rows) else None
    return node.items if isinstance(node, Group | Listing) and not _is_braced(node) else None


def _based(reference: Node, answer: Node) -> bool | None:
    if isinstance(reference, Based) and isinstance(answer, Based):
        return _value_of(reference) == _value_of(answer)
    based, other = (reference, answer) if isinstance(reference, Based) else (answer, reference)
    assert isinstance(based, Based)
    return isinstance(other, Number) and other.denominator == 1 and based.digits.lstrip("0") == str(other.numerator)


def _value_of(node: Based) -> Fraction:
    whole, _, places = node.digits.partition(".")
    return Fraction(int(whole + places, node.base), node.base ** len(places))


def _words(reference: Node, answer: Node) -> bool | None:
    texts = [node.text if isinstance(node, Words) else None for node in (reference, answer)]
    if texts[0] is not None and texts[1] is not None:
        return words.same(words.fold(texts[0]), words.fold(texts[1])) or _both_nothing(texts[0], texts[1])
    text, other = (texts[0], answer) if texts[0] is not None else (texts[1], reference)
    assert text is not None
    folded = words.fold(text)
    if folded in words.NOTHING:
        return isinstance(other, Group) and not other.items
    if folded in words.EVERYTHING:
        return regions.same_region(Listing((regions.REALS,), "or"), other)
    spelt = words.spelt_number(text)
    return spelt is not None and same(Number(spelt.numerator, spelt.denominator), other) is True


def _both_nothing(*texts: str) -> bool:
    return all(words.fold(text) in words.NOTHING for text in texts)
