"""report.html: one file that needs nothing else. No script, no request, nothing of a model's text taken as markup."""

import re
from xml.sax.saxutils import quoteattr

from distill.evaluation.metrics import percent, short_count
from distill.reporting import plots, text
from distill.reporting.plots import Plot
from distill.reporting.structure import Report
from distill.reporting.templates import environment

# The plots take their colours from the page, so that they follow its light and dark.
VARIABLES = {
    plots.INK: "--ink",
    plots.MUTED: "--muted",
    plots.GRID: "--line",
    plots.BLUE: "--blue",
    plots.VERMILLION: "--vermillion",
    plots.GREY: "--grey",
}


def to_html(report: Report, drawn: list[Plot]) -> str:
    """The report as one HTML file."""
    from markupsafe import Markup

    template = environment(autoescape=True).get_template("report.html.j2")
    figures = [Markup(inline_svg(plot)) for plot in drawn]
    return template.render(
        report=report, figures=figures, text=text, percent=percent, short=short_count, unbroken=unbroken
    )


def unbroken(sentence: str) -> str:
    """A sentence whose intervals and percentages no line end can part."""
    return re.sub(r"(?<=\d) (?=%)|(?<=\d,) (?=-?[\d.]+\])|(?<=p) (?=[<=])|(?<=[<=]) (?=[\d.])", "\u00a0", sentence)


def inline_svg(plot: Plot) -> str:
    """A plot as it can stand in the page: no XML head, no names that clash with another plot's, the page's colours."""
    svg = plot.svg[plot.svg.index("<svg") :]
    svg = re.sub(r"<style.*?</style>", "", svg, count=1, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|xlink:href="#|url\(#)', rf"\g<1>{plot.name}-", svg)
    head = re.search(r'viewBox="[^"]*"', svg)
    opening = f'<svg {head.group() if head else ""} role="img" aria-label={quoteattr(plot.description)}>'
    svg = opening + svg[svg.index(">") + 1 :]
    svg = svg.replace(f"fill: {plots.PAPER}", "fill: none")
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg.replace("xlink:href", "href").strip()
