"""Writes a run's report: report.md, report.html and plots/, next to the files it is made of."""

from pathlib import Path

from distill.journal import storage_errors
from distill.reporting.gather import gather
from distill.reporting.html import to_html
from distill.reporting.markdown import to_markdown
from distill.reporting.plots import draw_all
from distill.reporting.structure import Report


def write_report(run_dir: Path) -> Report:
    """Gather a run and write its report; returns what was gathered.

    Raises:
        RunError: If there is no run, or it has made nothing yet.
        RunStorageError: If the disk refuses.
    """
    report = gather(run_dir)
    plots = draw_all(report)
    for plot in plots:
        _write(run_dir / "plots" / f"{plot.name}.svg", plot.svg)
    _write(run_dir / "report.md", to_markdown(report, plots))
    _write(run_dir / "report.html", to_html(report, plots))
    return report


def _write(path: Path, content: str) -> None:
    """All or nothing: a browser that reloads sees the old report or the new one."""
    partial = path.with_name(path.name + ".partial")
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(content, encoding="utf-8")
        partial.replace(path)
