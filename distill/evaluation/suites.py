"""Suites: named sets of held-out problems, and how they are asked. A YAML file in eval/, or your own by its path.

name: countdown-tiny
sources: [{use: countdown, split: heldout, count: 300, ...}]

A ``.jsonl`` file is a suite too: a problem a line, with `prompt` and `answer` (see `own`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import yaml
from pydantic import Field, ValidationError, model_validator

from distill import assets, plugins, yaml12
from distill.errors import RecipeError
from distill.evaluation.own import own
from distill.recipe import PartUse, Sampling, Section
from distill.types import Problem


class Published(Section):
    """A score that somebody published, to know what to expect. It compares with nothing but its own harness."""

    model: str
    score: float
    """In percent."""
    metric: str
    """Such as ``pass@1[avg64]``."""
    harness: str
    """Who measured it with what."""
    source: str


class Suite(Section):
    """What is measured: problems, where they come from, and how often and how they are asked unless a recipe says."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    sources: list[PartUse] = Field(min_length=1)
    samples: int = Field(default=1, ge=1)
    """Replies to each problem: many for small suites, because their problems alone leave wide intervals."""
    sampling: Sampling | None = None
    """None asks as the recipe does, or by the defaults."""
    published: list[Published] = Field(default_factory=list[Published])

    @model_validator(mode="after")
    def _draws(self) -> Self:
        if self.sampling is not None and self.sampling.temperature == 0 and self.samples > 1:
            raise ValueError(
                f"samples is {self.samples} at temperature 0, which gives the same reply each time: give samples 1, or "
                f"a temperature"
            )
        return self

    def problems(self) -> Iterator[Problem]:
        """The suite's problems; the same for every run, whatever the recipe's seed."""
        seen: set[str] = set()
        for source in self.sources:
            for problem in plugins.build("sources", source.use, source.options):
                if problem.id not in seen:
                    seen.add(problem.id)
                    yield problem

    def asking(self, samples: int | None, sampling: Sampling | None) -> tuple[int, Sampling]:
        """How often and how it is asked.

        Args:
            samples: What a recipe says; the suite's if it says nothing, but once where it asks greedily.
            sampling: What a recipe says; the suite's if it says nothing.
        """
        how = sampling or self.sampling or Sampling()
        return samples or (1 if how.temperature == 0 else self.samples), how


def load_suite(name: str) -> Suite:
    """A shipped suite by its name, or a file by its path.

    Raises:
        RecipeError: If there is none, or it is not a suite.
    """
    if Path(name).suffix == ".jsonl":
        return Suite.model_validate(own(Path(name)))
    path: Path = assets.find("eval", name)
    try:
        return Suite.model_validate(yaml12.load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, ValidationError) as error:
        raise RecipeError(f"{path} is not a suite: {error}") from None
