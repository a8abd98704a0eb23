"""generate: problems from the sources, replies from the teacher, verdicts as the replies come."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Self

import msgspec

import distill
from distill import plugins, progress
from distill.engines import Engine
from distill.errors import DataError, RecipeError
from distill.judging import ledger as judge_ledger
from distill.ledger import Ledger
from distill.recipe import Generate, Recipe, digest
from distill.run import Run
from distill.sampling import Outcome, Plan, Store, finished, sample
from distill.stages.adopt import adopt
from distill.types import Problem


@dataclass(frozen=True)
class Shard:
    """One of several machines' share of the problems: those whose id falls to it, whatever the others do."""

    number: int
    """From 1."""
    of: int

    @classmethod
    def named(cls, text: str) -> Self:
        """The shard that `--shard` means.

        Raises:
            RecipeError: If the text is not of the form I/N.
        """
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise RecipeError(f"--shard {text!r} is not I/N with I from 1 to N, such as 1/8 and 8/8")
        return cls(int(index), int(count))

    def holds(self, problem: Problem) -> bool:
        """Whether a problem is this shard's."""
        return int(problem.id, 16) % self.of == self.number - 1

    @property
    def suffix(self) -> str:
        """What a run of this shard is called besides the recipe's name."""
        return f"-{self.number}of{self.of}"


def generate(
    run: Run, limit: int | None = None, *, shard: Shard | None = None, retry_truncated: bool = False
) -> Outcome:
    """Ask the teacher until every problem has the samples the recipe wants; judge each reply as it comes.

    A recipe that adopts its traces asks nobody: see `distill.stages.adopt`.

    Args:
        run: Open; what it holds already is kept and counted.
        limit: Only the first so many problems.
        shard: Of those, only this share.
        retry_truncated: Ask only for replies again that were truncated under a smaller `max_tokens`.

    Raises:
        KeyboardInterrupt: If the user stopped it. What finished is kept.
    """
    recipe = run.recipe
    if recipe.generate.adopt:
        if retry_truncated:
            raise RecipeError("--retry-truncated asks a teacher again, and these traces are adopted: there is none")
        return adopt(run, limit, holds=shard and shard.holds, share=shard.suffix if shard else "")
    with run.stage("generate") as record:
        plan, engine = plan_of(recipe), teacher_engine(recipe)
        gpu_seconds_before: float = record.get("ledger", {}).get("gpu_seconds", 0.0)

        def tell(ledger: Ledger, gpu_seconds: float) -> None:
            spent = msgspec.structs.replace(ledger, gpu_seconds=round(gpu_seconds_before + gpu_seconds, 1))
            record["ledger"] = msgspec.to_builtins(spent)
            run.write_manifest()

        with Store(run.dir, plan.teacher_key(engine)) as store:
            store.ledger.gpu_seconds = gpu_seconds_before
            outcome = finished(
                sample(
                    problems_of(recipe, limit, shard),
                    engine,
                    plan,
                    store,
                    run.logs_dir,
                    "generate",
                    asked=fingerprint(recipe, limit, shard),
                    retry_truncated=retry_truncated,
                    tell=tell,
                )
            )
            tell(store.ledger, outcome.gpu_seconds)
            if not outcome.problems:
                names = ", ".join(source.use for source in recipe.generate.sources)
                raise DataError(f"no problems: the sources ({names}) gave none; look at generate.sources in the recipe")
            # What the file was written for, and not what this call did: a kill may have come between the two.
            if store.ledger.judged != record.get("rated") or not run.pass_rates.path.exists():
                store.write_pass_rates()
                record.update(rated=store.ledger.judged, verify=judge_ledger(run.verdicts.path))
        record.update(failed=outcome.failed, problems=outcome.problems, open=outcome.open)
    _say_how_it_ended(run, outcome)
    if outcome.is_stopped:
        raise KeyboardInterrupt
    return outcome


def _say_how_it_ended(run: Run, outcome: Outcome) -> None:
    if outcome.is_spent:
        progress.say(
            f"generate: the budget is spent, and {outcome.open:,} of {outcome.problems:,} problems want more samples. "
            f"Raise generate.budget and run the same command to go on"
        )
    if outcome.failed:
        progress.say(
            f"generate: {outcome.failed} requests failed (see {run.unfinished.path}); the same command asks them again"
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
        budget=generate.budget,
        price=recipe.teacher.price,
        gpu_hour=recipe.gpu_hour,
        cut_loops=generate.cut_loops,
        drain=generate.drain,
        limit_may_grow=True,
        verify=generate.verify,
    )


def teacher_engine(recipe: Recipe) -> Engine:
    """The recipe's teacher, not started yet."""
    teacher = recipe.teacher
    return plugins.build("engines", teacher.engine, teacher.options)


def problems_of(recipe: Recipe, limit: int | None = None, shard: Shard | None = None) -> Iterator[Problem]:
    """The problems of the sources, in their order; some may come more than once."""
    found = islice((problem for source in _sources(recipe) for problem in source), limit)
    return found if shard is None else filter(shard.holds, found)


def fingerprint(recipe: Recipe, limit: int | None, shard: Shard | None) -> str | None:
    """What decides the problems that the sources give; None if one of them cannot say."""
    prints = [getattr(source, "fingerprint", None) for source in _sources(recipe)]
    if None in prints:
        return None
    sources = recipe.section("generate")["sources"]
    return digest([distill.__version__, recipe.seed, sources, prints, limit, shard and shard.suffix])


def _sources(recipe: Recipe) -> Iterator[Any]:
    section: Generate = recipe.generate
    for source in section.sources:
        yield plugins.build("sources", source.use, seeded(source.use, source.options, recipe.seed))


def seeded(name: str, options: dict[str, Any], seed: int) -> dict[str, Any]:
    """A source's options, with the run's seed where the source takes one and the recipe gives none."""
    takes_seed = "seed" in inspect.signature(plugins.resolve("sources", name)).parameters
    return {"seed": seed, **options} if takes_seed else options
