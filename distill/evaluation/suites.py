"""Suites: named sets of held-out problems. A suite is a YAML file in eval/, or your own by its path.

name: countdown-tiny
sources: [{use: countdown, split: heldout, count: 300, ...}]
"""

from collections.abc import Iterator
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from distill import assets, plugins, yaml12
from distill.errors import RecipeError
from distill.recipe import PartUse, Section
from distill.types import Problem


class Suite(Section):
    """What is measured: problems, and where they come from."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    sources: list[PartUse] = Field(min_length=1)

    def problems(self) -> Iterator[Problem]:
        """The suite's problems; the same for every run, whatever the recipe's seed."""
        seen: set[str] = set()
        for source in self.sources:
            for problem in plugins.build("sources", source.use, source.options):
                if problem.id not in seen:
                    seen.add(problem.id)
                    yield problem


def load_suite(name: str) -> Suite:
    """A shipped suite by its name, or a file by its path.

    Raises:
        RecipeError: If there is none, or it is not a suite.
    """
    path: Path = assets.find("eval", name)
    try:
        return Suite.model_validate(yaml12.load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise RecipeError(f"{path} is not a suite: {error}") from None
