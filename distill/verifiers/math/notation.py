r"""One way to write each thing: Unicode, ASCII and the cosmetics of LaTeX, brought to one small notation.

What comes out is LaTeX without decoration: no sizes, no fonts, no thin spaces, no math marks; text stands between
``TEXT_OPEN`` and ``TEXT_CLOSE``; set braces stay ``\{ \}`` and groups ``{ }``. Substitutions only, each linear.
"""

import re
import unicodedata

from distill.verifiers.math.units import read_unit

TEXT_OPEN, TEXT_CLOSE = "\u27e6", "\u27e7"

_GREEK = dict(
    zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩϕϵϑ",
        [
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lambda",
            "mu",
            "nu",
            "xi",
            "pi",
            "rho",
            "sigma",
            "tau",
            "upsilon",
            "phi",
            "chi",
            "psi",
            "omega",
            "Gamma",
            "Delta",
            "Theta",
            "Lambda",
            "Xi",
            "Pi",
            "Sigma",
            "Phi",
            "Psi",
            "Omega",
            "phi",
            "epsilon",
            "theta",
        ],
        strict=True,
    )
)
_SIGNS = {
    "-": "−–—‐‑‒―﹣－",
    "*": "×✕✖·⋅∙•∗＊",
    "/": "÷∕⁄",
    r"\le ": "≤⩽≦",
    r"\ge ": "≥⩾≧",
    r"\ne ": "≠",
    r"\approx ": "≈≃≅",
    r"\equiv ": "≡",
    r"\cup ": "∪",
    r"\cap ": "∩",
    r"\in ": "∈",
    r"\setminus ": "∖",
    r"\pm ": "±",
    r"\mp ": "∓",
    r"\sqrt ": "√",
    r"\sqrt[3] ": "∛",
    r"\infty ": "∞",
    r"^\circ ": "°º˚",
    r"\emptyset ": "∅",
    r"\mathbb{R}": "ℝ",
    r"\mathbb{Z}": "ℤ",
    r"\langle ": "⟨〈",
    r"\rangle ": "⟩〉",
    r"\lfloor ": "⌊",
    r"\rfloor ": "⌋",
    r"\lceil ": "⌈",
    r"\rceil ": "⌉",
    r"\sum ": "∑",
    r"\prod ": "∏",
    r"\int ": "∫",
    r"\to ": "→",
    r"\angle ": "∠",
    "'": "′’",
    "%": "％",
    ",": "，、",
    ":": "：",
    ".": "。",
    " ": "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000",
    "": "\u200b\u200c\u200d\u2060\ufeff\u200e\u200f",
}
_UNICODE: dict[int, str | None] = {
    **{ord(char): written for written, chars in _SIGNS.items() for char in chars},
    **{ord(char): rf"\{name} " for char, name in _GREEK.items()},
    **{ord(TEXT_OPEN): None, ord(TEXT_CLOSE): None},
}
_CURRENCIES = {"$": "dollar", "€": "euro", "£": "pound", "¥": "yen", "₹": "rupee"}
_MONEY = re.compile(r"(\\\$|[€£¥₹]|^\$(?=[^$]*$))\s*(\d[\d,]*(?:\.\d+)?)")
_VULGAR = re.compile("[\u00bc-\u00be\u2150-\u215e\u2189]")
_RAISED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ]+")
_LOWERED = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_ARGUMENT_OF_ROOT = re.compile(r"(\\sqrt(?:\[3\])?) (\d+(?:\.\d+)?)")

_BARE = re.compile(r"[^\\$*`~<{]*")
_DROPPED = re.compile(
    r"\\(?:left|right|middle|[bB]igg?[lrm]?|displaystyle|textstyle|scriptstyle|limits|nolimits|mathstrut|strut"
    r"|newline|hfill|par|bf|rm|it|sf)(?![A-Za-z])\.?|(?<!\\)\\[()\[\]$]|__|[$`]"
)
_SPACES = re.compile(
    r"(?<!\\)\\(?:quad|qquad|enspace|thinspace|,|;|:|>| |~|(?=\n))|~"
    r"|\\hspace\*?\{[^{}]*\}|\\[hv]?phantom\{[^{}]*\}"
)
_POWER = re.compile(r"(?<=[A-Za-z0-9)\]])\*\*(?=[-+A-Za-z0-9(])")  # any other ** is bold type
_SHRINK = re.compile(r"\\!\s*|\{,\}\s?")
_FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
_MARKED = re.compile(r"\\(bar|overline|hat|tilde|dot)(?![A-Za-z])\s*\{?\s*([A-Za-z])\s*\}?(?![A-Za-z}])")
_ANGLE = re.compile(r"\\(?:measured)?angle\s*\{?([A-Z]{3})\}?(?![A-Za-z])")
_ACCENT = re.compile(
    r"\\(?:vec|overrightarrow|mathbf|boldsymbol|bm|mathit|mathcal|mathscr)(?![A-Za-z])\s*(?=[{\\A-Za-z])"
)
_TEXT = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|normal|up)?|mbox|hbox|mathrm|mathsf|mathtt|operatorname\*?|emph|unit|textnormal)"
    r"\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_LETTERS = re.compile(r"[A-Za-z]{2,}")
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)(?![A-Za-z])")
_DOUBLED = re.compile(r"\\\\(?=[A-Za-z]{2})")
_SPECIAL = re.compile(r"<\|[^|<>]{1,40}\|>")
_MATH_WORDS = frozenset(
    (
        *("and", "or", "sin", "cos", "tan", "cot", "sec", "csc", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"),
        *("log", "ln", "lg", "exp", "sqrt", "max", "min", "gcd", "lcm", "mod", "pi"),
    )
)


def plain(text: str) -> str:
    """The text in the one notation; the same for every decoration of the same answer."""
    text = text.strip()
    if "{,}" in text or r"\!" in text:
        text = _SHRINK.sub(lambda found: "," if found[0].startswith("{,") else "", text)
    text = _MONEY.sub(_money, text)
    if not text.isascii():
        text = _ascii(text)
    if not _BARE.fullmatch(text):
        text = _undecorated(text)
    return text.strip()


def unbold(text: str) -> str:
    """A text without the stars of bold type; the stars of powers become carets."""
    return _POWER.sub("^", text).replace("**", " ") if "**" in text else text


def _money(found: re.Match[str]) -> str:
    return f"{found[2]}{TEXT_OPEN}{_CURRENCIES[found[1].strip(' ' + chr(92))]}{TEXT_CLOSE}"


def _ascii(text: str) -> str:
    text = _VULGAR.sub(_vulgar, text)
    text = _RAISED.sub(lambda found: "^{" + unicodedata.normalize("NFKC", found[0]).replace("\u2212", "-") + "}", text)
    text = _LOWERED.sub(lambda found: "_{" + unicodedata.normalize("NFKC", found[0]) + "}", text)
    text = _ARGUMENT_OF_ROOT.sub(r"\1{\2}", text.translate(_UNICODE))
    return text if text.isascii() else "".join(map(_digit, unicodedata.normalize("NFKC", text).translate(_UNICODE)))


def _vulgar(found: re.Match[str]) -> str:
    above, _, below = unicodedata.normalize("NFKC", found[0]).partition("\u2044")
    return rf"\frac{{{above}}}{{{below}}}"


def _digit(char: str) -> str:
    value = unicodedata.decimal(char, None) if not char.isascii() else None
    return char if value is None else str(value)


def _undecorated(text: str) -> str:
    text = unbold(_SPECIAL.sub(" ", text))
    if r"\begin" not in text:
        text = _DOUBLED.sub(r"\\", text)
    text = _BOX.sub("", text)
    text = _FRACTION.sub(r"\\frac", _DROPPED.sub(" ", _SPACES.sub(" ", text)))
    text = _ACCENT.sub("", _ANGLE.sub(_angle, _MARKED.sub(r"\2_{\1}", text)))
    return _TEXT.sub(_text, text) if "{" in text else text


_AFTER_VALUE = frozenset("0123456789})")


def _angle(found: re.Match[str]) -> str:
    """An angle by its three points is a name, from either end."""
    return f" q_{{{min(found[1], found[1][::-1])}}} "


def _text(found: re.Match[str]) -> str:
    inside = found[1].strip()
    words = _LETTERS.findall(inside)
    if read_unit(inside) and (words or "/" in inside or found.string[: found.start()].rstrip()[-1:] in _AFTER_VALUE):
        return f"{TEXT_OPEN}{inside}{TEXT_CLOSE}"
    if inside.isascii() and all(word in _MATH_WORDS for word in words):
        return f" {inside} "
    return f"{TEXT_OPEN}{found[1]}{TEXT_CLOSE}"
