"""Collects a run's directory into one plain structure. Missing files are missing parts, not errors."""

import json
import math
from pathlib import Path
from typing import Any

import yaml

from distill.errors import DataError, RunError
from distill.reporting.cost import cost_facts
from distill.reporting.departures import route_facts
from distill.reporting.flips import flips_of
from distill.reporting.scores import best_of_roles, compare, read_scores, shown
from distill.reporting.structure import FilterFacts, LogEntry, RecipeFacts, Report, TrainFacts
from distill.reporting.traces import generate_facts, sample_traces, tally_of
from distill.run import read_manifest


def gather(run_dir: Path) -> Report:
    """All that is known of a run, as data that JSON can carry.

    Reads what is there at this moment, so it also works while the run goes on.

    Args:
        run_dir: A run's directory, `runs/<name>`.

    Raises:
        RunError: If there is no run, or it has made nothing yet.
        DataError: If a file of it is damaged.
    """
    if not run_dir.is_dir():
        raise RunError(f"{run_dir} does not exist: run `distill run RECIPE` first, or give the path of a run")
    stages: dict[str, dict[str, Any]] = {}
    manifest: dict[str, Any] = {}
    if (run_dir / "manifest.json").exists():
        manifest = read_manifest(run_dir)
        stages = manifest.get("stages", {})
    recipe, recipe_text = _read_recipe(run_dir)
    measured = read_scores(run_dir, _suite_names(recipe))
    best = {suite: best_of_roles(scores) for suite, scores in measured.items()}
    suites = {suite: {role: shown(*found) for role, found in roles.items()} for suite, roles in best.items()}
    tally = tally_of(run_dir)
    generated = generate_facts(run_dir, tally, stages.get("generate", {}).get("seconds", 0.0))
    filtered = _filter_facts(stages.get("filter"))
    trained = _train_facts(stages.get("train"), run_dir / "student" / "training_log.jsonl")
    report = Report(
        run=run_dir.resolve().name,
        recipe=_recipe_facts(recipe, recipe_text, run_dir),
        models=next(iter(suites.values()), {}),
        suites=suites,
        comparisons={suite: compare(roles) for suite, roles in best.items()},
        flips={
            suite: flips_of(run_dir / "eval" / suite, roles["base"][0], roles["student"][0])
            for suite, roles in best.items()
            if {"base", "student"} <= roles.keys()
        },
        generate=generated,
        cost=cost_facts(stages, recipe, generated["verify"] if generated else None, filtered, trained),
        filter=filtered,
        train=trained,
        route=route_facts(recipe, suites),
        environment=manifest.get("environment", {}),
        sample_traces=sample_traces(run_dir, tally),
    )
    if not any((report["generate"], report["filter"], report["train"], report["suites"])):
        recipe_name = report["recipe"]["name"]
        raise RunError(f"{run_dir} holds nothing to report yet: run `distill generate {recipe_name}` first")
    return report


def _read_recipe(run_dir: Path) -> tuple[dict[str, Any], str]:
    # not through `recipe.load`, which refuses a plugin that only the machine of the run has
    path = run_dir / "recipe.yaml"
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        recipe: Any = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RunError(f"{path} is not YAML ({error}): restore it, or run the recipe again with --run NAME") from None
    return recipe if isinstance(recipe, dict) else {}, text


def _recipe_facts(recipe: dict[str, Any], text: str, run_dir: Path) -> RecipeFacts:
    name, description, seed = recipe.get("name"), recipe.get("description"), recipe.get("seed")
    return RecipeFacts(name=name or run_dir.resolve().name, description=description or "", seed=seed or 0, text=text)


def _suite_names(recipe: dict[str, Any]) -> list[str]:
    section: dict[str, Any] = recipe.get("eval") or {}
    return [
        Path(name).stem if name.endswith((".yaml", ".yml", ".jsonl")) else name for name in section.get("suites", [])
    ]


def _filter_facts(record: dict[str, Any] | None) -> FilterFacts | None:
    if record is None or "funnel" not in record:
        return None
    return FilterFacts(funnel=record["funnel"], examples=record.get("examples"), seconds=record.get("seconds", 0.0))


def _train_facts(record: dict[str, Any] | None, log_path: Path) -> TrainFacts | None:
    log = _read_log(log_path)
    if record is None and not log:
        return None
    known = record or {}
    return TrainFacts(
        steps=known.get("steps"),
        seconds=known.get("seconds", 0.0),
        examples=known.get("examples"),
        tokens=known.get("tokens"),
        method=known.get("method"),
        final_loss=log[-1]["loss"] if log else None,
        log=log,
    )


def _read_log(path: Path) -> list[LogEntry]:
    if not path.exists():
        return []
    entries: list[LogEntry] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and (entry := _log_entry(line, f"{path}, line {number}")):
                entries.append(entry)
    return entries


def _log_entry(line: str, place: str) -> LogEntry | None:
    try:
        # the standard library's parser, because a loss that diverged is written as NaN
        logged: dict[str, Any] = json.loads(line)
        if "loss" not in logged:
            return None
        return LogEntry(step=logged["step"], loss=_finite(logged["loss"]), learning_rate=logged.get("learning_rate"))
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{place}: not a line of a training log ({error}); mend or delete that line") from None


def _finite(loss: float) -> float | None:
    return loss if math.isfinite(loss) else None
