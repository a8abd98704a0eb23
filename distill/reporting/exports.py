"""Scores in the forms that others read: lighteval's results file, and the `model-index` of a model card.

Sources: huggingface.co/docs/lighteval/saving-and-reading-results, and github.com/huggingface/hub-docs, modelcard.md.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from distill.evaluation.metrics import Estimate, Z
from distill.evaluation.scores import Scores
from distill.run import write_text

_NAME = re.compile(r"(pass|maj|best)@(\d+)\[(?:avg|n)(\d+)\]")


def write_exports(folder: Path, scores: Iterable[Scores]) -> None:
    """Write `lighteval-<model>.json` and `model-index-<model>.yaml` for each model.

    Raises:
        RunStorageError: If the disk refuses.
    """
    models: dict[str, list[Scores]] = {}
    for found in scores:
        models.setdefault(found.model, []).append(found)
    for model, given in models.items():
        write_text(folder / f"lighteval-{model}.json", json.dumps(lighteval(given), indent=2) + "\n")
        index = {"model-index": model_index(model, given)}
        write_text(folder / f"model-index-{model}.yaml", yaml.safe_dump(index, sort_keys=False, allow_unicode=True))


def figures(scores: Scores) -> dict[str, Estimate]:
    """Every figure of a score under its name, pass@1 first."""
    return {f"pass@1[avg{scores.samples}]": Estimate(scores.pass_at_1, *scores.ci95), **scores.metrics}


def lighteval(scores: Sequence[Scores]) -> dict[str, Any]:
    """One model's scores as lighteval's results file has them, with the standard error that our interval implies.

    Args:
        scores: Of one model, on one or more suites.
    """
    first, results = scores[0], dict[str, dict[str, float]]()
    for found in scores:
        results[f"distill|{found.suite}|0"] = {
            key: value
            for name, estimate in figures(found).items()
            for key, value in (
                (_lighteval_name(name), estimate.mean),
                (f"{_lighteval_name(name)}_stderr", (estimate.high - estimate.low) / (2 * Z)),
            )
        }
    engine = first.stamp.engine if first.stamp else {}
    return {
        "config_general": {
            "model_name": first.model,
            "model_sha": first.identity,
            "model_dtype": engine.get("dtype"),
            "max_samples": None,
            "generation_parameters": first.sampling,
        },
        "results": results,
        "versions": dict.fromkeys(results, 0),
        "config_tasks": {
            f"distill|{found.suite}": {"prompt_digest": found.prompt_digest, "num_problems": found.problems}
            for found in scores
        },
    }


def _lighteval_name(name: str) -> str:
    """``pass@8[n16]`` as lighteval writes it, ``pass@k:k=8&n=16``."""
    found = _NAME.fullmatch(name)
    return f"{found[1]}@k:k={found[2]}&n={found[3]}" if found else name


def model_index(model: str, scores: Sequence[Scores]) -> list[dict[str, Any]]:
    """One model's scores as the front matter of its card has them.

    Args:
        model: Its name.
        scores: On one or more suites.
    """
    return [
        {
            "name": model,
            "results": [
                {
                    "task": {"type": "text-generation"},
                    "dataset": {"name": found.suite, "type": found.suite},
                    "metrics": [
                        {"type": name.partition("[")[0], "name": _with_interval(name, estimate), "value": estimate.mean}
                        for name, estimate in figures(found).items()
                    ],
                }
                for found in scores
            ],
        }
    ]


def _with_interval(name: str, estimate: Estimate) -> str:
    return f"{name}, 95 % interval {100 * estimate.low:.1f} to {100 * estimate.high:.1f} %"
