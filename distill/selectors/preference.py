"""Which of several traces to take first: the order in which the choices walk."""

from collections.abc import Callable
from typing import Literal, get_args

from distill.errors import RecipeError, did_you_mean
from distill.selectors import Candidate, Context
from distill.selectors.limo import limo_score

Preference = Literal["first", "shortest", "longest", "random", "limo"]

_PLACES: dict[str, Callable[[Candidate, Context], float]] = {
    "first": lambda candidate, _: candidate.trace.sample,
    "shortest": lambda candidate, context: context.count_tokens(candidate.trace),
    "longest": lambda candidate, context: -context.count_tokens(candidate.trace),
    "random": lambda candidate, context: context.chance(candidate.trace.id),
    "limo": lambda candidate, context: -limo_score(candidate, context),
}


def place_by(prefer: Preference) -> Callable[[Candidate, Context], float]:
    """A function whose smallest values are taken first.

    Raises:
        RecipeError: If there is no such preference.
    """
    if prefer not in _PLACES:
        names = get_args(Preference)
        raise RecipeError(f"prefer is {prefer!r}.{did_you_mean(prefer, names)} Choose one of {', '.join(names)}")
    return _PLACES[prefer]


def group_of(candidate: Candidate, by: str) -> str:
    """The group that a trace belongs to.

    Args:
        candidate: The trace.
        by: ``domain``, ``source`` or ``verifier`` of its problem, ``teacher``, or ``metadata.<key>``.

    Raises:
        RecipeError: If `by` is none of them.
    """
    problem = candidate.problem
    match by.partition("."):
        case ("metadata", ".", key):
            return str(problem.metadata.get(key, ""))
        case ("domain" | "source" | "verifier", "", ""):
            return getattr(problem, by)
        case ("teacher", "", ""):
            return candidate.trace.teacher
        case _:
            raise RecipeError(f"by is {by!r}; choose domain, source, verifier, teacher or metadata.<key>")
