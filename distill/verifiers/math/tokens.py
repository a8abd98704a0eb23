"""The tokens of the one notation (`notation.plain`): numbers, names, functions, signs and text."""

import re
from typing import NamedTuple

from distill.verifiers.math import units
from distill.verifiers.math.notation import TEXT_CLOSE, TEXT_OPEN


class Token(NamedTuple):
    """A piece of notation. `kind`: number, symbol, constant, function, sign, text, command or environment."""

    kind: str
    text: str
    spaced: bool = False
    """Whether white space stands before it."""


class Unreadable(ValueError):
    """A text that is no mathematics that we read, or is too long or too deep. Its message is short and stable."""


MAX_TOKENS = 12_000
END = Token("end", "")

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+(?![\d.A-Za-z]))?)|\\(?P<command>[A-Za-z]+\*?|\\|.)|(?P<word>[A-Za-z]+)"
    rf"|{TEXT_OPEN}(?P<text>[^{TEXT_CLOSE}]*){TEXT_CLOSE}"
    r"|(?P<sign>\.\.\.|<=|>=|=<|=>|!=|==|[-+*/^_=<>!|()\[\]{},;:%&'~?])|(?P<other>\S))",
    re.DOTALL,
)
_SIGNS = {
    "<=": "le leq leqslant leqq",
    ">=": "ge geq geqslant geqq",
    "<": "lt",
    ">": "gt",
    "!=": "ne neq",
    "~": "approx sim simeq cong",
    "==": "equiv",
    "*": "cdot times ast star cdotp",
    "/": "div slash",
    ":": "colon",
    "pm": "pm",
    "mp": "mp",
    "in": "in",
    "cup": "cup bigcup",
    "cap": "cap bigcap",
    "without": "setminus backslash smallsetminus",
    "...": "ldots dots cdots dotsc dotsb vdots",
    "|": "vert lvert rvert mid |",
    r"\{": "{ lbrace",
    r"\}": "} rbrace",
    "langle": "langle",
    "rangle": "rangle",
    "lfloor": "lfloor",
    "rfloor": "rfloor",
    "lceil": "lceil",
    "rceil": "rceil",
    "%": "%",
    "circ": "circ degree",
    "!": "!",
    "row": "\\ cr",
    ",": "land",
    "or": "lor vee",
    "and": "wedge",
    "to": "to rightarrow Rightarrow implies",
    "iff": "iff Leftrightarrow",
    "mod": "bmod mod",
    "pmod": "pmod",
    "'": "prime",
    "_": "_",
    "&": "&",
    "choose": "choose",
    "over": "over",
}
_COMMANDS = {command: Token("sign", sign) for sign, commands in _SIGNS.items() for command in commands.split()}
FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc arcsin arccos arctan arccot arcsec arccsc asin acos atan sinh cosh tanh coth sech "
        "csch arcsinh arccosh arctanh asinh acosh atanh log ln lg exp sqrt cbrt abs floor ceil max min gcd lcm Re "
        "Im arg root factorial binomial binom"
    ).split()
)
_CONSTANTS = {
    "pi": "pi",
    "infty": "inf",
    "infinity": "inf",
    "oo": "inf",
    "inf": "inf",
    "e": "e",
    "i": "i",
    "imath": "i",
}
_GREEK = frozenset(
    (
        "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi rho sigma "
        "tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega ell hbar"
    ).split()
)
_VARIANTS = {"varepsilon": "epsilon", "vartheta": "theta", "varphi": "phi"}
_IGNORED = frozenset(
    "angle triangle therefore because measuredangle hline noindent dagger checkmark blacksquare qed".split()
)
_WORD_SIGNS = {"and": "and", "or": "or", "union": "cup", "U": "cup", "in": "in", "mod": "mod", "choose": "choose"}
_MAX_NAME = 9
_JOINTS = {"and": "and", "or": "or", "": "", ",": ",", "and,": "and", ", and": "and", ", or": "or", "or,": "or"}


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text in the one notation, with `END` last.

    Raises:
        Unreadable: If something in it is no token, or there are more than `MAX_TOKENS`.
    """
    tokens: list[Token] = []
    for found in _TOKEN.finditer(text):
        kind = found.lastgroup or ""
        token, spaced = found[kind], found.start(kind) - found.start() > (1 if kind in ("command", "text") else 0)
        if kind == "word":
            tokens.extend(_word(token, spaced, tokens))
        elif kind == "command":
            tokens.extend(_command(token, spaced))
        elif kind == "other":
            raise Unreadable(f"a sign that is no mathematics: {token!a}")
        elif kind == "text":
            tokens.append(_text(token, spaced))
        else:
            tokens.append(Token(kind, "<=" if token == "=<" else token, spaced))
        if len(tokens) > MAX_TOKENS:
            raise Unreadable(f"more than {MAX_TOKENS} tokens")
    tokens.append(END)
    return tokens


def _command(name: str, spaced: bool) -> list[Token]:
    name = name.removesuffix("*")
    if name in _COMMANDS:
        return [_COMMANDS[name]]
    if name in _CONSTANTS:
        return [Token("constant", _CONSTANTS[name], spaced)]
    if name in _GREEK:
        return [Token("symbol", _VARIANTS.get(name, name), spaced)]
    if name in FUNCTIONS and name != "binom":  # \\binom has two arguments in braces
        return [Token("function", name, spaced)]
    if name in _IGNORED or name.isspace():
        return []
    return [Token("command", name, spaced)]


def _text(text: str, spaced: bool) -> Token:
    joint = _JOINTS.get(text.strip().lower())
    if joint is None:
        return Token("text", text.strip(), spaced)
    return Token("sign", joint or ",") if joint else Token("text", "", spaced)


def _word(word: str, spaced: bool, tokens: list[Token]) -> list[Token]:
    """A word of plain letters: a name that is known, a unit after a number, a product of letters, or prose."""
    before = tokens[-1] if tokens else END
    if before.text == "/" and len(tokens) > 1 and tokens[-2].kind == "text":  # km/h
        return [Token("text", word, spaced)]
    if before.kind == "text" and word in ("in", "mod", "union"):  # seats in the hall
        return [Token("text", word, spaced)]
    if word in _WORD_SIGNS and (len(word) > 1 or spaced):
        return [Token("sign", _WORD_SIGNS[word], spaced)]
    after_value = before.kind == "number" or (before.text in ("}", ")") and spaced)
    if (after_value and units.is_unit_word(word)) or (before.kind == "text" and len(word) > 1):
        return [Token("text", word, spaced)]
    lower = word.lower()
    if lower in ("and", "or"):
        return [Token("sign", lower, spaced)]
    pieces = _pieces(word)
    if len(pieces) > 3 and all(len(token.text) == 1 for token in pieces):
        return [Token("text", word, spaced)]
    return [pieces[0]._replace(spaced=spaced), *pieces[1:]]


def is_name(word: str) -> bool:
    """Whether a word stands for something in mathematics: a function, a constant, a letter, a sign, a unit."""
    return word in _WORD_SIGNS or _known(word) is not None or units.is_unit_word(word)


def _pieces(word: str) -> list[Token]:
    pieces: list[Token] = []
    start = 0
    while start < len(word):
        for end in range(min(len(word), start + _MAX_NAME), start, -1):
            token = _known(word[start:end])
            if token:
                pieces.append(token)
                start = end
                break
    return pieces


def _known(name: str) -> Token | None:
    if name in FUNCTIONS:
        return Token("function", name)
    if name in _CONSTANTS:
        return Token("constant", _CONSTANTS[name])
    if len(name) == 1 or name in _GREEK:
        return Token("symbol", name)
    return None
