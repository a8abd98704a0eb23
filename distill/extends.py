"""`extends: NAME`: a recipe that says only in what it differs from another.

Mappings are merged key by key, and `{}` empties one; lists and all else are replaced. What is extended may not extend a
third, so whoever reads a recipe opens two files at most. Nodes are merged, not data: each still knows file and line.
"""

from pathlib import Path

import yaml

from distill import assets, yaml12
from distill.errors import RecipeError

KEY = "extends"


def read(path: Path) -> yaml.Node | None:
    """A recipe file's YAML, merged into that of the recipe that it extends, if it does.

    Raises:
        RecipeError: If a file cannot be read, is not YAML, or extends what cannot be extended.
    """
    node = _composed(path)
    name = _taken(node)
    if name is None:
        return node
    place = f"{path}, line {name.start_mark.line + 1}: {KEY}"
    if not isinstance(name, yaml.ScalarNode) or not name.value:
        raise RecipeError(f"{place} names one recipe: a shipped one, or a path to a .yaml")
    if _value(node, "name") is None:
        raise RecipeError(f"{place} {name.value}: a recipe that extends another has a name of its own; give `name`")
    base_path = _find(path, name.value, place)
    base = _composed(base_path)
    if _taken(base) is not None:
        raise RecipeError(f"{place} {name.value}, which extends another itself; extend that one, or copy it")
    return _merged(base, node)


def _find(path: Path, name: str, place: str) -> Path:
    beside = path.parent / name
    if beside.suffix in (".yaml", ".yml") and beside.is_file():
        return beside
    try:
        return assets.find("recipes", name)
    except RecipeError as error:
        raise RecipeError(f"{place}: {error}") from None


def _composed(path: Path) -> yaml.Node | None:
    try:
        return yaml12.compose(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not YAML: {error}") from None


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _taken(node: yaml.Node | None) -> yaml.Node | None:
    """The value of `extends`, which is then no longer there; None if there is none."""
    found = _value(node, KEY)
    if isinstance(node, yaml.MappingNode):
        node.value = [pair for pair in node.value if pair[1] is not found]
    return found


def _merged(base: yaml.Node | None, own: yaml.Node | None) -> yaml.Node | None:
    if not isinstance(base, yaml.MappingNode) or not isinstance(own, yaml.MappingNode) or not own.value:
        return own
    theirs = {str(key.value): value for key, value in base.value}
    pairs = {str(key.value): (key, value) for key, value in base.value}
    for key, value in own.value:
        pairs[str(key.value)] = (key, _merged(theirs.get(str(key.value)), value))
    return yaml.MappingNode(own.tag, list(pairs.values()), own.start_mark, own.end_mark)
