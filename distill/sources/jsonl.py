r"""Problems of your own: a file with one JSON object a line.

    {"prompt": "What is 6 times 7?", "answer": "42"}

A line that cannot be used is an error that names it, never a problem less.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn, cast

from distill import assets
from distill.errors import DataError
from distill.sources.rows import Reading, Row, check_limit
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
        metadata_columns: Sequence[str] = (),
        domain: str = "",
        limit: int | None = None,
    ) -> None:
        check_limit(limit, f"jsonl {path}")
        self.path = _find(path)
        self.limit = limit
        found = self.path.stat()
        self.fingerprint = f"{self.path.resolve()} {found.st_size} {found.st_mtime_ns}"
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
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                place = f"{self.path}, line {number}"
                yield self._reading.problem(_row(line, place), place)
                count += 1
                if count == self.limit:
                    return
        if not count:
            raise DataError(f"no problems in {self.path}: it is empty; give a file with one JSON object a line")


def _find(path: str) -> Path:
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
