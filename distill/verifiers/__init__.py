"""Is it right. A verifier judges one answer to one problem.

A verifier of your own is a callable that returns something shaped like `Verifier`; name it in a dataset card or a
source as ``verifier: my_package.module:MyVerifier``, or export it as an entry point of the group ``distill.verifiers``.
It runs in a process of its own that is killed at its deadline (`distill.verifiers.pool`), so it may be slow, but it
must be importable by name.
"""

from typing import Protocol

from distill.types import Judgement, Problem


class Verifier(Protocol):
    """Judges answers. `unverifiable` is for its own failures; a reply without an answer is `incorrect`."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the text that follows the thought."""
        ...
