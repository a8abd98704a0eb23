"""A suite of your own out of a file of problems, one JSON object a line; its columns say how it is judged."""

import json
import re
from pathlib import Path
from typing import Any

from distill.errors import RecipeError
from distill.verifiers.pairs import verifier_for

PROMPTS = ("prompt", "problem", "question")
REFERENCES = ("answer", "reference", "final_answer")
FOR_VERIFIERS = (
    *("options", "tests", "entry_point", "test_setup_code", "fn_name", "func_name", "numbers", "nums", "target"),
    "constraints",
)
"""Columns that verifiers look for."""


def own(path: Path) -> dict[str, Any]:
    """The suite that a file is; its first line decides for all.

    Args:
        path: A file whose lines have `prompt` (or `problem`, `question`), `answer` (or `reference`), and perhaps
            `verifier`, `options`, `tests` and what else a verifier takes.

    Raises:
        RecipeError: If it cannot be read, or has no column with prompts.
    """
    row = _first_row(path)
    prompt = next((name for name in PROMPTS if name in row), None)
    if prompt is None:
        raise RecipeError(f"{path}, line 1: no column {', '.join(PROMPTS)}; it has {', '.join(row) or 'none'}")
    reference = next((name for name in REFERENCES if name in row), None)
    default = "countdown" if "target" in row else "instructions" if "constraints" in row else "math"
    verifier = verifier_for(row.get("verifier"), row.get("options"), row.get("tests"), default)
    source = {
        "use": "jsonl",
        "path": str(path),
        "verifier": verifier,
        "prompt_column": prompt,
        "reference_column": reference,
        "metadata_columns": [name for name in FOR_VERIFIERS if name in row],
    }
    name = re.sub(r"[^A-Za-z0-9._-]", "-", path.stem).lstrip("._-") or "own"
    return {"name": name, "description": f"the problems of {path.name}", "sources": [source]}


def _first_row(path: Path) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            line = next((line for line in file if line.strip()), "")
        row: Any = json.loads(line)
    except OSError as error:
        raise RecipeError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:
        raise RecipeError(f"{path}: its first line is not JSON ({error}); a problem is an object a line") from None
    if not isinstance(row, dict):
        raise RecipeError(f"{path}: its first line is no object; a problem is an object a line")
    return row  # pyright: ignore[reportUnknownVariableType]
