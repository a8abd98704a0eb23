"""audit: how often are the verdicts of a run wrong? A sample to read, the marks taken back, the rates with intervals.

audit/audit.md            to read, and to mark
audit/audit.jsonl         the same for a program; marks in either count, and neither is ever written again
audit/suspect_gold.jsonl  problems on which the teacher is unanimous against the reference
"""

from collections import Counter
from typing import NamedTuple

from distill import progress
from distill.errors import RunError
from distill.journal import Journal, storage_errors
from distill.run import Run
from distill.stages.audit import draw, sheet
from distill.stages.audit.estimate import Marked, Stratum, stratum_of
from distill.stages.audit.suspects import SuspectGold, suspects_of


class Audit(NamedTuple):
    """What is known after reading the marks."""

    strata: dict[Stratum, Marked]
    num_drawn: int
    suspects: int


def audit(run: Run, count: int) -> Audit | None:
    """Draw a sample of verdicts, or, where one is drawn already, read its marks.

    Args:
        run: Open; its verdicts may still grow.
        count: Verdicts to draw. One that is drawn stands, whatever is asked for later.

    Returns:
        The marks by stratum; None if the sample was drawn just now.

    Raises:
        RunError: If there is no verdict yet, or the sample is of traces that the run no longer has.
        DataError: If a mark cannot be read, or the two files contradict each other.
    """
    run.needs(run.verdicts.path, "generate")
    folder = run.dir / "audit"
    with storage_errors(folder):
        folder.mkdir(exist_ok=True)
    suspect_gold = Journal(folder / "suspect_gold.jsonl", SuspectGold)
    if num_suspects := suspect_gold.write_all(suspects_of(run)):
        progress.say(
            f"audit: suspect gold, where the teacher is unanimous against the reference: {num_suspects} "
            f"({suspect_gold.path})"
        )
    if not sheet.exists(folder):
        items = draw.sample(run, count)
        sheet.write(folder, items)
        progress.say(f"audit: {len(items)} verdicts to mark in {folder / sheet.TEXT}; then run the same command again")
        return None
    marks = sheet.marks(folder)
    return Audit(_tallied(run, marks), len(marks), num_suspects)


def _tallied(run: Run, marks: dict[str, sheet.Mark | None]) -> dict[Stratum, Marked]:
    """Sizes of the strata as the run now is, and the marks in each; a mark speaks of an answer, so it stays true."""
    sizes: Counter[Stratum] = Counter()
    given: dict[Stratum, list[sheet.Mark]] = {}
    missing = set(marks)
    for verdict in run.verdicts:
        stratum = stratum_of(verdict)
        sizes[stratum] += 1
        if verdict.trace_id in missing:
            missing.remove(verdict.trace_id)
            if mark := marks[verdict.trace_id]:
                given.setdefault(stratum, []).append(mark)
    if missing:
        raise RunError(
            f"{run.dir / 'audit'} is about traces that the run no longer has ({len(missing)}; {min(missing)} is one): "
            f"move that folder away, and draw again"
        )
    return {
        stratum: Marked(size, len(given.get(stratum, ())), given.get(stratum, []).count("right"))
        for stratum, size in sorted(sizes.items())
    }
