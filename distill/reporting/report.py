"""Writes a run's report: report.md, report.html and plots/, next to the files it is made of."""

from pathlib import Path

from distill.reporting.gather import gather
from distill.reporting.html import to_html
from distill.reporting.markdown import to_markdown
from distill.reporting.plots import draw_all
from distill.reporting.structure import Report
from distill.run import write_text


def write_report(run_dir: Path) -> Report:
    """Gather a run and write its report; returns what was gathered.

    Raises:
        RunError: If there is no run, or it has made nothing yet.
        RunStorageError: If the disk refuses.
    """
    report = gather(run_dir)
    plots = draw_all(report)
    for plot in plots:
        write_text(run_dir / "plots" / f"{plot.name}.svg", plot.svg)
    write_text(run_dir / "report.md", to_markdown(report, plots))
    write_text(run_dir / "report.html", to_html(report, plots))
    return report
