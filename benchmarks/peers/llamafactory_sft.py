"""The same training by LLaMA-Factory: its defaults, but for what all rows share.

.venv-llamafactory/bin/python benchmarks/peers/llamafactory_sft.py JOB.json
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from llamafactory.train.tuner import run_exp
from transformers import TrainerCallback  # noqa: TID253


class Ticks(TrainerCallback):
    """Notes when training begins and when each step ends."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.memory = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Memory and time before the first step."""
        self.memory = peak_mib()
        self.times.append(time.perf_counter())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Time after a step."""
        self.times.append(time.perf_counter())


def peak_mib() -> float:
    """The most that this process had so far."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> None:
    """Do a job, and say what came of it."""
    job = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(job["folder"])
    data = folder / "data"
    data.mkdir(exist_ok=True)
    lines = (folder / "train.jsonl").read_text().splitlines()
    rows = [
        {"instruction": row["prompt"][0]["content"], "input": "", "output": row["completion"][0]["content"]}
        for row in map(json.loads, lines)
    ]
    (data / "rows.json").write_text(json.dumps(rows))
    (data / "dataset_info.json").write_text(json.dumps({"rows": {"file_name": "rows.json"}}))
    ticks = Ticks()
    run_exp(
        {
            "model_name_or_path": str(folder / "model"),
            "stage": "sft",
            "do_train": True,
            "finetuning_type": job["method"],
            "dataset": "rows",
            "dataset_dir": str(data),
            "template": "chatml",
            "cutoff_len": job["length"],
            "output_dir": str(folder / "llamafactory"),
            "overwrite_output_dir": True,
            "per_device_train_batch_size": job["batch"],
            "num_train_epochs": 1,
            "bf16": True,
            "use_cpu": True,
            "save_strategy": "no",
            "report_to": "none",
            **({"lora_rank": 64, "lora_target": "all"} if job["method"] == "lora" else {}),
        },
        callbacks=[ticks],
    )
    print(json.dumps({"times": ticks.times, "memory": peak_mib() - ticks.memory}))


if __name__ == "__main__":
    main()
