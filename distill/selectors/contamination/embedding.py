"""The hook for a model of one's own: texts to vectors, and the cosine between them."""

from collections.abc import Callable, Sequence

from distill.errors import PluginError
from distill.selectors.contamination.items import Vectors


class Embedded:
    """Benchmark texts as vectors.

    Args:
        texts: The benchmark's texts.
        embed: From a list of texts to as many vectors of the same length.
    """

    def __init__(self, texts: Sequence[str], embed: Callable[[list[str]], Vectors]) -> None:
        self._embed = embed
        self._vectors = self._units(list(texts))

    def nearest(self, text: str) -> tuple[int, float]:
        """The place of the nearest benchmark text, and its cosine."""
        cosines = self._vectors @ self._units([text])[0]
        place = int(cosines.argmax())
        return place, float(cosines[place])

    def _units(self, texts: list[str]):  # noqa: ANN202  # numpy is imported where it is used
        import numpy as np

        vectors = np.asarray(self._embed(texts), dtype=np.float64)
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise PluginError(
                f"embed gave an array of shape {vectors.shape} for {len(texts)} texts; it must give one vector for each"
            )
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
