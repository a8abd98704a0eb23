from pathlib import Path

import pytest

from distill.engines.identity import BLOCK, NUM_BLOCKS, weights_digest
from distill.engines.vllm import VLLMEngine
from distill.errors import EngineError


def test_a_model_is_known_by_its_weights_and_not_by_its_folder(tmp_path: Path) -> None:
    def save(name: str, weights: bytes, config: str = "{}") -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(weights)
        (folder / "config.json").write_text(config)
        (folder / "README.md").write_text(name)
        return VLLMEngine(model=str(folder)).identity

    first = save("a", b"weights")
    assert save("b", b"weights") == first
    assert len({first, save("c", b"wEights"), save("d", b"weights", '{"rope_theta": 1}')}) == 3
    assert VLLMEngine(model="org/m", args={"revision": "abc"}).identity == "org/m@abc"


def test_a_change_in_the_middle_of_large_weights_changes_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    size = 2 * BLOCK * NUM_BLOCKS
    weights = bytearray(size)
    path.write_bytes(weights)
    before = weights_digest(tmp_path)
    middle = size // 2
    weights[middle : middle + 2 * BLOCK] = b"x" * (2 * BLOCK)  # as when only some layers are trained
    path.write_bytes(weights)
    assert weights_digest(tmp_path) != before


def test_a_folder_without_weights_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no weights"):
        weights_digest(tmp_path)
