r"""How often the math verifier is right and how fast it is, beside Math-Verify in the same run. Prints markdown tables.

python benchmarks/grading.py accuracy [--cases FILE ...] [--failures]
python benchmarks/grading.py speed [--references FILE.jsonl] [--cases FILE ...]

Cases are rows with ``reference``, ``response``, ``correct`` (or ``gold``, ``pred``, ``expected``) and ``kind``; those
that carry a ``flag`` are left out. Without ``--cases`` they are the tests' own. Math-Verify is used as well as it can
be: bare answers between dollar signs, boxes first, letters for multiple choice, its default timeouts.
"""

import argparse
import gc
import json
import logging
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from distill import plugins
from distill.types import Problem
from distill.verifiers import Verifier
from distill.verifiers.extraction import last_marked

OWN_CASES = Path(__file__).parent.parent / "tests/verifiers/math_cases.yaml"
VERIFIERS = {"mcq": "choice", "countdown": "countdown"}
"""Kinds of rows that are not for the math verifier."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A reference, a response, and whether the second is right."""

    kind: str
    reference: str
    response: str
    is_right: bool


@dataclass(frozen=True, slots=True)
class Marked:
    """What a grader said of a pair, and in how many seconds."""

    pair: Pair
    outcome: str
    method: str
    seconds: float

    @property
    def is_agreed(self) -> bool:
        """Whether the grader is right; an unverifiable answer is not accepted."""
        return (self.outcome == "correct") == self.pair.is_right


Grader = Callable[[Pair], tuple[str, str]]
"""From a pair to an outcome and a method."""


# -- the graders --


class Ours:
    """The verifiers of this package, each for its kind."""

    def __init__(self) -> None:
        self._verifiers: dict[str, Verifier] = {}

    def __call__(self, pair: Pair) -> tuple[str, str]:
        """Judge by the verifier of the pair's kind."""
        name = VERIFIERS.get(pair.kind, "math")
        metadata = json.loads(pair.reference) if name == "countdown" else {}
        problem = Problem(id="", prompt="", verifier=name, reference=pair.reference, metadata=metadata)
        if name not in self._verifiers:
            self._verifiers[name] = plugins.build("verifiers", name, {})
        judgement = self._verifiers[name](problem, pair.response)
        return judgement.outcome, judgement.method


class MathVerify:
    """Math-Verify on the main thread, with its own timeouts of five seconds for each parse and comparison."""

    _MARKED = re.compile(r"\$|\\\(|\\\[|\\boxed|\\begin\{(?:equation|align)")
    _PROSE = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}|\n")
    _LETTER = re.compile(r"\(?\s*([A-J])\s*\)?[.:]?")
    _SAID = re.compile(r"(?:answer|option|choice)(?:\s+is|:)?\s*:?\s*[*$]*\(?([A-J])\b", re.IGNORECASE)

    def __init__(self) -> None:
        import math_verify
        from math_verify import ExprExtractionConfig, LatexExtractionConfig

        logging.disable(logging.CRITICAL)  # it reports every timeout
        self._library = math_verify
        self._targets = [LatexExtractionConfig(boxed_match_priority=0), ExprExtractionConfig()]

    def __call__(self, pair: Pair) -> tuple[str, str]:
        """Compare letters where both have one and the kind asks for it, else values."""
        is_equal = self._same_letter(pair) if pair.kind == "mcq" else self._same_value(pair)
        return ("correct" if is_equal else "incorrect"), ""

    def _same_letter(self, pair: Pair) -> bool:
        marked = last_marked(pair.response)
        bare = re.sub(r"\\text(?:bf)?|\\mathrm|[{}$*]", "", pair.response if marked is None else marked).strip()
        whole, said = self._LETTER.fullmatch(bare), self._SAID.findall(bare)
        letter = whole[1] if whole else said[-1] if said else None
        return letter == pair.reference.strip("() ") if letter else self._same_value(pair)

    def _same_value(self, pair: Pair) -> bool:
        try:
            gold, found = (
                self._library.parse(self._written(text), self._targets) for text in (pair.reference, pair.response)
            )
            return self._library.verify(gold, found)
        except Exception:  # a grader that fails accepts nothing
            return False

    def _written(self, text: str) -> str:
        bare = text.strip()
        return text if self._MARKED.search(bare) or self._PROSE.search(bare) else f"${bare}$"


def mark(grader: Grader, pairs: Iterable[Pair]) -> list[Marked]:
    """Grade pairs one after another, once, in this process: a cache helps as far as references come again."""
    marked: list[Marked] = []
    for pair in pairs:
        started = time.perf_counter()
        outcome, method = grader(pair)
        marked.append(Marked(pair, outcome, method, time.perf_counter() - started))
    return marked


# -- the cases --


def read_cases(path: Path) -> list[Pair]:
    """The rows of a file, YAML by kind or JSON lines, without those that carry a flag."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yaml":
        rows = [{"kind": kind, **row} for kind, cases in yaml.safe_load(text).items() for row in cases]
    else:
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [_pair(row) for row in rows if not row.get("flag")]


def _pair(row: dict[str, Any]) -> Pair:
    if "gold" in row:
        row = {**row, "reference": row["gold"], "response": row["pred"], "correct": row["expected"]}
    return Pair(row.get("kind", "-"), str(row["reference"]), str(row["response"]), bool(row["correct"]))


def print_accuracy(paths: Sequence[Path], show_failures: bool) -> None:
    pairs = [pair for path in paths for pair in read_cases(path)]
    graders: tuple[Grader, Grader] = (Ours(), MathVerify())
    ours, theirs = (mark(grader, pairs) for grader in graders)
    head = "| kind | n | distill right | FN | FP | undecided | Math-Verify right | FN | FP |"
    print(head + "\n|---|---|---|---|---|---|---|---|---|")
    kinds = sorted(Counter(pair.kind for pair in pairs).items(), key=lambda item: (-item[1], item[0]))
    for kind, _ in kinds:
        print(_accuracy_row(kind, *([m for m in marked if m.pair.kind == kind] for marked in (ours, theirs))))
    print(_accuracy_row("**all**", ours, theirs))
    if show_failures:
        _print_failures(ours)


def _accuracy_row(name: str, ours: Sequence[Marked], theirs: Sequence[Marked]) -> str:
    undecided = sum(m.outcome == "unverifiable" for m in ours)
    cells = [name, len(ours), *_counts(ours), undecided, *_counts(theirs)]
    return "| " + " | ".join(map(str, cells)) + " |"


def _counts(marked: Sequence[Marked]) -> tuple[str, int, int]:
    """The share that is right, false negatives, false positives."""
    wrong = [m.pair.is_right for m in marked if not m.is_agreed]
    return f"{100 * (1 - len(wrong) / len(marked)):.1f} %", sum(wrong), len(wrong) - sum(wrong)


def _print_failures(marked: Iterable[Marked]) -> None:
    print("\n| kind | reference | response | right | distill |\n|---|---|---|---|---|")
    for m in marked:
        if not m.is_agreed:
            texts = (" ".join(text.split())[-120:].replace("|", r"\|") for text in (m.pair.reference, m.pair.response))
            reference, response = texts
            print(f"| {m.pair.kind} | `{reference}` | `{response}` | {m.pair.is_right} | {m.outcome}, {m.method} |")


# -- a load like MATH --

_WORDS = ("parabola", "Wednesday", "even", "Claire", "isosceles", "yes", "hyperbola", "February")
MIX: dict[str, tuple[float, int, int, tuple[str, ...]]] = {
    "integer": (62.0, 0, 2000, ("#", "#", "#", "-#")),
    "fraction": (13.0, 1, 60, (r"\frac{#}{61}", r"-\frac{#}{67}", r"\dfrac{1}{#}", r"\frac{#}{2}")),
    "radical": (6.6, 2, 15, (r"#\sqrt{2}", r"#\sqrt{7}", r"#\pi", r"\frac{#\sqrt{3}}{5}", r"#-#\sqrt{5}")),
    "expression": (3.6, 2, 15, ("#x^2-#x+#", "(x-#)(x+#)", r"\frac{x+#}{x-#}", "#n+#", r"#x^3y+#")),
    "tuple": (2.4, 0, 9, (r"(#,#)", r"\left(-#, \frac{#}{11}\right)", "(#, #, -#)")),
    "unit": (1.3, 2, 400, (r"#\text{ km}", r"#\text{ inches}", r"#\text{ cm}^2", r"#\text{ square units}")),
    "text": (1.2, 0, 0, tuple(rf"\text{{{word}}}" for word in _WORDS)),
    "interval": (1.2, 1, 30, (r"[-#,#]", r"(-#,#)", r"(-\infty,-#)\cup(#,\infty)", r"[#,\infty)")),
    "degree": (1.2, 1, 180, (r"#^\circ",)),
    "decimal": (1.8, 11, 99, ("0.#", "3.#", "17.#")),
    "matrix": (1.4, 0, 9, (r"\begin{pmatrix} # & -# \\ # & # \end{pmatrix}", r"\begin{pmatrix} # \\ -# \end{pmatrix}")),
    "list": (1.5, 1, 20, ("-#, #", "#, 4#, 7#")),
    "thousands": (0.9, 100, 999, (r"1,#", r"12,\!#", r"57,#")),
    "percent": (0.8, 1, 99, (r"#\%",)),
    "equation": (0.6, 2, 30, ("y=#x-#", "x^2+y^2=#")),
    "base": (0.6, 10, 17, ("#_8", "2#_9", "1#5_9")),
}
"""Per cent of MATH's 5,000 test references that have this form, the range of ``#``, and the forms. Other texts of a
kind are other values."""

_WORK = (
    "We write $x = #$ and $y = #$, so that their sum is $# + #$ and their product is $# \\cdot #$.",
    "Each of the # rows holds # tiles, and no tile is counted twice.",
    "By symmetry it is enough to look at $n \\le #$; the other # values follow in the same way.",
    "Subtracting $\\frac{#}{#}$ from both sides leaves a quadratic whose roots $r$ and $s$ have $r + s = #$.",
    "The discriminant is $#^2 - 4 \\cdot #$, and the triangle has an angle of $#^\\circ$.",
)


def generated_references(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Kinds and references in the proportions of MATH's test set."""
    draw = random.Random(seed)
    kinds = draw.choices(list(MIX), weights=[share for share, *_ in MIX.values()], k=count)
    return [(kind, _filled(draw, *MIX[kind][1:])) for kind in kinds]


def _filled(draw: random.Random, low: int, high: int, forms: Sequence[str]) -> str:
    return re.sub("#", lambda _: str(draw.randint(low, high)), draw.choice(forms))


def solution_for(answer: str, draw: random.Random, length: int = 1000) -> str:
    """A solution of about that many characters that ends in a boxed answer."""
    steps: list[str] = []
    while sum(map(len, steps)) < length:
        steps.append(_filled(draw, 2, 99, _WORK))
    return "\n".join([*steps, rf"Therefore the answer is $\boxed{{{answer}}}$."])


_FORMS = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("integer", r"^-?\d+$"),
        ("fraction", r"^-?\\[dt]?frac\{?\d+\}?\{?\d+\}?$"),
        ("matrix", r"\\begin\{[bpv]?matrix"),
        ("letter", r"^(?:\\text\{)?\(?[A-Z]\)?\}?$"),
        ("text", r"^\\text"),
        ("unit", r"\\text|\\circ|\\mbox|%|\$"),
        ("interval", r"\\infty|\\cup|[<>]|\\[lg]eq?"),
        ("tuple", r"^(?:\\left)?\s*[(\[].*,"),
        ("list", r","),
        ("equation", r"="),
        ("base", r"_\{?\d+\}?$"),
        ("radical", r"\\sqrt|\\pi"),
        ("expression", r"[a-z]"),
    )
)
"""The kind of a reference is the first whose pattern it holds."""


def read_references(path: Path) -> list[tuple[str, str]]:
    """References of a file of JSON lines (``reference`` or ``answer``), with kinds told by their form."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    references = [str(row.get("reference", row.get("answer"))).strip() for row in rows]
    return [(_form(reference), reference) for reference in references]


def _form(reference: str) -> str:
    return next((kind for kind, pattern in _FORMS if pattern.search(reference)), "other")


def math_like(references: Sequence[tuple[str, str]], seed: int = 0) -> list[Pair]:
    """Each reference against itself and against another one of its kind, boxed at the end of a solution."""
    draw = random.Random(seed)
    of_kind = {kind: sorted({r for k, r in references if k == kind}) for kind, _ in references}
    pairs: list[Pair] = []
    for kind, reference in references:
        pairs.append(Pair(kind, reference, solution_for(reference, draw), is_right=True))
        others = [other for other in of_kind[kind] if _bare(other) != _bare(reference)]
        if others:
            pairs.append(Pair(kind, reference, solution_for(draw.choice(others), draw), is_right=False))
    return pairs


def _bare(reference: str) -> str:
    """Without what tells two ways to write from two values: spaces, braces, faces and sizes."""
    return re.sub(r"\\(?:text|mbox|left|right|!|,)|d?frac|[\s{}(),\\$]", "", reference)


# -- speed --

WARM_UP = (
    Pair("integer", "1", "x>2", is_right=False),
    Pair("radical", r"2\sqrt{3}", r"\boxed{\sqrt{12}}", is_right=True),
    Pair("expression", r"\int_0^1 f(x)\,dx", r"\boxed{\int_0^2 f(x)\,dx}", is_right=False),
)
"""What each grader loads on its first calls, the process of the slowest lane among it, is not the speed of a pair."""


def print_speed(path: Path | None, count: int, cases: Sequence[Path]) -> None:
    references = read_references(path) if path else generated_references(count)
    loads = {"MATH-like": math_like(references), "cases": [pair for path in cases for pair in read_cases(path)]}
    graders: dict[str, Grader] = {"distill": Ours(), "Math-Verify": MathVerify()}
    for grader in graders.values():
        mark(grader, WARM_UP)
    gc.collect()
    gc.freeze()  # else every collection walks through what sympy has loaded, whichever grader it interrupts
    results = {load: {name: mark(grader, pairs) for name, grader in graders.items()} for load, pairs in loads.items()}
    print("One process, each pair once; pairs/s and milliseconds are this machine's, the ratio travels.\n")
    print("| load | pairs | grader | right | pairs/s | p50 ms | p99 ms | max ms | times Math-Verify |")
    print("|---|---|---|---|---|---|---|---|---|")
    for load, by_grader in results.items():
        base = _rate(by_grader["Math-Verify"])
        for name, marked in by_grader.items():
            cells = [load, len(marked), name, _counts(marked)[0], *_timing(marked), f"{_rate(marked) / base:.1f}"]
            print("| " + " | ".join(map(str, cells)) + " |")
    _print_lanes({load: by_grader["distill"] for load, by_grader in results.items()})


def _rate(marked: Sequence[Marked]) -> float:
    return len(marked) / sum(m.seconds for m in marked)


def _timing(marked: Sequence[Marked]) -> tuple[str, ...]:
    """Pairs per second; the median, the 99th percentile and the longest time of a pair in milliseconds."""
    times = sorted(1000 * m.seconds for m in marked)
    p99 = times[int(0.99 * (len(times) - 1))]
    return f"{_rate(marked):,.0f}", f"{statistics.median(times):.3f}", f"{p99:.3f}", f"{times[-1]:.1f}"


def _print_lanes(results: dict[str, list[Marked]]) -> None:
    """Which share of the pairs, and of the time, each lane of ours took."""
    print("\n| lane | " + " | ".join(f"{load}, pairs | {load}, time" for load in results) + " |")
    print("|---" * (1 + 2 * len(results)) + "|")
    pairs = {load: Counter(m.method for m in marked) for load, marked in results.items()}
    for lane, _ in sum(pairs.values(), Counter[str]()).most_common():
        print(f"| {lane} | " + " | ".join(_lane_shares(marked, lane) for marked in results.values()) + " |")


def _lane_shares(marked: Sequence[Marked], lane: str) -> str:
    mine = [m.seconds for m in marked if m.method == lane]
    of_time = sum(mine) / sum(m.seconds for m in marked)
    return f"{100 * len(mine) / len(marked):.2f} % | {100 * of_time:.0f} %"


def main() -> None:
    """Read the command line and print the tables it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    accuracy = commands.add_parser("accuracy", help="by kind: right, false negatives, false positives")
    accuracy.add_argument("--cases", type=Path, nargs="+", default=[OWN_CASES], help="JSON lines, or YAML by kind")
    accuracy.add_argument("--failures", action="store_true", help="list the rows that ours gets wrong")
    speed = commands.add_parser("speed", help="pairs per second, and what each lane settles")
    speed.add_argument("--references", type=Path, help="JSON lines with reference or answer, instead of generated ones")
    speed.add_argument("--cases", type=Path, nargs="+", default=[OWN_CASES], help="JSON lines, or YAML by kind")
    speed.add_argument("--count", type=int, default=1000, help="generated references")
    arguments = parser.parse_args()
    if arguments.command == "accuracy":
        print_accuracy(arguments.cases, arguments.failures)
    else:
        print_speed(arguments.references, arguments.count, arguments.cases)


if __name__ == "__main__":
    main()
