"""From tokens to a tree, by recursive descent. Nothing is evaluated, and depth and length are bounded.

From loose to tight: a listing (``,`` ``and`` ``or``), a relation (``=`` ``<`` ``in``), a ratio (``:``), a union, a sum,
a product (with or without a sign), a power, and what stands in brackets (`atoms`).
"""

from collections.abc import Sequence

from distill.verifiers.math.atoms import Atoms
from distill.verifiers.math.folding import mixed, negative, product, total, transposed, with_unit
from distill.verifiers.math.tokens import END, Unreadable, tokens_of
from distill.verifiers.math.tree import (
    ONE,
    ZERO,
    Apply,
    Group,
    Listing,
    Matrix,
    Node,
    Number,
    Quantity,
    Ratio,
    Relation,
    Symbol,
    is_integer,
)

_RELATIONS = frozenset(("=", "<", ">", "<=", ">=", "!=", "~", "==", "in", "to", "iff"))
_SEPARATORS = frozenset((",", ";", "and", "or"))
_STARTS = frozenset(("(", "[", "{", r"\{", "langle", "lfloor", "lceil"))
_TELLING = frozenset(
    "not no never less more greater fewer than least most over under above below except undefined false wrong".split()
)
_ATOMS = frozenset(("number", "symbol", "constant", "function", "command"))


def parse(text: str) -> Node:
    """The tree of a text in the one notation (`notation.plain`).

    Raises:
        Unreadable: If it is not mathematics that we read, or is too long or too deep.
    """
    parser = Parser(tokens_of(text))
    try:
        node = parser.listing()
    except RecursionError:
        raise Unreadable("too deep") from None
    if parser.next is not END:
        raise Unreadable(f"cannot read on at {parser.next.text[:20]!r}")
    return node


class Parser(Atoms):
    """Reads a whole answer."""

    def listing(self) -> Node:
        """A whole answer."""
        items, joint = self.items(())
        if not items:
            raise Unreadable("nothing")
        return items[0] if len(items) == 1 else Listing(tuple(items), joint)

    def items(self, closing: Sequence[str]) -> tuple[list[Node], str]:
        """Items up to one of the closing signs, or to the end; and what stands between them."""
        items: list[Node] = []
        joint = ","
        while self.next is not END and not (self.next.kind == "sign" and self.next.text in closing):
            if separator := self.accept(*_SEPARATORS):
                joint = separator.text if separator.text in ("and", "or") else joint
                continue
            items.append(self.relation())
            following = self.next
            if following is not END and following.kind == "sign" and following.text in closing:
                break
            if following is not END and not (following.kind == "sign" and following.text in _SEPARATORS):
                break
        return items, joint

    def relation(self) -> Node:
        """A chain of sides and signs."""
        self._skip_label()
        sides = [self._ratio()]
        signs: list[str] = []
        while sign := self.accept(*_RELATIONS):
            signs.append(sign.text)
            sides.append(self._ratio())
            last = sides[-1]
            if sign.text == "==" and isinstance(last, Apply) and last.op == "mod":
                sides[-1] = Apply("class", last.args)
        return Relation(tuple(signs), tuple(sides)) if signs else sides[0]

    def _skip_label(self) -> None:
        """Pass over text before a value, as in ``Area: 5`` and ``about 5``."""
        while self.next.kind == "text":
            _refuse_telling(self.next.text)
            following = self._tokens[self._position + 1]
            if following.kind == "sign" and following.text == ":":
                self._position += 2
            elif following.kind in _ATOMS or following.text in _STARTS or following.kind == "text":
                self._position += 1
            else:
                return

    def _ratio(self) -> Node:
        parts = [self._union()]
        while self.accept(":"):
            parts.append(self._union())
        return parts[0] if len(parts) == 1 else Ratio(tuple(parts))

    def _union(self) -> Node:
        node = self.sum()
        while sign := self.accept("cup", "cap", "without"):
            node = Apply(sign.text, (node, self.sum()))
        return node

    def sum(self) -> Node:
        """Terms and their signs."""
        terms: list[Node] = []
        sign = self.accept("+", "-", "pm", "mp")
        first = self._signed(sign.text if sign else "+")
        terms.append(first)
        while sign := self.accept("+", "-", "pm", "mp"):
            if sign.text in ("pm", "mp"):
                terms = [Apply(sign.text, (total(terms), self.product()))]
            else:
                terms.append(self._signed(sign.text))
        while isinstance(terms[-1], Quantity) and self.next.kind == "number":  # 2 hours 30 minutes
            terms.append(self.product())
        return total(terms)

    def _signed(self, sign: str) -> Node:
        while following := self.accept("+", "-"):  # 3 + -1
            sign = {"+-": "-", "--": "+"}.get(sign + following.text, sign)
        if sign in ("pm", "mp"):
            return Apply(sign, (ZERO, self.product()))
        product = self.product()
        return negative(product) if sign == "-" else product

    def product(self) -> Node:
        """Factors, with or without signs between them."""
        factors: list[Node] = [self.power()]
        while True:
            if sign := self.accept("*", "/"):
                minus = self.accept("-", "+")
                factor = self.power()
                factor = negative(factor) if minus and minus.text == "-" else factor
                if sign.text == "/" and isinstance(factor, Apply) and factor.op in ("percent", "degree"):
                    below = Apply("inv", factor.args)  # 1/2 % is a half of one per cent
                    factors = [Apply(factor.op, (product([*factors, below]),))]
                else:
                    factors.append(Apply("inv", (factor,)) if sign.text == "/" else factor)
            elif self.accept("mod"):
                factors = [Apply("mod", (product(factors), self.power()))]
            elif self.accept("pmod"):
                factors = [Apply("class", (product(factors), self.power()))]
            elif self.accept("over"):
                factors = [Apply("/", (product(factors), self.product()))]
            elif self.accept("choose"):
                factors = [Apply("binom", (product(factors), self.product()))]
            elif self.next.kind == "text":
                return with_unit(product(factors), self._unit())
            elif self._starts_atom():
                self._beside(factors)
            else:
                return product(factors)

    def _beside(self, factors: list[Node]) -> None:
        """A factor without a sign: a product, or the fraction of a mixed number."""
        before, token = factors[-1], self.next
        after_literal = self._position > 0 and self._tokens[self._position - 1].kind == "number"
        if token.kind == "number" and after_literal:
            factors[-1] = self._mixed_ascii(before)
            return
        factor = self.power()
        if isinstance(factor, Apply) and factor.op in ("percent", "degree") and token.text == "frac":
            inside: list[Node] = [before]
            self._join(inside, factor.args[0], after_literal)
            factors[-1] = Apply(factor.op, (product(inside),))
            return
        self._join(factors, factor, after_literal and token.text == "frac")

    @staticmethod
    def _join(factors: list[Node], factor: Node, may_be_part: bool) -> None:
        before = factors[-1]
        if (
            may_be_part
            and is_integer(before)
            and isinstance(factor, Number)
            and factor.denominator > 1
            and factor.numerator > 0
        ):
            factors[-1] = mixed(before, factor)
        else:
            factors.append(factor)

    def _mixed_ascii(self, whole: Node) -> Node:
        """``1 1/2``."""
        above = self.power()
        self.expect("/")
        below = self.power()
        if not (is_integer(whole) and is_integer(above) and is_integer(below) and below.numerator):
            raise Unreadable("two numbers side by side")
        return mixed(whole, Number(above.numerator, below.numerator))

    def _starts_atom(self) -> bool:
        token = self.next
        if token.kind in _ATOMS:
            return token.text != "end"
        return token.kind == "sign" and (token.text in _STARTS or (token.text == "|" and not self._bars))

    def _unit(self) -> str:
        words: list[str] = []
        while True:
            if self.next.kind == "text":
                _refuse_telling(self.next.text)
                words.append(self.take().text)
            elif self.next.text == "^" and words:
                self.take()
                power = self._argument()
                if not isinstance(power, Number):
                    raise Unreadable("a unit to a power that is no number")
                words[-1] += f"^{power.numerator}"
            elif self.next.text in ("/", "*") and self._tokens[self._position + 1].kind == "text":
                words.append(self.take().text)
            else:
                return " ".join(words)

    def power(self) -> Node:
        """An atom, its exponent and what follows it."""
        return self._raised(self._postfix(self._atom()))

    def _raised(self, base: Node) -> Node:
        if not self.accept("^"):
            return base
        if self.accept("circ"):
            return self._raised(self._postfix(Apply("degree", (base,))))
        if self.accept("'"):
            return base
        exponent = self.deeper(self.exponent)
        if isinstance(exponent, Apply) and exponent.op == "degree":
            return Apply("degree", (base,))
        if isinstance(base, Matrix | Group) and exponent == Symbol("T"):
            return transposed(base)
        return self._raised(self._postfix(Apply("^", (base, exponent))))

    def exponent(self) -> Node:
        """What stands above."""
        sign = self.accept("-", "+")
        if self.next.text == "{" and self._tokens[self._position + 1].text == "circ":
            self._position += 2
            self.expect("}")
            return Apply("degree", (ONE,))
        node = self._raised(self._postfix(self._atom()))
        return negative(node) if sign and sign.text == "-" else node

    def _postfix(self, node: Node) -> Node:
        while True:
            if self.accept("!"):
                node = Apply("!", (node,))
            elif self.accept("%"):
                node = Apply("percent", (node,))
            elif self.accept("circ"):
                node = Apply("degree", (node,))
            elif self.accept("'"):
                node = Symbol(node.name + "'") if isinstance(node, Symbol) else node
            else:
                return node


def _refuse_telling(text: str) -> None:
    if not _TELLING.isdisjoint(text.casefold().split()):
        raise Unreadable("text that changes what the value says")
