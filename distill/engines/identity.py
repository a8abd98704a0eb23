"""What tells one model from another, so that replies of two are never counted as one teacher's."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from distill.errors import EngineError

DECIDING = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template*",
)
WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
BLOCK = 1 << 14
NUM_BLOCKS = 1 << 10
"""A file up to 16 MiB is read whole; of a larger one so many blocks are read, evenly spread from first to last."""


def weights_digest(folder: Path) -> str:
    """A digest of the model in a folder: its weights, its config and its tokenizer, but not the folder's name.

    A shard of 5 GB is read every 5 MB, which takes milliseconds and meets every large tensor. Head and tail alone would
    not do: a merged LoRA leaves embeddings and norms, and with them both ends of the file, as they were.

    Args:
        folder: Holds the files of one model, as `save_pretrained` writes them.

    Returns:
        16 hex digits.

    Raises:
        EngineError: If the folder holds no weights.
    """
    weights = _matching(folder, WEIGHTS)
    if not weights:
        raise EngineError(f"no weights in {folder}: it has neither {' nor '.join(WEIGHTS)}. Name the folder of a model")
    hashed = hashlib.sha256()
    for path in [*_matching(folder, DECIDING), *weights]:
        hashed.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        for block in _blocks(path):
            hashed.update(block)
    return hashed.hexdigest()[:16]


def _matching(folder: Path, patterns: tuple[str, ...]) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _blocks(path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= BLOCK * NUM_BLOCKS:
            yield file.read()
            return
        for index in range(NUM_BLOCKS):
            file.seek((size - BLOCK) * index // (NUM_BLOCKS - 1))
            yield file.read(BLOCK)


def template_digest(folder: Path) -> str:
    """Digest of the chat template in a model's folder; empty if there is none."""
    path = folder / "chat_template.jinja"
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    config = folder / "tokenizer_config.json"
    template = json.loads(config.read_text(encoding="utf-8")).get("chat_template") if config.is_file() else None
    return hashlib.sha256(json.dumps(template).encode()).hexdigest()[:16] if template else ""
