"""What each level of isolation stops on this machine, and how many programs a second the code verifier judges there.

The floor is a bare `python -I -S` started for each test of the same programs, with no isolation and no limits.

python benchmarks/code_sandbox.py
"""

import statistics
import subprocess
import sys
import time

from distill.types import Problem
from distill.verifiers.code import CodeVerifier
from distill.verifiers.code.attempts import ATTEMPTS, still_open
from distill.verifiers.code.isolation import LEVELS, Level
from distill.verifiers.code.ladder import probe

PROGRAM = "n = int(input())\nnumbers = [int(word) for word in input().split()]\nprint(sum(sorted(numbers)[:n]))\n"
FUNCTION = "def smallest(numbers, n):\n    return sum(sorted(numbers)[:n])\n"
INPUTS = [(n, [(7 * k * k + n) % 101 for k in range(50)]) for n in range(1, 11)]
OUTPUTS = [sum(sorted(numbers)[:n]) for n, numbers in INPUTS]
TEXTS = [f"{n}\n{' '.join(map(str, numbers))}\n" for n, numbers in INPUTS]
SHAPES = {
    "standard input, 10 tests": (PROGRAM, {"inputs": TEXTS, "outputs": [f"{output}\n" for output in OUTPUTS]}),
    "calls, 10 tests": (
        FUNCTION,
        {"fn_name": "smallest", "inputs": [[numbers, n] for n, numbers in INPUTS], "outputs": OUTPUTS},
    ),
    "10 asserts": (
        FUNCTION,
        [f"assert smallest({numbers}, {n}) == {out}" for (n, numbers), out in zip(INPUTS, OUTPUTS, strict=True)],
    ),
}
PROGRAMS, ROUNDS = 10, 5


def floor_seconds() -> float:
    """Seconds for one program's ten tests, each in a Python of its own."""
    started = time.perf_counter()
    for text, output in zip(TEXTS, OUTPUTS, strict=True):
        command = [sys.executable, "-I", "-S", "-c", PROGRAM]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
        assert done.stdout == f"{output}\n"
    return time.perf_counter() - started


def judged_seconds(verifier: CodeVerifier, shape: str) -> float:
    """Seconds for one program of that shape."""
    program, tests = SHAPES[shape]
    problem = Problem(id="p", prompt="", verifier="code", metadata={"tests": tests})
    started = time.perf_counter()
    for _ in range(PROGRAMS):
        assert verifier(problem, program).outcome == "correct"
    return (time.perf_counter() - started) / PROGRAMS


def show_attempts(levels: list[Level]) -> None:
    opened = {level: still_open(level) for level in levels}
    print(f"| a program tries to | {' | '.join(levels)} |\n|---|{'---|' * len(levels)}")
    for name in ATTEMPTS:
        print(f"| {name} | {' | '.join('open' if name in opened[level] else 'stopped' for level in levels)} |")


def show_speed(levels: list[Level]) -> None:
    verifiers = {level: CodeVerifier(level=level, unsafe=True) for level in levels}
    arms = [(level, shape) for level in levels for shape in SHAPES]
    floors: list[float] = []
    seconds: dict[tuple[Level, str], list[float]] = {arm: [] for arm in arms}
    for _ in range(ROUNDS + 1):
        floors.append(floor_seconds())
        for level, shape in arms:
            seconds[level, shape].append(judged_seconds(verifiers[level], shape))
    floor = statistics.median(floors[1:])
    print(f"\nfloor: {10 / floor:.0f} tests/s, a Python started for each\n")
    print("| level | tests | programs/s | tests/s | times the floor |\n|---|---|---|---|---|")
    for (level, shape), measured in seconds.items():
        each = statistics.median(measured[1:])
        print(f"| {level} | {shape} | {1 / each:.0f} | {10 / each:.0f} | {floor / each:.1f} |")
    for verifier in verifiers.values():
        verifier.close()


def main() -> None:
    """Print both tables for the levels that work here."""
    levels = [level for level in LEVELS if probe(level).works]
    show_attempts(levels)
    show_speed(levels)


if __name__ == "__main__":
    main()
