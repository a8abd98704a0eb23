"""The report on a terminal: scores, funnel, cost, and where the whole of it lies."""

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distill.evaluation.metrics import percent, short_count
from distill.reporting import text
from distill.reporting.structure import CostFacts, FilterFacts, ModelScores, Report


def show(report: Report, run_dir: Path, console: Console | None = None) -> None:
    """Print a report.

    Args:
        report: As `gather` gave it.
        run_dir: Where report.md and report.html lie.
        console: Standard output if not given.
    """
    out = console or Console(highlight=False)
    out.print(Text(text.one_line(text.headline(report)), style="bold"))
    for suite, models in report["suites"].items():
        out.print(scores_table(suite, models))
        for sentence in text.comparison_sentences(report["comparisons"].get(suite, {})):
            out.print(Text(sentence))
        if flips := report["flips"].get(suite):
            out.print(Text(text.flips_sentence(flips)))
    if report["filter"]:
        out.print(funnel_table(report["filter"]))
    if report["generate"]:
        out.print(Text(f"generate: {text.generate_sentence(report['generate'])}"))
    if report["cost"]:
        out.print(cost_table(report["cost"]))
        out.print(Text(text.kept_sentence(report["cost"])))
    if report["train"]:
        out.print(Text(text.one_line(f"train: {text.train_sentence(report['train'])}")))
    if report["route"]:
        out.print(Text(text.one_line(f"source: {report['route']['cause']}")))
    for name in ("report.md", "report.html"):
        out.print(Text(str(run_dir / name)), soft_wrap=True)


def scores_table(suite: str, models: dict[str, ModelScores]) -> Table:
    """Every model on one suite: the interval next to the score, always."""
    sizes = {f"{scores['problems']:,} problems x {scores['samples']}" for scores in models.values()}
    table = table_of(f"pass@1 on {suite} ({' or '.join(sorted(sizes))})", ("model", "form"))
    for title in ("pass@1", "95 %", "no answer", "truncated", "tokens"):
        table.add_column(title, justify="right", no_wrap=True)
    for role, best in models.items():
        table.add_row(*_cells(role, best))
        for scores in (form for form in best["forms"].values() if form["format"] != best["format"]):
            table.add_row(*_cells("", scores), style="dim")
    return table


def _cells(role: str, scores: ModelScores) -> Iterable[Text]:
    shares = percent(scores["no_answer"]), percent(scores["truncated"])
    score = percent(scores["pass@1"]), text.interval(scores["ci95"])
    cells = role, scores["format"], *score, *shares, short_count(scores["mean_tokens"])
    return map(cell, cells)


def funnel_table(facts: FilterFacts) -> Table:
    """What each step of the filter took, and its most frequent reason."""
    table = table_of("filter", ("step",))
    for title in ("dropped", "left"):
        table.add_column(title, justify="right")
    table.add_column("most frequent reason")
    for step in facts["funnel"]:
        reason = max(step["reasons"], key=lambda name: step["reasons"][name], default="")
        table.add_row(*map(cell, (step["step"], f"{step['dropped']:,}", f"{step['left']:,}", reason)))
    return table


def cost_table(cost: CostFacts) -> Table:
    """What each stage took, and all of them."""
    table = table_of("cost", ("stage",))
    for title in text.COST_TITLES:
        table.add_column(title, justify="right")
    for stage, row in (*cost["stages"].items(), ("in all", cost["total"])):
        table.add_row(*map(cell, (stage, *text.cost_cells(row))))
    return table


def table_of(title: str, columns: Iterable[str]) -> Table:
    """An empty table in our style."""
    table = Table(title=cell(title), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column)
    return table


def cell(value: object) -> Text:
    """Foreign text on one line, as it is."""
    # Text and not str: a string would be read as rich's own markup
    return Text(text.one_line(value))
