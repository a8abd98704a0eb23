"""Blocks of a recipe that belong to a library, checked by the library's own class."""

import inspect
from collections.abc import Mapping
from typing import Any

from distill.errors import RecipeError, did_you_mean


def library_config(config_class: Any, options: Mapping[str, Any], place: str) -> Any:
    """The class, made of the options.

    Args:
        config_class: A dataclass, or a class whose constructor names its options.
        options: By the library's own names.
        place: The recipe's key, for errors.

    Raises:
        RecipeError: If an option is not one of the class's, or has a value that it refuses.
    """
    names = [name for name in inspect.signature(config_class).parameters if name != "kwargs"]
    for name in options:
        if name not in names:
            raise RecipeError(f"{place}.{name} is not an option of {config_class.__name__}.{did_you_mean(name, names)}")
    try:
        return config_class(**options)
    except (TypeError, ValueError, AttributeError) as error:
        raise RecipeError(f"{place} is refused by {config_class.__name__}: {error}") from error
