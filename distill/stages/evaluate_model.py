"""eval of any model: a folder or a hub id on suites, without a recipe."""

import inspect
import json
import re
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from distill import assets, environment, overrides, plugins, progress
from distill.errors import DataError, RecipeError, RunChangedError
from distill.evaluation.scores import Scores
from distill.evaluation.suites import load_suite
from distill.formats import FORMAT_FILE, TraceFormat, named_format, taught_format
from distill.journal import storage_errors
from distill.recipe import Eval
from distill.reporting.exports import write_exports
from distill.run import locked
from distill.stages.measure import Contestant, Setting, announce, measure


def section_for(model: str, suites: list[str], engine: str | None, given: list[str]) -> Eval:
    """The eval section that a command line means.

    Args:
        model: A folder, a hub id, or a model that ships with distill.
        suites: Their names, or paths.
        engine: By its name; transformers if not given.
        given: ``eval.key=value`` items.

    Raises:
        RecipeError: If one of them says something that a section cannot mean.
    """
    data: dict[str, Any] = {"eval": {"suites": suites, "engine": {"engine": engine or "transformers"}}}
    for override in given:
        if not override.startswith("eval."):
            raise RecipeError(f"--set {override!r}: only keys of eval mean something here, such as eval.samples=4")
        overrides.apply(data, override)
    try:
        section = Eval.model_validate(data["eval"])
    except ValidationError as error:
        said = "; ".join(f"eval.{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise RecipeError(f"cannot measure {model}: {said.removeprefix('eval.: ')}") from None
    plugins.resolve("engines", section.engine.get("engine", "transformers"))
    return section


def evaluate_model(
    model: str, section: Eval, out: Path, *, form: str | None, seed: int, limit: int | None
) -> list[Scores]:
    """Measure a model on the section's suites; what is measured already is kept.

    Args:
        model: A folder, a hub id, or a model that ships with distill.
        section: Of `section_for`.
        out: Folder for the results, as a run has them.
        form: Name of the trace format that its replies are taken apart by; see `form_of`.
        seed: Of all draws.
        limit: Only the first so many problems of each suite.

    Raises:
        RunChangedError: If the folder holds scores of another model or seed.
    """
    contestant = contestant_of(model, section, form)
    with locked(out):
        _keep_asked(out / "asked.json", {"identity": contestant.engine.identity, "seed": seed})
        setting = Setting(section=section, seed=seed, logs_dir=out / "logs")
        with storage_errors(out):
            setting.logs_dir.mkdir(exist_ok=True)
        scores: list[Scores] = []
        for suite in [load_suite(name) for name in section.suites]:
            problems = list(islice(suite.problems(), limit))
            announce(suite, problems, section)
            folder = out / "eval" / suite.name / contestant.name
            scores.append(measure(setting, suite, problems, contestant, folder, {}))
        write_exports(out / "eval", scores)
    return scores


def contestant_of(model: str, section: Eval, form: str | None) -> Contestant:
    """The model with its engine and its form."""
    options = dict(section.engine)
    name: str = options.pop("engine", "transformers")
    if "model" in inspect.signature(plugins.resolve("engines", name)).parameters:
        options["model"] = model
    engine = plugins.build("engines", name, options)
    asked = named_format(form) if form else form_of(model)
    progress.say(
        f"eval: {model} by {name}, its replies taken apart as {asked.name!r}"
        + ("" if form else " (--format NAME for another)")
    )
    return Contestant(slug(model), engine, name, asked)


def form_of(model: str) -> TraceFormat:
    """The form of a model's replies: what lies with a student of ours, else what its chat template shows.

    A template whose generation prompt opens a thought gives `think-open`, one that knows the marks `think`, any other,
    or none that lies here, `plain`.
    """
    folder = Path(assets.model_path(model))
    if (folder / FORMAT_FILE).is_file():
        return taught_format(folder)
    template = _template(folder)
    if "<think>" not in template:
        return named_format("plain")
    # what stands after the last look at the flag is the generation prompt
    opens = "<think>" in template.rpartition("add_generation_prompt")[2]
    return named_format("think-open" if opens else "think")


def _template(folder: Path) -> str:
    if (folder / "chat_template.jinja").is_file():
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    if (folder / "tokenizer_config.json").is_file():
        return str(json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template", ""))
    if folder.exists() or environment.installed("transformers") is None:
        return ""
    environment.quiet_libraries()
    import transformers

    try:  # a hub id
        return str(transformers.AutoTokenizer.from_pretrained(str(folder)).chat_template or "")
    except (OSError, ValueError):
        return ""  # the engine says why it cannot be had


def slug(model: str) -> str:
    """A model's name as a folder's: the last two parts of its path or hub id."""
    parts = [re.sub(r"[^A-Za-z0-9._-]", "-", part) for part in Path(model).parts if part not in ("/", "..", ".")]
    return "-".join(parts[-2:]).strip("._-") or "model"


def _keep_asked(path: Path, asked: dict[str, Any]) -> None:
    """Note what the folder is for, and refuse to mix it with anything else."""
    if path.exists():
        try:
            known: Any = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DataError(f"{path} is not JSON: {error}. Delete it, or give another --out") from None
        if known != asked:
            differing = [
                f"{key} was {known.get(key)!r} and is {asked[key]!r}" for key in asked if known.get(key) != asked[key]
            ]
            raise RunChangedError(
                f"{path.parent} holds other work: {'; '.join(differing)}. Give another folder: --out DIR"
            )
    with storage_errors(path):
        path.write_text(json.dumps(asked) + "\n", encoding="utf-8")
