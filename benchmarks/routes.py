"""What the recipes' trainings take, by `distill train --dry-run`, and how far that is from what was published.

    python benchmarks/routes.py                           what was published, and what each recipe takes
    python benchmarks/routes.py s1k qlora-7b-24gb         what these take

Prints the tables of docs/routes.md; needs no GPU and no hub. A share of the peak was taken from the published runs
themselves, so the last column says what each would be told by the others of its kind alone.
"""

import sys
from pathlib import Path
from statistics import fmean

from distill import assets, recipe
from distill.stages import forecast, published
from distill.training import gpus, memory, speed

NOWHERE = Path("runs/of-no-one")
FURTHER = (  # published for other students of the same recipe
    ("bespoke-stratos-17k", "Bespoke-Stratos-32B", ("train.student=Qwen/Qwen2.5-32B-Instruct", "route.hours=27")),
    ("openthoughts-114k", "OpenThinker-32B", ("train.student=Qwen/Qwen2.5-32B-Instruct", "route.hours=90")),
)


def compared() -> dict[str, published.Against]:
    """Every published training, by its name."""
    runs = {name: (name, ()) for name in assets.shipped("recipes")}
    runs |= {title: (name, overrides) for name, title, overrides in FURTHER}
    found: dict[str, published.Against] = {}
    for title, (name, overrides) in runs.items():
        asked = recipe.load(assets.find("recipes", name), overrides)
        if not (asked.route and asked.route.hours and asked.route.form == "replay"):
            continue
        if one := published.against(asked, forecast.job_of(asked, NOWHERE)):
            found[title] = one
    return found


def told_by_others(title: str, found: dict[str, published.Against]) -> float | None:
    """The error of the hours, had the share of the peak been taken from the others of its kind alone."""
    one = found[title]
    others = [
        other.reached.share * (1 + other.error)
        for name, other in found.items()
        if name != title and other.reached == one.reached
    ]
    return one.reached.share * (1 + one.error) / fmean(others) - 1 if others else None


def needs(name: str, asked: recipe.Recipe) -> str:
    """A row of what a recipe takes on its own processes, on the GPU of its route or an H100."""
    job = forecast.job_of(asked, NOWHERE)
    launch = job.train.launch
    count = (launch and launch.num_processes) or 1
    hardware = asked.route.hardware if asked.route else None
    gpu = hardware.gpu if hardware else "H100"
    peak = memory.peak(job.config, forecast.step_of(job, count), job.longest).total / forecast.GIB
    fits = "" if peak < gpus.GPUS[gpu].memory_gib * memory.ROOM else " (does not fit)"
    reached = speed.reached(launch.config if launch else "ddp", launch.num_machines if launch else 1)
    hours = forecast.hours_of(job, gpu, count, reached)
    tokens = f"{job.work.tokens / 1e6:,.0f}M" if job.work else "not known"
    spent = forecast.told(hours) if hours else "not known"
    how = launch.config if launch else "one process"
    return f"| `{name}` | {count} x {gpu}, {how} | {job.longest:,} | {peak:.0f} GiB{fits} | {tokens} | {spent} |"


def show_compared() -> None:
    found = compared()
    print("| training | GPUs | published | estimated | | by the others of its kind |")
    print("|---|---|--:|--:|--:|--:|")
    for title, one in found.items():
        where = f"{one.hardware.count} x {one.hardware.gpu}, {one.hardware.launch}"
        alone = told_by_others(title, found)
        said = f"{one.hours:g} h" + (f", ${one.dollars:,.0f}" if one.dollars else "")
        ours = f"{forecast.told(one.estimated_hours)} h" + (
            f", ${one.estimated_dollars:,.0f}" if one.estimated_dollars else ""
        )
        told = "-" if alone is None else f"{100 * alone:+.0f} %"
        print(f"| {title} | {where} | {said} | {ours} | {100 * one.error:+.0f} % | {told} |")
    print()


def main() -> None:
    named = sys.argv[1:]
    if not named:
        show_compared()
    print("| recipe | GPUs | longest | memory of each | tokens of an epoch, at most | hours |")
    print("|---|---|--:|--:|--:|--:|")
    for name in named or assets.shipped("recipes"):
        asked = recipe.load(assets.find("recipes", name))
        if asked.route and asked.train and isinstance(asked.train.student, str):
            try:
                print(needs(name, asked), flush=True)
            except Exception as error:  # a student that is made by another run
                print(f"| `{name}` | {type(error).__name__} | | | | |")


if __name__ == "__main__":
    main()
