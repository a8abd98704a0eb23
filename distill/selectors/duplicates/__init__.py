"""Which problems, or traces, are copies of each other: equal but for notation, or nearly equal.

`text` says what of a text counts, `shingles` how similar two are, `shelf` finds copies among more than fit in memory,
and `choice` is the step of the filter.
"""

from distill.selectors.duplicates.choice import Dedup

__all__ = ["Dedup"]
