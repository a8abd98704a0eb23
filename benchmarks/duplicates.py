"""What finding near copies takes, and what is found: ours beside datasketch, as its documentation uses it.

    python benchmarks/duplicates.py                 5,000 and 25,000 problems, 500 traces; some minutes
    python benchmarks/duplicates.py 20000 500       other numbers of problems, and of traces

Texts are sentences of made-up words, with numbers. A tenth of them have a copy: equal but for notation; with words put
in, left out or put in another's place; or with other numbers in the same words. Which pairs are near copies is told by
the exact Jaccard similarity of their shingles. Both sides have the same texts, shingles and threshold, one process
each, alone, one after the other. Ours is the whole step: it reads the run's files, measures, sorts, decides. Of
datasketch there are two: `MinHash(num_perm=128)`, `update` for each shingle, `MinHashLSH(threshold=0.8,
num_perm=128)`, `query`, `insert`; and the same with `MinHash.bulk`. Prints Markdown for docs/duplicates.md.
"""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill.filtering import Reader, Table
from distill.filtering.steps import Seen
from distill.selectors import Context
from distill.selectors.duplicates import Dedup
from distill.selectors.duplicates.choice import SHINGLE
from distill.selectors.duplicates.text import tokens
from distill.types import Problem, Trace, Verdict

NEAR = 0.8
NUM_PERM = 128
WORDS = {"problem": 60, "trace": 1_000}
SIDES = ("ours", "datasketch", "datasketch, bulk")


class Pair(NamedTuple):
    """A text and a copy of it, by their numbers."""

    original: int
    copy: int
    kind: str


# -- texts --


def sentence(rng: random.Random, words: list[str], weights: list[float]) -> str:
    found = rng.choices(words, weights, k=rng.randint(6, 18))
    if rng.random() < 0.5:
        found[rng.randrange(len(found))] = str(rng.randint(2, 400))
    return " ".join(found) + "."


def edited(rng: random.Random, text: str, words: list[str], most: float) -> str:
    """Some of its words changed, none of its numbers."""
    parts = text.split(" ")
    places = [place for place, word in enumerate(parts) if word[0].isalpha()]
    for place in rng.sample(places, max(1, int(len(places) * rng.uniform(0, most)))):
        parts[place] = rng.choice(["", f"{parts[place]} {rng.choice(words)}", rng.choice(words)])
    return " ".join(filter(None, parts))


def swapped(rng: random.Random, text: str) -> str:
    """The same words with other numbers."""
    return " ".join(str(rng.randint(401, 999)) if part.strip(".").isdigit() else part for part in text.split(" "))


def renoted(text: str) -> str:
    """The same in another notation."""
    return f"12. **{text[:1].upper()}{text[1:].replace('. ', '.  ')}**"


def make(of: str, count: int) -> tuple[list[str], list[Pair]]:
    """Texts, and the pairs that were planted."""
    rng = random.Random(of)
    syllables = [a + b for a in "bcdfglmnprstv" for b in ("a", "e", "i", "o", "u", "an", "er", "is")]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(5_000)]
    weights = [1 / (rank + 10) for rank in range(len(words))]
    pool = [sentence(rng, words, weights) for _ in range(20_000)] if of == "trace" else []
    texts: list[str] = []
    while len(texts) < count:
        length = max(10, rng.lognormvariate(0, 0.6) * WORDS[of]) / 12
        new = rng.choices(pool, k=int(length) + 1) if pool else [
            sentence(rng, words, weights) for _ in range(int(length) + 1)
        ]  # fmt: skip
        texts.append(" ".join(new))
    copies = {
        "equal": renoted,
        "edited": lambda text: edited(rng, text, words, 0.08),
        "swapped": lambda text: swapped(rng, text),
    }
    pairs: list[Pair] = []
    for number, original in enumerate(rng.sample(range(count), count // 10)):
        kind = ("equal", "edited", "edited", "swapped")[number % 4]
        made = copies[kind](texts[original])
        if made != texts[original]:
            pairs.append(Pair(original, len(texts), kind))
            texts.append(made)
    return texts, pairs


def write(folder: Path, of: str, texts: list[str]) -> None:
    """A run's files."""
    ids = list(range(len(texts)))
    random.Random(0).shuffle(ids)
    with (
        (folder / "problems.jsonl").open("wb") as problems,
        (folder / "traces.jsonl").open("wb") as traces,
        (folder / "verdicts.jsonl").open("wb") as verdicts,
    ):
        for number in ids:
            is_problem = of == "problem"
            prompt, thought = (texts[number], "") if is_problem else (f"problem {number}", texts[number])
            problem = Problem(id=f"{number:08}", prompt=prompt, verifier="exact")
            trace = Trace(
                id=f"{number:08}-t-0", problem_id=problem.id, sample=0, teacher="t", thinking=thought, answer="",
                finish_reason="stop",
            )  # fmt: skip
            problems.write(msgspec.json.encode(problem) + b"\n")
            traces.write(msgspec.json.encode(trace) + b"\n")
            verdicts.write(msgspec.json.encode(Verdict(trace_id=trace.id, outcome="correct")) + b"\n")


def shingles_of(text: str, n: int) -> set[str]:
    """The shingles of both sides, as strings."""
    found = tokens(text)
    padded = [*[""] * (n - 1), *found, *[""] * (n - 1)]
    return {" ".join(padded[place : place + n]) for place in range(len(padded) - n + 1)}


# -- the two sides; each in a process of its own --


def ours(folder: Path, of: Any) -> list[int]:
    """The step, put to all traces of a run in one process; the numbers of the texts that it drops."""
    step = Dedup(of=of, near=NEAR)
    context = Context(count_tokens=lambda _: 1, seed="0", scratch=folder)
    reader = Reader(folder)
    with Table(folder / "traces.sqlite") as table:
        table.read(folder)
        batch: list[Seen] = []
        for place in table.kept():
            batch.append(Seen(place.row, None, None, step.measure(reader.candidate(place), context), {}))
            if len(batch) == 128:
                table.settle(batch)
                batch = []
        table.settle(batch)
        table.rule(step.choose(table.measured(), context), 0, "dedup")
        return [int(found.trace_id[:8]) for found in table.decided() if found.step is not None]


def datasketch(folder: Path, of: str, is_bulk: bool) -> list[int]:
    """A text for which the index has another is dropped; all else goes into the index."""
    from datasketch import MinHash, MinHashLSH

    def texts() -> Iterator[tuple[str, str]]:
        with (folder / f"{of}s.jsonl").open("rb") as file:
            for record in map(json.loads, file):
                yield (record["id"][:8], record["prompt"] if of == "problem" else record["thinking"])

    def plain() -> Iterator[tuple[str, MinHash]]:
        for name, text in texts():
            minhash = MinHash(num_perm=NUM_PERM)
            for shingle in shingles_of(text, SHINGLE[of]):
                minhash.update(shingle.encode())
            yield name, minhash

    def bulk() -> Iterator[tuple[str, MinHash]]:
        names: list[str] = []

        def sets() -> Iterator[list[bytes]]:
            for name, text in texts():
                names.append(name)
                yield [shingle.encode() for shingle in shingles_of(text, SHINGLE[of])]

        for number, minhash in enumerate(MinHash.generator(sets(), num_perm=NUM_PERM)):
            yield names[number], minhash

    lsh = MinHashLSH(threshold=NEAR, num_perm=NUM_PERM)
    dropped: list[int] = []
    for name, minhash in bulk() if is_bulk else plain():
        if lsh.query(minhash):
            dropped.append(int(name))
        else:
            lsh.insert(name, minhash)
    return dropped


def run_side(side: str, of: str, folder: Path) -> None:
    """Print what one side took and dropped, as JSON."""
    import datasketch as _  # noqa: F401  # both have imported the same before the clock starts

    act: dict[str, Callable[[], list[int]]] = {
        "ours": lambda: ours(folder, of),
        "datasketch": lambda: datasketch(folder, of, is_bulk=False),
        "datasketch, bulk": lambda: datasketch(folder, of, is_bulk=True),
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    dropped = act[side]()
    seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"seconds": seconds, "mib": grown, "dropped": dropped}))


# -- the table --


def truth(texts: list[str], pair: Pair, of: str) -> str:
    """What a pair is, by its exact similarity."""
    if pair.kind != "edited":
        return {"equal": "equal but for notation", "swapped": "other numbers"}[pair.kind]
    one, other = (shingles_of(texts[place], SHINGLE[of]) for place in pair[:2])
    exact = len(one & other) / len(one | other)
    if exact < NEAR:
        return "edited, similarity below 0.80"
    return f"edited, similarity {'0.80 to 0.85' if exact < 0.85 else '0.85 to 0.90' if exact < 0.9 else '0.90 to 1'}"


def main(of: str, count: int) -> None:
    texts, pairs = make(of, count)
    kinds = {pair: truth(texts, pair, of) for pair in pairs}
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="duplicates-") as name:
        write(Path(name), of, texts)
        for side in SIDES:
            asked = [sys.executable, __file__, "--side", side, of, name]
            found[side] = json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)
    megabytes = sum(map(len, texts)) / 1e6
    print(f"\n{len(texts):,} {of}s, {megabytes:.0f} MB, {len(pairs):,} planted pairs\n")
    print(f"| | {' | '.join(SIDES)} |\n|---|{'--:|' * len(SIDES)}")
    first = found["ours"]
    rows = {
        "seconds": [f"{found[side]['seconds']:.1f}" for side in SIDES],
        "times ours": [f"{found[side]['seconds'] / first['seconds']:.1f}" for side in SIDES],
        "memory above the imports'": [f"{found[side]['mib']:.0f} MiB" for side in SIDES],
    }
    by_kind: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair, kind in kinds.items():
        by_kind[kind].append(pair)
    gone = {side: set(found[side]["dropped"]) for side in SIDES}
    for kind, group in sorted(by_kind.items()):
        wanted = "stays" if "below" in kind or "numbers" in kind else "goes"
        hits = Counter({side: sum(not gone[side].isdisjoint(pair[:2]) for pair in group) for side in SIDES})
        rows[f"{kind} ({wanted}): dropped"] = [f"{hits[side]} of {len(group)}" for side in SIDES]
    planted = {place for pair in pairs for place in pair[:2]}
    rows["no copy (stays): dropped"] = [
        f"{len(gone[side] - planted)} of {len(texts) - len(planted):,}" for side in SIDES
    ]
    for label, cells in rows.items():
        print(f"| {label} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--side"]:
        run_side(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        asked = [int(count) for count in sys.argv[1:]] or [5_000, 25_000, 500]
        for count in asked[:-1]:
            main("problem", count)
        main("trace", asked[-1])
