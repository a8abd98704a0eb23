"""A heap of traces that a test makes up, and the filter put to it in this process."""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from distill.recipe import Recipe
from distill.run import open_run
from distill.stages.filter import filter_traces
from distill.types import Decision, Example, Pair, PassRate, Problem, Trace, Verdict

DOMAINS = ("math", "code", "science")


class Item(NamedTuple):
    """A trace, as far as a filter cares."""

    problem: int
    domain: str
    outcome: str
    finish_reason: str
    num_words: int
    extracted: str | None

    @property
    def prompt(self) -> str:
        return f"problem {self.problem} about {self.domain}: how many {'x' * self.problem}?"


def heaps(max_size: int = 60) -> st.SearchStrategy[list[Item]]:
    return st.lists(
        st.builds(
            Item,
            problem=st.integers(0, 12),
            domain=st.sampled_from(DOMAINS),
            outcome=st.sampled_from(["correct", "incorrect", "unverifiable"]),
            finish_reason=st.sampled_from(["stop", "stop", "stop", "length", "aborted", "error"]),
            num_words=st.integers(1, 60),
            extracted=st.sampled_from([None, "1", "2", " 1 ", "3"]),
        ),
        min_size=1,
        max_size=max_size,
    )


class Filtered(NamedTuple):
    """What the filter wrote."""

    decisions: list[Decision]
    examples: list[Example]
    funnel: list[dict[str, Any]]
    item_of: dict[str, Item]
    """The heap's items by the ids of their traces."""
    train_bytes: bytes
    pairs: list[Pair]

    @property
    def kept(self) -> list[Item]:
        return [self.item_of[found.trace_id] for found in self.decisions if found.kept]


def filtered(
    heap: Sequence[Item],
    select: list[Any],
    *,
    order: int = 0,
    seed: int = 0,
    workers: int = 1,
    build: Any = "plain",
    pairs: Any = None,
) -> Filtered:
    """Write the heap as a run in an order of arrival, and filter it. `order` is what the order is drawn from."""
    section = {"select": select, "workers": workers, "build": build, "pairs": pairs}
    recipe = Recipe.model_validate(
        {
            "name": "heap",
            "seed": seed,
            "generate": {"sources": [{"use": "countdown", "count": 1}], "teacher": {"engine": "solver"}},
            "filter": section,
        }
    )
    arrival = list(enumerate(heap))
    random.Random(order).shuffle(arrival)
    with tempfile.TemporaryDirectory() as folder, open_run(recipe, Path(folder)) as run:
        run.problems.write_all({_problem_id(item): _problem(item) for _, item in arrival}.values())
        run.traces.write_all(_trace(number, item) for number, item in arrival)
        run.verdicts.write_all(
            Verdict(trace_id=_trace_id(number, item), outcome=item.outcome, extracted=item.extracted)  # type: ignore[arg-type]
            for number, item in reversed(arrival)
        )
        run.pass_rates.write_all(_pass_rates(heap))
        filter_traces(run)
        return Filtered(
            decisions=list(run.decisions),
            examples=list(run.examples),
            funnel=run.manifest["stages"]["filter"]["funnel"],
            item_of={_trace_id(number, item): item for number, item in arrival},
            train_bytes=run.examples.path.read_bytes(),
            pairs=list(run.pairs),
        )


def _problem_id(item: Item) -> str:
    return f"{item.problem:02d}{DOMAINS.index(item.domain)}"


def _problem(item: Item) -> Problem:
    return Problem(id=_problem_id(item), prompt=item.prompt, verifier="exact", source="heap", domain=item.domain)


def _trace_id(number: int, item: Item) -> str:
    return f"{_problem_id(item)}-t-{number}"


def _trace(number: int, item: Item) -> Trace:
    return Trace(
        id=_trace_id(number, item),
        problem_id=_problem_id(item),
        sample=number,
        teacher="t",
        thinking=" ".join(f"thought{number}_{word}" for word in range(item.num_words)),
        answer=f"answer {number}",
        finish_reason=item.finish_reason,  # type: ignore[arg-type]
        completion_tokens=item.num_words,
    )


def _pass_rates(heap: Sequence[Item]) -> list[PassRate]:
    found: dict[str, list[Item]] = {}
    for item in heap:
        found.setdefault(_problem_id(item), []).append(item)
    return [
        PassRate(
            problem_id=problem_id,
            replies=len(items),
            correct=(correct := sum(item.outcome == "correct" for item in items)),
            truncated=0,
            unverifiable=0,
            pass_rate=correct / len(items),
            difficulty=1 - (1 + correct) / (2 + len(items)),
        )
        for problem_id, items in found.items()
    ]
