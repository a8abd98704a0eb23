"""Code in colours, by Pygments, for the languages that traces are written in."""

from typing import Any

from distill.reporting.text import printable
from distill.reporting.view.nodes import Node

LONGEST = 30_000
"""Characters; more stays in one colour."""
# Named by us, not by the text: some lexers of rarer languages take very long on a text that is not theirs.
LANGUAGES = frozenset(
    "python py python3 pycon c cpp c++ java javascript js typescript ts json bash sh shell console sql rust go haskell "
    "kotlin swift ruby yaml html xml latex tex diff".split()
)


def coloured(code: str, language: str) -> list[Any]:
    """A listing; the language is what the text says that it is."""
    name = language.lower().split()[0] if language.split() else ""
    if name not in LANGUAGES or len(code) > LONGEST:
        return ["pre", {"class": "code"}, printable(code)]
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(name, stripnl=False, ensurenl=False)
    pieces: list[Node] = []
    for kind, text in lexer.get_tokens(code):
        pieces.append(["span", {"class": style}, printable(text)] if (style := _style(kind)) else printable(text))
    return ["pre", {"class": "code"}, *pieces]


def _style(kind: Any) -> str:
    from pygments.token import Comment, Keyword, Name, Number, Operator, String

    styles = {
        "tok-comment": (Comment,),
        "tok-keyword": (Keyword, Operator.Word),
        "tok-string": (String,),
        "tok-number": (Number,),
        "tok-name": (Name.Function, Name.Class, Name.Builtin, Name.Decorator),
    }
    return next((style for style, kinds in styles.items() if any(kind in known for known in kinds)), "")
