"""What is taught from the traces that were kept. A builder turns one problem's traces into examples.

A builder of your own is a callable, called with the recipe's options, that returns something shaped like `Builder`;
name it as ``build: my_package.module:my_builder``, or export it as an entry point of the group ``distill.builders``.
"""

from collections.abc import Iterable
from typing import Protocol

from distill.formats import TraceFormat
from distill.selectors import Candidate
from distill.types import Example


class Builder(Protocol):
    """Makes examples in the student's trace format."""

    def __call__(self, candidate: Candidate, trace_format: TraceFormat) -> Iterable[Example]:
        """The examples that one kept trace gives."""
        ...
