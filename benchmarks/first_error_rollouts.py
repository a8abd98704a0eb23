"""How well rollouts find the first error, where it is known for sure: in searches into which a program slipped it.

    python benchmarks/first_error_rollouts.py --searches 40 --rollouts 8

The searches are wrong ones of the engine `solver`. The shipped `tiny-teacher`, which is right about four times in five
at this temperature, goes on from their beginnings. Prints a Markdown table for docs/journey.md: a step is a line, and
`fatal` is the first line after which a flawless search does not come to the answer any more, which is what rollouts can
see; an earlier slip that does no harm is the first error all the same.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from distill.builders.journey.asking import Asker
from distill.builders.journey.countdown import countdown_slip
from distill.builders.journey.finders import Case, Finder, arithmetic, countdown, divergence
from distill.builders.journey.rollouts import Rollouts
from distill.countdown import search
from distill.engines import Completion, Request, Session
from distill.engines.transformers import TransformersEngine
from distill.formats import FORMATS
from distill.recipe import Sampling
from distill.sources.countdown import CountdownSource
from distill.types import Problem, Verdict
from distill.verifiers.countdown import CountdownVerifier

SLIPS = 0.05


class Searched(NamedTuple):
    """A wrong search, a right one of the same problem, and the lines, from 0, that hold its errors."""

    case: Case
    first: int
    """The first that is false."""
    fatal: int
    """The first that passes a match over or takes a false one, so that a flawless search would not mend it."""


@dataclass
class Workshop:
    """Judges Countdown, and asks one model."""

    session: Session
    folder: Path
    seed: str = "0"
    trace_format: Any = FORMATS["think"]
    num_asked: int = 0
    num_tokens: int = 0
    verifier: CountdownVerifier = field(default_factory=CountdownVerifier)

    async def judge(self, problem: Problem, answer: str) -> Verdict:
        """See `distill.builders.Workshop`."""
        return Verdict(trace_id="", outcome=self.verifier(problem, answer).outcome)

    async def ask(self, engine: Mapping[str, Any], request: Request) -> Completion:
        """See `distill.builders.Workshop`."""
        self.num_asked += 1
        said = await self.session.complete(request)
        self.num_tokens += said.completion_tokens
        return said


def searches(count: int) -> Iterator[Searched]:
    """Wrong searches with several lines."""
    verifier = CountdownVerifier()
    for problem in CountdownSource(count=2000, largest=99, prompt="{numbers} -> {target}", seed=7):
        numbers, target = problem.metadata["numbers"], problem.metadata["target"]
        flawless = search(numbers, target, largest=99)
        slipped = search(numbers, target, largest=99, slips=SLIPS, rng=random.Random(problem.id))
        slip = countdown_slip(problem.metadata, slipped.text)
        if slip is None or "\n" not in slipped.text or verifier(problem, slipped.expression).outcome == "correct":
            continue
        pairs = zip(slipped.text.split("\n"), flawless.text.split("\n"), strict=False)
        # a line is fatal if it ends the search falsely, or stands where the flawless search found its match
        fatal = next(n for n, (said, true) in enumerate(pairs) if said != true and target in (end(said), end(true)))
        yield Searched(Case(problem, slipped.text, flawless.text), slipped.text[: slip.start].count("\n"), fatal)
        count -= 1
        if not count:
            return


def end(line: str) -> int | None:
    """The target, if a line ends with a match of it."""
    _, _, last = line.rpartition(" ")
    result, equals, target = last.partition("=")[2].partition("=")
    return int(target) if equals and result == target else None


async def score(count: int, num_rollouts: int) -> None:
    """Print the table."""
    found = [*searches(count)]
    engine = TransformersEngine(model="tiny-teacher")
    with tempfile.TemporaryDirectory() as folder:
        async with engine.session(Path(folder)) as session:
            workshop = Workshop(session, Path(folder))
            asker = Asker({"engine": "transformers", "model": "tiny-teacher"}, Sampling(max_tokens=420))
            tries = Rollouts(asker, None, num_rollouts)
            begun = time.monotonic()
            slips = await asyncio.gather(*(tries(one.case, workshop) for one in found))  # type: ignore[arg-type]
            seconds = time.monotonic() - begun
    print("| finder | wrong searches | found | first error, exact | within one | fatal line, exact | within one |")
    print("|---|---|---|---|---|---|---|")
    finders: Mapping[str, Finder] = {"countdown": countdown, "arithmetic": arithmetic, "divergence": divergence}
    for name, find in finders.items():
        print(row(name, found, [find(one.case, None) for one in found]))  # type: ignore[arg-type]
    print(row(f"rollouts ({num_rollouts})", found, slips))
    print(f"\n{workshop.num_asked} replies, {workshop.num_tokens} tokens, {seconds:.0f} s.")


def row(name: str, found: list[Searched], slips: list[Any]) -> str:
    """One finder's row."""
    seen = Counter[str]()
    for one, slip in zip(found, slips, strict=True):
        if slip is None:
            continue
        line = one.case.wrong[: slip.start].count("\n")
        seen["found"] += 1
        for key, true in (("first", one.first), ("fatal", one.fatal)):
            seen[key] += line == true
            seen[f"near {key}"] += abs(line - true) <= 1
    keys = ("found", "first", "near first", "fatal", "near fatal")
    cells = [str(len(found)), *(f"{seen[key]} ({100 * seen[key] / len(found):.0f} %)" for key in keys)]
    return f"| {name} | {' | '.join(cells)} |"


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description="Score rollouts where the first error is known.")
    parser.add_argument("--searches", type=int, default=40)
    parser.add_argument("--rollouts", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(score(arguments.searches, arguments.rollouts))


if __name__ == "__main__":
    main()
