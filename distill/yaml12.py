"""YAML as people write numbers: `2e-5` is a number, as YAML 1.2 says, not the string that YAML 1.1 makes of it."""

import re
from typing import Any

import yaml


class Loader(yaml.SafeLoader):
    """The safe loader, with the numbers of YAML 1.2."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    # Three digits of exponent at most: a commit's hash can be digits with an e among them.
    re.compile(r"^[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?[eE][-+]?[0-9]{1,3}$"),
    list("-+0123456789"),
)


def load(text: str) -> Any:
    """The document's data."""
    return yaml.load(text, Loader=Loader)


def compose(text: str, name: str = "") -> yaml.Node | None:
    """The document's nodes, which know their lines, and the name of their file if it is given."""
    loader = Loader(text)
    loader.name = name or loader.name
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def construct(node: yaml.Node | None) -> Any:
    """The data that nodes stand for."""
    return None if node is None else Loader("").construct_document(node)
