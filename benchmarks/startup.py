"""How long `distill --help` takes, beside importing the three libraries it cannot do without. Prints a ratio.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time

OURS = [sys.executable, "-m", "distill", "--help"]
FLOOR = [sys.executable, "-c", "import typer, rich, pydantic"]
PAIRS = 15


def seconds(command: list[str]) -> float:
    """Wall clock of one process."""
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    """Run both in turn and compare pair by pair."""
    pairs = [(seconds(OURS), seconds(FLOOR)) for _ in range(PAIRS + 1)][1:]
    ratios = sorted(ours / floor for ours, floor in pairs)
    ours, floor = (statistics.median(column) for column in zip(*pairs, strict=True))
    print("| command | median seconds |\n|---|---|")
    print(f"| distill --help | {ours:.3f} |\n| import typer, rich, pydantic | {floor:.3f} |\n")
    print(f"ratio, pair by pair: median {statistics.median(ratios):.2f}, worst of {PAIRS} {ratios[-1]:.2f}")


if __name__ == "__main__":
    main()
