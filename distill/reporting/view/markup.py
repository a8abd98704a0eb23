r"""A model's text as a tree of nodes: its formulas as MathML, its code in colours, all else as the text that it is.

A node is a string, or a list of tag, attributes and children. Only this module and its neighbours name tags, so there
is nothing to sanitise: text is never parsed as HTML, here or in the page. Recognised are fenced and quoted code, and
formulas in ``$ $``, ``$$ $$``, ``\( \)``, ``\[ \]``, ``\begin{align}`` and its kin, and ``\boxed{}`` where it stands
alone. Every search for a closing mark goes through the text once, so no text takes long.
"""

import re
from collections.abc import Iterator
from typing import Any

from distill.reporting.text import printable
from distill.reporting.view import formulas
from distill.reporting.view.listings import coloured
from distill.reporting.view.nodes import Node

SHOWN_CHARACTERS = 400_000
INLINE_CODE = 200
ENVIRONMENTS = "align|aligned|equation|gather|multline|eqnarray|cases|[bpvBV]?matrix"
OPENING = re.compile(rf"^```|`|\$\$|\$|\\\[|\\\(|\\boxed\{{|\\begin\{{(?:{ENVIRONMENTS})\*?\}}", flags=re.MULTILINE)
CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
PLAIN = re.compile(r"[\n\t\x20-\x7e]*")


def rendered(text: str) -> list[Node]:
    """The text with formulas and code set."""
    return list(_Scanner(clipped(text)).nodes())


def as_written(text: str) -> list[Node]:
    """The text alone."""
    return [visible(clipped(text))] if text else []


def clipped(text: str) -> str:
    """The text, without its middle where it is so long that no page would show it."""
    left_out = len(text) - SHOWN_CHARACTERS
    if left_out <= 0:
        return text
    half = SHOWN_CHARACTERS // 2
    return f"{text[:half]}\n[... {left_out:,} characters left out ...]\n{text[-half:]}"


def visible(text: str) -> str:
    """Text with its control characters made visible."""
    return text if PLAIN.fullmatch(text) else printable(text)


def matched_braces(text: str) -> dict[int, int]:
    """Where each opened brace is closed."""
    opened: list[int] = []
    found: dict[int, int] = {}
    for brace in re.finditer(r"[{}]", text):
        if brace.group() == "{":
            opened.append(brace.start())
        elif opened:
            found[opened.pop()] = brace.start()
    return found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.budget = formulas.Budget()
        self._closers: dict[str, int] = {}
        self._braces: dict[int, int] | None = None

    def nodes(self) -> Iterator[Node]:
        done, is_behind_block = 0, False
        for opening in OPENING.finditer(self.text):
            if opening.start() < done:
                continue
            if found := self._set(opening):
                node, end = found
                is_block = node[0] == "pre" or node[1].get("display") == "block"
                yield from self._between(done, opening.start(), is_behind_block, is_block)
                yield node
                done, is_behind_block = end, is_block
        yield from self._between(done, len(self.text), is_behind_block, is_before_block=False)

    def _between(self, start: int, stop: int, is_behind_block: bool, is_before_block: bool) -> Iterator[Node]:
        text = self.text[start:stop]
        # a block stands on lines of its own without them
        text = text.lstrip("\n") if is_behind_block else text
        text = text.rstrip("\n") if is_before_block else text
        if text:
            yield visible(text)

    def _set(self, opening: re.Match[str]) -> tuple[list[Any], int] | None:
        mark, start, end = opening.group(), opening.start(), opening.end()
        if mark == "```":
            return self._fence(end)
        if mark == "`":
            return self._quote(end)
        if mark == "$":
            return self._dollars(start, end)
        if mark == "\\boxed{":
            return self._boxed(start, end)
        if mark.startswith("\\begin"):
            closer = mark.replace("\\begin", "\\end", 1)
            close = self._find(closer, end)
            # the environment's marks belong to the formula
            return None if close < 0 else self._formula(start, close + len(closer), close + len(closer), block=True)
        close = self._find(CLOSING[mark], end)
        if close < 0:
            return None
        return self._formula(end, close, close + len(CLOSING[mark]), block=mark != "\\(")

    def _find(self, closer: str, start: int) -> int:
        known = self._closers.get(closer)
        if known is None or 0 <= known < start:
            known = self._closers[closer] = self.text.find(closer, start)
        return known

    def _formula(self, start: int, stop: int, end: int, *, block: bool) -> tuple[list[Any], int] | None:
        if stop - start > formulas.LONGEST:
            return None
        latex = self.text[start:stop]
        if "\n\n" in latex:
            return None  # no formula goes beyond its paragraph: the mark meant something else
        node = self.budget.formula(latex, block=block)
        return None if node is None else (node, end)

    def _dollars(self, start: int, end: int) -> tuple[list[Any], int] | None:
        close = self._find("$", end)
        inside = self.text[end:close] if 0 < close - end <= formulas.LONGEST else ""
        is_price = self.text[close + 1 : close + 2].isdecimal()
        if not inside or "\n" in inside or inside != inside.strip() or is_price or self.text[start - 1 : start] == "\\":
            return None
        return self._formula(end, close, close + 1, block=False)

    def _boxed(self, start: int, end: int) -> tuple[list[Any], int] | None:
        if self._braces is None:
            self._braces = matched_braces(self.text)
        close = self._braces.get(end - 1)
        return None if close is None else self._formula(start, close + 1, close + 1, block=False)

    def _quote(self, end: int) -> tuple[list[Any], int] | None:
        close = self._find("`", end)
        inside = self.text[end:close] if 0 < close - end <= INLINE_CODE else ""
        if not inside or "\n" in inside:
            return None
        return ["code", {}, visible(inside)], close + 1

    def _fence(self, end: int) -> tuple[list[Any], int] | None:
        line_end = self._find("\n", end)
        if line_end < 0:
            return None
        close = self._find("\n```", line_end)
        stop = len(self.text) if close < 0 else close
        code = self.text[line_end + 1 : stop]
        return coloured(code, self.text[end:line_end].strip()), stop if close < 0 else close + 4
