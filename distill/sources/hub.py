"""Problems from the Hugging Face hub, by a card: path, pinned revision, columns, verifier (`distill.sources.card`).

Rows are streamed: a limit of 100 does not download the set. Code of a dataset is never run.
"""

import importlib.metadata
import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from distill import assets, plugins
from distill.errors import DataError, MissingExtraError
from distill.sources import card as cards
from distill.sources.rows import Reading, Row, check_limit
from distill.types import Problem

_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOADERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}

logger = logging.getLogger(__name__)


class HubSource:
    """The problems of a hub's dataset, in its order.

    Args:
        card: A card's name in `datasets/`, or the path of your own.
        split: Another split than the card's.
        limit: How many problems at most; a larger one only adds to the end.
        path: Another place than the card's with the same columns: a hub id, a local folder or file.
        revision: Another revision than the card's.

    Raises:
        MissingExtraError: If `datasets` is not installed.
        DataError: If the card cannot be used.
    """

    num_skipped: int = 0
    """Rows without a reference that were left out so far."""

    def __init__(
        self,
        *,
        card: str,
        split: str | None = None,
        limit: int | None = None,
        path: str | None = None,
        revision: str | None = None,
    ) -> None:
        check_limit(limit, f"hub {card}")
        self.card = cards.load(assets.find("datasets", card))
        self.path = path or self.card.path
        self.revision = revision or self.card.revision
        self.split = split or self.card.split
        self.limit = limit
        is_pinned = bool(_COMMIT.fullmatch(self.revision or "")) and not Path(self.path).exists()
        self.fingerprint = self.revision if is_pinned else None
        # not find_spec: a folder of that name answers to it (`datasets/` in a checkout)
        try:
            importlib.metadata.version("datasets")
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingExtraError("source 'hub'", "hub") from error

    def __iter__(self) -> Iterator[Problem]:
        """The problems.

        Raises:
            DataError: If the set cannot be reached or read, or a row cannot be used.
        """
        self.num_skipped = 0
        count = 0
        reading = self._reading(self._resolved())
        for number, row in enumerate(self._rows()):
            problem = reading.problem(row, f"{self.path}, split {self.split}, row {number}")
            if problem.reference is None and self.card.skip_without_reference:
                self.num_skipped += 1
                continue
            yield problem
            count += 1
            if count == self.limit:
                break
        if self.num_skipped:
            logger.info("%s: left out %d rows without a reference", self.path, self.num_skipped)
        if not count:
            raise DataError(f"no problems in {self.path}, split {self.split}: {self.num_skipped} rows left out")

    def _reading(self, source: str) -> Reading:
        pattern = self.card.reference_pattern
        return Reading(
            verifier=self.card.verifier,
            prompt=self.card.template,
            reference_column=self.card.columns.reference,
            source=source,
            domain=self.card.domain,
            reference_pattern=re.compile(pattern) if pattern else None,
            is_reference_boxed=self.card.reference_boxed,
            metadata_columns=self.card.columns.metadata,
        )

    def _resolved(self) -> str:
        """Path and commit, as problems name their source; what a branch points at is looked up."""
        if Path(self.path).exists():
            return self.path
        if _COMMIT.fullmatch(self.revision):
            return f"{self.path}@{self.revision}"
        hub = plugins.need("huggingface_hub", "source 'hub'", "hub")
        try:
            return f"{self.path}@{hub.HfApi().dataset_info(self.path, revision=self.revision).sha}"
        except Exception as error:
            self._refuse(error)

    def _rows(self) -> Iterator[Row]:
        try:
            yield from self._load()
        except (DataError, MissingExtraError):
            raise
        except Exception as error:  # `datasets` lets through what a dozen libraries below it raise
            self._refuse(error)

    def _load(self) -> Iterable[Row]:
        datasets: Any = plugins.need("datasets", "source 'hub'", "hub")
        local = Path(self.path)
        if local.is_file():
            loader = _LOADERS.get(local.suffix)
            if loader is None:
                raise DataError(
                    f"{self.path}: cannot load a {local.suffix or 'file without suffix'}; "
                    f"give one of {', '.join(_LOADERS)}, or a folder"
                )
            return datasets.load_dataset(loader, data_files={self.split: str(local)}, split=self.split, streaming=True)
        if local.is_dir():
            return datasets.load_dataset(str(local), split=self.split, streaming=True)
        return datasets.load_dataset(
            self.path, self.card.config, split=self.split, revision=self.revision, streaming=True
        )

    def _refuse(self, error: Exception) -> NoReturn:
        """Say why the set cannot be read, and the way out."""
        said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        place = f"{self.path}, split {self.split}"
        if _is_unreachable(error):
            raise DataError(
                f"{place}: the Hugging Face hub cannot be reached ({said}). Where there is a network, run: "
                f"hf download {self.path} --repo-type dataset --revision {self.revision} --local-dir DIR; "
                f"then give this source the option path: DIR"
            ) from error
        raise DataError(
            f"{place}: `datasets` cannot load it at revision {self.revision}: {said}. Look at its page on the hub: a "
            f"gated set needs `hf auth login`"
        ) from error


def _is_unreachable(error: BaseException) -> bool:
    """Whether no network is the cause; the libraries below raise ConnectionErrors and httpx.TransportErrors."""
    seen: BaseException | None = error
    while seen is not None:
        names = {kind.__name__ for kind in type(seen).__mro__}
        if names & {"ConnectionError", "TransportError", "OfflineModeIsEnabled"}:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
