"""report.md: the report for a repository or an issue. Foreign text is escaped, or fenced longer than it can close."""

import re
from typing import Any

from distill.evaluation.metrics import percent, short_count
from distill.reporting import text
from distill.reporting.plots import Plot
from distill.reporting.structure import Report
from distill.reporting.templates import environment


def to_markdown(report: Report, plots: list[Plot]) -> str:
    """The report as Markdown; it refers to the plots as files in `plots/`."""
    template = environment(autoescape=False).get_template("report.md.j2")
    return template.render(report=report, plots=plots, text=text, percent=percent, short=short_count, **FILTERS)


def inline(value: object) -> str:
    """Foreign text as plain words on one line, in a table too."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~$])", r"\\\1", text.one_line(value))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fenced(value: object, language: str = "text") -> str:
    """Foreign text as a code block, in a fence that it cannot close."""
    content = text.printable(value)
    longest = max((len(run) for run in re.findall(r"`+", content)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{content}\n{fence}"


FILTERS: dict[str, Any] = {"inline": inline, "fenced": fenced}
