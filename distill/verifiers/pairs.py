"""A reference and a response as people have them: which verifier they are for."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from distill import plugins
from distill.types import Problem

DEFAULT = "math"
ALIASES = {"mcq": "choice", "multiple_choice": "choice", "programming": "code"}
"""Kinds of problems, as data sets call them, that are not the name of their verifier."""

Options = Sequence[object] | Mapping[str, object]


def verifier_for(kind: str | None, options: Options | None, tests: object, default: str = DEFAULT) -> str:
    """The verifier that a pair is for: what its kind says, else what it brings along, else the default.

    Args:
        kind: A verifier's name, or an alias of one. Another kind says nothing: data sets use the word for much.
        options: Those of multiple choice.
        tests: Those of a program.
        default: For all others.
    """
    if kind is not None and (named := _named(kind)):
        return named
    if options:
        return "choice"
    return "code" if tests else default


@lru_cache(maxsize=1024)
def _named(kind: str) -> str | None:
    # known names only: a file of data must not say what is imported, as `package.module:Name` would
    name = kind.strip().lower().replace("-", "_").replace(" ", "_")
    name = ALIASES.get(name, name)
    return name if name in plugins.known("verifiers") else None


def problem_for(
    *,
    id: str,
    prompt: str,
    reference: str | None,
    verifier: str,
    options: Options | None,
    tests: object,
    metadata: Mapping[str, Any] | None = None,
) -> Problem:
    """The pair's problem: options and tests are where verifiers look for them."""
    given = {"options": options, "tests": tests}
    known = {key: value for key, value in given.items() if value}
    return Problem(id=id, prompt=prompt, verifier=verifier, reference=reference, metadata={**(metadata or {}), **known})
