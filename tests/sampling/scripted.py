"""An engine whose replies are decided by a function, and what drives it: for tests of the sampler alone."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import msgspec

from distill.engines import Completion, Request
from distill.formats import named_format
from distill.recipe import Samples
from distill.sampling import Outcome, Plan, Store, sample
from distill.sources import make_problem
from distill.types import Problem

Script = Callable[[str, int], Completion | Exception]
"""From a problem's prompt and a sample to what comes back."""
FOREVER = 1_000_000
RIGHT, WRONG = Completion(text="yes", completion_tokens=10), Completion(text="no", completion_tokens=10)


class ScriptedEngine:
    """Answers by a script; `delay` says how many turns of the event loop a reply takes."""

    def __init__(self, script: Script, delay: Callable[[str, int], int] = lambda prompt, sample: 1) -> None:
        self.identity = "scripted"
        self.script, self.delay = script, delay
        self.asked: list[tuple[str, int]] = []
        self.cancelled: list[tuple[str, int]] = []
        self.num_in_flight = self.most_in_flight = 0

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ScriptedEngine"]:
        yield self

    async def complete(self, request: Request) -> Completion:
        key = (request.messages[-1]["content"], request.metadata["sample"])
        self.asked.append(key)  # type: ignore[arg-type]
        self.num_in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.num_in_flight)
        try:
            turns = self.delay(*key)  # type: ignore[arg-type]
            for _ in range(min(turns, 20)):
                request.meter.completion_tokens += 1
                await asyncio.sleep(0)
            if turns == FOREVER:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.append(key)  # type: ignore[arg-type]
            raise
        finally:
            self.num_in_flight -= 1
        found = self.script(*key)  # type: ignore[arg-type]
        if isinstance(found, Exception):
            raise found
        return found


def problems(count: int) -> list[Problem]:
    return [make_problem(prompt=f"p{index}", verifier="exact", reference="yes") for index in range(count)]


def plan(samples: Samples | None = None, **options: Any) -> Plan:
    return Plan(
        trace_format=named_format("plain"),
        samples=samples or Samples(),
        sampling=options.pop("sampling", None) or _sampling(),
        seed=0,
        limit_may_grow=True,
        **options,
    )


def _sampling() -> Any:
    from distill.recipe import Sampling

    return Sampling(max_tokens=100)


def run(folder: Path, asked: list[Problem], engine: Any, how: Plan, **options: Any) -> Outcome:
    with Store(folder, how.teacher_key(engine)) as store:
        return asyncio.run(sample(asked, engine, how, store, folder, "test", **options))


def records(path: Path) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in path.read_bytes().splitlines()] if path.exists() else []
