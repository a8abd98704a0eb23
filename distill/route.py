"""The published road that a recipe follows: where it is written down, what ours changes, and what came out there.

Only to read and to report: nothing that a run does hangs on it, so it may be mended while a run goes on.
"""

from typing import Any, Literal

from pydantic import Field

from distill.sections import Section

Form = Literal["replay", "remake"]


class Departure(Section):
    """One place where ours is not theirs."""

    key: str = Field(min_length=1)
    """The recipe's key, with dots, or a word for what no key holds."""
    theirs: Any = None
    """What the source has; null where it does not say."""
    ours: Any = None
    why: str = Field(min_length=1)


class Expected(Section):
    """A score that the source reports for its own student."""

    metric: str
    """Such as `pass@1`, with the number of samples where it is known."""
    score: float = Field(ge=0)
    """As published: in percent unless the metric says otherwise."""
    harness: str
    """What measured it. Scores of two harnesses are not to be compared."""


class Hardware(Section):
    """What the student was trained on."""

    gpu: str
    """Such as `H100`, as `distill train --dry-run --gpu` takes it."""
    count: int = Field(ge=1)
    launch: str = "ddp"
    """How the GPUs shared the student, as `train.launch.config` says it."""
    per_machine: int = Field(default=8, ge=1)
    """GPUs of each machine."""


class Route(Section):
    """The source of a recipe, and what was published about it."""

    source: list[str] = Field(min_length=1)
    """Addresses: papers, repositories, data sets, model cards."""
    form: Form
    """`replay`: their traces, our training. `remake`: our teacher and our filter too."""
    departures: list[Departure] = Field(default_factory=list[Departure])
    """Every setting known to differ from the source."""
    expected: dict[str, Expected] = Field(default_factory=dict)
    """By suite; those that are not in eval/ are there to read."""
    hardware: Hardware | None = None
    hours: float | None = Field(default=None, gt=0)
    """Of training, on the hardware, as published."""
    dollars: float | None = Field(default=None, gt=0)
    """Of training, in US dollars, as published."""
    examples: int | None = Field(default=None, gt=0)
    """That the student was taught, as published."""
    tokens: float | None = Field(default=None, gt=0)
    """Of an example, prompt and reply together, on average, as published."""
    notes: str = ""
