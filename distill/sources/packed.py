"""Tests that a set ships packed: as JSON, or as LiveCodeBench packs its private ones (base64, zlib, a pickled text).

A pickle can run anything when it is loaded, so only one that holds a text is: whatever names a class is refused. The
real schema: github.com/LiveCodeBench/LiveCodeBench, lcb_runner/benchmarks/code_generation.py.
"""

import base64
import binascii
import io
import json
import pickle
import zlib
from collections.abc import Sequence
from typing import Any, NoReturn

from distill.errors import DataError

MAX_BYTES = 512 * 1024 * 1024
"""Of unpacked tests; a larger packet is refused, as a small one may swell without end."""


def joined(values: Sequence[object], place: str) -> list[Any]:
    """Several columns of tests as one list.

    Raises:
        DataError: If one of them is no list of tests, packed or not.
    """
    return [test for value in values for test in tests(value, place)]


def tests(value: object, place: str) -> list[Any]:
    """One column of tests, unpacked; an empty column has none."""
    if value is None or value == "":
        return []
    unpacked: Any = value
    if isinstance(value, str):
        text = value if value.lstrip()[:1] in ("[", "{") else _unpickled(value, place)
        try:
            unpacked = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{place}: the tests are not JSON: {error}") from None
    if not isinstance(unpacked, list):
        raise DataError(f"{place}: the tests are a {type(unpacked).__name__}; a list is needed")
    return unpacked  # pyright: ignore[reportUnknownVariableType]


class _TextsOnly(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> NoReturn:
        raise pickle.UnpicklingError(f"it names {module_name}.{global_name}; only a text may be in it")


def _unpickled(value: str, place: str) -> str:
    try:
        unzip = zlib.decompressobj()
        data = unzip.decompress(base64.b64decode(value, validate=True), MAX_BYTES)
        if unzip.unconsumed_tail:
            raise DataError(f"{place}: the tests unpack to more than {MAX_BYTES >> 20} MiB")
        found: object = _TextsOnly(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError, ValueError, IndexError, KeyError) as error:
        raise DataError(f"{place}: cannot unpack the tests: {error}") from None
    if not isinstance(found, str):
        raise DataError(f"{place}: the tests are packed as a {type(found).__name__}; a text is needed")
    return found
