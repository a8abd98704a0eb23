"""Distil a reasoning teacher into a small student: generate, filter, train, eval, from one recipe file."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from distill.types import Decision, Example, Judgement, Message, Problem, Trace, Verdict

__version__ = "0.1.0"
__all__ = ["Decision", "Example", "Judgement", "Message", "Problem", "Trace", "Verdict", "__version__"]


def __getattr__(name: str) -> Any:
    """The nouns, imported when they are first asked for: `distill --help` needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module 'distill' has no attribute {name!r}")
    from distill import types

    return getattr(types, name)
