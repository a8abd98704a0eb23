"""What is wrong with a file that should be a recipe, in words that lead to the line and the nearest good key."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from distill.errors import did_you_mean


class PartError(ValueError):
    """A refusal from inside a validator that knows its place better than pydantic does."""

    def __init__(self, where: Sequence[str | int], message: str) -> None:
        super().__init__(message)
        self.where = tuple(where)


def explained(
    error: ValidationError, model: type[BaseModel], path: Path, node: yaml.Node | None, overrides: Sequence[str]
) -> str:
    """A line for each mistake: its place, its key, its value, and what would be right.

    Args:
        error: Of pydantic.
        model: What was to be read.
        path: The file.
        node: Its YAML, for the lines.
        overrides: ``a.b.c=value`` items that were applied to it; a mistake in one is theirs, not the file's.
    """
    lines: list[str] = []
    for item in error.errors():
        where = [part for part in item["loc"] if not _is_branch_tag(part)]
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, PartError):
            where = list(cause.where)
        key = ".".join(map(str, where))
        place = _place_of(node, where, path)
        if key and any(_meet(override.partition("=")[0], key) for override in overrides):
            place = "--set"
        lines.append(f"{place}: {_sentence(item, key, cause, model)}")
    return "\n".join(dict.fromkeys(lines))


def _meet(one: str, other: str) -> bool:
    """Whether a dotted key is, or holds, the other."""
    return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")


def _is_branch_tag(part: str | int) -> bool:
    # pydantic names the tried branch of a union in the location: 'str', 'Scratch', 'function-before[...]'
    return isinstance(part, str) and (part in ("str", "Scratch") or "[" in part)


def _sentence(item: Any, key: str, cause: object, model: type[BaseModel]) -> str:
    if item["type"] == "extra_forbidden":
        *parents, last = key.split(".")
        names = _known_keys(model, parents)
        hint = did_you_mean(last, names)
        return f"unknown key {key!r} (value {item['input']!r:.60}).{hint} Keys here: {', '.join(names)}"
    if item["type"] == "missing":
        return f"{key} is missing"
    if cause is not None:
        return f"{key}: {cause}" if key else str(cause)
    return f"{key} is {item['input']!r:.60}: {item['msg'][0].lower()}{item['msg'][1:]}"


def _known_keys(root: type[BaseModel], parents: Sequence[str]) -> list[str]:
    model: Any = root
    for part in parents:
        field = model.model_fields.get(part)
        if field is None:
            return []
        model = next((m for m in _models_in(field.annotation)), None)
        if model is None:
            return []
    return list(model.model_fields)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for argument in getattr(annotation, "__args__", ()) for m in _models_in(argument)]


def _place_of(node: yaml.Node | None, where: Sequence[str | int], path: Path) -> str:
    """File and line, from 1, of the deepest part that is written down, here or in a file that this one extends."""
    place = f"{path}, line 1"
    for part in where:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key_node, value_node in node.value:
                if key_node.value == str(part):
                    place, found = _own_place(key_node, path), value_node
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            place, found = _own_place(node.value[part], path), node.value[part]
        if found is None:
            return place
        node = found
    return place


def _own_place(node: yaml.Node, path: Path) -> str:
    mark = node.start_mark
    return f"{mark.name or path}, line {mark.line + 1}" if mark else f"{path}, line 1"
