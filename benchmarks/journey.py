"""Journeys against shortcuts on Countdown: the shipped recipe, with and without its errors in the loss, three seeds.

    python benchmarks/journey.py                    all that is not done yet, and the table for docs/journey.md
    python benchmarks/journey.py run SEED ARM       one run of it: journey, masked, fifth, prompts or tokens
    python benchmarks/journey.py table              the table of what is done

A seed draws other slips of the teacher and other batches; of the 2,581 problems of this world each draws nearly all.
Within a seed the arms share their traces.
Runs land in runs/; what is there already is not done again.
"""

import itertools
import json
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from distill import assets
from distill.builders.journey.countdown import countdown_slip
from distill.evaluation.metrics import paired_difference
from distill.recipe import Use, load
from distill.reporting.report import write_report
from distill.run import open_run, read_manifest, write_json
from distill.stages import evaluate, filter, generate, train

RUNS = Path("runs")
SEEDS = (0, 1, 2)
TAUGHT = {
    "journey": "journeys",
    "masked": "journeys, errors masked",
    "fifth": "a fifth journeys, errors masked",
    "prompts": "shortcuts, equal prompts",
    "tokens": "shortcuts, equal tokens",
}
"""The arms, and what the tables call them."""
ACKNOWLEDGED = re.compile(r"^No, .+, not ", re.MULTILINE)
"""The recipe's one phrase."""
CONTROLS = ("prompts", "tokens")


def run(seed: int, arm: str) -> None:
    """Generate, filter, train and evaluate one arm."""
    if arm != "journey":
        borrow_traces(name_of(seed, "journey"), name_of(seed, arm))
    path = assets.find("recipes", "journey-vs-shortcut")
    overrides = [f"seed={seed}", f"generate.sources.0.seed={seed}"]
    if arm != "journey":
        overrides.append(f"filter.build={json.dumps(built(arm, load(path).filter.build))}")
    recipe = load(path, overrides)
    with open_run(recipe, RUNS, name_of(seed, arm)) as opened:
        generate.generate(opened)
        filter.filter_traces(opened)
        train.train(opened)
        evaluate.evaluate(opened)
    write_report(RUNS / name_of(seed, arm))


def built(arm: str, journey: Use) -> dict[str, Any]:
    """What an arm builds from the traces, given what the recipe does."""
    whole = {"use": journey.use, **journey.options}
    match arm:
        case "masked":
            return {**whole, "teach_errors": False}
        case "fifth":
            return {**whole, "teach_errors": False, "share_of_journeys": 0.2}
        case "tokens":
            return {"use": "shortcut", "of": whole, "match": "tokens"}
        case _:
            return {"use": "shortcut", "of": whole}


class Arm(NamedTuple):
    """What one arm taught, and what came of it."""

    examples: int
    kilobytes: float
    """Of replies taught, which this student reads byte by byte; times the epochs they are its tokens."""
    scores: dict[str, Any]
    slipped: int
    """Replies with an error in their search, by the exact finder."""
    mended: int
    """Those of them that are right in the end."""
    taken_back: int
    """Replies that take something back."""
    needless: int
    """Those of them with no error before the first time they do."""
    replies: int


def arm_of(seed: int, arm: str) -> Arm | None:
    """A finished arm; None if it is not."""
    folder = RUNS / name_of(seed, arm)
    eval_dir = folder / "eval" / "countdown-tiny" / "student"
    if not (eval_dir / "scores.json").exists():
        return None
    examples = [json.loads(line) for line in (folder / "train.jsonl").read_text().splitlines()]
    problems = {one["id"]: one["metadata"] for one in records(eval_dir / "problems.jsonl")}
    outcomes = {one["trace_id"]: one["outcome"] for one in records(eval_dir / "verdicts.jsonl")}
    slips: list[bool] = []
    back: list[bool] = []
    for one in records(eval_dir / "traces.jsonl"):
        slip = countdown_slip(problems[one["problem_id"]], one["thinking"])
        if slip:
            slips.append(outcomes.get(one["id"]) == "correct")
        if taken := ACKNOWLEDGED.search(one["thinking"]):
            back.append(slip is None or slip.start > taken.start())
    return Arm(
        len(examples),
        sum(taught_bytes(one) for one in examples) / 1000,
        json.loads((eval_dir / "scores.json").read_text()),
        len(slips),
        sum(slips),
        len(back),
        sum(back),
        len(outcomes),
    )


def taught_bytes(example: dict[str, Any]) -> int:
    """Bytes of an example's reply that are in the loss."""
    content: str = example["completion"][0]["content"]
    masked = sum(len(content[start:end].encode()) for start, end in example.get("masked", []))
    return len(content.encode()) - masked


def records(path: Path) -> Sequence[dict[str, Any]]:
    """The lines of a journal."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def table() -> None:
    """Print what is done: a row for each arm, and journeys against each control, problem by problem."""
    done = {(seed, arm): found for seed in SEEDS for arm in TAUGHT if (found := arm_of(seed, arm))}
    print(
        "| seed | taught | examples | kB taught | pass@1 | truncated | tokens | replies that slip | of them right "
        "| that take back | with no error before |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for (seed, arm), found in done.items():
        scores = found.scores
        low, high = scores["ci95"]
        print(
            f"| {seed} | {TAUGHT[arm]} | {found.examples} | {found.kilobytes:.0f} | "
            f"{100 * scores['pass@1']:.1f} [{100 * low:.1f}, {100 * high:.1f}] | {100 * scores['truncated']:.1f} % | "
            f"{scores['mean_tokens']:.0f} | {found.slipped} of {found.replies} | {found.mended} | "
            f"{found.taken_back} | {found.needless} |"
        )
    print("\n| | less | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | all |")
    print("|---|---|" + "---|" * (len(SEEDS) + 1))
    for arm, control in itertools.combinations(TAUGHT, 2):
        if arm in CONTROLS:
            continue
        cells = [difference(done, [seed], arm, control) for seed in SEEDS] + [difference(done, SEEDS, arm, control)]
        print(f"| {TAUGHT[arm]} | {TAUGHT[control]} | " + " | ".join(cells) + " |")


def difference(done: dict[tuple[int, str], Arm], seeds: Sequence[int], arm: str, control: str) -> str:
    """How much better one arm is than another, in points; over several seeds by the mean of each problem."""
    pairs = [(done.get((seed, arm)), done.get((seed, control))) for seed in seeds]
    whole = [(a.scores["correct_by_problem"], b.scores["correct_by_problem"]) for a, b in pairs if a and b]
    if len(whole) < len(seeds):
        return "not done"
    means = [{key: fmean(side[key] for side in sides) for key in sides[0]} for sides in zip(*whole, strict=True)]
    found = paired_difference(*means)
    return f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def name_of(seed: int, arm: str) -> str:
    """An arm's run."""
    return f"journey-{seed}-{arm}"


def borrow_traces(source: str, target: str) -> None:
    """Begin a run with another one's traces, as if it had generated them."""
    if (RUNS / target / "manifest.json").exists():
        return
    (RUNS / target).mkdir(parents=True)
    for path in (RUNS / source).glob("*.jsonl"):
        if path.stem in ("problems", "traces", "verdicts", "pass_rates"):
            shutil.copyfile(path, RUNS / target / path.name)
    manifest = read_manifest(RUNS / source)
    manifest["stages"] = {"generate": manifest["stages"]["generate"]}
    write_json(RUNS / target / "manifest.json", manifest)


def main(arguments: Sequence[str]) -> None:
    """See the module."""
    match arguments:
        case ["run", seed, arm]:
            run(int(seed), arm)
        case ["table"]:
            table()
        case []:
            for seed, arm in itertools.product(SEEDS, TAUGHT):
                run(seed, arm)
            table()
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
