"""How long the trace browser takes with many traces, as its user waits; and its screenshots.

python -m benchmarks.view [--traces 100000]
python -m benchmarks.view --screenshots docs
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.reporting.viewed import write_many, write_run

ROUNDS = 5
QUESTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "first page": ("rows", {}),
    "last page": ("rows", {"offset": "99900"}),
    "wrong traces, a page from the middle": ("rows", {"verdict": "incorrect", "offset": "16000"}),
    "longest first, a page from the middle": ("rows", {"order": "long", "offset": "50000"}),
    "problems with a word": ("rows", {"text": "No. 777"}),
    "counts of all choices": ("facets", {}),
    "one trace": ("trace", {"in": "many", "id": "000000000007-9f3a01bc-1"}),
}
BROWSER = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@contextmanager
def viewing(folder: Path) -> Iterator[str]:
    """The link of a server over a run."""
    command = [sys.executable, "-m", "distill", "view", str(folder), "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def ask(url: str, question: str, given: dict[str, str]) -> Any:
    """An answer of the server."""
    with urllib.request.urlopen(f"{url}api/{question}?{urllib.parse.urlencode(given)}") as answer:
        return json.loads(answer.read())


def timed(url: str, question: str, given: dict[str, str]) -> float:
    """Seconds of one answer."""
    started = time.perf_counter()
    ask(url, question, given)
    return time.perf_counter() - started


def measure(traces: int) -> None:
    """Print a table of what is waited for."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "many"
        write_many(folder, traces)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(f"{traces:,} traces, {size:.0f} MB\n\n| waited for | median seconds | longest |\n|---|--:|--:|")
        started = time.perf_counter()
        with viewing(folder) as url:
            row("`distill view` prints its link", [time.perf_counter() - started])
            listening = time.perf_counter()
            ask(url, "rows", {})
            row("first rows, while the journals are read", [time.perf_counter() - listening])
            while ask(url, "pulse", {})["is_building"]:
                time.sleep(0.1)
            row("all journals are read", [time.perf_counter() - listening])
            for name, (question, given) in QUESTIONS.items():
                # a limit that nothing reaches, another one each time: else the counts would come from the cache
                seconds = [
                    timed(url, question, given | ({} if question == "trace" else {"most": str(100_000 + turn)}))
                    for turn in range(ROUNDS)
                ]
                row(name, seconds)
            if browser := shutil.which("chromium"):
                row("the page, opened in Chromium, to its first row", list(opened(browser, url)))


def row(name: str, seconds: list[float]) -> None:
    """Print a row of the table."""
    print(f"| {name} | {statistics.median(seconds):.3f} | {max(seconds):.3f} |", flush=True)


def opened(browser: str, url: str) -> Iterator[float]:
    """Seconds from asking for the page to its first row."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=browser, args=BROWSER)
        for _ in range(ROUNDS):
            page = window.new_context().new_page()
            started = time.perf_counter()
            page.goto(url)
            page.wait_for_selector(".row .prompt")
            yield time.perf_counter() - started
        window.close()


def screenshots(docs: Path) -> None:
    """Write docs/view-*.png: a list with an open trace, right against wrong, and a loss mask in the dark."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as driver:
        folder = Path(scratch) / "quadratics"
        write_run(folder, problems=300, samples=6)
        window = driver.chromium.launch(executable_path=shutil.which("chromium"), args=BROWSER)
        with viewing(folder) as url:
            for name, scheme, address, mark in (
                ("trace", "light", "?stage=generate&in=quadratics&id=000000000003-9f3a01bc-0", ".thinking math"),
                ("compare", "light", "?stage=generate&in=quadratics&id=000000000004-9f3a01bc-0", ".thinking math"),
                ("mask", "dark", "?stage=train&in=quadratics/train&id=3", ".token"),
            ):
                page = window.new_page(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
                page.goto(url + address)
                page.wait_for_selector(mark, timeout=120_000)
                if name == "compare":
                    page.keyboard.press("c")
                    page.wait_for_selector(".columns math")
                page.wait_for_function("() => document.querySelector('#live').innerText === 'up to date'")
                page.screenshot(path=docs / f"view-{name}.png")
        window.close()


def main() -> None:
    """Measure, or write screenshots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--screenshots", type=Path, metavar="DIR")
    asked = parser.parse_args()
    if asked.screenshots:
        screenshots(asked.screenshots)
    else:
        measure(asked.traces)


if __name__ == "__main__":
    main()
