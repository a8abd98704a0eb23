"""Problems from the Hugging Face hub, by a card: path, pinned revision, columns, verifier (`distill.sources.card`).

Rows are streamed: a limit of 100 does not download the set. Code of a dataset is never run.
"""

import logging
from collections.abc import Iterator

from distill.errors import DataError
from distill.sources.rows import check_limit
from distill.sources.table import HubTable, numbered
from distill.types import Problem

logger = logging.getLogger(__name__)


class HubSource:
    """The problems of a hub's dataset, in its order.

    Args:
        card: A card's name in `datasets/`, or the path of your own.
        config: Another subset than the card's.
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
        config: str | None = None,
        split: str | None = None,
        limit: int | None = None,
        path: str | None = None,
        revision: str | None = None,
    ) -> None:
        check_limit(limit, f"hub {card}")
        self.table = HubTable(card, config=config, split=split, path=path, revision=revision)
        self.limit = limit
        self.fingerprint = self.table.fingerprint
        if not self.table.card.template:
            raise DataError(
                f"card {card}: its prompts are turns of conversations, so it is no source of problems; take problems "
                f"and traces from it with generate.adopt"
            )

    def __iter__(self) -> Iterator[Problem]:
        """The problems.

        Raises:
            DataError: If the set cannot be reached or read, or a row cannot be used.
        """
        self.num_skipped = 0
        count = 0
        table = self.table
        reading = table.reading(table.resolved())
        for row, place in numbered(table):
            problem = reading.problem(row, place)
            if problem.reference is None and table.card.skip_without_reference:
                self.num_skipped += 1
                continue
            yield problem
            count += 1
            if count == self.limit:
                break
        if self.num_skipped:
            logger.info("%s: left out %d rows without a reference", table.path, self.num_skipped)
        if not count:
            raise DataError(f"no problems in {table.path}, split {table.split}: {self.num_skipped} rows left out")
