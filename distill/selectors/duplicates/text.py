r"""What of a text is compared: its words, numbers and signs, whatever the case, the layout and the notation.

>>> tokens("**Solve** for $x$:  $\\frac{1}{2}x - 1{,}000 = \\text{three}$")
['solve', 'for', 'x', '1', '/', '2', 'x', '-', '1000', '=', '3']
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import compress

_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufe00-\ufe0f\ufeff]+")
_RAISED = re.compile("[⁰¹²³⁴-ⁿ]+")
_FRACTION = re.compile("[¼-¾⅐-⅞]")
_VARIANT = re.compile("[−×·⋅÷⁄′’]")
_SIGN_OF = {"−": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/", "⁄": "/", "′": "'", "’": "'"} | {
    rf"\{name}": sign
    for name, sign in {
        "cdot": "*", "times": "*", "div": "/", "le": "≤", "leq": "≤", "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠"
    }.items()
}  # fmt: skip

_LABEL = re.compile(
    r"\s{0,9}(?:(?:problem|example|exercise|question|task)\s{0,3}\d{1,9}(?:\s{0,3}[.):])?|\d{1,9}\s{0,3}[.):])"
    r"\s{1,9}(?=[^\W\d]|[$*\\(\"])"
)
_POINTS = re.compile(r"[(\[] ?\d+ ?(?:points?|marks?|pts) ?[)\]]")
_RULE = re.compile(r"--(?!\d)-*|={3,}|\*{3,}|~{3,}")
_BULLET = re.compile(r"(?<=\n)[ \t]*[-*+] +(?=[^\W\d]{2})")
_BOLD = re.compile(r"(?<![\w)])\*\*|\*\*(?![\w(])")
_LAYOUT = (("--", _RULE), ("==", _RULE), ("**", _RULE), ("**", _BOLD), ("~~", _RULE), ("\n", _BULLET), (" ", _POINTS))
_LATEX_FRACTION = re.compile(r"\\[dt]?frac ?(?:\{([^{}]*)\}|(\d)) ?(?:\{([^{}]*)\}|(\d))")
_LATEX_LAYOUT = re.compile(
    r"\\[()\[\],;!: ]|\{,\}(?=\d)|\\(?:left|right|displaystyle|quad|qquad|text|textbf|textit|mathrm|mathbf)(?![a-z])"
)
_LATEX_SIGN = re.compile(r"\\(?:cdot|times|div|leq?|geq?|neq?)(?![a-z])")

# scripts without blanks between words: each character is one
_ALONE = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_NUMBER = r"\d+(?:,\d{3}){1,8}(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|(?<![\w.])\.\d+"
# after a word these are punctuation, after a number or a variable they are signs
_SIGN = r"(?<![^\W\d]{2})(?:-(?=\s{0,3}(?:[\d(.\\√]|[^\W\d](?![^\W\d])))|[/*]|(?<=[\w)])(?:!|'(?![^\W\d])))"
_OTHER = r"[^\w\s.,;:?\"`$\\{}#_/*!'\-“”‘«»…–—、。]"
_TOKEN = re.compile(rf"[^\W\d_{_ALONE}]+|[{_ALONE}]|{_NUMBER}|{_SIGN}|{_OTHER}")
_ASCII_TOKEN = re.compile(rf"[a-z]+|{_NUMBER}|{_SIGN}|{_OTHER}", re.ASCII)
_NUMERALS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty".split()
    )
} | {
    word: str(10 * number)
    for number, word in enumerate("thirty forty fifty sixty seventy eighty ninety hundred".split(), start=3)
}
REMEMBERED = 10_000
"""Tokens of which is kept what they are: words recur, numbers do not."""
_BRACKETS = frozenset("()[]")
_SIGNS_TOO = frozenset("-/*!'%")
"""Signs that Unicode counts as punctuation."""


def tokens(text: str) -> list[str]:
    """Words in lower case, numbers in one notation (``1,000.50``, ``1000.5``; also ``three``), and signs.

    A label before a problem (``12.``, ``Example 3:``), marks of layout and punctuation are no part of it. A text that
    has nothing else is split at its blanks.
    """
    folded = _folded(text)
    pattern = _ASCII_TOKEN if folded.isascii() else _TOKEN
    return list(map(_normal, pattern.findall(folded))) or text.split()


def _folded(text: str) -> str:
    if not text.isascii():
        text = _RAISED.sub(lambda found: f"^{unicodedata.normalize('NFKC', found[0])} ", text)
        text = _FRACTION.sub(lambda found: f" {unicodedata.normalize('NFKC', found[0])} ", text)
        text = _VARIANT.sub(_sign, _UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold()))
    else:
        text = text.lower()
    if label := _LABEL.match(text):
        text = text[label.end() :]
    for mark, layout in _LAYOUT:
        if mark in text:
            text = layout.sub(" ", text)
    if "\\" in text or "{,}" in text:
        text = _LATEX_SIGN.sub(_sign, _LATEX_LAYOUT.sub(_blank, text))
        text = _LATEX_FRACTION.sub(r" \1\2/\3\4 ", text)
    return text


def _sign(found: re.Match[str]) -> str:
    return _SIGN_OF[found[0]]


def _blank(found: re.Match[str]) -> str:
    return "," if found[0] == "{,}" else " "


@lru_cache(REMEMBERED)
def _normal(token: str) -> str:
    if not is_number(token):
        return _NUMERALS.get(token, token)
    if not token.isascii():
        token = "".join(str(unicodedata.digit(character, character)) for character in token)
    token = token.replace(",", "")
    if "." in token:
        token = f"0{token}" if token[0] == "." else token
        token = token.rstrip("0").rstrip(".")
    return token


def is_number(token: str) -> bool:
    """Whether a token is a number."""
    return token[0].isdecimal() or (token[0] == "." and token[1:2].isdecimal())


@lru_cache(REMEMBERED)
def _tells(token: str) -> bool:
    return is_number(token) or token in _SIGNS_TOO or (len(token) == 1 and unicodedata.category(token)[0] == "S")


def constants(found: Sequence[str]) -> list[str]:
    """Numbers and signs in their order, and brackets beside them: what tells apart two problems of one template.

    >>> constants(tokens("Using 3, 5 (and 7) find (x + 1)^2 = 22."))
    ['3', '5', '(', '7', ')', '+', '1', ')', '^', '2', '=', '22']
    """
    tells = list(map(_tells, found))
    if _BRACKETS.isdisjoint(found):
        return list(compress(found, tells))
    tells = [False, *tells, False]
    return [
        token
        for place, token in enumerate(found, start=1)
        if tells[place] or (token in _BRACKETS and (tells[place - 1] or tells[place + 1]))
    ]


def answer_key(text: str | None, most: int = 100) -> str | None:
    """The same for answers that say the same: their numbers and signs if they have any, else their words.

    None where there is no answer, or one so long that two that say the same may well differ.
    """
    if text is None or len(text) > most:
        return None
    found = [token for token in tokens(text) if token not in "=()[]"]
    return " ".join(constants(found) or found) or None
