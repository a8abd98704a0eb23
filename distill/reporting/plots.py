"""The plots of a report, as SVG text: reproducible to the byte, text as text, colours that all readers can tell apart.

Drawn with matplotlib's Figure alone: no pyplot, no global figure, no display.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from distill.evaluation.metrics import percent
from distill.reporting.structure import ModelScores, Report
from distill.reporting.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#24292f", "#59636e", "#d8dee4", "#ffffff"
# Okabe and Ito's colours, which stay apart with every kind of colour vision (jfly.uni-koeln.de/color)
BLUE, VERMILLION, GREY = "#0072b2", "#d55e00", "#8c959f"
OUTCOME_COLOURS = {"correct": BLUE, "incorrect": VERMILLION, "unverifiable": GREY}
WIDTH = 5.0
"""Inches. Small enough that the text can be read when the plot is shrunk to a phone."""
LONGEST_NAME = 28
"""Characters of a row's name; a longer one would leave no room for the bars."""

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "distill",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "text.color": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": "none",
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlepad": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


class Plot(NamedTuple):
    """A drawn plot."""

    name: str
    """Of its file, without the ending."""
    description: str
    """What it shows, for those who cannot see it."""
    svg: str


def draw_all(report: Report) -> list[Plot]:
    """Every plot that the run has data for."""
    drawers: tuple[Callable[[Report], Plot | None], ...] = (accuracy, funnel, lengths, loss)
    with _style():
        return [plot for drawer in drawers if (plot := drawer(report)) is not None]


def _style() -> AbstractContextManager[None]:
    import matplotlib

    return matplotlib.rc_context(STYLE)  # pyright: ignore[reportArgumentType]


def accuracy(report: Report) -> Plot | None:
    """pass@1 of each model on the first suite, with its interval; every form of the base."""
    rows = _accuracy_rows(report["models"])
    if not rows:
        return None
    figure, axes = _figure(0.9 + 0.36 * len(rows))
    for y, (role, scores) in enumerate(reversed(rows.values())):
        share, (low, high) = 100 * scores["pass@1"], scores["ci95"]
        colour = {"student": BLUE, "teacher": INK}.get(role, GREY)
        axes.plot([100 * low, 100 * high], [y, y], color=colour, linewidth=2.5, solid_capstyle="round")
        axes.plot([share], [y], marker="o", markersize=7, color=colour)
        axes.annotate(percent(share / 100), (share, y), (0, 7), textcoords="offset points", ha="center", fontsize=8)
    _name_rows(axes, list(reversed(rows)))
    axes.set(xlim=(-4, 104), xlabel="pass@1 in percent, with 95 % interval")
    axes.set_title(f"Accuracy on {one_line(next(iter(report['suites'])))}")
    said = "; ".join(f"{name} {percent(scores['pass@1'])}" for name, (_, scores) in rows.items())
    return _finish(figure, "accuracy", f"pass@1 with 95 % intervals: {said}")


def _accuracy_rows(models: dict[str, ModelScores]) -> dict[str, tuple[str, ModelScores]]:
    rows: dict[str, tuple[str, ModelScores]] = {}
    for role, best in models.items():
        for form, scores in sorted((best["forms"] or {"": best}).items()):
            rows[one_line(f"{role}, {form}" if form else role)] = (role, scores)
    return rows


def funnel(report: Report) -> Plot | None:
    """How many traces each step of the filter left."""
    facts = report["filter"]
    if facts is None or not facts["funnel"]:
        return None
    steps = facts["funnel"]
    names = ["all traces", *(one_line(step["step"]) for step in steps)]
    left = [steps[0]["left"] + steps[0]["dropped"], *(step["left"] for step in steps)]
    figure, axes = _figure(0.9 + 0.32 * len(left))
    rows = range(len(left) - 1, -1, -1)
    axes.barh(rows, left, height=0.62, color=[GREY, *[BLUE] * len(steps)])
    for y, count, dropped in zip(rows, left, [0, *(step["dropped"] for step in steps)], strict=True):
        label = f"{count:,}" + (f"  (\N{MINUS SIGN}{dropped:,})" if dropped else "")
        axes.annotate(label, (count, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
    _name_rows(axes, names[::-1])
    axes.set(xlim=(0, 1.25 * max(*left, 1)), xlabel="traces left after the step")
    axes.set_title("What the filter kept")
    return _finish(figure, "funnel", f"Filter funnel: from {left[0]:,} traces to {left[-1]:,}")


def lengths(report: Report) -> Plot | None:
    """Reply lengths by verdict, one row each: overlaid histograms would hide each other."""
    facts = report["generate"]
    if facts is None or not facts["lengths"]["counts"]:
        return None
    edges, counts = facts["lengths"]["edges"], facts["lengths"]["counts"]
    figure, rows = _figures(len(counts), 0.8 + 0.95 * len(counts))
    for axes, (outcome, heights) in zip(rows, counts.items(), strict=True):
        axes.stairs(heights, edges, fill=True, color=OUTCOME_COLOURS[outcome])
        axes.set(ylabel="traces", ylim=(0, 1.4 * max(heights)))  # room above the bars for the name
        axes.locator_params(axis="y", nbins=3, integer=True)
        axes.grid(visible=False, axis="x")
        axes.annotate(f"{outcome}, {sum(heights):,}", (1, 1), xycoords="axes fraction", ha="right", va="top")
    rows[-1].set_xlabel("length of the reply in tokens")
    rows[0].set_title("Length by verdict")
    said = ", ".join(f"{sum(heights):,} {outcome}" for outcome, heights in counts.items())
    return _finish(figure, "lengths", f"Histograms of reply length in tokens: {said} traces")


def loss(report: Report) -> Plot | None:
    """Training loss by step."""
    facts = report["train"]
    if facts is None or not any(entry["loss"] is not None for entry in facts["log"]):
        return None
    steps = [entry["step"] for entry in facts["log"]]
    losses = [float("nan") if entry["loss"] is None else entry["loss"] for entry in facts["log"]]
    figure, axes = _figure(2.6)
    axes.plot(steps, losses, color=BLUE, linewidth=1.6, marker="o" if len(steps) < 3 else None)
    axes.set(xlabel="step", ylabel="loss (nats per token)")
    axes.set_title("Training loss")
    return _finish(figure, "loss", f"Training loss over {steps[-1]:,} steps")


def _figure(height: float) -> "tuple[Figure, Axes]":
    figure, (axes,) = _figures(1, height)
    return figure, axes


def _figures(num_rows: int, height: float) -> "tuple[Figure, list[Axes]]":
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, list(figure.subplots(num_rows, sharex=True, squeeze=False)[:, 0])


def _name_rows(axes: "Axes", names: list[str]) -> None:
    axes.set_yticks(
        range(len(names)),
        [name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}\u2026" for name in names],
    )
    axes.set_ylim(-0.6, len(names) - 0.2)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def _finish(figure: "Figure", name: str, description: str) -> Plot:
    svg = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(svg, format="svg", metadata=nothing)
    return Plot(name, description, svg.getvalue())
