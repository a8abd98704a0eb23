"""Is what a program gave what a test expects. It runs in the driver, so nothing of the program has a say in it."""

import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

RELATIVE, ABSOLUTE = 1e-6, 1e-8
"""Errors allowed to a number with a fraction: the customary ones of contest judges."""
HALF = Fraction(1, 2)
"""Where a whole number is expected, one with a fraction must also be nearer than this: else an estimate of a large
count would do."""
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}\.?\d{0,300}|\.\d{1,300})(?:[eE][+-]?\d{1,3})?")


def printed(output: str, expected: str) -> bool:
    """Whether an output has the expected words in order. White space and line breaks only part words.

    Words that are numbers, one of them written with a fraction or an exponent, may differ by a relative 1e-6, but from
    a whole number by less than a half.
    """
    ours, theirs = output.split(), expected.split()
    return len(ours) == len(theirs) and all(map(_same_word, ours, theirs))


def _same_word(ours: str, theirs: str) -> bool:
    if ours == theirs:
        return True
    if not (_NUMBER.fullmatch(ours) and _NUMBER.fullmatch(theirs)):
        return False
    if _is_whole(ours) and _is_whole(theirs):
        return False
    if not _is_near(float(ours), float(theirs)):
        return False
    return not _is_whole(theirs) or abs(Fraction(Decimal(ours)) - int(theirs)) < HALF


def _is_whole(number: str) -> bool:
    return not any(mark in number for mark in ".eE")


def _is_near(ours: float, theirs: float) -> bool:
    # both may be beyond every float, and far from each other
    return math.isfinite(theirs) and math.isclose(ours, theirs, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


def returned(result: Any, expected: Any) -> bool:
    """Whether a value is the expected one, which was written as JSON.

    JSON has no tuples and no keys but strings, so lists and tuples are the same, and a key is what it prints. APPS
    wraps some expected values in a list of one: the value alone is as good.
    """
    wrapped = (
        cast(list[Any], expected)[0] if isinstance(expected, list) and len(cast(list[Any], expected)) == 1 else None
    )
    return _same(result, expected) or (wrapped is not None and _same(result, wrapped))


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple):
        left, right = cast(list[Any], ours), cast(list[Any], theirs)
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        mine, other = _by_text(cast(dict[Any, Any], ours)), _by_text(cast(dict[Any, Any], theirs))
        return mine.keys() == other.keys() and all(_same(mine[key], other[key]) for key in mine)
    if isinstance(ours, float) or isinstance(theirs, float):
        are_numbers = isinstance(ours, int | float) and isinstance(theirs, int | float)
        return are_numbers and _close(cast(float, ours), cast("int | float", theirs))
    return bool(ours == theirs)


def _close(ours: float, theirs: float) -> bool:
    """Whether numbers, one of them a float, are the same; no number (NaN) is what is expected where it is expected."""
    if ours == theirs or (ours != ours and theirs != theirs):
        return True
    try:
        return _is_near(ours, theirs) and (isinstance(theirs, float) or abs(Fraction(ours) - theirs) < HALF)
    except OverflowError:  # an integer beyond every float
        return False


def _by_text(values: dict[Any, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in values.items()}
