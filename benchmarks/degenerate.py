r"""What the filter's gates catch of degenerate replies, what they drop wrongly, and what they cost. Prints markdown.

python benchmarks/degenerate.py --traces FILE.jsonl --degenerate FILE.jsonl [--show]
python benchmarks/degenerate.py [--show]      without files: the tests' own replies, written for the purpose

Traces are rows with ``problem``, ``output`` (the raw reply), ``model``, ``label`` (is it correct;
``extra.review.label`` overrules it) and ``extra.uid``. Degenerate rows name a trace by ``extra.ref``, say their
``extra.kind``, and ``label`` is false for a control.

A reply is parsed with a format in one of two readings. As stored: the format whose marks the reply shows, a missing
opening mark being the template's. As asked: the format that its model was taught, with every mark its own to write.
Kinds that say a mark is missing are about the second reading; all else is measured in the first.
"""

import argparse
import json
import lzma
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from distill import plugins
from distill.formats import FORMATS, TraceFormat
from distill.selectors import Candidate
from distill.selectors.answers import boxes
from distill.selectors.repetition import BLOCK, NEAR, VERBATIM, prices, runs
from distill.types import Problem, Trace, Verdict

GATES = ("structure", "repetition", "language", "refusal", "answers", "cut_off")
OF_MARKS = {"missing_open_tag", "no_delimiters_from_thinking_model"}
"""Kinds that are about what the model was asked to write, and not about what it wrote."""
OF_BOXES = {"several_distinct_boxed", "empty_boxed"}
"""Kinds that were labelled by counting boxes anywhere; of interest are those of the answer."""
WRITTEN = Path(__file__).parent.parent / "tests/selectors/written_replies.jsonl.xz"
ROUNDS = 3

SKY = FORMATS["sky-t1"]
SKY_OPEN = TraceFormat(
    name="sky-t1-open",
    open=SKY.open,
    close=SKY.close,
    answer_open=SKY.answer_open,
    answer_close=SKY.answer_close,
    opened_by="template",
)
# s1's marks without the special tokens, which the decoder of these files left out
S1_BARE = TraceFormat(name="s1, bare", open="think\n", close="\nanswer\n")

Row = dict[str, Any]


class Dropped(NamedTuple):
    """Which gates drop a trace, and why."""

    format: str
    gates: dict[str, str]


# -- formats --


def stored_format(row: Row) -> TraceFormat:
    """The format whose marks a reply shows."""
    text: str = row["output"] or ""
    if "<|end_of_thought|>" in text or "<|begin_of_thought|>" in text:
        return SKY if "<|begin_of_thought|>" in text else SKY_OPEN
    if "</think>" in text or "<think>" in text:
        return FORMATS["think"] if "<think>" in text else FORMATS["think-open"]
    if text.startswith("think\n"):
        return S1_BARE
    return FORMATS["plain"]


def asked_format(row: Row) -> TraceFormat:
    """The format that a reply's model was taught, with all its marks its own; as stored where it was taught none."""
    model: str = row["model"].lower()
    if "sky-t1" in model or "begin_of_thought" in (row["output"] or ""):
        return SKY
    if "s1.1" in model or "s1-" in model:
        return FORMATS["s1"]
    if re.search(r"r1|qwq|qwen3|nemotron|think|reasoner", model):
        return FORMATS["think"]
    stored = stored_format(row)
    return {"sky-t1-open": SKY, "think-open": FORMATS["think"]}.get(stored.name, stored)


def candidate(row: Row, trace_format: TraceFormat) -> Candidate:
    """A row as the filter sees it."""
    text: str = row["output"] or ""
    if trace_format is S1_BARE:
        # Its marks are words, so that only at the start of a line do they mark
        marked = re.sub(r"\A(think)\n|(?<=\n)(answer)\n", r"<|im_start|>\1\2\n", text)
        reply = FORMATS["s1"].parse(marked)
    else:
        reply = trace_format.parse(text)
    return Candidate(
        problem=Problem(id="", prompt=row["problem"] or "", verifier="math", reference=row["gold"]),
        trace=Trace(
            id=row["extra"]["uid"],
            problem_id="",
            sample=0,
            teacher="",
            thinking=reply.thinking,
            answer=reply.answer,
            finish_reason="stop",
            malformed=reply.malformed,
        ),
        verdict=Verdict(trace_id="", outcome="correct"),
    )


# -- measures --


def judge(row: Row, trace_format: TraceFormat, gates: dict[str, Callable[..., Any]]) -> Dropped:
    """What each gate says of a row."""
    seen = candidate(row, trace_format)
    drops = {name: gate(seen, None) for name, gate in gates.items()}
    return Dropped(trace_format.name, {name: f"{drop.reason}: {drop.detail}" for name, drop in drops.items() if drop})


def interval(count: int, of: int) -> str:
    """A share with its Wilson interval."""
    if not of:
        return "0 of 0"
    from scipy.stats import binomtest

    found = binomtest(count, of).proportion_ci(method="wilson")
    return f"{count} of {of} ({100 * count / of:.1f} %, {100 * found.low:.1f} to {100 * found.high:.1f})"


def is_correct(row: Row) -> bool:
    """Whether a trace is labelled correct."""
    review: Row = row["extra"].get("review") or {}
    return review.get("label", row["label"]) is True


def is_in_answer(kind: str, row: Row) -> bool:
    """Whether the boxes that a kind is about stand in the answer, and not in a thought alone."""
    if kind not in OF_BOXES:
        return True
    seen = candidate(row, stored_format(row)).trace
    found = [content.strip() for group in boxes(seen.answer) for content in group]
    return len(set(found)) > 1 if kind == "several_distinct_boxed" else "" in found


class Table:
    """Rows of counts, printed as one markdown table; what is missed or wrong is kept to be looked at."""

    def __init__(self, gates: dict[str, Callable[..., Any]], show: bool) -> None:
        self._gates = gates
        self._show = show

    def print_kinds(self, by_kind: dict[str, list[Row]]) -> None:
        """Recall of each kind, and the gates that caught it."""
        print("| kind | reading | caught, of those labelled | evidence in the answer | gates |\n|---|---|---|---|---|")
        for kind, rows in sorted(by_kind.items()):
            reading = asked_format if kind in OF_MARKS else stored_format
            dropped = [judge(row, reading(row), self._gates) for row in rows]
            caught = [bool(drop.gates) for drop in dropped]
            inside = [hit for hit, row in zip(caught, rows, strict=True) if is_in_answer(kind, row)]
            names = Counter(name for drop in dropped for name in drop.gates)
            gates = ", ".join(f"{name} {count}" for name, count in names.most_common())
            told = "as asked" if kind in OF_MARKS else "as stored"
            within = interval(sum(inside), len(inside)) if kind in OF_BOXES else ""
            print(f"| {kind} | {told} | {interval(sum(caught), len(caught))} | {within} | {gates} |")
            self._print_rows("missed", [(row, drop) for row, drop in zip(rows, dropped, strict=True) if not drop.gates])

    def print_alarms(self, groups: dict[str, list[Row]]) -> None:
        """What is dropped of groups of which nothing should be."""
        print("\n| should pass | dropped | gates |\n|---|---|---|")
        for name, rows in groups.items():
            dropped = [judge(row, stored_format(row), self._gates) for row in rows]
            alarms = [(row, drop) for row, drop in zip(rows, dropped, strict=True) if drop.gates]
            names = Counter(gate for _, drop in alarms for gate in drop.gates)
            gates = ", ".join(f"{gate} {count}" for gate, count in names.most_common())
            print(f"| {name} | {interval(len(alarms), len(rows))} | {gates} |")
            self._print_rows("false alarm", alarms)

    def _print_rows(self, what: str, rows: Iterable[tuple[Row, Dropped]]) -> None:
        for row, drop in rows if self._show else ():
            print(f"<!-- {what}: {row['extra']['uid']} {row['model'][:30]} ({drop.format}) {drop.gates} -->")


def print_prices(groups: dict[str, list[Row]]) -> None:
    """What the blocks of a text cost, and the longest stretch of cheap ones in any text of a group."""
    print(f"\n| replies | median price | longest stretches up to {VERBATIM} | up to {NEAR} |\n|---|--:|--:|--:|")
    for name, rows in groups.items():
        priced = [prices(row["output"] or "") for row in rows]
        middle = statistics.median(price for costs in priced for price in costs)
        longest = [
            sorted((last - first) * BLOCK for costs in priced for first, last in runs(costs, limit))[::-1][:3]
            for limit in (VERBATIM, NEAR)
        ]
        print(
            f"| {name} ({len(rows)}) | {middle:.2f} | {' '.join(', '.join(map(str, best)) + ' |' for best in longest)}"
        )


def print_costs(rows: list[Row], gates: dict[str, Callable[..., Any]]) -> None:
    """Microseconds for 1,000 characters, the best of a few rounds over all traces, and of 20,000 characters."""
    seen = [candidate(row, stored_format(row)) for row in rows]
    size = sum(len(one.trace.thinking) + len(one.trace.answer) for one in seen)
    print("\n| gate | microseconds for 1,000 characters | for a trace of 20,000 |\n|---|--:|--:|")
    for name, gate in gates.items():
        seconds = min(timed(gate, seen) for _ in range(ROUNDS))
        cost = 1e9 * seconds / size
        print(f"| `{name}` | {cost:.1f} | {20 * cost:.0f} |")


def timed(gate: Callable[..., Any], seen: list[Candidate]) -> float:
    """Seconds that a gate takes for all."""
    started = time.perf_counter()
    for one in seen:
        gate(one, None)
    return time.perf_counter() - started


def read(path: Path) -> list[Row]:
    """The rows of a file of JSON lines, packed or not."""
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path)
    parser.add_argument("--degenerate", type=Path)
    parser.add_argument("--show", action="store_true", help="name each trace that is missed or dropped wrongly")
    options = parser.parse_args()
    gates = {name: plugins.build("selectors", name, {}) for name in GATES}
    if options.traces and options.degenerate:
        print_labelled(read(options.traces), read(options.degenerate), gates, show=options.show)
    elif options.traces or options.degenerate:
        parser.error("--traces and --degenerate go together")
    else:
        print_written(gates, show=options.show)


def print_written(gates: dict[str, Callable[..., Any]], *, show: bool) -> None:
    """What is caught and what is dropped wrongly of the tests' own replies, in the format `think`."""
    rows = read(WRITTEN)
    print("| kind | dropped | gates |\n|---|---|---|")
    for should_drop, title in ((True, "**all that should be dropped**"), (False, "**all that should pass**")):
        by_kind: dict[str, list[dict[str, str]]] = defaultdict(list)
        for row in (row for row in rows if row["label"] == should_drop):
            found = judge(row, FORMATS["think"], gates).gates
            by_kind[row["extra"]["kind"]].append(found)
            if show and bool(found) != should_drop:
                print(f"<!-- {row['extra']['uid']} {row['extra']['kind']}: {row['extra']['note']} {found} -->")
        for kind, found in [*sorted(by_kind.items()), (title, [one for some in by_kind.values() for one in some])]:
            by_gate = Counter(name for gates_of_one in found for name in gates_of_one)
            said = ", ".join(f"{name} {count}" for name, count in by_gate.most_common())
            print(f"| {kind} | {interval(sum(map(bool, found)), len(found))} | {said} |")


def print_labelled(
    traces: list[Row], degenerate: list[Row], gates: dict[str, Callable[..., Any]], *, show: bool
) -> None:
    """The tables of docs/filter-gates.md for real replies and their labels."""
    known = {row["extra"]["uid"]: row for row in traces}
    by_kind: dict[str, list[Row]] = defaultdict(list)
    controls: dict[str, list[Row]] = defaultdict(list)
    labelled: dict[str, set[str]] = defaultdict(set)
    for row in degenerate:
        ref, kind = row["extra"]["ref"], row["extra"]["kind"]
        (by_kind if row["label"] else controls)[kind].append(known[ref])
        if row["label"]:
            labelled[ref].add(kind)
    table = Table(gates, show)
    table.print_kinds(by_kind)
    correct = [row for row in traces if is_correct(row)]
    clean = [row for row in correct if labelled[row["extra"]["uid"]] <= OF_MARKS]
    table.print_alarms(
        {
            **{f"control: {kind}": rows for kind, rows in sorted(controls.items())},
            "**all controls**": [row for rows in controls.values() for row in rows],
            "**correct, and of no degenerate kind but those of marks**": clean,
            "correct, of whatever kind": correct,
        }
    )
    loops = {kind: rows for kind, rows in sorted(by_kind.items()) if "loop" in kind}
    looping = {row["extra"]["uid"] for rows in loops.values() for row in rows}
    print_prices({**loops, "all others": [row for row in traces if row["extra"]["uid"] not in looping]})
    print_costs(traces, gates)


if __name__ == "__main__":
    main()
