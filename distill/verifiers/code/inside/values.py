"""Plain values as JSON and back: what a call takes and gives, between processes that do not trust each other.

A value that comes back is of exactly these types, so nothing that a program defines (an `__eq__`, say) comes with it:
None, bool, int, float, complex, str, bytes, list, tuple, set, frozenset, dict. A subclass is sent as its plain type.

Of a document, ``[1, (2.5, "a")]`` is ``["list", 1, ["tuple", 2.5, "a"]]``.
"""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any, cast

_GROUPS: dict[str, type] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
_MAX_DIGITS = 1 << 53
"""Integers up to this are JSON numbers; others are sent in base 16, which has no limit of digits."""

_MAX_ALIKE = 100
"""Members of a set, or keys of a dictionary, with one hash. Those of integers can be chosen alike, and thousands of
them would keep this process busy for minutes."""

Other = Callable[[Any], Any]


class UnsendableError(TypeError):
    """A value of a type that cannot be sent."""


def dumps(value: object, other: Other | None = None) -> bytes:
    """A value as JSON.

    Args:
        value: What to send.
        other: Gives the name by which a value of another type is known over there.

    Raises:
        UnsendableError: If a value is of another type and `other` is not given.
        RecursionError: If it is nested too deeply.
    """
    return json.dumps(_encoded(value, other), separators=(",", ":")).encode()


def loads(document: bytes, other: Other | None = None) -> Any:
    """The value of a document that may come from anybody.

    Raises:
        ValueError: If it is none that `dumps` makes.
        RecursionError: If it is nested too deeply.
    """
    try:
        return _decoded(json.loads(document), other)
    except (TypeError, KeyError, IndexError, OverflowError) as error:
        raise ValueError(f"not a value: {document[:80]!r}") from error


def _encoded(value: Any, other: Other | None) -> Any:
    if value is None or value is True or value is False:
        return value
    if isinstance(value, int):
        plain = int.__index__(value)
        return plain if -_MAX_DIGITS <= plain <= _MAX_DIGITS else ["int", hex(plain)]
    if isinstance(value, float):
        return float.__float__(value)
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, dict):
        pairs = cast(dict[Any, Any], value).items()
        return ["dict", *([_encoded(key, other), _encoded(item, other)] for key, item in pairs)]
    for name, kind in _GROUPS.items():
        if isinstance(value, kind):
            return [name, *(_encoded(item, other) for item in cast(list[Any], value))]
    if isinstance(value, bytes | bytearray):
        return ["bytes", value.hex()]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if other is None:
        raise UnsendableError(f"a {type(value).__name__} cannot be sent")
    return ["other", other(value)]


def _decoded(node: Any, other: Other | None) -> Any:
    if not isinstance(node, list):
        if isinstance(node, dict):
            raise ValueError("not a value")
        return node
    name, *parts = cast(list[Any], node)
    if name in _GROUPS:
        members = [_decoded(part, other) for part in parts]
        return _GROUPS[name](_hashed(members) if name in ("set", "frozenset") else members)
    if name == "dict":
        pairs = [(_decoded(key, other), _decoded(item, other)) for key, item in parts]
        _hashed([key for key, _ in pairs])
        return dict(pairs)
    if name == "other" and other is not None:
        return other(parts[0])
    return {"int": _int, "bytes": bytes.fromhex, "complex": complex}[name](*parts)


def _hashed(members: list[Any]) -> list[Any]:
    """The members, which can be hashed in good time.

    Raises:
        ValueError: If too many have one hash.
    """
    if max(Counter(map(hash, members)).values(), default=0) > _MAX_ALIKE:
        raise ValueError("too many equal hashes")
    return members


def _int(digits: str) -> int:
    return int(digits, 16)
