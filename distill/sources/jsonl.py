r"""Problems of your own: a file with one JSON object a line.

    {"prompt": "What is 6 times 7?", "answer": "42"}

A line that cannot be used is an error that names it, never a problem less.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, cast

from distill import assets
from distill.errors import DataError
from distill.sources.rows import MetadataColumns, Reading, Row, check_limit
from distill.types import Problem


class JsonlSource:
    """The problems of a JSON Lines file, in its order.

    Args:
        path: The file: absolute, or relative to the current directory or to the `datasets/` that ship with distill.
        verifier: Name of the verifier that judges answers.
        prompt_column: The column that holds the prompt.
        reference_column: The column that holds the accepted answer; None if the verifier needs only metadata.
        prompt: Text with ``{column}`` fields, instead of a prompt column.
        metadata_columns: Columns that the verifier needs besides, such as `options`, `numbers`, `target`.
        domain: What the problems are about.
        limit: How many problems at most; a larger one only adds to the end.
    """

    def __init__(
        self,
        *,
        path: str,
        verifier: str,
        prompt_column: str = "prompt",
        reference_column: str | None = "answer",
        prompt: str | None = None,
        metadata_columns: MetadataColumns = (),
        domain: str = "",
        limit: int | None = None,
    ) -> None:
        check_limit(limit, f"jsonl {path}")
        self.path = find(path)
        self.limit = limit
        self.fingerprint = fingerprint_of(self.path)
        self._reading = Reading(
            verifier=verifier,
            prompt="{" + prompt_column + "}" if prompt is None else prompt,
            reference_column=reference_column,
            source=path,
            domain=domain,
            metadata_columns=metadata_columns,
        )

    def __iter__(self) -> Iterator[Problem]:
        """The problems.

        Raises:
            DataError: If a line cannot be used, or there is none.
        """
        count = 0
        for row, place in rows_of(self.path):
            yield self._reading.problem(row, place)
            count += 1
            if count == self.limit:
                return
        if not count:
            raise DataError(f"no problems in {self.path}: it is empty; give a file with one JSON object a line")


def rows_of(path: Path) -> Iterator[tuple[Row, str]]:
    """Every row of a file, with its place for errors.

    Raises:
        DataError: If a line is not a JSON object.
    """
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                place = f"{path}, line {number}"
                yield _row(line, place), place


def num_rows(path: Path) -> int:
    """How many lines of a file hold a row."""
    with path.open("rb") as file:
        return sum(not line.isspace() for line in file)


def fingerprint_of(path: Path) -> str:
    """What changes when a file does."""
    found = path.stat()
    return f"{path.resolve()} {found.st_size} {found.st_mtime_ns}"


def find(path: str) -> Path:
    """A file: absolute, or relative to the current directory or to the `datasets/` that ship with distill.

    Raises:
        DataError: If there is none.
    """
    shelf = assets.shelf("datasets")
    for candidate in (Path(path).expanduser(), shelf / path):
        if candidate.is_file():
            return candidate
    raise DataError(f"no file {path}: looked in {Path.cwd()} and in {shelf}; give a path that exists")


def _row(line: bytes, place: str) -> Row:
    try:
        row: object = json.loads(line.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        shown = line[:80].decode(errors="replace").rstrip()
        raise DataError(f"{place}: not JSON: {error}. The line starts with {shown!r}") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: not a JSON object but {row!r:.80}; each line is an object of columns")
    return cast(Row, row)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
