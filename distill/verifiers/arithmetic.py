"""What an arithmetic expression of a model is worth, exactly: a recursive descent over fractions.

Only numbers, ``+ - * /`` and parentheses. Model text is hostile: nothing is ever evaluated as code, and length, depth
and digits are capped, so that the answer comes within a millisecond whatever the text.
"""

import re
from fractions import Fraction

MAX_LENGTH = 200
"""Characters of an expression."""
MAX_DEPTH = 50
"""Parentheses inside each other."""
MAX_DIGITS = 12
"""Digits of one number."""

# [0-9], not \d: that one takes digits of every script
_TOKEN = re.compile(r"[ \t]*([0-9]+|[-+*/()])[ \t]*")


class ExpressionError(ValueError):
    """A text that has no value as an arithmetic expression. Its message is short and stable, so it can be counted."""


def evaluate(expression: str) -> Fraction:
    """The exact value of an expression.

    Raises:
        ExpressionError: If it is not one, is too long, too deep, or divides by zero.

    Example:
        >>> evaluate("(1 + 2) / 4")
        Fraction(3, 4)
    """
    parser = _Parser(_tokens(expression))
    value = parser.sum(depth=0)
    if parser.next is not None:
        raise ExpressionError("no expression")
    return value


def numbers_in(expression: str) -> list[int]:
    """The numbers that an expression uses, in its order.

    Raises:
        ExpressionError: If it holds anything but numbers, signs and parentheses.
    """
    return [int(token) for token in _tokens(expression) if token.isdigit()]


def _tokens(expression: str) -> list[str]:
    if len(expression) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    tokens: list[str] = []
    position = 0
    while position < len(expression):
        match = _TOKEN.match(expression, position)
        if match is None:
            raise ExpressionError("no expression")
        tokens.append(match[1])
        position = match.end()
    if any(len(token) > MAX_DIGITS for token in tokens):
        raise ExpressionError(f"a number of more than {MAX_DIGITS} digits")
    return tokens


class _Parser:
    """Reads tokens from left to right: a sum of products of numbers and sums in parentheses."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._position = 0

    @property
    def next(self) -> str | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _take(self) -> str:
        token = self.next
        if token is None:
            raise ExpressionError("no expression")
        self._position += 1
        return token

    def sum(self, depth: int) -> Fraction:
        value = self._product(depth)
        while self.next in ("+", "-"):
            sign, term = self._take(), self._product(depth)
            value = value + term if sign == "+" else value - term
        return value

    def _product(self, depth: int) -> Fraction:
        value = self._factor(depth)
        while self.next in ("*", "/"):
            sign, factor = self._take(), self._factor(depth)
            if sign == "/" and not factor:
                raise ExpressionError("division by zero")
            value = value * factor if sign == "*" else value / factor
        return value

    def _factor(self, depth: int) -> Fraction:
        token = self._take()
        if token.isdigit():
            return Fraction(int(token))
        if token != "(":  # so a sign before a number is refused: each number is used as it is given
            raise ExpressionError("no expression")
        if depth == MAX_DEPTH:
            raise ExpressionError(f"more than {MAX_DEPTH} parentheses deep")
        value = self.sum(depth + 1)
        if self._take() != ")":
            raise ExpressionError("no expression")
        return value
