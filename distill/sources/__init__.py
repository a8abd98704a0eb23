"""Where problems come from. A source is an iterable of problems, in an order that never changes.

A source of your own is a callable that returns such an iterable; name it in a recipe as
``{use: my_package.module:MySource, ...}``, or export it as an entry point of the group ``distill.sources``.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from distill.recipe import digest
from distill.types import Problem


class Source(Protocol):
    """Gives problems. A larger `count` or `limit` only adds to the end, so that a run can grow.

    A source may have an attribute `fingerprint`, a text that says which version of its data it reads. While it and the
    recipe stay the same, a run that goes on does not read the source again.
    """

    def __iter__(self) -> Iterator[Problem]:
        """The problems, in a fixed order."""
        ...


def make_problem(
    *,
    prompt: str,
    verifier: str,
    reference: str | None = None,
    source: str = "",
    domain: str = "",
    metadata: dict[str, Any] | None = None,
) -> Problem:
    """A problem whose id is the digest of all that decides whether an answer to it is right."""
    return Problem(
        id=digest([prompt, verifier, reference, metadata or {}], length=12),
        prompt=prompt,
        verifier=verifier,
        reference=reference,
        source=source,
        domain=domain,
        metadata=metadata or {},
    )
