"""The step of the filter: of equal and of nearly equal problems, or traces, one stays."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast, get_args

from distill.errors import RecipeError, did_you_mean
from distill.selectors import Candidate, Context, Drop, Measured, Ruling, Value
from distill.selectors.duplicates.shelf import Fate, Shelf, Stored
from distill.selectors.duplicates.shingles import Bands, as_sketch, shingles, similarity, sketch
from distill.selectors.duplicates.text import answer_key, constants, tokens
from distill.types import Problem

Of = Literal["problem", "trace"]
Prefer = Literal["longest", "shortest"]

SHINGLE = {"problem": 3, "trace": 5}
"""Tokens of a shingle: one changed word of a prompt must not change most of its shingles."""
SKETCH = {"problem": 1024, "trace": 256}
"""Hashes that are kept of each text."""
SHORT = 32
"""Tokens below which two traces of different problems can be the same by chance: "So it is 5." says nothing."""
REMEMBERED = 1_024
"""Problems whose measure is kept: siblings are near each other in most runs."""


class Text(NamedTuple):
    """What is measured of a text."""

    length: int
    key: bytes
    """The same for texts that differ in nothing but notation."""
    buckets: bytes
    sketch: bytes


class Dedup:
    """Keep one of each group of equal or nearly equal problems, or traces.

    Problems that differ in a number or a sign are no duplicates, nor are near ones whose answers differ. All traces of
    a problem stay or go with it.

    Args:
        of: What is compared: the ``problem``, or the text of the ``trace``.
        near: Jaccard similarity of the shingles from which two are near copies; None finds only equal ones.
        ngram: Tokens of a shingle; 3 of a problem and 5 of a trace if not given.
        prefer: Which stays: the ``longest`` or the ``shortest`` text; of equal ones that with a reference, then that
            with the smallest id.

    Raises:
        RecipeError: If an option cannot be meant.
    """

    def __init__(
        self, *, of: Of = "problem", near: float | None = 0.8, ngram: int | None = None, prefer: Prefer = "longest"
    ) -> None:
        _check(of, near, ngram, prefer)
        self.of: Of = of
        self.near = near
        self._ngram = ngram or SHINGLE[of]
        self._sign = -1 if prefer == "longest" else 1
        self._bands = Bands(near) if near else None
        self._text_of_prompt = lru_cache(REMEMBERED)(self._text)

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        """The order of preference, the problem, its answer, and what its text is compared by."""
        problem = candidate.problem
        if self.of == "problem":
            text = self._text_of_prompt(_statement(problem), "")
            answer, lacks = problem.reference, problem.reference is None
        else:
            text = self._text(f"{candidate.trace.thinking}\n{candidate.trace.answer}", problem.id)
            answer, lacks = candidate.verdict.extracted, False
        place = self._sign * text.length
        return place, text.key, lacks, problem.id, answer_key(answer), text.buckets, text.sketch

    def _text(self, text: str, problem_id: str) -> Text:
        """Measure a text; a short trace is another in every problem."""
        found = tokens(text)
        joined = " ".join(found)
        own = problem_id if len(found) < SHORT else ""
        key = hashlib.blake2b(f"{own}\n{joined}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if self._bands is None:
            return Text(len(joined), key, b"", b"")
        kind = " ".join(constants(found)) if self.of == "problem" else own
        hashes = shingles(found, self._ngram)
        buckets = self._bands.buckets(hashes, _digest64(kind))
        return Text(len(joined), key, buckets.tobytes(), sketch(hashes, SKETCH[self.of]).tobytes())

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        """The first of each group stays, in the order of preference."""
        num_bands = self._bands.count if self._bands else 0
        with tempfile.TemporaryDirectory(prefix="dedup-", dir=context.scratch) as folder:
            shelf = Shelf(Path(folder), num_bands)
            try:
                self._fill(shelf, measured)
                shelf.find_near(self._compare)
                for fate in shelf.fates():
                    yield Ruling(fate.row, self._drop(fate))
            finally:
                shelf.close()

    def _fill(self, shelf: Shelf, measured: Iterator[Measured]) -> None:
        for _, same in groupby(measured, key=lambda found: found.values[1]):
            first: Measured | None = None
            for found in same:
                if first is None:
                    first = found
                    _, _, _, _, answer, buckets, text = cast(tuple[Any, ...], found.values)
                    shelf.add(self._id(found), answer, buckets, text)
                shelf.add_row(found.row, self._id(found) != self._id(first))

    def _id(self, found: Measured) -> str:
        return found.problem_id if self.of == "problem" else found.trace_id

    def _compare(self, one: Stored, other: Stored) -> float | None:
        """How similar two texts are; None if they are no near copies."""
        if one.answer and other.answer and one.answer != other.answer:
            return None
        found = similarity(as_sketch(one.sketch), as_sketch(other.sketch), SKETCH[self.of])
        # the constants of problems are equal already: they are part of their buckets
        least = found.whole if self.of == "problem" else min(found)
        return found.whole if self.near and least >= self.near else None

    def _drop(self, fate: Fate) -> Drop | None:
        if fate.similarity is not None:
            detail = f"near copy of {fate.original}, similarity {fate.similarity:.2f}"
            return Drop(f"near copy of another {self.of}", detail)
        return Drop(f"copy of another {self.of}", f"copy of {fate.original}") if fate.is_copy else None


def _check(of: str, near: object, ngram: object, prefer: str) -> None:
    for name, value, known in (("of", of, get_args(Of)), ("prefer", prefer, get_args(Prefer))):
        if value not in known:
            hint = did_you_mean(str(value), known)
            raise RecipeError(f"filter step 'dedup': {name} is {value!r}.{hint} Choose one of {', '.join(known)}")
    if near is not None and not (isinstance(near, int | float) and 0 < near <= 1):
        raise RecipeError(
            f"filter step 'dedup': near is {near!r}; it is a similarity above 0 and at most 1, or null for equal ones"
        )
    if ngram is not None and not (isinstance(ngram, int) and ngram >= 1):
        raise RecipeError(f"filter step 'dedup': ngram is {ngram!r}; a shingle has at least one token")


def _statement(problem: Problem) -> str:
    """The prompt, and the options to choose from if they do not stand in it."""
    options: Any = problem.metadata.get("options")
    if isinstance(options, Mapping):
        options = list(cast(Mapping[str, Any], options).values())
    if not isinstance(options, Sequence) or isinstance(options, str):
        return problem.prompt
    missing = [str(option) for option in cast(Sequence[Any], options) if str(option) not in problem.prompt]
    return "\n".join([problem.prompt, *missing])


def _digest64(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")
