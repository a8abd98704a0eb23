"""Which verdicts to read: a seeded sample, as many of each outcome, most from methods that may well be wrong."""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

import msgspec

from distill.errors import RunError
from distill.journal import Journal
from distill.recipe import digest
from distill.run import Run
from distill.stages.audit.estimate import Stratum, stratum_of
from distill.stages.audit.sheet import Item
from distill.types import Problem, Trace, Verdict

SURE = frozenset({"string", "exact", "structure"})
"""Methods that compare characters, or see that there is nothing to compare: they are seldom wrong."""
DOUBT = 4.0
"""How much more often a verdict of another method is drawn."""
TAIL = 1500
"""Characters of a reply's end that are shown."""

Record = TypeVar("Record", bound=msgspec.Struct)


def sample(run: Run, count: int) -> list[Item]:
    """Draw so many verdicts of a run, all if it has no more; in three passes over its files, in flat memory.

    Raises:
        RunError: If it has none.
    """
    sizes = Counter(stratum_of(verdict) for verdict in run.verdicts)
    if not sizes:
        raise RunError(f"{run.verdicts.path} holds no verdict yet: run `distill generate {run.recipe.name}` first")
    rng = random.Random(digest([run.recipe.seed, "audit"]))
    places = {
        stratum: set(rng.sample(range(sizes[stratum]), taken)) for stratum, taken in allocate(sizes, count).items()
    }
    verdicts = list(_at(run.verdicts, places))
    traces = _found(run.traces, "id", {verdict.trace_id for verdict in verdicts})
    problems = _found(run.problems, "id", {trace.problem_id for trace in traces.values()})
    rng.shuffle(verdicts)
    return [
        _item(number, verdict, traces[verdict.trace_id], problems[traces[verdict.trace_id].problem_id])
        for number, verdict in enumerate(verdicts, start=1)
    ]


def allocate(sizes: Mapping[Stratum, int], count: int) -> dict[Stratum, int]:
    """How many to draw from each stratum.

    Each outcome gets an equal part, within it doubtful methods more, large strata by the root of their size. One draw
    at a time goes to the stratum that is furthest behind its part; so every stratum gets one before any gets two, and
    what a small one cannot use goes to the others.
    """
    pull = {s: (1.0 if s.method in SURE else DOUBT) * math.sqrt(size) for s, size in sizes.items()}
    total: defaultdict[str, float] = defaultdict(float)
    for stratum, value in pull.items():
        total[stratum.outcome] += value
    taken = dict.fromkeys(sorted(sizes), 0)
    for _ in range(min(count, sum(sizes.values()))):
        open_ones = [stratum for stratum in taken if taken[stratum] < sizes[stratum]]
        behind = min(open_ones, key=lambda s: (taken[s] * total[s.outcome] / pull[s], -pull[s] / total[s.outcome]))
        taken[behind] += 1
    return taken


def _at(verdicts: Iterable[Verdict], places: Mapping[Stratum, set[int]]) -> Iterable[Verdict]:
    seen: Counter[Stratum] = Counter()
    for verdict in verdicts:
        stratum = stratum_of(verdict)
        if seen[stratum] in places.get(stratum, ()):
            yield verdict
        seen[stratum] += 1


def _found(journal: Journal[Record], key: str, wanted: set[str]) -> dict[str, Record]:
    return {value: record for record in journal if (value := getattr(record, key)) in wanted}


def _item(number: int, verdict: Verdict, trace: Trace, problem: Problem) -> Item:
    return Item(
        number=number,
        trace_id=trace.id,
        problem=problem.prompt,
        reference=problem.reference,
        extracted=verdict.extracted,
        tail=(trace.answer or trace.thinking)[-TAIL:],
        outcome=verdict.outcome,
        method=verdict.method,
        reason=verdict.reason,
    )
