"""Where in a reply the program stands. Linear scans; never fails, and never reads the program as Python."""

import re

_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_PYTHON = {"python", "python3", "py", "py3"}


def extract(answer: str) -> str | None:
    """The program of a reply; None if there is none.

    The last ``<answer>`` counts, if there is one; in it the last block fenced as Python, else the last fenced block,
    else all of the text. A fence that is not closed reaches to the end.
    """
    text = _tagged(answer)
    code = fenced(text)
    code = text if code is None else code
    return code if code.strip() else None


def fenced(text: str) -> str | None:
    """The last block fenced as Python, else the last fenced block; None if there is no fence."""
    blocks = _blocks(text)
    python = [code for language, code in blocks if language in _PYTHON]
    others = [code for _, code in blocks]
    return (python or others or [None])[-1]


def _tagged(answer: str) -> str:
    tags = list(_TAG.finditer(answer))
    opened = [number for number, tag in enumerate(tags) if not tag[0].startswith("</")]
    if not opened:
        return answer
    end = tags[opened[-1] + 1].start() if opened[-1] + 1 < len(tags) else len(answer)
    return answer[tags[opened[-1]].end() : end]


def _blocks(text: str) -> list[tuple[str, str]]:
    """Each fenced block: its language in lower case, and its text."""
    blocks: list[tuple[str, str]] = []
    fence, language, indent, lines = "", "", "", []
    for line in text.split("\n"):
        bare = line.strip()
        if not fence and bare.startswith(("```", "~~~")):
            indent = line[: len(line) - len(line.lstrip())]  # as in an item of a list
            mark = bare[: len(bare) - len(bare.lstrip(bare[0]))]
            fence, language, lines = mark, bare[len(mark) :].strip().partition(" ")[0].lower(), list[str]()
        elif fence and bare.startswith(fence) and not bare.strip(fence[0]):
            blocks.append((language, "\n".join(lines)))
            fence = ""
        elif fence:
            lines.append(line.removeprefix(indent))
    if fence:
        blocks.append((language, "\n".join(lines)))
    return blocks
