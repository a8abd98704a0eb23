"""What came out of a run: gathered once, shown as a terminal table, Markdown, one HTML file, and plots.

Everything a report says is computed from the run's files, with no clock and no network, so the same run gives the
same bytes. Text that a model wrote is shown, never trusted: escaped in every form, control characters made visible.
"""
