"""What stands in brackets, and what commands and functions take: the tightest part of the grammar."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from distill.verifiers.math.cursor import Cursor
from distill.verifiers.math.folding import applied, determinant, literal_of, negative, product, quotient
from distill.verifiers.math.tokens import END, Token, Unreadable
from distill.verifiers.math.tree import (
    INFINITY,
    ONE,
    Apply,
    Constant,
    Group,
    Listing,
    Matrix,
    Node,
    Number,
    Relation,
    Symbol,
    Words,
)

MAX_RANGES = 4
"""Sums, products and integrals in one answer."""

_FUNCTION_NAMES = frozenset(("f", "g"))  # of a single letter or number; h(a + b) is a product
_CLOSE = Token("sign", ")")
_CLOSING = {"(": ")]", "[": "])", r"\{": r"\}", "{": "}", "langle": "rangle", "<": ">"}
_MATRICES = frozenset(("matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix", "array"))
_TWO_ARGUMENTS = {"frac": "/", "binom": "binom", "binomial": "binom", "root": "root"}
_ALIASES = {
    **{"asin": "arcsin", "acos": "arccos", "atan": "arctan"},
    **{"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "cbrt": "root3"},
}
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "cot": "arccot", "sec": "arcsec", "csc": "arccsc"}
_REALS = Group("(", (Apply("neg", (INFINITY,)), INFINITY), ")")


class Atoms(Cursor, ABC):
    """Reads atoms; what is looser than an atom is read by the parser, in the methods that are abstract here."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        super().__init__(tokens)
        self._bars = 0  # open |: the next one closes
        self._ranges = 0
        self._indices: set[str] = set()  # of the sums around: i may be one of them

    @abstractmethod
    def items(self, closing: Sequence[str]) -> tuple[list[Node], str]:
        """Items up to one of the closing signs, or to the end; and what stands between them."""

    @abstractmethod
    def relation(self) -> Node:
        """``a < b = c``, or one side of it."""

    @abstractmethod
    def sum(self) -> Node:
        """Terms and their signs."""

    @abstractmethod
    def product(self) -> Node:
        """Factors, with or without signs between them."""

    @abstractmethod
    def power(self) -> Node:
        """An atom, its exponent and what follows it."""

    @abstractmethod
    def exponent(self) -> Node:
        """What stands above."""

    def _atom(self) -> Node:
        token = self.take()
        match token.kind:
            case "number":
                return literal_of(token.text)
            case "symbol":
                return self._name(token.text)
            case "constant":
                is_name = self.next.text == "_" or token.text in self._indices
                return self._name(token.text) if is_name else Constant(token.text)
            case "function":
                return self.deeper(lambda: self._function(token.text))
            case "command":
                return self.deeper(lambda: self._command(token.text))
            case "text":
                return Words(token.text.casefold())
            case _:
                return self.deeper(lambda: self._bracket(token.text))

    def _name(self, name: str) -> Node:
        """A symbol with its index: ``x_1``, ``S_{ABC}``."""
        if self.accept("_"):
            index = "".join(token.text for token in self._index())
            name = f"{name}_{index}"
        if name in _FUNCTION_NAMES and self.next.text == "(" and self._tokens[self._position + 2 :][:1] == [_CLOSE]:
            name = f"{name}({self._tokens[self._position + 1].text})"
            self._position += 3
        return Symbol(name)

    def _index(self) -> list[Token]:
        if not self.accept("{"):
            return [self.take()]
        taken: list[Token] = []
        depth = 1
        while depth:
            token = self.take()
            depth += (token.text == "{") - (token.text == "}")
            taken.append(token)
        return taken[:-1]

    def _bracket(self, sign: str) -> Node:
        if sign in ("+", "-"):
            node = self.power()
            return negative(node) if sign == "-" else node
        if sign == "|":
            self._bars += 1
            inside = self.sum()
            self.expect("|")
            self._bars -= 1
            return Apply("abs", (inside,))
        if sign in ("lfloor", "lceil"):
            inside = self.sum()
            self.expect({"lfloor": "rfloor", "lceil": "rceil"}[sign])
            return Apply({"lfloor": "floor", "lceil": "ceil"}[sign], (inside,))
        if sign in ("{", r"\{") and self.next.text == "begin":
            node = self._atom()
            self.accept("}", r"\}")
            return node
        if sign in _CLOSING:
            return self._group(sign, *self._closings(sign))
        if sign == "...":
            return Symbol("...")
        raise Unreadable(f"cannot read on at {sign[:20]!r}")

    @staticmethod
    def _closings(sign: str) -> tuple[str, ...]:
        return tuple(_CLOSING[sign]) if sign in "([" else (_CLOSING[sign],)

    def _group(self, opening: str, *closings: str) -> Node:
        unknown = domain = ""
        bars, self._bars = self._bars, 0
        if opening in (r"\{", "{") and self._is_builder():  # {x | x > 0}
            unknown = self.next.text
            while not self.accept("|", ":"):
                domain = self.take().text + domain[:20]
            opening = "{builder"
        items, joint = self.items(closings)
        if opening == "{builder" and "mathbb" in domain and "R" not in domain:  # a condition on whole numbers, say
            items.append(Relation(("in",), (Symbol(unknown), Symbol(domain))))
        if not self.accept(*closings):
            raise Unreadable(f"a bracket {opening!r} that is not closed")
        closing = self._tokens[self._position - 1].text
        self._bars = bars
        return self._grouped(opening, items, joint, closing)

    def _is_builder(self) -> bool:
        """Whether a set is given by a condition: a name, perhaps the set it is from, and a bar."""
        if self.next.kind != "symbol":
            return False
        for token in self._tokens[self._position + 1 : self._position + 8]:
            if token.text in ("|", ":"):
                return True
            if token.kind == "sign" and token.text not in ("in", "{", "}"):
                return False
        return False

    def _grouped(self, opening: str, items: list[Node], joint: str, closing: str) -> Node:
        if opening == "{builder":
            return items[0] if len(items) == 1 else Listing(tuple(items), "and")
        if opening == "[" and len(items) > 1 and all(isinstance(item, Relation) for item in items):
            return Listing(tuple(items), "or")  # a list of solutions
        if len(items) == 1 and opening != r"\{" and not (opening == "{" and isinstance(items[0], Listing)):
            return items[0]
        if opening == "{" and not items:
            return ONE  # {} glues: {}_2
        if opening in ("(", "[") and joint != ",":
            return Listing(tuple(items), joint)
        opening, closing = {"{": ("{", "}"), r"\{": ("{", "}"), "langle": ("(", ")")}.get(opening, (opening, closing))
        return Group(opening, tuple(items), closing)

    def _argument(self) -> Node:
        """What a command is applied to: a group, one digit, or one name."""
        if self.next.kind == "number" and len(self.next.text) > 1:
            text = self.next.text
            tokens = list(self._tokens)
            tokens[self._position : self._position + 1] = [Token("number", text[0]), Token("number", text[1:])]
            self._tokens = tokens
        if self.next.kind == "sign" and self.next.text == "{":
            return self._atom()
        sign = self.accept("-")
        node = self._atom()
        return negative(node) if sign else node

    def _command(self, name: str) -> Node:
        if name == "frac":
            above = self._argument()
            return quotient(above, self._argument())
        if name in ("binom", "dbinom", "tbinom"):
            above = self._argument()
            return Apply("binom", (above, self._argument()))
        if name == "mathbb":
            field = self._argument()
            return _REALS if field == Symbol("R") else Symbol(f"mathbb{{{getattr(field, 'name', '?')}}}")
        if name in ("emptyset", "varnothing"):
            return Group("{", (), "}")
        if name == "begin":
            return self._environment()
        if name in ("sum", "prod"):
            return self._range(name)
        if name == "int":
            return self._integral()
        if name in ("overline", "underline", "overset", "underset"):
            return self._argument()
        raise Unreadable(f"the command \\{name[:20]}")

    def _function(self, name: str) -> Node:
        name = _ALIASES.get(name, name)
        if name == "sqrt":
            return self._root()
        if name in _TWO_ARGUMENTS or name == "factorial":
            inside = self._atom()
            items = inside.items if isinstance(inside, Group) else (inside,)
            if len(items) != (1 if name == "factorial" else 2):
                raise Unreadable(f"{name} of {len(items)} arguments")
            return Apply("!" if name == "factorial" else _TWO_ARGUMENTS[name], items)
        base = self._argument() if self.accept("_") else None
        exponent = self.deeper(self.exponent) if self.accept("^") else None
        inside = self._operand()
        if name == "lg":
            name, base = "log", Number(10)
        if exponent == Number(-1) and name in _INVERSES:
            return applied(_INVERSES[name], inside, None)
        node = applied(name, inside, base)
        return node if exponent is None else Apply("^", (node, exponent))

    def _root(self) -> Node:
        degree: Node | None = None
        if self.accept("["):
            degree = self.sum()
            self.expect("]")
        inside = self._atom() if self.next.kind == "number" else self._argument()
        return Apply("sqrt", (inside,)) if degree is None else Apply("root", (inside, degree))

    def _operand(self) -> Node:
        """The argument of a function: a group, or a product up to the next sign or function."""
        if self.next.text in ("(", "{", "[", "|"):
            return self._atom()
        sign = self.accept("-")
        factors = [self.power()]
        while self.next.kind in ("number", "symbol", "constant") or self.next.text == "frac":
            factors.append(self.power())
        if self.next.text == "/" and self._tokens[self._position + 1].kind == "number":
            self.take()
            factors.append(Apply("inv", (self.power(),)))
        node = product(factors)
        return negative(node) if sign else node

    def _count_range(self) -> None:
        self._ranges += 1
        if self._ranges > MAX_RANGES:
            raise Unreadable("too many sums")

    def _range(self, name: str) -> Node:
        self._count_range()
        self.expect("_")
        index = self._tokens[self._position + 1]
        if index.kind == "constant":
            self._indices.add(index.text)
        start = self._argument()
        self.expect("^")
        stop = self._argument() if self.next.text == "{" else self._atom()
        if not (isinstance(start, Relation) and start.signs == ("=",) and isinstance(start.sides[0], Symbol)):
            raise Unreadable(f"the bounds of \\{name}")
        return Apply(name, (self.product(), start.sides[0], start.sides[1], stop))

    def _integral(self) -> Node:
        self._count_range()
        self.expect("_")
        start = self._signed_argument()
        self.expect("^")
        stop = self._signed_argument()
        end = next((i for i in range(self._position, len(self._tokens)) if self._is_differential(i)), None)
        if end is None:
            raise Unreadable("an integral without its dx")
        inside = type(self)([*self._tokens[self._position : end], END])
        body: Node = ONE if inside.next is END else inside.sum()
        if inside.next is not END:
            raise Unreadable("an integral")
        variable = Symbol(self._tokens[end + 1].text)
        self._position = end + 2
        return Apply("int", (body, variable, start, stop))

    def _signed_argument(self) -> Node:
        sign = self.accept("-")
        node = self._argument() if self.next.text == "{" else self._atom()
        return negative(node) if sign else node

    def _is_differential(self, index: int) -> bool:
        token, following = self._tokens[index], self._tokens[min(index + 1, len(self._tokens) - 1)]
        return token == Token("symbol", "d", token.spaced) and following.kind == "symbol"

    def _environment(self) -> Node:
        name = "".join(token.text for token in self._environment_name())
        if name == "array" and self.accept("{"):
            while not self.accept("}"):
                self.take()
        is_matrix = name in _MATRICES
        is_aligned = not is_matrix and name != "cases"
        if is_aligned:  # the marks of alignment stand inside relations
            ahead = [token for token in self._tokens[self._position :] if token.text != "&"]
            self._tokens = [*self._tokens[: self._position], *ahead]
        rows: list[tuple[Node, ...]] = [()]
        while not (self.next.kind == "command" and self.next.text == "end"):
            if self.accept("row"):
                if self.accept("["):  # \\[2pt]
                    while not self.accept("]"):
                        self.take()
                rows.append(())
            elif self.accept("&", ",", ";"):
                continue
            elif name == "cases" and self.next.kind == "text" and self.next.text.casefold() in ("if", "for", "when"):
                self.take()
            else:
                rows[-1] = (*rows[-1], self.relation())
        self.take()
        self._environment_name()
        rows = [row for row in rows if row]
        if is_matrix:
            return determinant(rows) if name in ("vmatrix", "Vmatrix") else Matrix(tuple(rows))
        if name == "cases" and all(len(row) == 2 for row in rows):
            return Group("cases", tuple(Group("(", row, ")") for row in rows), "cases")
        items = tuple(cell for row in rows for cell in row)
        if len(items) == 1 or (name != "cases" and not _are_named(items)):
            return items[-1]  # a derivation: its last line
        return Listing(items, "and")

    def _environment_name(self) -> list[Token]:
        self.expect("{")
        name: list[Token] = []
        while not self.accept("}"):
            name.append(self.take())
        return name


def _are_named(items: Sequence[Node]) -> bool:
    """Whether every item gives another symbol its value."""
    names = {item.sides[0] for item in items if isinstance(item, Relation) and isinstance(item.sides[0], Symbol)}
    return len(names) == len(items)
