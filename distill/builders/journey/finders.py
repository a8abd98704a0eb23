"""Where a thought first goes wrong. A finder looks for the first error, and says what is wrong with it.

A finder of your own is a callable shaped like `Finder`; name it in ``find`` as ``package.module:my_finder``.
"""

import re
from collections.abc import Awaitable, Mapping
from typing import NamedTuple, Protocol

from distill.builders import Workshop
from distill.builders.journey.countdown import countdown_slip
from distill.builders.journey.equations import equations
from distill.builders.journey.slips import Slip
from distill.builders.journey.steps import Step, steps
from distill.types import Problem

_NUMBER = re.compile(r"(?<![0-9.])[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?(?![0-9])")


class Case(NamedTuple):
    """A thought that ended in a wrong answer, and one that ended in a right one."""

    problem: Problem
    wrong: str
    right: str
    """Empty if there is none to hold it against."""


class Finder(Protocol):
    """Finds the first error of a wrong thought."""

    def __call__(self, case: Case, workshop: Workshop) -> Slip | Awaitable[Slip | None] | None:
        """The first error; None if it finds none. One that asks a model is ``async``."""
        ...


def arithmetic(case: Case, workshop: Workshop | None = None) -> Slip | None:
    """The first false equation, by exact arithmetic. It sees no other kind of error."""
    return next(
        (Slip(e.start, e.end, e.text, e.truth, "a false equation") for e in equations(case.wrong) if e.is_false), None
    )


def countdown(case: Case, workshop: Workshop | None = None) -> Slip | None:
    """The first false result, false comparison with the target, or number that is not there, exactly."""
    return countdown_slip(case.problem.metadata, case.wrong)


def divergence(case: Case, workshop: Workshop | None = None) -> Slip | None:
    """The first step with a result that the right thought never comes to. A guess: another way is no error.

    Where the right thought gives the same calculation another result, that is what holds instead.
    """
    if not case.right:
        return None
    results = {equation.left.replace(" ", ""): equation for equation in equations(case.right)}
    reached = {number.replace(",", "") for number in _NUMBER.findall(case.problem.prompt + "\n" + case.right)}
    for step in steps(case.wrong):
        for equation in equations(step.text):
            other = results.get(equation.left.replace(" ", ""))
            if other and other.said.replace(" ", "") != equation.said.replace(" ", ""):
                start, end = step.start + equation.start, step.start + equation.end
                return Slip(start, end, equation.text, other.text, "a result that differs")
        result = _result(step)
        if result and result.replace(",", "") not in reached:
            return Slip.of_step(step, "a result that differs")
    return None


def _result(step: Step) -> str | None:
    """The number that a step comes to: the first behind its last equals sign."""
    _, equals, said = step.text.rpartition("=")
    found = _NUMBER.search(said) if equals else None
    return found[0] if found else None


JUDGE_FREE: Mapping[str, Finder] = {"arithmetic": arithmetic, "countdown": countdown, "divergence": divergence}
"""Those that ask no model, by the names that ``find`` takes."""
