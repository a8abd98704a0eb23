"""`--set a.b.c=value`: the one way to change a recipe without editing it."""

from collections.abc import Sequence
from typing import Any

import yaml

from distill import yaml12
from distill.errors import RecipeError


def apply(data: dict[str, Any], override: str) -> None:
    """Change `data` as an override says. Values are YAML; an item of a list is addressed by its index, from 0.

    Raises:
        RecipeError: If the override has no key or no value, or its key leads nowhere.
    """
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"--set {override!r} is not of the form key.subkey=value")
    try:
        value = yaml12.load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"--set {override!r}: the value is not YAML: {error}") from None
    *parents, last = key.split(".")
    block: Any = data
    for depth in range(len(parents)):
        block = _enter(block, parents[: depth + 1], override)
    block[_place(block, last, override)] = value


def _enter(block: Any, path: Sequence[str], override: str) -> Any:
    """The block below, made or grown from its short form if need be."""
    place = _place(block, path[-1], override)
    child: Any = block.get(place) if isinstance(block, dict) else block[place]
    if child is None:
        child = {}
    elif isinstance(child, str):  # `correct` is short for {use: correct}
        child = {"use": child}
    elif path[-1] == "samples" and isinstance(child, int):  # `4` is short for {min: 4, max: 4}
        child = {"min": child, "max": child}
    elif not isinstance(child, (dict, list)):
        raise RecipeError(f"--set {override!r}: {'.'.join(path)} is {child!r}, which has no keys of its own")
    block[place] = child
    return child  # pyright: ignore[reportUnknownVariableType]


def _place(block: Any, part: str, override: str) -> str | int:
    if isinstance(block, dict):
        return part
    length = len(block)
    if not part.isdigit() or int(part) >= length:
        raise RecipeError(f"--set {override!r}: {part!r} is not an index of a list of {length}; the first is 0")
    return int(part)
