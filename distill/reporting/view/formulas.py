r"""LaTeX as MathML, by latex2mathml, kept to elements and attributes that can do nothing but show.

latex2mathml writes what it is given into its MathML without escaping it (``\text{<script>}`` gives a script element),
and turns ``\href`` and ``\style`` into attributes. So its text form is never used: its tree is walked, text stays
text, and what is not on the two lists below is left out.
"""

import functools
import html
import re
from typing import Any
from xml.etree.ElementTree import Element

from distill.reporting.text import printable

LONGEST = 1_500
"""Characters of one formula."""
MOST = 600
"""Formulas of one text."""
MOST_CHARACTERS = 40_000
"""Of all formulas of one text."""
DEEPEST = 60

ELEMENTS = frozenset(
    "math mrow mi mn mo mtext mspace msqrt mroot mfrac msub msup msubsup munder mover munderover mtable mtr mtd mstyle "
    "mpadded mphantom menclose mmultiscripts mprescripts none merror".split()
)
ATTRIBUTES = frozenset(
    "display displaystyle scriptlevel mathvariant stretchy fence form separator lspace rspace width height depth "
    "voffset minsize maxsize linethickness columnalign rowspacing columnspacing accent accentunder movablelimits "
    "largeop symmetric mathsize".split()
)
VALUE = re.compile(r"[\w.%+-]{1,24}( [\w.%+-]{1,24}){0,8}")
# Nothing moves out of its line, or covers another: sizes are small, or words.
LENGTH = re.compile(r"-?(\d{1,2}(\.\d{1,4})?|\.\d{1,4})(em|ex|pt|px|%|mu|)")


class Budget:
    """How many formulas of one text are set; the rest stays LaTeX."""

    def __init__(self) -> None:
        self._formulas, self._characters = MOST, MOST_CHARACTERS

    def formula(self, latex: str, *, block: bool) -> list[Any] | None:
        """The formula; None if it is none that can be set."""
        if not latex.strip() or len(latex) > LONGEST or not self._formulas or len(latex) > self._characters:
            return None
        self._formulas -= 1
        self._characters -= len(latex)
        return mathml(latex.strip(), "block" if block else "inline")


@functools.lru_cache(maxsize=4_000)
def mathml(latex: str, display: str) -> list[Any] | None:
    """A formula's tree; None if latex2mathml cannot read it."""
    from latex2mathml.converter import convert_to_element

    try:
        return _node(convert_to_element(latex, display=display), 0, title=latex)
    except Exception:  # it has no error of its own: bad LaTeX ends in whatever its parser stumbles over
        return None


class _TooDeep(Exception):
    pass


def _node(element: Element, depth: int, title: str = "") -> list[Any]:
    if depth > DEEPEST:
        raise _TooDeep
    tag = str(element.tag)
    if tag not in ELEMENTS:
        return ["mtext", {}, *_text("".join(element.itertext()))]
    attributes = {name: value for name, value in element.attrib.items() if is_harmless(name, str(value))}
    if title:
        attributes["title"] = printable(title)
    if tag == "menclose":  # browsers draw none of its notations
        tag, attributes = "mrow", {"class": "boxed"} if element.get("notation") == "box" else {}
    children: list[Any] = [*_text(element.text), *(_node(child, depth + 1) for child in element)]
    return [tag, attributes, *children]


def is_harmless(name: str, value: str) -> bool:
    """Whether an attribute may stand in the page."""
    if name not in ATTRIBUTES or not VALUE.fullmatch(value):
        return False
    return not any(c.isdecimal() for c in value) or all(LENGTH.fullmatch(part) for part in value.split())


def _text(text: str | None) -> list[str]:
    return [printable(html.unescape(text))] if text else []
