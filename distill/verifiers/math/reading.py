"""What a short text means as an answer: every way to read it, the likeliest first.

Most texts have one reading. ``1,234`` is a number, or two; ``1,5`` two numbers, or a decimal comma; ``no`` is a word,
or a product of letters. Two texts agree if a reading of one agrees with a reading of the other.
"""

import re
from functools import lru_cache

from distill.verifiers.math import words
from distill.verifiers.math.notation import TEXT_CLOSE, TEXT_OPEN, plain
from distill.verifiers.math.parser import parse
from distill.verifiers.math.tokens import Unreadable, is_name
from distill.verifiers.math.tree import Based, Node, Number, Quantity, Ratio, Words, literal
from distill.verifiers.math.units import read_unit

MAX_LENGTH = 16_384
"""Characters of an answer that is read; longer ones are compared as strings only."""

_THOUSANDS = re.compile(r"(?<![\d.,_^])(\d{1,3})((?:,\d{3})+)(?![\d,]*\d|,\d)")
_SPACED = re.compile(r"(?<![\d.,_^/] )(?<![\d.,_^/])([1-9]\d{0,2})((?: \d{3})+)(?! ?[\d/])")
_DECIMAL_COMMA = re.compile(r"([-+]?\d+),(\d{1,2}|\d{4,})")
_BASED = re.compile(
    r"\(?(-?[0-9A-Za-z]+(?:\.[0-9A-Za-z]+)?)\)?\s*"
    r"(?:_\s*\{?\s*(\d{1,2})\s*\}?|\(?\s*base\s+(\w+)\)?|_\s*\{?([a-z]+)\}?)"
)
_TIME = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*([ap])\.?\s?m\.?", re.IGNORECASE)
_REPEATING = re.compile(r"(?<!\d)(\d{0,40})\.(\d{0,40})\\overline\s*(?:\{(\d{1,40})\}|(\d))")
_MAX_NUMERAL = 1000
"""Digits of a number in a base."""
_MATHEMATICAL = frozenset("0123456789\\^=<>{}")
_CONTINENTAL = re.compile(r"[-+]?\d{1,3}(?:\.\d{3}){2,}|[-+]?\d{1,3}(?:\.\d{3})+,\d+|[-+]?\d{1,3}(?:'\d{3})+(?:\.\d+)?")
_SPELLINGS = tuple(
    (re.compile(pattern), form)
    for pattern, form in (
        (r"(?<=\d)\s*[xX]\s*(?=10\s*\^)", "*"),  # 3 x 10^8
        (r"(?<![A-Za-z])C\s*\((\w+),\s*(\w+)\)", r"\\binom{\1}{\2}"),
        (r"\blog(10|2)\s*(?=\()", r"log_{\1}"),
        (r"\bmatrix\s*(?=\(\s*\[)", ""),
        (r"%(pi|e|i)\b", r" \1 "),
        (r"^(\d+)(?:st|nd|rd|th)$", r"\1"),
        (r":=", "="),
        (r"\+\s*c$", "+C"),  # the constant of integration
        (rf"\(\s*{TEXT_OPEN}?\s*mod\s*{TEXT_CLOSE}?\s*(\w+)\s*\)", r"\\pmod{\1}"),
        (r"^(?:=|\\approx|\\Rightarrow)\s*", ""),
        (r"^\]([^\[\]]+)\[$", r"(\1)"),  # ]0, 1[ is open at both ends
        (r"^\]([^\[\]]+)\]$", r"(\1]"),
        (r"^\[([^\[\]]+)\[$", r"[\1)"),
        (r"\+/-", r"\\pm "),
        (r"^<([^<>=]*,[^<>=]*)>$", r"\\langle \1\\rangle "),
        (r"^(?:[Nn]egative|[Mm]inus)\s+(?=[\d.\\])", "-"),
        (r"^(\d+) to (\d+)$", r"\1:\2"),
        (r"\^\s*\{?\s*\\circ\s*\}?\s*(?:\\mathrm)?\{?C\b\}?", f"{TEXT_OPEN}celsius{TEXT_CLOSE}"),
        (r"\^\s*\{?\s*\\circ\s*\}?\s*(?:\\mathrm)?\{?F\b\}?", f"{TEXT_OPEN}fahrenheit{TEXT_CLOSE}"),
    )
)
_UNIT = r"[A-Za-z]{1,4}(?:\^?\d|\^\{\d\})?"
_PART = r"[A-Za-z]{1,4}(?:\^?\d|\^\{-?\d\})?"
# Letters apart may be a product. They are a unit where one has two letters and there is a power or a quotient, and
# where all have one in a few that are usual: 9.8 m s^{-2}, 3 W m^{-2}; but not 5 m n^{-1}.
_UNITS = (
    rf"{_UNIT}(?:/{_UNIT})?|(?=.*[A-Za-z]{{2}})(?=.*[/^]){_PART}(?:[ /*]{_PART})+"
    r"|(?:m|J|C|N) s\^\{-[12]\}|[JWNVC] m\^\{-[123]\}"
)
_WITH_UNIT = re.compile(rf"([-+]?[\d.,]+)(?:\s+({_UNITS})|([A-Za-z]{{1,4}}\^?\{{?\d\}}?))")
_OPTION = re.compile(r"\([A-J]\)\s*(.+)")  # the letter of an option before its value
_PROSE = re.compile(r"[A-Za-z][A-Za-z\s.,'!?-]*")
_TEXT = rf"{TEXT_OPEN}[^{TEXT_CLOSE}]*{TEXT_CLOSE}"
_ASIDE = re.compile(rf"{_TEXT}|\\(?:begin|end)\s*\{{[a-zA-Z*]*\}}(?:\{{[lcr|]*\}})?")
_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
_SHORT = frozenset("is to of be we it as at by if so he an my no us do".split())
_COUNTED = re.compile(r"[-+]?\$?[\d.,/ ]+\s*[A-Za-z][A-Za-z. ]*")  # 10 square units
_BESIDE = re.compile(rf"{_TEXT}(?:\^\{{-?\d\}})?")  # a unit, whose brackets are its own
_MARKS = str.maketrans("", "", TEXT_OPEN + TEXT_CLOSE)


@lru_cache(maxsize=8192)
def readings(text: str) -> tuple[Node, ...]:
    """Every way to read a text.

    Raises:
        Unreadable: If there is none, or the text is too long.
    """
    if len(text) > MAX_LENGTH:
        raise Unreadable("too long")
    written = plain(text).lstrip(" ,;:").rstrip(" .,;:?")
    if not written:
        raise Unreadable("nothing")
    return tuple(dict.fromkeys(_readings(written)))


def _readings(written: str) -> list[Node]:
    number = _number(written)
    if number is not None:
        return [number]
    found: list[Node] = []
    failure: Unreadable | None = None
    if special := _special(written):
        found.append(special)
    elif not _is_prose(written):
        for form in _forms(written):
            try:
                found.append(parse(form))
            except Unreadable as error:
                failure = failure or error
    if quantity := _quantity(written):  # 5 m, which may be a product, too
        found.append(quantity)
    bare = written.translate(_MARKS).strip(" !")
    if (_PROSE.fullmatch(bare) and len(bare) > 1) or (not found and _is_text(written)):
        found.append(Words(bare.casefold()))
    if not found:
        raise failure or Unreadable("nothing")
    return found


def _quantity(written: str) -> Node | None:
    counted = _WITH_UNIT.fullmatch(written)
    unit = counted and (counted[2] or counted[3])
    if counted is None or unit is None or read_unit(unit) is None:
        return None
    number = _number(_THOUSANDS.sub(lambda found: found[1] + found[2].replace(",", ""), counted[1]))
    return None if number is None else Quantity(number, unit)


def _number(written: str) -> Node | None:
    try:
        return literal(written)
    except ValueError as error:
        raise Unreadable(str(error)) from None


def _forms(written: str) -> list[str]:
    """The text with its separators of thousands and its repeating decimals resolved, and as it is."""
    for pattern, plain_form in _SPELLINGS:
        written = pattern.sub(plain_form, written)
    resolved = _REPEATING.sub(_repeating, written)
    if _CONTINENTAL.fullmatch(resolved):
        return [re.sub("[.']", "", resolved).replace(",", ".")]
    joined = _SPACED.sub(lambda found: found[1] + found[2].replace(" ", ""), resolved)
    if not any(bracket in _BESIDE.sub("", joined) for bracket in "([{") or "frac" in joined:
        joined = _THOUSANDS.sub(lambda found: found[1] + found[2].replace(",", ""), joined)
    forms = [joined, resolved]
    if option := _OPTION.fullmatch(joined):
        forms.append(option[1])
    if comma := _DECIMAL_COMMA.fullmatch(resolved):
        forms.append(f"{comma[1]}.{comma[2]}")
    return list(dict.fromkeys(forms))


def _repeating(found: re.Match[str]) -> str:
    whole, places, period = found[1], found[2], found[3] or found[4]
    below = 10 ** len(places) * (10 ** len(period) - 1)
    above = int((whole or "0") + places + period) - int((whole or "0") + places)
    return rf"\frac{{{above}}}{{{below}}}"


def _special(written: str) -> Node | None:
    """A number in a base, and a time of day with its half."""
    bare = written.translate(_MARKS)
    if based := _BASED.fullmatch(bare):
        return _based(based[1], based[2] or based[3] or based[4])
    if time := _TIME.fullmatch(bare):
        hour = int(time[1]) % 12 + (12 if time[3].lower() == "p" else 0)
        return Ratio((Number(hour), Number(int(time[2] or 0))))
    return None


def _based(digits: str, written_base: str) -> Node | None:
    spelt = words.spelt_number(written_base)
    if len(digits) > _MAX_NUMERAL:
        return None
    try:
        base = int(written_base) if spelt is None else int(spelt)
        int(digits.replace(".", ""), base)
    except ValueError:
        return None
    is_numeral = any(map(str.isdigit, digits)) or (base == 16 and len(digits) > 1)  # and no name with an index
    return Based(digits.upper(), base) if is_numeral else None


def _is_prose(written: str) -> bool:
    """Plain words that are no product of letters, no name and no unit: two of them make a sentence."""
    if _COUNTED.fullmatch(written):
        return False
    found = _WORD.findall(_ASIDE.sub(" ", written))
    return sum(word.lower() in _SHORT or (len(word) > 2 and not is_name(word)) for word in found) > 1


def _is_text(written: str) -> bool:
    return not any(sign in _MATHEMATICAL for sign in written)
