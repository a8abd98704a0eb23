"""What filtering a heap of traces takes: rate, and memory that should not grow with the heap.

    python benchmarks/filter.py                             10,000, 100,000 and 1,000,000 traces; 10 GB of disk, hours
    python benchmarks/filter.py 10000 100000                some minutes
    python benchmarks/filter.py --words 100 10000 1000000   short traces: does memory grow with their number?

Traces are made of a vocabulary's random sentences, their lengths log-normal with a median of 1,000 words (or
`--words`) and a long tail, four to a problem; some are wrong, truncated, looping or refusals. The steps are all that
look at text, then decontamination, duplicates and a cap for each problem. Memory is the largest sum of the proportional
set sizes (PSS) of the command and its processes, looked at five times a second. Prints a Markdown table for
docs/filter.md.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from distill.filtering.passes import num_cores
from distill.types import PassRate, Problem, Trace, Verdict

SPREAD = 0.8
SIBLINGS = 4
MOST_TOKENS = 16_384
RECIPE = """\
name: heap
generate:
  sources: [{{use: countdown, count: 1}}]
  teacher: {{engine: solver}}
filter:
  workers: {cores}
  select:
    - structure
    - correct
    - repetition
    - language
    - refusal
    - answers
    - {{use: length, max_tokens: {most}}}
    - decontaminate
    - dedup
    - {{use: per_problem, keep: 1, prefer: shortest}}
train: {{student: {folder}/student}}
eval: {{suites: [countdown-tiny]}}
"""


def sentences(rng: random.Random) -> list[str]:
    """Sentences of made-up words, with the frequencies of words in English (Zipf's law)."""
    syllables = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(5_000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    return [
        " ".join(rng.choices(words, weights, k=rng.randint(6, 20))).capitalize() + rng.choice([".", ".", "?", ":"])
        for _ in range(20_000)
    ]


def thought(rng: random.Random, pool: list[str], number: int, words: int) -> str:
    """A text of some `words` words, whose numbers occur in no other."""
    num_words = min(20_000, rng.lognormvariate(0, SPREAD) * words)
    parts = [f"{line} {number + place}" for place, line in enumerate(rng.choices(pool, k=max(2, int(num_words / 14))))]
    if number % 50 == 7:
        parts += [f"Wait, let me check {parts[-1]}"] * 60
    return "\n\n".join(" ".join(parts[start : start + 4]) for start in range(0, len(parts), 4))


def make(folder: Path, count: int, words: int) -> int:
    """Write a run's journals with so many traces; returns the bytes of the traces."""
    rng = random.Random(0)
    pool = sentences(rng)
    run = folder / "runs/heap"
    run.mkdir(parents=True)
    (folder / "student").mkdir()
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    tokenizer.train_from_iterator(pool[:4_000], trainers.BpeTrainer(vocab_size=8_000, show_progress=False))
    tokenizer.save(str(folder / "student/tokenizer.json"))
    (folder / "heap.yaml").write_text(RECIPE.format(folder=folder, most=MOST_TOKENS, cores=num_cores()))
    for name, records in (("problems", problems(rng, pool, count)), ("pass_rates", pass_rates(count))):
        with (run / f"{name}.jsonl").open("wb") as file:
            file.writelines(msgspec.json.encode(record) + b"\n" for record in records)
    with (run / "traces.jsonl").open("wb") as traces, (run / "verdicts.jsonl").open("wb") as verdicts:
        for number in range(count):
            trace = made(rng, pool, number, count, words)
            verdict = Verdict(trace_id=trace.id, outcome="incorrect" if number % 5 == 0 else "correct", method="math")
            traces.write(msgspec.json.encode(trace) + b"\n")
            verdicts.write(msgspec.json.encode(verdict) + b"\n")
    return (run / "traces.jsonl").stat().st_size


def problem_id(number: int) -> str:
    return f"{number * 2654435761 % 2**64:016x}"


def problems(rng: random.Random, pool: list[str], count: int) -> Iterator[Problem]:
    for number in range(-(-count // SIBLINGS)):
        text = " ".join(rng.choices(pool, k=rng.randint(2, 6)))
        prompt = f"{text} What is {number} times {rng.randint(2, 99)}?"
        yield Problem(id=problem_id(number), prompt=prompt, verifier="math", reference="1", domain="math")


def pass_rates(count: int) -> Iterator[PassRate]:
    for number in range(-(-count // SIBLINGS)):
        yield PassRate(
            problem_id=problem_id(number), replies=4, correct=3, truncated=0, unverifiable=0, pass_rate=0.75,
            difficulty=0.33,
        )  # fmt: skip


def made(rng: random.Random, pool: list[str], number: int, count: int, words: int) -> Trace:
    """Siblings come far apart, as they do where every problem is asked once before any is asked again."""
    num_problems = -(-count // SIBLINGS)
    asked, sample = problem_id(number % num_problems), number // num_problems
    answer = "I'm sorry, but I can't help with that." if number % 97 == 3 else rf"So it is \boxed{{{number}}}."
    return Trace(
        id=f"{asked}-teacher-{sample}",
        problem_id=asked,
        sample=sample,
        teacher="teacher",
        thinking=thought(rng, pool, number, words),
        answer=answer,
        finish_reason="length" if number % 31 == 5 else "stop",
        completion_tokens=1,
    )


def filtered(folder: Path) -> tuple[float, float]:
    """Run the command; seconds, and the peak of its memory in MiB."""
    asked = [sys.executable, "-m", "distill", "filter", str(folder / "heap.yaml"), "--runs", str(folder / "runs")]
    started, most = time.perf_counter(), 0.0
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(asked, stdout=log, stderr=log, cwd=folder)
        while process.poll() is None:
            most = max(most, sum(map(pss_mib, [process.pid, *children(process.pid)])))
            time.sleep(0.2)
    if process.returncode:
        sys.exit((folder / "log.txt").read_text())
    return time.perf_counter() - started, most


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    try:
        return [int(child) for child in found.read_text().split()]
    except OSError:
        return []


def pss_mib(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/smaps_rollup").read_text().partition("\nPss:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("counts", nargs="*", type=int, default=[10_000, 100_000, 1_000_000], help="traces")
    parser.add_argument("--words", type=int, default=1_000, help="in the median trace")
    asked = parser.parse_args()
    print("| traces | text | filter | rate | peak memory | kept |\n|--:|--:|--:|--:|--:|--:|")
    for count in asked.counts:
        folder = Path(tempfile.mkdtemp(prefix="filter-"))
        try:
            size = make(folder, count, asked.words)
            seconds, peak = filtered(folder)
            record = json.loads((folder / "runs/heap/manifest.json").read_text())["stages"]["filter"]
        finally:
            shutil.rmtree(folder)
        cells = (
            f"{count:,}", f"{size / 1e6:,.0f} MB", f"{seconds:,.0f} s", f"{size / 1e6 / seconds:.1f} MB/s",
            f"{peak:.0f} MiB", f"{record['examples']:,}",
        )  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
