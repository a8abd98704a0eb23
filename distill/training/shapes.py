"""Shapes of well-known models (`shapes.yaml`): enough to plan a training, without the hub and without weights."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from distill import plugins, yaml12

FILE = Path(__file__).with_suffix(".yaml")


class Shape(NamedTuple):
    """A model's architecture."""

    config: dict[str, Any]
    """Keys of transformers' config class, `model_type` among them."""
    parameters: float
    """In billions, as published."""


@cache
def shapes() -> dict[str, Shape]:
    """Every shape that is known here, by the model's hub id."""
    entries: list[dict[str, Any]] = yaml12.load(FILE.read_text(encoding="utf-8"))
    return {name: Shape(entry["config"], entry["parameters"]) for entry in entries for name in entry["models"]}


def config_of(model: str) -> Any:
    """The config of a model whose shape is known here, as transformers has it; None if it is not.

    Only sizes are as the model's own: how it places tokens (RoPE) and where it stops are not in it.
    """
    shape = shapes().get(model)
    if shape is None:
        return None
    transformers = plugins.need("transformers", "training", "train")
    return transformers.AutoConfig.for_model(**shape.config)
