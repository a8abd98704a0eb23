"""Whether a training that is killed again and again is the one that nobody touched: both loss curves in one picture.

    python benchmarks/resume_curve.py                       the tiny student, 60 steps, 4 kills: a minute on one core
    python benchmarks/resume_curve.py --method lora         with dropout, whose draws must go on as well

Each start is `distill train` as a user calls it, ended by SIGKILL at a random step of its share. Prints a Markdown
table for docs/training.md, and draws docs/resume-curve.svg of the full method. Weights are saved in float32.
"""

import argparse
import io
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from distill.reporting.plots import BLUE, GREY, STYLE, VERMILLION, WIDTH

PICTURE = Path(__file__).parent.parent / "docs/resume-curve.svg"
SAVE_EVERY = 7
SETTINGS = (
    *("generate.teacher={engine: solver}", "generate.sources.0.count=300", "train.smoke.prompts=0"),
    *("train.save_dtype=float32", "train.sft.logging_steps=1", f"train.sft.save_steps={SAVE_EVERY}"),
)
DROPOUT = ("train.method=lora", "train.lora={lora_dropout: 0.1}", "train.sft.learning_rate=5e-3")
Curve = dict[int, float]


class Start(NamedTuple):
    """One start of the training that is killed: what it logged before its end."""

    curve: Curve
    is_killed: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--method", choices=("full", "lora"), default="full")
    parser.add_argument("--seed", type=int, default=0, help="of the steps at which it is killed")
    asked = parser.parse_args()
    settings = [*SETTINGS, f"train.sft.max_steps={asked.steps}", *(DROPOUT if asked.method == "lora" else ())]
    rng, span = random.Random(asked.seed), asked.steps // asked.kills
    kill_at = [rng.randint(number * span + 1, (number + 1) * span - 1) for number in range(asked.kills)]
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder)
        for name in ("whole", "killed"):
            for verb in ("generate", "filter"):
                subprocess.run(command(verb, runs, name, settings), check=True, capture_output=True)
        subprocess.run(command("train", runs, "whole", settings), check=True, capture_output=True)
        starts = [start(command("train", runs, "killed", settings), runs / "killed", step) for step in (*kill_at, None)]
        whole = curve_of(runs / "whole/student/training_log.jsonl")
        killed = curve_of(runs / "killed/student/training_log.jsonl")
        weights = weight_difference(runs / "whole/student", runs / "killed/student")
    if asked.method == "full":
        PICTURE.write_text(drawn(whole, starts), encoding="utf-8")
    print(table(asked.method, whole, killed, starts, weights))


def command(verb: str, runs: Path, name: str, settings: Sequence[str]) -> list[str]:
    """The words of a command on one of the two runs."""
    words = [word for setting in settings for word in ("--set", setting)]
    return [sys.executable, "-m", "distill", verb, "quickstart", "--runs", str(runs), "--run", name, *words]


def start(words: Sequence[str], run: Path, kill_at: int | None) -> Start:
    """Start the training, and kill it once it has logged a step; without a step, let it end."""
    log = run / "logs/training_log.jsonl"
    log.unlink(missing_ok=True)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while kill_at is not None and process.poll() is None and max(curve_of(log), default=0) < kill_at:
        time.sleep(0.005)
    if kill_at is not None:
        process.send_signal(signal.SIGKILL)
    if process.wait() not in (0, -signal.SIGKILL):
        sys.exit(f"{' '.join(words)} ended with code {process.returncode}")
    return Start(curve_of(log), process.returncode != 0)


def curve_of(log: Path) -> Curve:
    """The loss by step of a log, up to its last whole line."""
    if not log.exists():
        return {}
    text = log.read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
    return {entry["step"]: entry["loss"] for entry in entries if "loss" in entry}


def weight_difference(one: Path, other: Path) -> float:
    """The largest difference of a weight, over the largest weight of its tensor."""
    from safetensors.torch import load_file

    (name,) = (path.name for path in one.glob("*.safetensors"))
    a, b = load_file(one / name), load_file(other / name)
    return max(((a[key] - b[key]).abs().max() / a[key].abs().max().clamp(min=1e-30)).item() for key in a)


def table(method: str, whole: Curve, killed: Curve, starts: Sequence[Start], weights: float) -> str:
    """What came out, as a row of Markdown."""
    assert whole.keys() == killed.keys(), "a step is missing from one of the curves"
    done_again = [item for start in starts for item in start.curve.items()]
    loss = max(abs(whole[step] - loss) for step, loss in [*killed.items(), *done_again])
    kills = ", ".join(str(max(start.curve)) for start in starts if start.is_killed)
    titles = (
        "method",
        "steps",
        "checkpoint every",
        "killed after steps",
        "largest difference of a loss",
        "of a weight",
    )
    cells = (f"`{method}`", len(whole), SAVE_EVERY, kills, f"{loss:.1e}", f"{weights:.1e}")
    rows = (titles, ("---", "--:", "--:", "---", "--:", "--:"), cells)
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in rows)


def drawn(whole: Curve, starts: Sequence[Start]) -> str:
    """Both curves as SVG: the uninterrupted one broad, each start of the other one narrow on top of it."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):  # pyright: ignore[reportArgumentType]
        figure = Figure(figsize=(WIDTH, 2.8), layout="constrained")
        axes = figure.subplots()
        axes.plot(list(whole), list(whole.values()), color=GREY, alpha=0.55, linewidth=6, label="never killed")
        for number, each in enumerate(starts):
            label = "killed and resumed" if number == 0 else None
            axes.plot(list(each.curve), list(each.curve.values()), color=BLUE, linewidth=1.2, label=label)
        for number, step in enumerate(max(each.curve) for each in starts if each.is_killed):
            axes.axvline(step, color=VERMILLION, linewidth=0.9, linestyle=":", label=None if number else "SIGKILL")
        axes.set(xlabel="step", ylabel="loss (nats per token)")
        axes.set_title("A killed training goes on as if it had not been")
        axes.legend(frameon=False)
        svg = io.StringIO()
        figure.savefig(svg, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return svg.getvalue()


if __name__ == "__main__":
    main()
