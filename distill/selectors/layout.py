"""Where things stand in a reply: its lines, and its blocks of code."""

import re

MOST_OF_LINE = 300
"""Characters of a line that are looked at."""

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)


def line_before(text: str, place: int) -> str:
    r"""What stands before a place in its line, or the last of it.

    Example:
        >>> line_before("So:\nx = 4", 8)
        'x = '
    """
    return text[max(text.rfind("\n", 0, place) + 1, place - MOST_OF_LINE) : place]


def fences(text: str) -> list[int]:
    r"""Where blocks of code begin and end, by turns; of an odd number, the last block is left open.

    Example:
        >>> fences("So:\n```\nx\n```\nDone.")
        [7, 13]
    """
    places: list[int] = []
    opened = ""
    for found in _FENCE.finditer(text):
        if not opened or found[1].startswith(opened):
            places.append(found.end())
            opened = "" if opened else found[1]
    return places
