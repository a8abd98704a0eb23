"""Reading and writing records: msgspec, which the journals use, beside the standard library. Prints ratios.

python benchmarks/journal.py
"""

import dataclasses
import json
import time
from collections.abc import Callable

import msgspec

from distill.types import Trace

NUM_RECORDS = 20_000
ROUNDS = 5


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlainTrace:
    """The same record as a dataclass, whose types nobody checks."""

    id: str
    problem_id: str
    sample: int
    teacher: str
    thinking: str
    answer: str
    finish_reason: str
    malformed: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seed: int = 0
    seconds: float = 0.0
    error: str | None = None


def best_seconds(work: Callable[[], object]) -> float:
    """The best of several rounds: the one the machine disturbed least."""
    times: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Encode and decode the same traces in both ways."""
    thinking = "Let x be the number of apples. " * 40
    traces = [
        Trace(id=f"{i}", problem_id=f"{i}", sample=0, teacher="t", thinking=thinking, answer="4", finish_reason="stop")
        for i in range(NUM_RECORDS)
    ]
    plain = [PlainTrace(**msgspec.structs.asdict(trace)) for trace in traces]
    data = [msgspec.json.encode(trace) for trace in traces]
    decoder = msgspec.json.Decoder(Trace)
    writing = best_seconds(lambda: [msgspec.json.encode(trace) for trace in traces])
    writing_plain = best_seconds(lambda: [json.dumps(dataclasses.asdict(trace)).encode() for trace in plain])
    reading = best_seconds(lambda: [decoder.decode(line) for line in data])
    reading_plain = best_seconds(lambda: [PlainTrace(**json.loads(line)) for line in data])
    print("| | msgspec, types checked | dataclasses and json, unchecked | times faster |\n|---|---|---|---|")
    for name, ours, other in (("write", writing, writing_plain), ("read", reading, reading_plain)):
        print(f"| {name} {NUM_RECORDS} traces | {ours:.3f} s | {other:.3f} s | {other / ours:.1f} |")


if __name__ == "__main__":
    main()
