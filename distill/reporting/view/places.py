"""Places: the journals of one stage in one folder of a run, each with a name that links can hold."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import yaml

from distill.errors import RunError


class Place(NamedTuple):
    """Where traces, or examples, lie."""

    key: str
    """``small``, ``small/train``, ``small/eval/aime24/student``."""
    run: str
    stage: str
    """generate, train (its rows are examples) or eval."""
    suite: str
    model: str
    """Who wrote them; empty if each trace tells."""
    folder: Path


def named_runs(directories: list[Path]) -> dict[str, Path]:
    """Runs by name: that of the folder, with a number behind it where two share one.

    Raises:
        RunError: If one is not a folder.
    """
    runs: dict[str, Path] = {}
    for directory in dict.fromkeys(path.resolve() for path in directories):
        if not directory.is_dir():
            raise RunError(f"{directory} does not exist: give a run's folder, or its name in --runs")
        name, number = directory.name, 2
        while name in runs:
            name, number = f"{directory.name}-{number}", number + 1
        runs[name] = directory
    return runs


def places_of(runs: Mapping[str, Path]) -> Iterator[Place]:
    """All places that are there at this moment; a run that goes on may get more."""
    for run, folder in runs.items():
        yield Place(run, run, "generate", "", "", folder)
        yield Place(f"{run}/train", run, "train", "", "", folder)
        for path in sorted(folder.glob("eval/*/*/traces.jsonl")):
            suite, model = path.parent.parent.name, path.parent.name
            yield Place(f"{run}/eval/{suite}/{model}", run, "eval", suite, model, path.parent)


def teacher_name(folder: Path) -> str:
    """What a run's recipe calls its teacher; `teacher` if it cannot be read."""
    try:
        teacher = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))["generate"]["teacher"]
        return Path(str(teacher.get("model") or teacher["engine"])).name or "teacher"
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return "teacher"
