"""Does an expression make the target from the given numbers, each used exactly once. Exact, over fractions.

The answer may be a bare expression, or stand in ``<answer>``, a box or a sentence; it may be written in LaTeX or in
print, and as a chain, ``(9-4)*6 = 5*6 = 30``: every part of it must be the target. The last expression counts, and one
that is not an equation takes an earlier one back; an equation over other numbers is a step or a check, which does not.
"""

import json
import re
from collections.abc import Mapping
from typing import NamedTuple, cast

from distill.types import Judgement, Problem
from distill.verifiers.arithmetic import MAX_LENGTH, ExpressionError, evaluate, numbers_in
from distill.verifiers.extraction import MAX_SHOWN, last_marked

MAX_READ = 20_000
"""Characters at the end of a reply without a mark that are searched."""
MAX_CLAIM = 4 * MAX_LENGTH
"""Characters of an expression as it is written, which may be LaTeX; a longer one is no expression."""

_SIGNS = str.maketrans(
    {
        **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full width
        **dict.fromkeys("×✕✖⋅·∗∙•", "*"),  # noqa: RUF001
        **dict.fromkeys("÷∕⁄", "/"),  # noqa: RUF001
        **dict.fromkeys("−–—‒", "-"),  # noqa: RUF001
    }
)
_COMMANDS = {
    **dict.fromkeys((r"\times", r"\cdot", r"\ast"), "*"),
    r"\div": "/",
    **dict.fromkeys((r"\left", r"\right", r"\bigl", r"\bigr", r"\big", r"\Big", r"\displaystyle", r"\!"), ""),
    **dict.fromkeys((r"\quad", r"\,", r"\;", r"\:", "\\ ", "~"), " "),
}
_COMMAND = re.compile("|".join(re.escape(c) + ("(?![a-zA-Z])" if c[-1].isalpha() else "") for c in _COMMANDS))
_FRACTION = re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))")
_CROSS = re.compile(r"([0-9)]\s{0,3})[xX](?=\s{0,3}[0-9(])")
_MATH_MARKS = re.compile(r"\$|`|\\[()\[\]]")
_BRACKETS = str.maketrans("[]", "()")
_LABEL = re.compile(r"^\s*+[A-Za-z ]{1,40}(?::| is )\s*+")
_BULLET = re.compile(r"^(?:[-*>]|[0-9]{1,3}\))\s+|\s+-+$")
# A word with a bracket right after it is a function; it must not be cut off from what it is applied to.
_PROSE = re.compile(
    r"(?<![\\A-Za-z0-9_])[A-Za-z']++(?![\w(\[{\\])|(?:(?!\d)[\u00c0-\u024f\u0370-\u1fff\u3040-\u9fff\uac00-\ud7af])+|[:;]|[,.?](?=\s|$)|=>|[→⇒]|\\(?:Rightarrow|to)\b"
)
_OPERATION = re.compile(r"[0-9)}]\s{0,3}[-+*/^]|\\[dtc]?frac")


class _Game(NamedTuple):
    """The numbers, sorted, and what they shall make."""

    numbers: list[int]
    target: int


class CountdownVerifier:
    """Judges Countdown by ``problem.metadata``: ``{"numbers": [3, 5, 7], "target": 38}``.

    The numbers may be called `nums`, and both may stand as JSON in ``problem.reference`` instead.
    """

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the last expression of an answer."""
        game = _game(problem.metadata) or _game(_json(problem.reference))
        if game is None:
            return Judgement(outcome="unverifiable", method="exact", reason="the problem has no numbers and target")
        claim = _last_claim(answer, game)
        if claim is None:
            return Judgement(outcome="incorrect", method="exact", reason="no expression")
        expression, *others = claim
        reason = _fault(expression, others, game)
        outcome = "incorrect" if reason else "correct"
        return Judgement(outcome=outcome, extracted=expression[:MAX_SHOWN], method="exact", reason=reason)


def _game(data: Mapping[str, object]) -> _Game | None:
    numbers, target = data.get("numbers", data.get("nums")), data.get("target")
    if not isinstance(numbers, list) or not numbers or type(target) is not int:
        return None
    given = cast(list[object], numbers)
    if any(type(number) is not int for number in given):
        return None
    return _Game(sorted(cast(list[int], given)), target)


def _json(reference: str | None) -> Mapping[str, object]:
    try:
        data = json.loads(reference or "{}")
    except (ValueError, RecursionError):
        return {}
    return cast(Mapping[str, object], data) if isinstance(data, dict) else {}


def _fault(expression: str, others: list[str], game: _Game) -> str:
    """Why an expression, or what it is said to equal, is wrong; empty if all is right."""
    try:
        value, used = evaluate(expression), sorted(numbers_in(expression))
    except ExpressionError as error:
        return str(error)
    if used != game.numbers:
        return f"uses {' '.join(map(str, used))} instead of {' '.join(map(str, game.numbers))}"
    if value != game.target:
        return f"gives {str(value)[:40]}, not {game.target}"
    wrong = [other for other in others if not _equals(other, game.target)]
    return f"says that it equals {wrong[0][:40]}, not {game.target}" if wrong else ""


def _equals(text: str, target: int) -> bool:
    try:
        return evaluate(text.removeprefix("-")) * (-1 if text.startswith("-") else 1) == target
    except ExpressionError:
        return False


def _last_claim(answer: str, game: _Game) -> list[str] | None:
    """The last chain of equations that is no mere step: first the part that uses the numbers, if one does."""
    marked = last_marked(answer)
    if marked is not None:
        return _chain(_plain(marked), game) if marked else None
    step = None
    for calculation in reversed(_calculations(answer[-MAX_READ:])):
        chain = _chain(calculation, game)
        if len(chain) == 1 or _uses(chain[0], game):
            return chain
        step = step or chain
    return step


def _calculations(text: str) -> list[str]:
    """The pieces of a text that hold an operation; if none does, the last that holds a number."""
    split = (piece.strip(" \t*\"'") for line in _plain(text).splitlines() for piece in _PROSE.split(line))
    pieces = [_BULLET.sub("", piece) for piece in split if any("0" <= char <= "9" for char in piece)]
    return [piece for piece in pieces if _OPERATION.search(piece)] or pieces[-1:]


def _chain(text: str, game: _Game) -> list[str]:
    """The parts that a chain claims to be equal; the part that uses the numbers comes first."""
    text = text.strip().rstrip(".,;!" if "=" in text else ".,;")  # without an equation, "!" may be a factorial
    if len(text) > MAX_CLAIM:
        return [text]
    while (folded := _FRACTION.sub(r"((\1\2)/(\3\4))", text)) != text:
        text = folded
    # "**" only at the ends: within, it is a power, and must not be taken for bold type
    parts = [part.strip(" *") for part in text.split("=") if part.strip(" *?")] or [""]
    return sorted(parts, key=lambda part: not _uses(part, game))


def _uses(expression: str, game: _Game) -> bool:
    try:
        return sorted(numbers_in(expression)) == game.numbers
    except ExpressionError:
        return False


def _plain(text: str) -> str:
    """The text with ``+ - * /`` for every other way to write them, and without marks of mathematics."""
    text = _MATH_MARKS.sub(" ", text.translate(_SIGNS))
    text = _COMMAND.sub(lambda found: _COMMANDS[found[0]], text)
    return _LABEL.sub("", _CROSS.sub(r"\1*", text).translate(_BRACKETS))
