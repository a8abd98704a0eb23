"""The student's model card: how it was made, out of what, and how good it is. It lies with the weights, as README.md.

The front matter is what the Hub reads (github.com/huggingface/hub-docs, modelcard.md); scores are in its `model-index`.
The recipe is given whole, but for what looks like a secret.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from distill.evaluation.metrics import percent, short_count
from distill.evaluation.scores import Scores
from distill.recipe import Recipe
from distill.reporting import text
from distill.reporting.markdown import FILTERS
from distill.reporting.scores import best_of_roles, compare, read_scores, shown
from distill.reporting.structure import ModelScores
from distill.reporting.templates import environment
from distill.run import Run, write_text

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
SECRET = re.compile(r"(hub_token|api_key|password|secret|authorization)$", re.IGNORECASE)
"""Keys whose values are not shown; a recipe names the variable that holds a key, but some engine may take the key."""
CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
HIDDEN = "(not shown)"
OPTIONAL = ("adapter", "hyperparameters", "quantization", "smoke")
"""Facts of a training that not every one has."""
LIBRARIES = ("distill", "torch", "transformers", "trl", "peft")


def write_card(run: Run, folder: Path, identity: str | None = None) -> None:
    """Write a student's card.

    Args:
        run: Its run.
        folder: The student's; holds `training.json`.
        identity: What tells the student that was measured from another one that the run had before; None if this one
            was not measured yet. Scores of another are left out.
    """
    write_text(folder / "README.md", card(run, folder, identity))


def card(run: Run, folder: Path, identity: str | None) -> str:
    """The text of a student's card; the arguments are those of `write_card`."""
    recipe = run.recipe
    assert recipe.train is not None
    known: dict[str, Any] = json.loads((folder / "training.json").read_text(encoding="utf-8"))
    facts = {**dict.fromkeys(OPTIONAL), **known}
    best = _measured(run, identity)
    suites = {suite: {role: shown(*found) for role, found in roles.items()} for suite, roles in best.items()}
    student, data = recipe.train.student, without_secrets(recipe.model_dump(mode="json"))
    versions: Mapping[str, str] = run.manifest.get("environment", {}).get("versions", {})
    return environment(autoescape=False).get_template("card.md.j2").render(
        metadata=_metadata(recipe, suites),
        recipe=recipe,
        recipe_yaml=yaml.safe_dump(data, sort_keys=False, allow_unicode=True),
        base=student if isinstance(student, str) else f"a fresh {student.config.get('model_type', 'model')}",
        facts=facts,
        funnel=run.manifest["stages"].get("filter", {}).get("funnel", []),
        suites=suites,
        comparisons={suite: compare(roles) for suite, roles in best.items()},
        versions={name: versions[name] for name in LIBRARIES if name in versions},
        text=text,
        percent=percent,
        short=short_count,
        **FILTERS,
    )  # fmt: skip


def _measured(run: Run, identity: str | None) -> dict[str, dict[str, tuple[Scores, dict[str, Scores]]]]:
    """The best scores of each role, on the suites on which this very student was measured."""
    suites = run.recipe.eval.suites if run.recipe.eval else []
    best = {suite: best_of_roles(measured) for suite, measured in read_scores(run.dir, suites).items()}
    return {
        suite: roles
        for suite, roles in best.items()
        if identity and "student" in roles and roles["student"][0].identity == identity
    }


def _metadata(recipe: Recipe, suites: Mapping[str, Mapping[str, ModelScores]]) -> str:
    """The card's front matter, in YAML."""
    assert recipe.train is not None
    base = recipe.train.student
    metadata: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["distill", "reasoning", *([] if recipe.train.method == "full" else [recipe.train.method])],
    }
    if isinstance(base, str) and HUB_ID.fullmatch(base) and not Path(base).exists():
        metadata["base_model"] = base
    if suites:
        results = [_result(suite, roles["student"]) for suite, roles in suites.items()]
        metadata["model-index"] = [{"name": recipe.name, "results": results}]
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=10**6)


def _result(suite: str, scores: ModelScores) -> dict[str, Any]:
    name = text.one_line(suite)
    metric = f"pass@1, 95 % interval {text.interval(scores['ci95'])} %"
    return {
        "task": {"type": "text-generation"},
        "dataset": {"name": name, "type": name},
        "metrics": [{"type": "pass@1", "name": metric, "value": scores["pass@1"]}],
    }


def without_secrets(data: Any) -> Any:
    """Plain data, with nothing in it that only its owner may know."""
    if isinstance(data, dict):
        return {
            key: HIDDEN if SECRET.search(str(key)) and isinstance(value, str) else without_secrets(value)
            for key, value in data.items()  # pyright: ignore[reportUnknownVariableType]
        }
    if isinstance(data, list):
        return [without_secrets(item) for item in data]  # pyright: ignore[reportUnknownVariableType]
    return CREDENTIALS.sub("", data) if isinstance(data, str) else data
