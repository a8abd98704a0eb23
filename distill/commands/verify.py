"""The command `distill verify`: verdicts on responses that somebody has already."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = (
    "Examples: 'distill verify answers.jsonl'. 'distill verify answers.jsonl --out verdicts.jsonl --workers 4'. "
    'A row: \'{"reference": "1/2", "response": "<think>...</think> It is 0.5."}\'. '
    "From Python: 'from distill.verifiers import verify'"
)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.jsonl", help="Rows with 'reference' and 'response'.")],
    verifier: Annotated[
        str, typer.Option("--verifier", metavar="NAME", help="For rows that do not tell theirs.")
    ] = "math",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where the verdicts go; standard output if not given.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, metavar="N", help="Processes that judge.")] = 1,
    timeout: Annotated[float, typer.Option("--timeout", min=0.01, metavar="S", help="Seconds for one row.")] = 10.0,
) -> None:
    """Judge responses that you have already: a row with a verdict for each row of a file.

    A row may also hold id, kind, options (of multiple choice), tests (of a program), prompt and metadata. Its verifier
    is the one that its kind names, else 'choice' if it has options, 'code' if it has tests, else that of --verifier.
    """
    from distill.stages.verify import verify_file

    verify_file(file, verifier=verifier, out=out, workers=workers, timeout=timeout)
