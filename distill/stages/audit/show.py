"""What an audit says, on a terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distill.evaluation.metrics import percent
from distill.reporting.text import interval, one_line
from distill.stages.audit import Audit
from distill.stages.audit.estimate import Rate, by_method, mistaken
from distill.types import Outcome

KINDS: dict[Outcome, tuple[str, str]] = {
    "correct": ("false positives", "accepted, and wrong"),
    "incorrect": ("false negatives", "rejected, and right"),
    "unverifiable": ("missed", "unverifiable, and right"),
}


def show(found: Audit, console: Console) -> None:
    """Print the rates, and the strata that they come from."""
    for line in lines(found):
        console.print(Text(line), soft_wrap=True)
    console.print(_table(found))


def lines(found: Audit) -> Iterator[str]:
    """The rates, a line each."""
    num_marked = sum(marked.marked for marked in found.strata.values())
    yield f"audit: {num_marked} of {found.num_drawn} drawn verdicts are marked"
    for outcome, (name, meaning) in KINDS.items():
        if rate := mistaken(found.strata, outcome):
            yield f"{name} ({meaning}): {_said(rate, outcome)}"
    methods = by_method(found.strata)
    if methods:
        counts = (f"{one_line(name) or '?'} {mistakes} of {total}" for name, (mistakes, total) in methods.items())
        yield f"mistakes by method: {', '.join(counts)}"
    yield f"suspect gold: {found.suspects}"


def _said(rate: Rate, outcome: Outcome) -> str:
    uncovered = f"; nothing is marked of {rate.uncovered:,} others" if rate.uncovered else ""
    return (
        f"{percent(rate.share)} {interval(rate.interval)} of {rate.size:,} {outcome} verdicts "
        f"({rate.mistakes} of {rate.marked} marked){uncovered}"
    )


def _table(found: Audit) -> Table:
    table = Table("outcome", "method", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for title in ("in the run", "marked", "right", "wrong"):
        table.add_column(title, justify="right")
    for stratum, marked in found.strata.items():
        counts = (marked.size, marked.marked, marked.right, marked.wrong)
        cells = (stratum.outcome, one_line(stratum.method), *(f"{count:,}" for count in counts))
        table.add_row(*map(Text, cells))
    return table
