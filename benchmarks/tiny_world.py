"""What the tiny world shows, measured: the quickstart with several seeds, and its honest controls.

    python benchmarks/tiny_world.py seeds           three whole quickstarts, a row each
    python benchmarks/tiny_world.py controls        the first one's traces, taught in four ways

Prints Markdown tables for docs/tiny-world.md. Runs land in runs/; what is there already is not done again.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from distill import assets
from distill.recipe import Recipe, load
from distill.reporting.report import write_report
from distill.run import open_run, read_manifest, write_json
from distill.stages import evaluate, filter, generate, train

RUNS = Path("runs")
LENGTH = "{use: length, min_tokens: 8, max_tokens: 420}"
FIRST = "{use: per_problem, keep: 1, prefer: first}"
CONTROLS = {
    "unfiltered": [f"filter.select=[structure, {LENGTH}, {FIRST}]"],
    "rejected": [f"filter.select=[structure, incorrect, {LENGTH}, {FIRST}]"],
    "answers alone": ["filter.build=answer_only", "train.format=plain"],
}


def quickstart(*overrides: str) -> Recipe:
    """The shipped recipe, overridden."""
    return load(assets.find("recipes", "quickstart"), overrides)


def run_all(recipe: Recipe, name: str) -> dict[str, Any]:
    """A whole run and its report."""
    with open_run(recipe, RUNS, name) as run:
        generate.generate(run)
        filter.filter_traces(run)
        train.train(run)
        evaluate.evaluate(run)
    return dict(write_report(RUNS / name))


def seeds() -> None:
    """The quickstart with seeds 0, 1 and 2."""
    print("| seed | traces accepted | base (better form) | student | teacher | gain, paired |")
    print("|---|---|---|---|---|---|")
    for seed in (0, 1, 2):
        name = "quickstart" if seed == 0 else f"quickstart-{seed}"
        report = run_all(quickstart(f"seed={seed}"), name)
        models, gain = report["models"], report["comparisons"]["countdown-tiny"]["student-base"]
        scores = " | ".join(score(models[role]) for role in ("base", "student", "teacher"))
        accepted = 100 * report["generate"]["accepted"]
        low, high = gain["ci95"]
        difference = f"{100 * gain['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]"
        print(f"| {seed} | {accepted:.1f} % | {scores} | {difference} |", flush=True)


def score(model: dict[str, Any]) -> str:
    """A score with its interval."""
    low, high = model["ci95"]
    return f"{100 * model['pass@1']:.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def controls() -> None:
    """The same student, the same number of steps, taught other things from the same traces."""
    plain = run_all(quickstart(), "quickstart")
    steps = json.loads((RUNS / "quickstart/student/training.json").read_text())["steps"]
    print("| taught | examples | steps | pass@1 | no answer | truncated | tokens |")
    print("|---|---|---|---|---|---|---|")
    print(row("accepted traces (the quickstart)", plain, steps))
    for taught, overrides in CONTROLS.items():
        name = f"control-{taught.replace(' ', '-')}"
        borrow_traces(RUNS / "quickstart", RUNS / name)
        recipe = quickstart(*overrides, f"train.sft.max_steps={steps}", "eval.models=[student]")
        print(row(taught, run_all(recipe, name), steps), flush=True)


def row(taught: str, report: dict[str, Any], steps: int) -> str:
    """A row of the controls' table."""
    student = report["models"]["student"]
    rates = f"{100 * student['no_answer']:.1f} % | {100 * student['truncated']:.1f} % | {student['mean_tokens']:.0f}"
    return f"| {taught} | {report['train']['examples']} | {steps} | {score(student)} | {rates} |"


def borrow_traces(source: Path, target: Path) -> None:
    """Begin a run with another one's traces, as if it had generated them."""
    if (target / "manifest.json").exists():
        return
    target.mkdir(parents=True)
    for name in ("problems.jsonl", "traces.jsonl", "verdicts.jsonl"):
        shutil.copyfile(source / name, target / name)
    manifest = read_manifest(source)
    manifest["stages"] = {"generate": manifest["stages"]["generate"]}
    write_json(target / "manifest.json", manifest)


if __name__ == "__main__":
    {"seeds": seeds, "controls": controls}[sys.argv[1]]()
