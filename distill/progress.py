"""Progress that people can read: a bar with rate and time left on a terminal, plain lines elsewhere.

Everything goes to standard error, so that what a command answers (a table, JSON) stays clean on standard output.
"""

import contextlib
import time
from collections.abc import Callable, Generator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_EVERY = 10.0
"""Seconds between plain lines."""

console = Console(stderr=True, highlight=False, soft_wrap=True)


Show = Callable[[int, str, float | None], None]
"""Shows how much is done, how it goes, and the seconds left if the caller knows better than the rate so far."""


class Tracker:
    """Counts work done towards a total, and shows it."""

    def __init__(self, label: str, total: int, show: "Show") -> None:
        self.label = label
        self.total = total
        self.done = 0
        self._show = show

    def advance(self, note: str = "", by: int = 1) -> None:
        """More work is done; `note` says how it goes in a few words."""
        self.done += by
        self._show(self.done, note, None)

    def reach(self, done: int, note: str = "", seconds_left: float | None = None) -> None:
        """So much work is done in all; `seconds_left` is for work whose rate so far says little of the rest."""
        self.done = done
        self._show(done, note, seconds_left)


def say(text: str) -> None:
    """Tell the user one thing."""
    console.print(text, markup=False)


@contextlib.contextmanager
def track(label: str, total: int, done: int = 0) -> Generator[Tracker]:
    """Show the progress of `total` pieces of work (0 if nobody knows), `done` of which an earlier run did."""
    if console.is_terminal:
        with _bar(label, total, done) as show:
            tracker = Tracker(label, total, show)
            tracker.done = done
            yield tracker
    else:
        tracker = Tracker(label, total, _lines(label, total, done))
        tracker.done = done
        yield tracker


@contextlib.contextmanager
def _bar(label: str, total: int, done: int) -> Generator[Show]:
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(label, total=total or None, completed=done, note="")

        def show(done: int, note: str, seconds_left: float | None) -> None:
            if seconds_left is not None:
                note = f"~{seconds_left:,.0f} s left, {note}"
            progress.update(task, completed=done, note=note)

        yield show


def _lines(label: str, total: int, already: int) -> Show:
    started = last = time.monotonic()
    is_whole = False

    def show(done: int, note: str, seconds_left: float | None) -> None:
        nonlocal last, is_whole
        now = time.monotonic()
        if now - last < LINE_EVERY and (is_whole or done < total):
            return
        last, is_whole = now, done >= total
        rate = (done - already) / max(now - started, 1e-6)
        if seconds_left is None and rate > 0:
            seconds_left = (total - done) / rate
        left = f", {seconds_left:.0f} s left" if seconds_left is not None and done < total else ""
        of = f"/{total} ({100 * done / total:.0f} %)" if total else ""
        say(f"{label}: {done}{of}, {rate:.1f}/s{left}  {note}".rstrip())

    return show
