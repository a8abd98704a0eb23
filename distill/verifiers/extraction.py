r"""Where in a reply the answer stands: after the thought, in the last ``\boxed{}`` or ``<answer>``. Linear scans."""

import re

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_OPENED = re.compile(r"<think>", re.IGNORECASE)
_CLOSED = "</think>"
_END_TAG = re.compile(r"</answer>", re.IGNORECASE)

MAX_SHOWN = 200
"""Characters of an extracted answer that a verdict keeps."""
TRUNCATED = "truncated"
"""The reason of a verdict on a reply whose thought is not closed."""


def after_thought(response: str) -> str | None:
    """What follows the thought of a response, all of it if it has none; None if the thought is never closed.

    Example:
        >>> after_thought("<think>1? 2?</think> It is 2.")
        ' It is 2.'
        >>> after_thought("<think>1? 2? It is 2") is None
        True
    """
    if "<" not in response:
        return response
    answer = response.rpartition(_CLOSED)[2]
    return None if _OPENED.search(answer) else answer


def last_marked(text: str) -> str | None:
    r"""What the last ``\boxed{}`` or ``<answer></answer>`` of a text holds; None if it has neither.

    Of a box inside a tag, or the other way round, the inner one counts. A mark that is not closed holds the rest of
    its line.
    """
    box, tag = _last(_BOX, text), _last(_TAG, text)
    if box is None and tag is None:
        return None
    if tag is None or (box is not None and box > tag):
        return boxed_at(text, box or 0).strip()
    end = _END_TAG.search(text, tag)
    return (text[tag : end.start()] if end else text[tag:].partition("\n")[0]).strip()


def last_boxed(text: str) -> str | None:
    r"""What the last ``\boxed{}`` of a text holds; None if it has none."""
    start = _last(_BOX, text)
    return None if start is None else boxed_at(text, start).strip()


def boxed_at(text: str, start: int) -> str:
    """The text from `start`, just after an opening brace, up to the brace that closes it."""
    depth = 1
    for brace in re.finditer(r"\\[{}]|[{}]", text[start:]):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)  # \{ and \} are set braces, not groups
        if depth == 0:
            return text[start : start + brace.start()]
    return text[start:].partition("\n")[0]


def _last(pattern: re.Pattern[str], text: str) -> int | None:
    end = None
    for match in pattern.finditer(text):
        end = match.end()
    return end
