"""generate: problems from the sources, replies from the teacher, verdicts as the replies come."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Any

from distill import plugins, progress
from distill.engines import Engine
from distill.errors import DataError
from distill.judging import ledger
from distill.recipe import Generate, Recipe
from distill.run import Run
from distill.sampling import Books, Plan, sample
from distill.types import Problem


def generate(run: Run, limit: int | None = None) -> None:
    """Ask the teacher until every problem has the samples the recipe wants; judge each reply as it comes.

    Args:
        run: Open; what it holds already is kept and counted.
        limit: Only the first so many problems.
    """
    with run.stage("generate") as record:
        problems = write_problems(run, limit)
        record["failed"] = asyncio.run(
            sample(
                problems,
                teacher_engine(run.recipe),
                plan_of(run.recipe),
                Books.in_folder(run.dir),
                run.logs_dir,
                "generate",
            )
        )
        record["problems"] = len(problems)
        record["verify"] = ledger(run.verdicts.path)
    if record["failed"]:
        progress.say(
            f"generate: {record['failed']} requests failed (see {run.errors.path}); the same command asks them again"
        )


def plan_of(recipe: Recipe) -> Plan:
    """How the recipe asks its teacher."""
    generate = recipe.generate
    return Plan(
        trace_format=recipe.teacher_format,
        samples=generate.samples,
        sampling=generate.sampling,
        seed=recipe.seed,
        concurrency=generate.concurrency,
        verify=generate.verify,
    )


def teacher_engine(recipe: Recipe) -> Engine:
    """The recipe's teacher, not started yet."""
    teacher = recipe.generate.teacher
    return plugins.build("engines", teacher.engine, teacher.options)


def write_problems(run: Run, limit: int | None) -> list[Problem]:
    """The problems to ask, in their order; those the run does not know yet are added to its file."""
    problems = list(islice(problems_of(run.recipe.generate, run.recipe.seed), limit))
    if not problems:
        names = ", ".join(source.use for source in run.recipe.generate.sources)
        raise DataError(f"no problems: the sources ({names}) gave none; look at generate.sources in the recipe")
    known = {problem.id for problem in run.problems}
    with run.problems.appender() as journal:
        for problem in problems:
            if problem.id not in known:
                journal.append(problem)
    return problems


def problems_of(section: Generate, seed: int) -> Iterator[Problem]:
    """Every different problem of the sources, in their order."""
    seen: set[str] = set()
    repeated: Counter[str] = Counter()
    for source in section.sources:
        for problem in plugins.build("sources", source.use, seeded(source.use, source.options, seed)):
            if problem.id in seen:
                repeated[source.use] += 1
                continue
            seen.add(problem.id)
            yield problem
    for name, count in repeated.items():
        progress.say(f"generate: {count} problems of source {name} were given before and are left out")


def seeded(name: str, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """A source's options, with the run's seed where the source takes one and the recipe gives none."""
    import inspect

    takes_seed = "seed" in inspect.signature(plugins.resolve("sources", name)).parameters
    return {"seed": seed, **options} if takes_seed else options
