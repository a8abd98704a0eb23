"""Examples that do not fit: left out whole and listed, never cut.

A student taught on replies without their end learns not to stop (LLaMA-Factory 3995, s1 115), and s1's authors saw
longer and worse replies after training on cut ones (arXiv 2501.19393, section 5).
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from distill.training.rendering import Row

STEPS = (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072)


class Fitting(NamedTuple):
    """Rows, by whether they fit."""

    kept: list[Row]
    too_long: list[Row]


class Share(NamedTuple):
    """What a limit keeps."""

    max_length: int
    kept: float
    """Of the examples."""
    tokens: float
    """Of the tokens."""


def fitting(rows: Sequence[Row], max_length: int | None) -> Fitting:
    """Rows of at most so many tokens, and the others."""
    kept = [row for row in rows if max_length is None or len(row.input_ids) <= max_length]
    return Fitting(kept, [row for row in rows if max_length is not None and len(row.input_ids) > max_length])


def shares(lengths: Sequence[int]) -> list[Share]:
    """What each limit would keep, up to the first that keeps all."""
    total, table = sum(lengths), list[Share]()
    for max_length in STEPS if lengths else ():
        fits = [length for length in lengths if length <= max_length]
        if fits:
            table.append(Share(max_length, len(fits) / len(lengths), sum(fits) / total))
        if len(fits) == len(lengths):
            break
    return table


def table(lengths: Sequence[int]) -> str:
    """`shares` as lines to print."""
    lines = ["max_length   examples kept   tokens kept"]
    lines += [f"{share.max_length:>10,} {share.kept:>15.1%} {share.tokens:>13.1%}" for share in shares(lengths)]
    return "\n".join([*lines, f"the longest has {max(lengths, default=0):,} tokens"])


def percentile(lengths: Sequence[int], percent: int) -> int:
    """The length that so many per cent do not exceed."""
    return sorted(lengths)[max(-(-len(lengths) * percent // 100) - 1, 0)]


def write_too_long(rows: Sequence[Row], path: Path) -> None:
    """List what is left out, a line for each; an empty list leaves no file."""
    path.unlink(missing_ok=True)
    if not rows:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            record = {"problem_id": row.problem_id, "trace_ids": list(row.trace_ids), "tokens": len(row.input_ids)}
            file.write(json.dumps(record) + "\n")
