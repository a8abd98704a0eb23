"""The rows of a Hugging Face dataset, or of a local copy or file of one, streamed. Code of a dataset is never run."""

import importlib.metadata
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from distill import assets, plugins
from distill.errors import DataError, MissingExtraError
from distill.sources import card as cards
from distill.sources.jsonl import num_rows
from distill.sources.rows import Reading, Row, column

_COMMIT = re.compile(r"[0-9a-f]{40}")
_LOADERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}


class HubTable:
    """A set that a card describes.

    Args:
        card: A card's name in `datasets/`, or the path of your own.
        config: Another subset than the card's.
        split: Another split than the card's.
        path: Another place than the card's with the same columns: a hub id, a local folder or file.
        revision: Another revision than the card's.
        what: Who asks, as a noun, for errors.

    Raises:
        MissingExtraError: If `datasets` is not installed.
        DataError: If the card cannot be used.
    """

    def __init__(
        self,
        card: str,
        *,
        config: str | None = None,
        split: str | None = None,
        path: str | None = None,
        revision: str | None = None,
        what: str = "source 'hub'",
    ) -> None:
        self.card = cards.load(assets.find("datasets", card))
        self.path = path or self.card.path
        self.revision = revision or self.card.revision
        self.config = config or self.card.config
        self.split = split or self.card.split
        self._what = what
        # not find_spec: a folder of that name answers to it (`datasets/` in a checkout)
        try:
            importlib.metadata.version("datasets")
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingExtraError(what, "hub") from error

    @property
    def is_local(self) -> bool:
        """Whether it lies on this machine."""
        return Path(self.path).exists()

    @property
    def fingerprint(self) -> str | None:
        """The commit, where the revision is one; None where what it means may change."""
        return self.revision if _COMMIT.fullmatch(self.revision) and not self.is_local else None

    def commit(self) -> str:
        """The commit of the revision; what a branch points at is looked up. Empty for a local copy.

        Raises:
            DataError: If the hub cannot be reached.
        """
        if self.is_local:
            return ""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        hub = plugins.need("huggingface_hub", self._what, "hub")
        try:
            return hub.HfApi().dataset_info(self.path, revision=self.revision).sha
        except Exception as error:
            self._refuse(error)

    def resolved(self) -> str:
        """Path and commit, as problems name their source."""
        commit = self.commit()
        return f"{self.path}@{commit}" if commit else self.path

    def reading(self, source: str) -> Reading:
        """How the card reads a row's problem."""
        columns, pattern = self.card.columns, self.card.reference_pattern
        return Reading(
            verifier=self.card.verifier,
            prompt=self.card.template,
            reference_column=columns.reference,
            source=source,
            domain=self.card.domain,
            reference_pattern=re.compile(pattern) if pattern else None,
            is_reference_boxed=self.card.reference_boxed,
            has_reference_parts=self.card.reference_parts,
            metadata_columns=columns.metadata,
            domain_column=columns.domain,
            choices=self.card.choices,
        )

    def has(self, row: Row, place: str) -> bool:
        """Whether a row is among those that the card wants."""
        for name, wanted in self.card.where.items():
            value = column(row, name, place)
            if isinstance(wanted, list):
                if value not in wanted:
                    return False
            elif not str(wanted.at_least) <= str(value) < str(wanted.below):
                return False
        return True

    def place(self, number: int) -> str:
        """Where a row stands, for errors."""
        return f"{self.path}, split {self.split}, row {number}"

    def rows(self) -> Iterator[Row]:
        """Every row, in the set's order.

        Raises:
            DataError: If the set cannot be reached or read.
        """
        try:
            yield from self._load()
        except (DataError, MissingExtraError):
            raise
        except Exception as error:  # `datasets` lets through what a dozen libraries below it raise
            self._refuse(error)

    def num_rows(self) -> int | None:
        """How many rows it has, where that is known without reading them.

        Raises:
            DataError: If the set cannot be reached or read.
        """
        local = Path(self.path)
        if local.is_file() and local.suffix == ".parquet":
            return plugins.need("pyarrow.parquet", self._what, "hub").read_metadata(local).num_rows
        if local.is_file() and local.suffix == ".jsonl":
            return num_rows(local)
        try:
            splits: Any = self._load().info.splits
        except (DataError, MissingExtraError):
            raise
        except Exception as error:
            self._refuse(error)
        return (splits[self.split].num_examples or None) if splits and self.split in splits else None

    def _load(self) -> Any:
        datasets: Any = plugins.need("datasets", self._what, "hub")
        local = Path(self.path)
        if local.is_file():
            loader = _LOADERS.get(local.suffix)
            if loader is None:
                raise DataError(
                    f"{self.path}: cannot load a {local.suffix or 'file without suffix'}; "
                    f"give one of {', '.join(_LOADERS)}, or a folder"
                )
            return datasets.load_dataset(loader, data_files={self.split: str(local)}, split=self.split, streaming=True)
        if self.card.files:
            place = str(local) if local.is_dir() else f"hf://datasets/{self.path}@{self.commit()}"
            files = {self.split: [f"{place}/{name}" for name in self.card.files]}
            loader = _LOADERS[Path(self.card.files[0]).suffix]
            return datasets.load_dataset(loader, data_files=files, split=self.split, streaming=True)
        if local.is_dir():
            return datasets.load_dataset(str(local), split=self.split, streaming=True)
        return datasets.load_dataset(self.path, self.config, split=self.split, revision=self.revision, streaming=True)

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


def numbered(table: HubTable) -> Iterable[tuple[Row, str]]:
    """Every row with its place."""
    placed = ((row, table.place(number)) for number, row in enumerate(table.rows()))
    return (found for found in placed if table.has(*found)) if table.card.where else placed
