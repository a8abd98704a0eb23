"""eval: base, student and teacher on the same held-out problems, with the same sampler and the same verifier."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill import plugins, progress
from distill.engines import Engine
from distill.errors import RunError
from distill.evaluation.scores import Scores, score
from distill.evaluation.suites import Suite, load_suite
from distill.formats import TraceFormat, named_format
from distill.journal import storage_errors
from distill.ledger import Ledger
from distill.recipe import Eval, Samples, Scratch, digest
from distill.reporting.card import write_card
from distill.run import Run
from distill.sampling import Plan, Store, finished, sample
from distill.stages.generate import teacher_engine
from distill.types import Problem


class Contestant(NamedTuple):
    """A model in one form: the base is measured in several, and its best counts."""

    name: str
    """Also its folder's name: `base-plain`, `student`, `teacher`."""
    engine: Engine
    engine_name: str
    trace_format: TraceFormat


def evaluate(run: Run, limit: int | None = None) -> list[Scores]:
    """Measure every model of the recipe on every suite; what is measured already is kept.

    The student's model card then holds the scores.

    Args:
        run: Open.
        limit: Only the first so many problems of each suite.
    """
    section = section_of(run)
    suites = [load_suite(name) for name in section.suites]
    with run.stage("eval") as record:
        ledgers: dict[str, Any] = record.setdefault("ledgers", {})
        scores = [
            measure(run, section, suite, contestant, limit, ledgers)
            for suite in suites
            for contestant in contestants(run, section)
        ]
        record["ledger"] = msgspec.to_builtins(Ledger.total(msgspec.convert(ledgers, dict[str, Ledger]).values()))
        record["scores"] = {f"{s.suite}/{s.model}": s.headline() for s in scores}
        if identity := next((s.identity for s in scores if s.model == "student"), None):
            write_card(run, run.student_dir, identity)
    return scores


def section_of(run: Run) -> Eval:
    """The recipe's eval section.

    Raises:
        RunError: If it has none.
    """
    if run.recipe.eval is None:
        raise RunError(f"recipe {run.recipe.name} has no section eval, so there is nothing to measure")
    return run.recipe.eval


def contestants(run: Run, section: Eval) -> Iterator[Contestant]:
    """The models the recipe measures, each with its engine and its form."""
    options = dict(section.engine)
    engine_name = options.pop("engine", "transformers")
    train = run.recipe.train
    for role in section.models:
        if role == "teacher":
            teacher = run.recipe.teacher
            yield Contestant("teacher", teacher_engine(run.recipe), teacher.engine, run.recipe.teacher_format)
        elif role == "student":
            run.needs(run.student_dir, "train")
            engine = plugins.build("engines", engine_name, {**options, "model": str(run.student_dir)})
            yield Contestant("student", engine, engine_name, student_format(run.student_dir))
        elif train is not None and not isinstance(train.student, Scratch):
            engine = plugins.build("engines", engine_name, {**options, "model": train.student})
            for name in section.base_formats:
                asked = msgspec.structs.replace(
                    named_format(name), system_prompt=run.recipe.student_format.system_prompt
                )
                yield Contestant(f"base-{name}", engine, engine_name, asked)


def student_format(folder: Path) -> TraceFormat:
    """The form a student was taught in, as it lies with its weights."""
    return msgspec.json.decode((folder / "trace_format.json").read_bytes(), type=TraceFormat)


def measure(
    run: Run, section: Eval, suite: Suite, contestant: Contestant, limit: int | None, ledgers: dict[str, Any]
) -> Scores:
    """One model on one suite; what it took goes into `ledgers`."""
    problems = list(islice(suite.problems(), limit))
    plan = Plan(
        trace_format=contestant.trace_format,
        samples=Samples(min=section.samples, max=section.samples, until_correct=section.samples),
        sampling=section.sampling,
        seed=run.recipe.seed,
        concurrency=section.concurrency,
        price=run.recipe.teacher.price if contestant.name == "teacher" else None,
        gpu_hour=run.recipe.gpu_hour,
        verify=run.recipe.generate.verify,
    )
    folder = run.eval_dir(suite.name, contestant.name)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Store(folder, plan.teacher_key(contestant.engine)) as store:
        outcome = finished(sample(problems, contestant.engine, plan, store, run.logs_dir, contestant.name))
        place = f"{suite.name}/{contestant.name}"
        gpu_seconds = ledgers.get(place, {}).get("gpu_seconds", 0.0) + outcome.gpu_seconds
        ledgers[place] = msgspec.to_builtins(msgspec.structs.replace(store.ledger, gpu_seconds=round(gpu_seconds, 1)))
        if outcome.is_stopped:
            raise KeyboardInterrupt
        if outcome.failed:
            raise RunError(
                f"eval: {outcome.failed} requests failed (see {folder / 'unfinished.jsonl'}); the same command asks "
                f"them again"
            )
        scores = scores_of(problems, plan, contestant, suite, store)
    with storage_errors(folder):
        (folder / "scores.json").write_bytes(msgspec.json.format(msgspec.json.encode(scores)) + b"\n")
    progress.say(f"eval: {suite.name} {contestant.name}: {scores.headline()}")
    return scores


def scores_of(problems: list[Problem], plan: Plan, contestant: Contestant, suite: Suite, store: Store) -> Scores:
    """The scores of exactly these problems and samples, whatever else the journals hold."""
    wanted = {problem.id for problem in problems}
    judged = [
        (trace, verdict)
        for trace, verdict in store.judged()
        if trace.problem_id in wanted and trace.sample < plan.samples.max
    ]
    return score(
        [trace for trace, _ in judged],
        [verdict for _, verdict in judged],
        model=contestant.name,
        suite=suite.name,
        format=contestant.trace_format.name,
        engine=contestant.engine_name,
        identity=contestant.engine.identity,
        sampling=plan.sampling.model_dump(),
        prompt_digest=digest([plan.trace_format.messages(problem.prompt) for problem in problems]),
    )
