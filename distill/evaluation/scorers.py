"""Scorers: which of several replies to take, or which of several beginnings to go on with.

One of your own is a callable ``(problem, text) -> float``, higher is better, made by a factory that takes the recipe's
options; name it as ``package.module:Name``, or export it as an entry point of the group ``distill.scorers``. It never
sees the reference. A process reward model is asked from inside such a callable.
"""

from typing import Protocol

import msgspec

from distill.types import Problem


class Scorer(Protocol):
    """Scores a reply, or the beginning of one."""

    def __call__(self, problem: Problem, text: str) -> float:
        """How good the text looks, as an answer to the problem or on the way to one."""
        ...


class Length:
    """Likes short replies, or long ones: the baseline that any other scorer has to beat.

    Args:
        prefer: ``short`` or ``long``.
    """

    def __init__(self, *, prefer: str = "short") -> None:
        if prefer not in ("short", "long"):
            raise ValueError(f"prefer is {prefer!r}; choose short or long")
        self.sign = 1 if prefer == "long" else -1

    def __call__(self, problem: Problem, text: str) -> float:
        """The text's length, or minus that."""
        return float(self.sign * len(text))


def without_reference(problem: Problem) -> Problem:
    """The problem as a scorer may see it."""
    hidden = {key: value for key, value in problem.metadata.items() if key not in ("reference", "tests")}
    return msgspec.structs.replace(problem, reference=None, metadata=hidden)
