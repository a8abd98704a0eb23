"""What the evaluation measured: every model on every suite, and the models against each other."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from distill.errors import DataError
from distill.evaluation.metrics import Interval, paired_difference
from distill.evaluation.scores import Scores
from distill.reporting.structure import Comparison, ModelScores

ROLES = ("base", "student", "teacher")
PAIRS = (("student", "base"), ("student", "teacher"))


def read_scores(run_dir: Path, suites: Sequence[str]) -> dict[str, dict[str, Scores]]:
    """Every `scores.json` of a run by suite and folder name; the recipe's suites first, in its order."""
    folders = [folder for folder in sorted((run_dir / "eval").glob("*")) if folder.is_dir()]
    order = {name: index for index, name in enumerate(suites)}
    folders.sort(key=lambda folder: order.get(folder.name, len(order)))
    found = {
        folder.name: {path.parent.name: _read(path) for path in sorted(folder.glob("*/scores.json"))}
        for folder in folders
    }
    return {suite: scores for suite, scores in found.items() if scores}


def _read(path: Path) -> Scores:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Scores)
    except msgspec.DecodeError as error:
        raise DataError(f"{path} is not a record of scores: {error}. Delete it and run `distill eval` again.") from None


def best_of_roles(measured: dict[str, Scores]) -> dict[str, tuple[Scores, dict[str, Scores]]]:
    """For each role its best scores, and all forms that it was measured in.

    Args:
        measured: By folder name: `student`, or `base-<form>` where a model was asked in several forms.
    """
    best: dict[str, tuple[Scores, dict[str, Scores]]] = {}
    for role in (*ROLES, *(name for name in measured if name.partition("-")[0] not in ROLES)):
        forms = {
            scores.format: scores for name, scores in measured.items() if name == role or name.startswith(f"{role}-")
        }
        if forms:
            best[role] = max(forms.values(), key=lambda scores: scores.pass_at_1), forms
    return best


def shown(scores: Scores, forms: dict[str, Scores]) -> ModelScores:
    """A model's scores as the report holds them."""
    return {
        "pass@1": scores.pass_at_1,
        "ci95": scores.ci95,
        "format": scores.format,
        "problems": scores.problems,
        "samples": scores.samples,
        "no_answer": scores.no_answer,
        "truncated": scores.truncated,
        "unverifiable": scores.unverifiable,
        "mean_tokens": scores.mean_tokens,
        "engine": scores.engine,
        "identity": scores.identity,
        "sampling": scores.sampling,
        "prompt_digest": scores.prompt_digest,
        "headline": scores.headline(),
        "forms": {name: shown(form, {}) for name, form in forms.items()} if len(forms) > 1 else {},
    }


def compare(best: dict[str, tuple[Scores, dict[str, Scores]]]) -> dict[str, Comparison]:
    """The student against the base and against the teacher, where both were measured on the same problems."""
    comparisons: dict[str, Comparison] = {}
    for first, second in PAIRS:
        if first not in best or second not in best:
            continue
        a, b = best[first][0].correct_by_problem, best[second][0].correct_by_problem
        if a.keys() & b.keys():
            comparisons[f"{first}-{second}"] = _comparison(a, b)
    return comparisons


def _comparison(a: dict[str, float], b: dict[str, float]) -> Comparison:
    found = paired_difference(a, b)
    return Comparison(
        difference=found.difference, ci95=Interval(found.low, found.high), p=found.p, problems=found.problems
    )
