"""eval: base, student and teacher on the same held-out problems, with the same sampler and the same verifier."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import msgspec

from distill import plugins
from distill.errors import RunError
from distill.evaluation.scores import Scores
from distill.evaluation.suites import load_suite
from distill.formats import named_format, taught_format
from distill.ledger import Ledger
from distill.recipe import Eval, Scratch
from distill.reporting.card import write_card
from distill.reporting.exports import write_exports
from distill.run import Run
from distill.stages.generate import teacher_engine
from distill.stages.measure import Contestant, Setting, announce, measure


def evaluate(run: Run, limit: int | None = None) -> list[Scores]:
    """Measure every model of the recipe on every suite; what is measured already is kept.

    The student's model card then holds the scores.

    Args:
        run: Open.
        limit: Only the first so many problems of each suite.
    """
    section = section_of(run)
    suites = [load_suite(name) for name in section.suites]
    setting = Setting(
        section=section,
        seed=run.recipe.seed,
        logs_dir=run.logs_dir,
        verify=run.recipe.generate.verify,
        gpu_hour=run.recipe.gpu_hour,
    )
    with run.stage("eval") as record:
        ledgers: dict[str, Any] = record.setdefault("ledgers", {})
        scores: list[Scores] = []
        for suite in suites:
            problems = list(islice(suite.problems(), limit))
            announce(suite, problems, section)
            for contestant in contestants(run, section):
                folder = run.eval_dir(suite.name, contestant.name)
                scores.append(measure(setting, suite, problems, contestant, folder, ledgers))
        record["ledger"] = msgspec.to_builtins(Ledger.total(msgspec.convert(ledgers, dict[str, Ledger]).values()))
        record["scores"] = {f"{s.suite}/{s.model}": s.headline() for s in scores}
        write_exports(run.dir / "eval", scores)
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
            engine = teacher_engine(run.recipe)
            yield Contestant("teacher", engine, teacher.engine, run.recipe.teacher_format, teacher.price)
        elif role == "student":
            run.needs(run.student_dir, "train")
            engine = plugins.build("engines", engine_name, {**options, "model": str(run.student_dir)})
            yield Contestant("student", engine, engine_name, taught_format(run.student_dir))
        elif train is not None and not isinstance(train.student, Scratch):
            engine = plugins.build("engines", engine_name, {**options, "model": train.student})
            for name in section.base_formats:
                asked = msgspec.structs.replace(
                    named_format(name), system_prompt=run.recipe.student_format.system_prompt
                )
                yield Contestant(f"base-{name}", engine, engine_name, asked)
