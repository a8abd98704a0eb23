"""Distil a reasoning teacher into a small student: generate, filter, train, eval, from one recipe file."""

from distill.types import Decision, Example, Judgement, Message, Problem, Trace, Verdict

__version__ = "0.1.0"
__all__ = ["Decision", "Example", "Judgement", "Message", "Problem", "Trace", "Verdict", "__version__"]
