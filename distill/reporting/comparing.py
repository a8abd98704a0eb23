"""Runs beside each other: every model on every suite that they share, tested pairwise, and what differs in how.

A difference that the way of measuring may have made is named: scores of two stamps are not compared without a warning.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from distill.errors import RunError
from distill.evaluation.metrics import Difference, paired_difference, percent
from distill.evaluation.paired import McNemar, mcnemar
from distill.evaluation.scores import Scores
from distill.evaluation.stamp import differences, warned
from distill.reporting import text
from distill.reporting.scores import read_scores
from distill.reporting.terminal import cell, table_of

SHOWN_VALUE = 60
"""Characters of a value that differs."""


class Row(NamedTuple):
    """One model, and how it stands to the first."""

    label: str
    """Its run and its name."""
    scores: Scores
    difference: Difference | None
    """To the first; None for the first itself, or where they share no problem."""
    mcnemar: McNemar | None
    """Where both gave one reply to each problem."""
    stamps: dict[str, tuple[Any, Any]]
    """What differs in how it was measured: the first's value, and its own."""


def compared(runs: Sequence[Path], models: Sequence[str] = ()) -> dict[str, list[Row]]:
    """Every suite on which two or more models were measured, in the order in which the runs are named.

    Args:
        runs: Folders of runs, or of `distill eval MODEL`.
        models: Only these, by name; the first that there is comes first. All, if not given: a run's student first.

    Raises:
        RunError: If a folder holds no scores, or no suite has two models.
    """
    found: dict[str, list[tuple[str, Scores]]] = {}
    for run in runs:
        measured = read_scores(run, [])
        if not measured:
            raise RunError(f"{run} holds no scores: run `distill eval` first, or name a folder that holds eval/")
        for suite, by_name in measured.items():
            for name in _in_order(by_name, models):
                found.setdefault(suite, []).append((f"{run.resolve().name}/{name}", by_name[name]))
    suites = {suite: _rows(entries) for suite, entries in found.items() if len(entries) > 1}
    if not suites:
        there = "; ".join(f"{suite}: {', '.join(label for label, _ in entries)}" for suite, entries in found.items())
        raise RunError(f"no suite has two models to compare ({there or 'nothing is left of them'})")
    return suites


def _in_order(by_name: dict[str, Scores], models: Sequence[str]) -> list[str]:
    if models:
        return [name for name in models if name in by_name]
    return sorted(by_name, key=lambda name: (name != "student", name))


def _rows(entries: Sequence[tuple[str, Scores]]) -> list[Row]:
    first = entries[0][1]
    rows: list[Row] = []
    for label, scores in entries:
        a, b = scores.correct_by_problem, first.correct_by_problem
        is_other = scores is not first and bool(a.keys() & b.keys())
        rows.append(
            Row(
                label,
                scores,
                paired_difference(a, b) if is_other else None,
                mcnemar(a, b) if is_other else None,
                differences(first.stamp, scores.stamp) if first.stamp and scores.stamp and is_other else {},
            )
        )
    return rows


def warnings(rows: Sequence[Row]) -> list[str]:
    """What a reader must know before he believes a difference, a sentence each."""
    said: list[str] = []
    for row in rows[1:]:
        if row.scores.stamp is None or rows[0].scores.stamp is None:
            said.append(f"{row.label}: there is no record of how it, or the first, was measured")
            continue
        differing = {key: pair for key, pair in warned(row.stamps).items() if key != "format"}
        if row.difference is None:
            said.append(f"{row.label}: it answered no problem of the first's")
        elif row.difference.problems < len(rows[0].scores.correct_by_problem):
            said.append(f"{row.label}: only {row.difference.problems} problems are in both")
        if differing:
            listed = "; ".join(f"{key} {_short(first)} and {_short(own)}" for key, (first, own) in differing.items())
            said.append(f"{row.label} was not measured as the first was: {listed}")
    return said


def _short(value: object) -> str:
    shown = text.one_line(value)
    return shown if len(shown) <= SHOWN_VALUE else f"{shown[: SHOWN_VALUE - 3]}..."


def show(suites: dict[str, list[Row]], console: Console) -> None:
    """Print a table for each suite."""
    for suite, rows in suites.items():
        console.print(_table(suite, rows))


def _table(suite: str, rows: Sequence[Row]) -> Table:
    table = table_of(f"{suite}: each against {rows[0].label}, problem by problem", ("model",))
    for title in ("pass@1", "95 %", "no answer", "truncated", "tokens", "difference", "95 %", "p", "McNemar"):
        table.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        scores, apart = row.scores, row.difference
        cells = [
            row.label,
            f"{percent(scores.pass_at_1)} [avg{scores.samples}]",
            text.interval(scores.ci95),
            percent(scores.no_answer),
            percent(scores.truncated),
            f"{scores.mean_tokens:,.0f}",
            *([f"{100 * apart.difference:+.1f}", _signed(apart), f"{apart.p:.2g}"] if apart else ["", "", ""]),
            f"{row.mcnemar.p:.2g} ({row.mcnemar.only_a}:{row.mcnemar.only_b})" if row.mcnemar else "",
        ]
        table.add_row(*[cell(value) if value else Text("") for value in cells])
    return table


def _signed(apart: Difference) -> str:
    return f"{100 * apart.low:+.1f} to {100 * apart.high:+.1f}"


def plain(suites: dict[str, list[Row]]) -> dict[str, Any]:
    """The comparison as data that JSON can carry."""
    return {
        suite: {
            "warnings": warnings(rows),
            "models": [
                {
                    "label": row.label,
                    "pass@1": row.scores.pass_at_1,
                    "ci95": list(row.scores.ci95),
                    "samples": row.scores.samples,
                    "difference": row.difference._asdict() if row.difference else None,
                    "mcnemar": row.mcnemar._asdict() if row.mcnemar else None,
                    "stamp": {key: list(pair) for key, pair in row.stamps.items()},
                }
                for row in rows
            ],
        }
        for suite, rows in suites.items()
    }
