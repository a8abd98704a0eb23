"""Traces that were made elsewhere: rows of a hub's dataset, of a Parquet file or of a JSONL file, one by one.

An adopter of your own is a callable that returns an iterable of `Adopted`; name it in a recipe as
``{use: my_package.module:MyAdopter, ...}``, or export it as an entry point of the group ``distill.adopters``.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from typing import Any, NamedTuple, Protocol

from distill.errors import DataError
from distill.sources import card as cards
from distill.sources.jsonl import find, fingerprint_of, num_rows, rows_of
from distill.sources.replies import ReplyReader, Told
from distill.sources.rows import Reading, Row, check_limit
from distill.sources.table import HubTable, numbered
from distill.types import Problem


class Adopted(NamedTuple):
    """A row that holds traces."""

    problem: Problem
    told: list[Told]
    """At least one."""
    system: str = ""
    """The system prompt that it was written under."""


class Adopter(Protocol):
    """Gives rows with traces, in an order that never changes. A larger `limit` only adds to the end.

    It may have an attribute `skipped`, a counter of the rows that it left out, by their reason, and `verifier`, the
    name of the one that its problems need, which is then tried before anything is read.
    """

    identity: list[Any]
    """What tells this set and the model that wrote it from others: path, revision, model."""
    fingerprint: str | None
    """Which version of its data it reads; None if it cannot say."""
    limit: int | None

    def __iter__(self) -> Iterator[Adopted]:
        """The rows that hold a trace."""
        ...

    def num_rows(self) -> int | None:
        """How many rows there are, where that is known without reading them."""
        ...


class _Rows:
    """What the adopters here share: rows to problems and replies, up to a limit; those left out are counted."""

    def __init__(self, traces: cards.Traces, verifier: str, limit: int | None) -> None:
        self.verifier = verifier
        self.reader = ReplyReader(traces)
        self.model = traces.model
        self.limit = limit
        self.skipped: Counter[str] = Counter()

    def adopted(
        self, rows: Iterable[tuple[Row, str]], reading: Reading, *, skip_unreferenced: bool
    ) -> Iterator[Adopted]:
        self.skipped.clear()
        count = 0
        for row, place in rows:
            held = self.reader.read(row, place)
            prompt = None if reading.prompt else held.prompt
            if reason := held.reason or ("" if reading.prompt or prompt else "no prompt"):
                self.skipped[reason] += 1
                continue
            problem = reading.problem(row, place, prompt)
            if problem.reference is None and skip_unreferenced:
                self.skipped["no reference"] += 1
                continue
            yield Adopted(problem, held.told, held.system)
            count += 1
            if count == self.limit:
                return


class HubAdopter(_Rows):
    """The traces of a hub's dataset, or of a local copy of it, by a card.

    Args:
        card: A card's name in `datasets/`, or the path of your own; it needs the block `traces`.
        config: Another subset than the card's.
        split: Another split than the card's.
        limit: How many rows with traces at most; a larger one only adds to the end.
        path: Another place than the card's with the same columns: a hub id, a local folder, or a file such as
            rows.parquet.
        revision: Another revision than the card's. What a branch points at is looked up once, and kept with the run.

    Raises:
        MissingExtraError: If `datasets` is not installed.
        DataError: If the card cannot be used.
    """

    def __init__(
        self,
        *,
        card: str,
        config: str | None = None,
        split: str | None = None,
        limit: int | None = None,
        path: str | None = None,
        revision: str | None = None,
    ) -> None:
        check_limit(limit, f"hub {card}")
        self.table = HubTable(
            card, config=config, split=split, path=path, revision=revision, what="generate.adopt 'hub'"
        )
        traces = self.table.card.traces
        if traces is None:
            raise DataError(f"card {card} says nothing of traces: add a block `traces`, as docs/adopt.md shows")
        super().__init__(traces, self.table.card.verifier, limit)

    def pin(self, commits: MutableMapping[str, str]) -> None:
        """Read the commit that a branch pointed at when the run first looked.

        Args:
            commits: By path and revision; what is missing is looked up and added.
        """
        if not self.table.is_local:
            key = f"{self.table.path}@{self.table.revision}"
            if key not in commits:
                commits[key] = self.table.commit()
            self.table.revision = commits[key]

    @property
    def identity(self) -> list[Any]:
        """Path, revision, subset, split and model."""
        table = self.table
        revision = "" if table.is_local else table.revision
        return [table.path, revision, table.config, table.split, self.model]

    @property
    def fingerprint(self) -> str | None:
        """The commit, where it is known."""
        return self.table.fingerprint

    def __iter__(self) -> Iterator[Adopted]:
        """The rows that hold a trace.

        Raises:
            DataError: If the set cannot be reached or read, or a row cannot be used.
        """
        table = self.table
        yield from self.adopted(
            numbered(table),
            table.reading(table.resolved()),
            skip_unreferenced=table.card.skip_without_reference,
        )

    def num_rows(self) -> int | None:
        """How many rows there are, where the set says so."""
        return self.table.num_rows()


class JsonlAdopter(_Rows):
    """The traces of a JSON Lines file of your own.

    Args:
        path: The file: absolute, or relative to the current directory or to the `datasets/` that ship with distill.
        traces: How a row holds its traces: the block of a card.
        verifier: Name of the verifier that judges them.
        prompt_column: The column that holds the prompt; the user's turn of the messages if not given.
        reference_column: The column that holds the accepted answer, if there is one.
        prompt: Text with ``{column}`` fields, instead of a prompt column.
        metadata_columns: Columns that the verifier needs besides.
        domain: What the problems are about.
        domain_column: The column that says so, row by row.
        limit: How many rows with traces at most; a larger one only adds to the end.
    """

    def __init__(
        self,
        *,
        path: str,
        traces: dict[str, Any],
        verifier: str = "math",
        prompt_column: str | None = None,
        reference_column: str | None = None,
        prompt: str | None = None,
        metadata_columns: Sequence[str] = (),
        domain: str = "",
        domain_column: str | None = None,
        limit: int | None = None,
    ) -> None:
        check_limit(limit, f"jsonl {path}")
        block = cards.traces_of(traces, f"generate.adopt, jsonl {path}")
        super().__init__(block, verifier, limit)
        template = prompt if prompt is not None else "{" + prompt_column + "}" if prompt_column else ""
        if not template and block.messages is None:
            raise DataError(f"jsonl {path}: where is the prompt? Give prompt_column, or a prompt with fields")
        self.path = find(path)
        self.identity: list[Any] = [path, "", block.model]
        self.fingerprint: str | None = fingerprint_of(self.path)
        self._reading = Reading(
            verifier=verifier,
            prompt=template,
            reference_column=reference_column,
            source=path,
            domain=domain,
            metadata_columns=metadata_columns,
            domain_column=domain_column,
        )

    def __iter__(self) -> Iterator[Adopted]:
        """The rows that hold a trace.

        Raises:
            DataError: If a line cannot be used.
        """
        return self.adopted(rows_of(self.path), self._reading, skip_unreferenced=False)

    def num_rows(self) -> int | None:
        """How many lines the file has."""
        return num_rows(self.path)
