"""The equations that a text writes down, and which of them are false. Nothing of the text is ever run as code.

What cannot be read for sure is passed over: an equation with a letter, a power or a function in it, or one that goes on
where the line has been read. So a false one that is found is false; that none is found says little.
"""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from distill.verifiers.arithmetic import MAX_DIGITS, MAX_LENGTH, ExpressionError, evaluate

_RUN = re.compile(r"(?:[-+*/()0-9.,=$%×÷−· \t]|\\(?:times|cdot|div|\$|%|,))+")  # noqa: RUF001
_SIGNS = (("×", "*"), ("·", "*"), ("÷", "/"), ("−", "-"), ("\\times", "*"), ("\\cdot", "*"), ("\\div", "/"))  # noqa: RUF001
_GAP = re.compile(r"(?<=[0-9)%$])[.,]?[ \t]+(?=[0-9($])|,[ \t]+")
_BULLET = re.compile(r"[ \t]*[-*+][ \t]+")
_TOKEN = re.compile(r"[ \t]*([0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+|[-+*/()])[ \t]*")
_NUMBER = re.compile(r"-?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
_PRODUCT_BELOW = re.compile(r"/[ \t]*([0-9.,]+(?:[ \t]*\*[ \t]*[0-9.,]+)+)")
_TERM = re.compile(r"[-+][^-+]+")
_JOINING = re.compile(
    r"(?:\b(?:times|plus|minus|over|by|modulo|mod|percent|half|third|quarter|root|log|sin|cos|tan|[b-hj-zB-HJ-Z])"
    r"|(?:%|percent|half|third|thirds|quarter|quarters) of)$"
)
_GOES_ON = re.compile(
    r"[A-Za-z_^!{\\\[|]|[ \t]*(?:[\^!]|\(?mod\b|(?:\\text\{ *)?remainder\b|[rR] ?[0-9]|or\b"
    r"|(?:divided|times|plus|minus|over|multiplied)\b)"
)


class Equation(NamedTuple):
    """Something that is said to be something else."""

    start: int
    """Its place in the text, with `end`."""
    end: int
    text: str
    """As it is written."""
    left: str
    value: Fraction
    """What the left side is worth."""
    said: str
    """The right side."""
    is_false: bool

    @property
    def truth(self) -> str:
        """The equation as it should be: ``7*3=21``; empty where the value has no short name."""
        exact = str(self.value) if self.value.denominator == 1 else _decimal(self.value)
        return f"{self.left}{'=' if '= ' not in self.text else ' = '}{exact}" if exact else ""


def equations(text: str) -> Iterator[Equation]:
    """The equations of a text that can be read for sure, in their order.

    Example:
        >>> [(e.text, e.is_false, e.truth) for e in equations("so 7*3=22, and 2.5 + 1 = 3.5")]
        [('7*3=22', True, '7*3=21'), ('2.5 + 1 = 3.5', False, '2.5 + 1 = 3.5')]
    """
    for run in _RUN.finditer(text):
        if "=" in run[0]:
            yield from _in_run(text, run.start(), run.end())


def _in_run(text: str, start: int, end: int) -> Iterator[Equation]:
    bounds = [start - 1, *(i for i in range(start, end) if text[i] == "="), end]
    for number, equals in enumerate(bounds[1:-1], start=1):
        left_from, right_to = bounds[number - 1] + 1, bounds[number + 1]
        gaps = [gap.end() for gap in _GAP.finditer(text, left_from, equals)]
        if gaps:
            left_from = gaps[-1]
        elif number == 1 and not _begins(text, left_from, equals):
            continue
        gap = _GAP.search(text, equals + 1, right_to)
        if gap:
            right_to = gap.start()
        right_to = equals + 1 + len(text[equals + 1 : right_to].rstrip(" \t"))
        if (gap or number == len(bounds) - 2) and _GOES_ON.match(text, right_to):
            continue
        found = _read(text, left_from, equals, right_to)
        if found:
            yield found


def _begins(text: str, start: int, equals: int) -> bool:
    """Whether what stands before a left side leaves it whole."""
    if start == 0:
        return True
    before = text[max(0, start - 40) : start]
    # a product with what stands before it: 2x * 3, f(3), 5^2 + 1
    if text[start] not in " \t" and (before[-1].isalnum() or before[-1] in "_^{}!\\|)]'"):
        return False
    if before.rstrip()[-1:] in ("^", "_", "!", "|") or (
        text[start : start + 40].lstrip(" \t")[:1] == "(" and before[-1] in "})"
    ):
        return False
    return not _JOINING.search(before.rstrip() if text[start] in " \t" else before)


def _read(text: str, start: int, equals: int, end: int) -> Equation | None:
    left, right = text[start:equals], text[equals + 1 : end]
    if len(left) + len(right) > MAX_LENGTH:
        return None
    if bullet := _BULLET.match(left if text[max(0, start - 1) : start] in ("", "\n") else ""):
        start, left = start + bullet.end(), left[bullet.end() :]
    if _after_word(text, start) and left.lstrip()[:1] in ("-", "−"):  # noqa: RUF001
        return None  # "x - 3 = 4", "- 3 apples"
    shown, said = left.strip(), right.strip().rstrip(".,").rstrip()
    has_percent = "%" in left or "%" in right
    try:
        value, claimed = _value(shown), _value(said)
    except ExpressionError:
        return None
    # a side must say something that the other has to match: 5 = 5 is no calculation
    if not any(sign in _plain(shown).strip()[1:] for sign in "+-*/"):
        return None
    start += len(left) - len(left.lstrip())
    finish = equals + 1 + len(right) - len(right.lstrip()) + len(said)
    scales = (1, 100, Fraction(1, 100)) if has_percent else (1,)
    # "7*6*5 / 3*2*1" is written for a quotient of two products, too
    try:
        meant = {value, _value(_PRODUCT_BELOW.sub(r"/(\1)", _plain(shown)))}
    except ExpressionError:
        meant = {value}
    is_right = any(_is_near(one * scale, claimed, said) for one in meant for scale in scales)
    is_false = not is_right and not (text[end:].lstrip(" \t").startswith("=") and _is_worked_off(shown, said))
    return Equation(start, finish, text[start:finish], shown, value, said, is_false)


def _after_word(text: str, start: int) -> bool:
    line = text[max(0, start - 80) : start].rpartition("\n")[2].rstrip()
    return bool(line) and line[-1] not in ":;,=("


def _is_worked_off(left: str, right: str) -> bool:
    """Whether a right side is a sum's first part, which is worked off: ``105+30+75 = 105+30 = 135; 135+75 = ...``."""
    whole, part = (Counter(_TERM.findall("+" + re.sub(r"[() \t]", "", _plain(side)))) for side in (left, right))
    return part.total() > 1 and part < whole


def _is_near(exact: Fraction, said: Fraction, written: str) -> bool:
    """Whether a value is the exact one, or that one rounded to the digits that were written."""
    if exact == said:
        return True
    plain = _plain(written).strip()
    if not _NUMBER.fullmatch(plain):
        return False
    decimals = len(plain.partition(".")[2])
    gap = abs(exact - said)
    return gap < Fraction(1, 10**decimals) if decimals else exact.denominator != 1 and gap < Fraction(1, 2)


def _plain(text: str) -> str:
    for sign, plain in _SIGNS:
        text = text.replace(sign, plain)
    return re.sub(r"\\[$%,]|[$%]", "", text)


def _value(text: str) -> Fraction:
    return evaluate(_exact(_plain(text)))


def _exact(text: str) -> str:
    """An expression without decimals and leading signs: ``2.5 * -3`` as ``(25/10)*(0-3)``."""
    parts: list[str] = []
    is_operand_next, position, negative = True, 0, False
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None or len(parts) > MAX_LENGTH:
            raise ExpressionError("no expression")
        position, word = token.end(), token[1]
        if word == "-" and is_operand_next and not negative:
            negative = True
        elif word == "(" and negative:
            if parts[-1:] == ["/"]:
                raise ExpressionError("no expression")
            parts += ["(0-1)", "*", "("]
            negative = False
        elif word[0].isdigit() or word[0] == ".":
            parts.append(f"(0-{_ratio(word)})" if negative else _ratio(word))
            is_operand_next = negative = False
        else:
            parts.append(word)
            is_operand_next = word != ")"
    return "".join(parts)


def _ratio(word: str) -> str:
    whole, _, decimals = word.replace(",", "").partition(".")
    if len(whole) + len(decimals) > MAX_DIGITS:
        raise ExpressionError(f"a number of more than {MAX_DIGITS} digits")
    return f"({whole}{decimals}/{10 ** len(decimals)})" if decimals else whole


def _decimal(value: Fraction) -> str:
    """A fraction as a finite decimal of at most four digits; empty if it has none."""
    scaled = value * 10_000
    return format((Decimal(int(scaled)) / 10_000).normalize(), "f") if scaled.denominator == 1 else ""
