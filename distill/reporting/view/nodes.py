"""What a piece of the page is on its way there."""

from typing import Any

Node = str | list[Any]
"""Text; or an element as ``[tag, attributes, *children]``. The page refuses tags and attributes unknown to it."""
