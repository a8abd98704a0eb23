"""How well and how fast decontamination finds benchmark problems, beside the published rules. Prints markdown tables.

python benchmarks/contamination.py pairs [--pairs FILE.jsonl]
python benchmarks/contamination.py neighbours --texts FILE.jsonl
python benchmarks/contamination.py speed [--problems 100000] [--datasets]

A pair is a row with ``problem`` (a benchmark's text), ``output`` (a text that may be contaminated by it), ``label``
(is it; null if undecided) and ``extra.kind``. Neighbours are rows of ``problem``. The rules for comparison are written
anew from their description: any shared 8-gram of words, prompts of fewer than 8 words never (open-r1
`scripts/decontaminate.py`, s1), and rapidfuzz's ratio of at least 95 (OpenThoughts `open_thoughts/decontaminate.py`).
"""

import argparse
import json
import lzma
import multiprocessing
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

from contamination_world import World, make_world
from rapidfuzz import fuzz

from distill.selectors.contamination import Index, Item, Options

WRITTEN = Path(__file__).parent.parent / "tests/selectors/written_pairs.jsonl.xz"
N = 8
Made = TypeVar("Made")
KINDS_SHOWN = ("copied", "recased", "numbers swapped", "reworded", "inside a longer text", "short, copied", "fresh")


# --- pairs ------------------------------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """A benchmark's text, and one that may stem from it."""

    kind: str
    label: bool
    problem: str
    text: str


def eight_grams(text: str, n: int = N) -> set[str]:
    """The n-grams of words as open-r1 counts them."""
    words = " ".join(text.lower().strip().split()).split()
    return {" ".join(words[start : start + n]) for start in range(len(words) - n + 1)}


def shares_eight_gram(pair: Pair) -> bool:
    return not eight_grams(pair.problem).isdisjoint(eight_grams(pair.text))


def is_nearly_equal(pair: Pair) -> bool:
    return fuzz.ratio(pair.problem, pair.text) >= 95


@dataclass
class Score:
    """Right and wrong answers to pairs."""

    hits: int = 0
    alarms: int = 0
    misses: int = 0
    passes: int = 0

    def add(self, label: bool, said: bool) -> None:
        """Count one answer."""
        self.hits += label and said
        self.alarms += said and not label
        self.misses += label and not said
        self.passes += not label and not said

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.hits / max(1, 2 * self.hits + self.alarms + self.misses)

    def __str__(self) -> str:
        if not self.hits + self.misses:
            return f"{self.alarms} of {self.alarms + self.passes} false alarms"
        precision = self.hits / max(1, self.hits + self.alarms)
        return f"P {precision:.2f} R {self.hits / (self.hits + self.misses):.2f} F1 {self.f1:.2f}"


def items_of(pairs: Iterable[Pair]) -> dict[str, Item]:
    """Every benchmark text once."""
    problems = dict.fromkeys(pair.problem for pair in pairs)
    return {problem: Item("pairs", str(number), problem) for number, problem in enumerate(problems)}


def together(pairs: Sequence[Pair], options: Options) -> Callable[[Pair], bool]:
    """As in real use: one index of all texts; a pair is found if its own text is among what matches."""
    items = items_of(pairs)
    index = Index(list(items.values()), options)
    return lambda pair: any(match.item == items[pair.problem].id for match in index.matches(pair.text))


def alone(options: Options) -> Callable[[Pair], bool]:
    """An index of the pair's text only."""
    return lambda pair: Index([Item("pairs", "0", pair.problem)], options).match(pair.text) is not None


def scored(pairs: Iterable[Pair], says: Callable[[Pair], bool]) -> dict[str, Score]:
    """The scores by kind, and of them all."""
    scores: dict[str, Score] = defaultdict(Score)
    for pair in pairs:
        said = says(pair)
        scores[pair.kind].add(pair.label, said)
        scores["all"].add(pair.label, said)
    return scores


def print_pairs(path: Path) -> None:
    stored = path.read_bytes()
    text = (lzma.decompress(stored) if path.suffix == ".xz" else stored).decode()
    rows = [json.loads(line) for line in text.split("\n") if line]
    known = [row for row in rows if row["label"] is not None]
    pairs = [Pair(row["extra"]["kind"], row["label"], row["problem"], row["output"]) for row in known]
    print(f"{len(pairs)} pairs; {len(rows) - len(known)} undecided ones are left out.")
    rules = {
        "ours, one index": together(pairs, Options()),
        "ours, pair by pair": alone(Options()),
        "8-gram": shares_eight_gram,
        "rapidfuzz >= 95": is_nearly_equal,
    }
    by_rule = {name: scored(pairs, rule) for name, rule in rules.items()}
    counts = Counter(pair.kind for pair in pairs)
    print(f"\n| kind | pairs | {' | '.join(rules)} |\n|---|--:|{'---|' * len(rules)}")
    for kind in [*sorted(counts), "all"]:
        cells = " | ".join(str(by_rule[name][kind]) for name in rules)
        print(f"| {kind} | {counts[kind] or len(pairs)} | {cells} |")
    print_methods(pairs)
    print_sensitivity(pairs)
    print_held_out(pairs)


def print_methods(pairs: Sequence[Pair]) -> None:
    """Which method answered, and what is near to another text than the pair's."""
    items = items_of(pairs)
    index = Index(list(items.values()))
    answers: Counter[tuple[str, bool]] = Counter()
    others = 0
    for pair in pairs:
        matches = index.matches(pair.text)
        own = [match.method for match in matches if match.item == items[pair.problem].id]
        answers[own[0] if own else "none", pair.label] += 1
        others += bool(matches) and not own
    print("\n| answered by | contaminated | not |\n|---|--:|--:|")
    for method in dict(answers.keys()):
        print(f"| {method} | {answers[method, True]} | {answers[method, False]} |")
    print(f"\n{others} texts match only another pair's benchmark text; they count as not found.")


def print_sensitivity(pairs: Sequence[Pair]) -> None:
    print("\n| threshold | -10 % | -5 % | default | +5 % | +10 % |\n|---|--:|--:|--:|--:|--:|")
    for name in ("paraphrase", "fuzzy", "contained", "masked"):
        default = getattr(Options(), name)
        tried = [min(1.0, default * factor) for factor in (0.9, 0.95, 1.0, 1.05, 1.1)]
        f1s = [scored(pairs, together(pairs, replace(Options(), **{name: value})))["all"].f1 for value in tried]
        cells = " | ".join(f"{f1:.3f} ({value:.3g})" for f1, value in zip(f1s, tried, strict=True))
        print(f"| {name} | {cells} |")
    for n in (8, 10, 13):
        score = scored(pairs, together(pairs, Options(ngram=n)))["all"]
        print(f"\nngram: {n}: {score}, {score.alarms} false alarms")


def print_held_out(pairs: Sequence[Pair]) -> None:
    """The threshold of `paraphrase` chosen on all kinds but one, then measured on that one."""
    grid = [0.35 + 0.02 * step for step in range(9)]
    by_threshold = {value: scored(pairs, together(pairs, replace(Options(), paraphrase=value))) for value in grid}
    total = Score()
    chosen: list[float] = []
    for kind in sorted({pair.kind for pair in pairs}):

        def others(value: float, kind: str = kind) -> float:
            whole, part = by_threshold[value]["all"], by_threshold[value][kind]
            hits, alarms, misses = whole.hits - part.hits, whole.alarms - part.alarms, whole.misses - part.misses
            return 2 * hits / max(1, 2 * hits + alarms + misses)

        best = max(grid, key=others)
        chosen.append(best)
        part = by_threshold[best][kind]
        total = Score(*(getattr(total, name) + getattr(part, name) for name in ("hits", "alarms", "misses", "passes")))
    span = f"{min(chosen):.2f} to {max(chosen):.2f}"
    print(f"\nThreshold of paraphrase chosen without the kind it is measured on ({span}): {total}")


def print_neighbours(path: Path) -> None:
    """Each text against all the others: none stems from another, so what matches is a false alarm or a duplicate."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = list(dict.fromkeys(row["problem"] for row in rows))
    items = [Item("others", str(number), text) for number, text in enumerate(texts)]
    print("| | matched | by |\n|---|--:|---|")
    for name, options in (("all methods", Options()), ("paraphrase: 0.6", Options(paraphrase=0.6))):
        indexes = (Index(items[:place] + items[place + 1 :], options) for place in range(len(items)))
        answers = [index.match(text) for index, text in zip(indexes, texts, strict=True)]
        methods = Counter(match.method for match in answers if match is not None)
        shown = ", ".join(f"{method} {count}" for method, count in methods.most_common())
        print(f"| {name} | {methods.total()} of {len(texts)} | {shown} |")


# --- speed ------------------------------------------------------------------------------------------------------------


def lookups(world: World) -> dict[str, dict[str, set[int]]]:
    """For each suite, its n-grams and who holds them."""
    found: dict[str, dict[str, set[int]]] = {}
    for suite, texts in world.suites.items():
        lookup: dict[str, set[int]] = defaultdict(set)
        for number, text in enumerate(texts):
            words = " ".join(text.lower().strip().split()).split()
            for start in range(len(words) - N + 1):
                lookup[" ".join(words[start : start + N])].add(number)
        found[suite] = lookup
    return found


def theirs(world: World, texts: Sequence[str]) -> list[bool]:
    """open-r1's way, without its `datasets.map`: every row's n-grams are built again for every suite."""
    found = [False] * len(texts)
    for lookup in lookups(world).values():
        for place, text in enumerate(texts):
            is_in = any({gram in lookup for gram in eight_grams(text)})  # noqa: C419  # it looks every n-gram up
            found[place] = found[place] or is_in
    return found


def theirs_mapped(world: World, texts: Sequence[str], processes: int) -> list[bool]:
    """open-r1's way with `datasets.map`, one column for each suite."""
    from datasets import Dataset, disable_progress_bars

    disable_progress_bars()
    rows = Dataset.from_dict({"problem": list(texts)})
    for suite, lookup in lookups(world).items():

        def mark(row: dict[str, object], suite: str = suite, lookup: dict[str, set[int]] = lookup) -> dict[str, object]:
            grams = eight_grams(str(row["problem"]))
            row[suite] = any({gram in lookup for gram in grams})  # noqa: C419
            return row

        rows = rows.map(mark, num_proc=processes)
    return [any(row[suite] for suite in world.suites) for row in rows]


def index_of(world: World, options: Options) -> Index:
    items = [Item(suite, str(n), text) for suite, texts in world.suites.items() for n, text in enumerate(texts)]
    return Index(items, options)


def ours(world: World, texts: Sequence[str], options: Options) -> list[str]:
    """The method that answers, or nothing."""
    index = index_of(world, options)
    return [match.method if (match := index.match(text)) else "" for text in texts]


def ours_mapped(world: World, texts: Sequence[str], options: Options, processes: int) -> list[str]:
    with multiprocessing.get_context("fork").Pool(processes, _start, (world, options)) as pool:
        return pool.map(_answer, texts, chunksize=1000)


def _start(world: World, options: Options) -> None:
    global _index
    _index = index_of(world, options)


def _answer(text: str) -> str:
    match = _index.match(text)
    return match.method if match else ""


_index: Index = Index([])


def timed(work: Callable[[], Made], clock: Callable[[], float] = time.process_time) -> tuple[Made, float]:
    started = clock()
    made = work()
    return made, clock() - started


def print_speed(num_problems: int, with_datasets: bool) -> None:
    world = make_world(num_problems)
    texts = [problem.text for problem in world.problems]
    lengths = sorted(len(text.split()) for text in texts)
    sizes = " + ".join(str(len(suite)) for suite in world.suites.values())
    print(f"{len(texts):,} problems of {lengths[0]} to {lengths[-1]} words (median {lengths[len(lengths) // 2]}), ")
    print(f"suites of {sizes} items.")
    only, every = Options(methods=("exact", "ngram"), ngram=N), Options(ngram=N)
    reference, base = timed(lambda: theirs(world, texts))
    ngram, ngram_seconds = timed(lambda: ours(world, texts, only))
    full, full_seconds = timed(lambda: ours(world, texts, every))
    print("\n| one process | processor seconds | times as fast | matches |\n|---|--:|--:|--:|")
    print(f"| open-r1's method, n = {N}, plain Python | {base:.1f} | 1 | {sum(reference)} |")
    for name, seconds, answers in (("exact and n-gram", ngram_seconds, ngram), ("all methods", full_seconds, full)):
        print(f"| ours, {name}, n = {N} | {seconds:.1f} | {base / seconds:.1f} | {sum(map(bool, answers))} |")
    if with_datasets:
        _, base = timed(lambda: theirs_mapped(world, texts, 2), time.perf_counter)
        _, ngram_seconds = timed(lambda: ours_mapped(world, texts, only, 2), time.perf_counter)
        _, full_seconds = timed(lambda: ours_mapped(world, texts, every, 2), time.perf_counter)
        print("\n| two processes | seconds of the clock | times as fast |\n|---|--:|--:|")
        print(f"| open-r1's method through datasets.map | {base:.1f} | 1 |")
        print(f"| ours, exact and n-gram | {ngram_seconds:.1f} | {base / ngram_seconds:.1f} |")
        print(f"| ours, all methods | {full_seconds:.1f} | {base / full_seconds:.1f} |")
    print_agreement(world, reference, ngram, full)


def print_agreement(world: World, reference: Sequence[bool], ngram: Sequence[str], full: Sequence[str]) -> None:
    """Who found what, by how the problem was planted."""
    print("\n| planted | problems | both | theirs alone | ours alone: exact, n-gram | by all methods | found by none |")
    print("|---|--:|--:|--:|--:|---|--:|")
    for kind in KINDS_SHOWN:
        rows = [place for place, problem in enumerate(world.problems) if problem.planted == kind]
        both = sum(reference[place] and bool(full[place]) for place in rows)
        lost = sum(reference[place] and not (full[place] and ngram[place]) for place in rows)
        alone_ngram = sum(bool(ngram[place]) and not reference[place] for place in rows)
        methods = Counter(full[place] for place in rows if full[place] and not reference[place])
        shown = ", ".join(f"{count} {method}" for method, count in methods.most_common()) or "0"
        none = sum(not (reference[place] or full[place]) for place in rows)
        print(f"| {kind} | {len(rows)} | {both} | {lost} | {alone_ngram} | {shown} | {none} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    pairs = commands.add_parser("pairs")
    pairs.add_argument("--pairs", type=Path, default=WRITTEN, help="the tests' own if not given")
    neighbours = commands.add_parser("neighbours")
    neighbours.add_argument("--texts", type=Path, required=True)
    speed = commands.add_parser("speed")
    speed.add_argument("--problems", type=int, default=100_000)
    speed.add_argument("--datasets", action="store_true", help="also through datasets.map, in two processes")
    asked = parser.parse_args()
    if asked.command == "pairs":
        print_pairs(asked.pairs)
    elif asked.command == "neighbours":
        print_neighbours(asked.texts)
    else:
        print_speed(asked.problems, asked.datasets)


if __name__ == "__main__":
    main()
