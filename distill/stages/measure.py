"""Measures one model on one suite: asks, judges, scores; what is there already is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill import plugins, progress
from distill.engines import Engine
from distill.errors import RunError
from distill.evaluation.beam import Search
from distill.evaluation.forcing import Forcing
from distill.evaluation.paired import detectable_sentence
from distill.evaluation.policy import PolicyEngine
from distill.evaluation.scores import Scores, score
from distill.evaluation.stamp import stamp_of
from distill.evaluation.suites import Suite
from distill.formats import TraceFormat
from distill.journal import storage_errors
from distill.recipe import Eval, Price, Samples, Verify, digest
from distill.sampling import Plan, Store, finished, sample
from distill.types import Problem


class Contestant(NamedTuple):
    """A model in one form: the base is measured in several, and its best counts."""

    name: str
    """Also its folder's name: `base-plain`, `student`, `teacher`."""
    engine: Engine
    engine_name: str
    trace_format: TraceFormat
    price: Price | None = None


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all models of a measurement share."""

    section: Eval
    seed: int
    logs_dir: Path
    verify: Verify = field(default_factory=Verify)
    gpu_hour: float = 0.0

    def plan(self, suite: Suite, contestant: Contestant) -> Plan:
        """How a model is asked on a suite."""
        samples, sampling = suite.asking(self.section.samples, self.section.sampling)
        return Plan(
            trace_format=contestant.trace_format,
            samples=Samples(min=samples, max=samples, until_correct=samples),
            sampling=sampling,
            seed=self.seed,
            concurrency=self.section.concurrency,
            price=contestant.price,
            gpu_hour=self.gpu_hour,
            verify=self.verify,
        )

    def policies(self) -> dict[str, Any]:
        """Budget forcing or beam search, as a stamp has it."""
        given = {"budget_forcing": self.section.budget_forcing, "beam_search": self.section.beam_search}
        return {name: policy.model_dump(mode="json") for name, policy in given.items() if policy}


def with_policy(contestant: Contestant, section: Eval) -> Contestant:
    """The model as the section wants it asked: as it is, with its budget forced, or by a search.

    Raises:
        RecipeError: If its form has no thought whose budget could be forced.
    """
    form = contestant.trace_format
    if section.budget_forcing:
        policy = Forcing(section.budget_forcing, form)
    elif section.beam_search:
        use = section.beam_search.scorer
        policy = Search(section.beam_search, plugins.build("scorers", use.use, use.options), form)
    else:
        return contestant
    return contestant._replace(engine=PolicyEngine(contestant.engine, policy))


def announce(suite: Suite, problems: Sequence[Problem], section: Eval) -> None:
    """Say beforehand what the suite can show."""
    samples, _ = suite.asking(section.samples, section.sampling)
    progress.say(f"eval: {suite.name}: {detectable_sentence(len(problems), samples)}")


def measure(
    setting: Setting,
    suite: Suite,
    problems: Sequence[Problem],
    contestant: Contestant,
    folder: Path,
    ledgers: dict[str, Any],
) -> Scores:
    """One model on one suite; what it took goes into `ledgers`.

    Raises:
        KeyboardInterrupt: If the user stopped it. What finished is kept.
        RunError: If requests failed.
    """
    contestant = with_policy(contestant, setting.section)
    plan = setting.plan(suite, contestant)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with Store(folder, plan.teacher_key(contestant.engine)) as store:
        outcome = finished(sample(problems, contestant.engine, plan, store, setting.logs_dir, contestant.name))
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
        scores = scores_of(setting, suite, problems, contestant, plan, store)
    with storage_errors(folder):
        (folder / "scores.json").write_bytes(msgspec.json.format(msgspec.json.encode(scores)) + b"\n")
    progress.say(f"eval: {suite.name} {contestant.name}: {scores.headline()}")
    return scores


def scores_of(
    setting: Setting, suite: Suite, problems: Sequence[Problem], contestant: Contestant, plan: Plan, store: Store
) -> Scores:
    """The scores of exactly these problems and samples, whatever else the journals hold."""
    asked = {problem.id: problem for problem in problems}
    judged = [
        (trace, verdict)
        for trace, verdict in store.judged()
        if trace.problem_id in asked and trace.sample < plan.samples.max
    ]
    prompts = digest([plan.trace_format.messages(problem.prompt) for problem in problems])
    sampling, use = plan.sampling.model_dump(), setting.section.scorer
    form = contestant.trace_format.name
    return score(
        [trace for trace, _ in judged],
        [verdict for _, verdict in judged],
        model=contestant.name,
        suite=suite.name,
        format=form,
        engine=contestant.engine_name,
        identity=contestant.engine.identity,
        sampling=sampling,
        prompt_digest=prompts,
        problems=asked,
        scorer=plugins.build("scorers", use.use, use.options) if use else None,
        stamp=stamp_of(
            contestant.engine,
            contestant.engine_name,
            sampler={**sampling, **setting.policies()},
            prompt=prompts,
            format=form,
            seed=setting.seed,
        ),
    )
