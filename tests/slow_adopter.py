"""A third party's adopter: rows that come one by one, so that a test can kill in between."""

import time
from collections.abc import Iterator
from typing import Any

from distill.sources.adopters import Adopted, JsonlAdopter


class SlowAdopter:
    fingerprint = None
    limit = None

    def __init__(self, *, seconds: float = 0.0, **options: Any) -> None:
        self._rows, self._seconds = JsonlAdopter(**options), seconds
        self.identity = ["slow"]

    def __iter__(self) -> Iterator[Adopted]:
        for row in self._rows:
            time.sleep(self._seconds)
            yield row

    def num_rows(self) -> int | None:
        return None
