"""What the watch for endless loops cuts, what it cuts wrongly, and what it costs. Prints markdown tables.

python benchmarks/loops.py [--traces FILE.jsonl --degenerate FILE.jsonl]

Traces are rows with ``output``, ``label`` (is it correct) and ``extra.uid``; degenerate rows name a trace by
``extra.ref`` and say its ``extra.kind``, and ``label`` is false for a control. Without files only the cost is printed.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from distill.loops import LoopWatch, looping

ROUNDS = 7
NUM_CHARACTERS = 200_000
DELTA = 4
"""Characters; about one token."""


def best_seconds(work: Callable[[], object]) -> float:
    """The best of several rounds: the one the machine disturbed least."""
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def join(deltas: Sequence[str]) -> str:
    """What a client does anyway."""
    kept: list[str] = []
    for delta in deltas:
        kept.append(delta)
    return "".join(kept)


def join_and_watch(deltas: Sequence[str]) -> str:
    """The same with a watch, which is not obeyed."""
    kept: list[str] = []
    watch = LoopWatch()
    for delta in deltas:
        kept.append(delta)
        watch.feed(delta)
    return "".join(kept)


def texts() -> dict[str, str]:
    """Texts that are never cut, so that all of each is watched."""
    rng = random.Random(0)
    words = [f"{stem}{end}" for stem in ("so", "let", "check", "sum", "wait") for end in ("", "s", "ing", ",", ".\n")]
    line = "Case {}: the position is lost, as each move leaves a position that is won.\n"
    return {
        "random words": " ".join(rng.choices(words, k=NUM_CHARACTERS))[:NUM_CHARACTERS],
        "counting up": "".join(map(line.format, range(NUM_CHARACTERS)))[:NUM_CHARACTERS],
        "runs that nearly loop": "".join("-" * 3900 + rng.choice("ab") for _ in range(60))[:NUM_CHARACTERS],
    }


def print_cost() -> None:
    """Microseconds for 1,000 characters, with and without the watch."""
    print(
        f"\n| text, in deltas of {DELTA} | joined, us per 1,000 characters | watched too | times |\n|---|--:|--:|--:|"
    )
    for name, text in texts().items():
        deltas = [text[start : start + DELTA] for start in range(0, len(text), DELTA)]
        alone, watched = (best_seconds(lambda work=work: work(deltas)) for work in (join, join_and_watch))  # noqa: B023
        scale = 1e6 / (len(text) / 1000)
        print(f"| {name} | {alone * scale:.1f} | {watched * scale:.1f} | {watched / alone:.1f} |")


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_correct(trace: dict[str, Any]) -> bool:
    """Whether a trace is labelled correct; a review overrules the label."""
    review: dict[str, Any] = trace["extra"].get("review") or {}
    return review.get("label", trace["label"]) is True


def groups(traces: list[dict[str, Any]], degenerate: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The outputs by kind."""
    outputs = {trace["extra"]["uid"]: trace["output"] or "" for trace in traces}
    found: dict[str, list[str]] = {}
    for row in sorted(degenerate, key=lambda row: (not row["label"], row["extra"]["kind"])):
        name = row["extra"]["kind"] if row["label"] else f"control: {row['extra']['kind']}"
        found.setdefault(name, []).append(outputs[row["extra"]["ref"]])
    found["**all that are labelled correct**"] = [trace["output"] or "" for trace in traces if is_correct(trace)]
    found["**all traces**"] = list(outputs.values())
    return found


def print_cuts(traces: list[dict[str, Any]], degenerate: list[dict[str, Any]]) -> None:
    """How many of each kind are cut, and what that saves; a cut control or correct trace is a false alarm."""
    print("| kind | traces | cut | characters saved |\n|---|--:|--:|--:|")
    for name, outputs in groups(traces, degenerate).items():
        loops = [(output, loop) for output in outputs if (loop := looping(output)) is not None]
        saved = sum(len(output) - loop.sure_at for output, loop in loops)
        share = saved / max(sum(map(len, outputs)), 1)
        print(f"| {name} | {len(outputs)} | {len(loops)} | {share:.1%} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--degenerate", type=Path)
    options = parser.parse_args()
    if (options.traces is None) != (options.degenerate is None):
        parser.error("give both --traces and --degenerate, or neither")
    if options.traces is not None:
        print_cuts(rows(options.traces), rows(options.degenerate))
    print_cost()


if __name__ == "__main__":
    main()
