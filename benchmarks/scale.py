"""What generate costs by itself, and what it takes to go on: recorded replies (engine `replay`), nothing to wait for.

    python benchmarks/scale.py                      10,000, 100,000 and 1,000,000 traces; half an hour, 5 GB of disk
    python benchmarks/scale.py 10000 100000         a minute

Prints a Markdown table for docs/runs.md. Each step is a process of its own; memory is its peak (VmHWM), without the
verifier's. The last column compares with a bare loop that encodes and writes the same two records for each trace.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from distill.journal import Journal
from distill.recipe import load
from distill.run import open_run
from distill.sources import make_problem
from distill.stages.generate import generate
from distill.types import Trace, Verdict

THOUGHT = "Add the two numbers, digit by digit, and carry where the sum has two digits. " * 13
RECIPE = """\
name: scale
generate:
  sources: [{{use: jsonl, path: {folder}/problems.jsonl, verifier: exact}}]
  teacher: {{engine: replay, path: {folder}/recorded.jsonl}}
"""


def record(folder: Path, count: int) -> None:
    """Write so many problems, and a recorded reply to each; one in ten is wrong."""
    with (folder / "problems.jsonl").open("w") as problems, (folder / "recorded.jsonl").open("wb") as recorded:
        import msgspec

        for index in range(count):
            prompt, answer = f"{index} + {7 * index} = ?", str(8 * index)
            problems.write(json.dumps({"prompt": prompt, "answer": answer}) + "\n")
            problem = make_problem(prompt=prompt, verifier="exact", reference=answer)
            trace = Trace(
                id=f"{problem.id}-recorded-0",
                problem_id=problem.id,
                sample=0,
                teacher="recorded",
                thinking=THOUGHT,
                answer=answer if index % 10 else "0",
                finish_reason="stop",
                completion_tokens=250,
            )
            recorded.write(msgspec.json.encode(trace) + b"\n")
    (folder / "scale.yaml").write_text(RECIPE.format(folder=folder))


def work(folder: Path) -> None:
    """One generate, in this process; prints what it took."""
    started = time.perf_counter()
    with open_run(load(folder / "scale.yaml"), folder / "runs") as run:
        generate(run)
    seconds = time.perf_counter() - started
    print(json.dumps({"seconds": seconds, "mib": peak_mib()}))


def bare(folder: Path) -> None:
    """Only encode and write the same records."""
    traces = Journal(folder / "bare/traces.jsonl", Trace)
    verdicts = Journal(folder / "bare/verdicts.jsonl", Verdict)
    started = time.perf_counter()
    with traces.appender() as traced, verdicts.appender() as judged:
        for trace in Journal(folder / "recorded.jsonl", Trace):
            traced.append(trace)
            judged.append(Verdict(trace_id=trace.id, outcome="correct", extracted=trace.answer, method="exact"))
    print(json.dumps({"seconds": time.perf_counter() - started, "mib": peak_mib()}))


def peak_mib() -> float:
    """Peak resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def step(kind: str, folder: Path) -> dict[str, float]:
    """Do one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, kind, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True
    )
    return json.loads(done.stdout)


def main(counts: list[int]) -> None:
    """Print the table."""
    print(
        "| traces | generate | per trace | peak memory | goes on, nothing left | its memory | without its index "
        "| x bare |"
    )
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for count in counts:
        folder = Path(tempfile.mkdtemp(prefix="scale-"))
        try:
            record(folder, count)
            first, again = step("work", folder), step("work", folder)
            (folder / "runs/scale/index.sqlite").unlink()
            rebuilt, loop = step("work", folder), step("bare", folder)
            lines = (folder / "runs/scale/verdicts.jsonl").read_bytes().count(b"\n")
            assert lines == count, f"{lines} verdicts of {count} traces"
        finally:
            shutil.rmtree(folder)
        cells = [
            f"{count:,}",
            f"{first['seconds']:.1f} s",
            f"{1e6 * first['seconds'] / count:.0f} us",
            f"{first['mib']:.0f} MiB",
            f"{again['seconds']:.2f} s",
            f"{again['mib']:.0f} MiB",
            f"{rebuilt['seconds']:.1f} s",
            f"{first['seconds'] / loop['seconds']:.1f}",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] in (["work"], ["bare"]):
        {"work": work, "bare": bare}[sys.argv[1]](Path(sys.argv[2]))
    else:
        main([int(count) for count in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
