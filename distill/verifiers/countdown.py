"""Does an expression make the target from the given numbers, each used exactly once. Exact, over fractions.

The answer may be a bare expression, or stand in ``<answer>`` or a box; it may end with ``= target``, and use the signs
of LaTeX or of print. The last candidate counts: a reply that goes on after a right answer has taken it back.
"""

import re
from typing import NamedTuple, cast

from distill.types import Judgement, Problem
from distill.verifiers.arithmetic import MAX_LENGTH, ExpressionError, evaluate, numbers_in
from distill.verifiers.extraction import MAX_SHOWN, last_marked

_SIGNS = {"×": "*", "·": "*", "∗": "*", "÷": "/", "∕": "/", "−": "-", "–": "-"}  # noqa: RUF001
_COMMANDS = {
    r"\times": "*",
    r"\cdot": "*",
    r"\div": "/",
    r"\left": "",
    r"\right": "",
    r"\,": " ",
    r"\!": "",
    r"\;": " ",
}
_PLAIN = re.compile("|".join([*map(re.escape, _SIGNS), *(re.escape(c) + r"(?![a-zA-Z])" for c in _COMMANDS)]))
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_LABEL = re.compile(r"^[A-Za-z ]{1,40}(?::| is )\s*")
_MATH_MARKS = ("$", "**", "`", r"\(", r"\)", r"\[", r"\]")


class _Claim(NamedTuple):
    """An expression as the reply gives it, and what the reply says it equals."""

    expression: str
    value: str | None


class CountdownVerifier:
    """Judges Countdown by ``problem.metadata``: ``{"numbers": [3, 5, 7], "target": 38}``."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the last expression of an answer."""
        numbers, target = problem.metadata.get("numbers"), problem.metadata.get("target")
        if not _are_ints(numbers) or not _are_ints([target]):
            return Judgement(outcome="unverifiable", method="exact", reason="the problem has no numbers and target")
        claim = _last_claim(answer)
        if claim is None:
            return Judgement(outcome="incorrect", method="exact", reason="no expression")
        reason = _fault(claim, sorted(cast(list[int], numbers)), cast(int, target))
        outcome = "incorrect" if reason else "correct"
        return Judgement(outcome=outcome, extracted=claim.expression[:MAX_SHOWN], method="exact", reason=reason)


def _are_ints(values: object) -> bool:
    return isinstance(values, list) and bool(values) and all(type(v) is int for v in cast(list[object], values))


def _fault(claim: _Claim, numbers: list[int], target: int) -> str:
    """Why a claim is wrong; empty if it is right."""
    try:
        value = evaluate(claim.expression)
        used = sorted(numbers_in(claim.expression))
    except ExpressionError as error:
        return str(error)
    if used != numbers:
        return f"uses {' '.join(map(str, used))} instead of {' '.join(map(str, numbers))}"
    if value != target:
        return f"gives {str(value)[:40]}, not {target}"
    if claim.value is not None and not _equals(claim.value, target):
        return f"says that it equals {claim.value[:40]}, not {target}"
    return ""


def _equals(text: str, target: int) -> bool:
    try:
        return evaluate(text.removeprefix("-")) * (-1 if text.startswith("-") else 1) == target
    except ExpressionError:
        return False


def _last_claim(answer: str) -> _Claim | None:
    marked = last_marked(answer)
    if marked is not None:
        return _read(marked) if marked else None
    for line in reversed(answer.splitlines()):
        claim = _read(line)
        if _parses(claim.expression):
            return claim
    return None


def _parses(expression: str) -> bool:
    try:
        evaluate(expression)
    except ExpressionError as error:
        return str(error) == "division by zero"
    return True


def _read(text: str) -> _Claim:
    plain = _plain(text.strip()[: 4 * MAX_LENGTH])
    expression, _, rest = plain.partition("=")
    return _Claim(expression.strip(), rest.rpartition("=")[2].strip() if rest.strip() else None)


def _plain(text: str) -> str:
    """The text with ``+ - * /`` for every other way to write them, and without marks around it."""
    for mark in _MATH_MARKS:
        text = text.replace(mark, " ")
    text = _LABEL.sub("", text.strip().rstrip(".,;"))
    text = _PLAIN.sub(lambda found: _SIGNS.get(found[0], _COMMANDS.get(found[0], "")), text)
    while (folded := _FRACTION.sub(r"((\1)/(\2))", text)) != text:
        text = folded
    return text
