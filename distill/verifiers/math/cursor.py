"""A place in a list of tokens: look at the next one, take it, or take it only if it is the one wanted."""

from collections.abc import Callable, Sequence

from distill.verifiers.math.tokens import END, Token, Unreadable
from distill.verifiers.math.tree import Node

MAX_DEPTH = 40
"""Brackets, exponents and functions inside each other."""


class Cursor:
    """Reads tokens from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    @property
    def next(self) -> Token:
        """The token that is not taken yet; `END` at the end."""
        return self._tokens[self._position]

    def take(self) -> Token:
        """The next token.

        Raises:
            Unreadable: At the end.
        """
        token = self._tokens[self._position]
        if token is END:
            raise Unreadable("ends too early")
        self._position += 1
        return token

    def accept(self, *signs: str) -> Token | None:
        """The next token, taken if it is one of these signs."""
        token = self._tokens[self._position]
        if token.kind == "sign" and token.text in signs:
            self._position += 1
            return token
        return None

    def expect(self, sign: str) -> None:
        """Take one of these signs, or refuse."""
        if not self.accept(*sign.split()):
            raise Unreadable(f"expected {sign!r} at {self.next.text[:20]!r}")

    def deeper(self, read: Callable[[], Node]) -> Node:
        """Read one level down.

        Raises:
            Unreadable: If that is too deep.
        """
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("too deep")
        node = read()
        self._depth -= 1
        return node
