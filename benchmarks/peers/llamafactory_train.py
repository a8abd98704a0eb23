"""LLaMA-Factory on the examples of benchmarks/training.py, in an environment of its own (make setup-llamafactory).

    python benchmarks/peers/llamafactory_train.py JOB.json

All is as `llamafactory-cli train` has it, but for what the rows of the benchmark share. Its template `chatml` writes a
line end behind each end-of-turn; without it the tokens are those of the other rows. Prints what the steps took.
"""

import json
import sys
import types
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))


def without_audio() -> None:
    """An empty torchaudio, where none can be loaded: it is imported whatever is trained, and used for audio alone."""
    try:
        import torchaudio  # noqa: F401
    except (ImportError, OSError):
        empty = types.ModuleType("torchaudio")
        empty.__spec__ = ModuleSpec("torchaudio", None)
        sys.modules["torchaudio"] = empty


def write_data(examples_path: Path, folder: Path) -> None:
    """The examples, and the index that it looks them up in.

    Its format `openai` puts a system turn before them ("detailed thinking off"); `sharegpt` takes them as they are.
    """
    lines = examples_path.read_text(encoding="utf-8").splitlines()
    with (folder / "conversations.jsonl").open("w", encoding="utf-8") as file:
        for example in map(json.loads, lines):
            file.write(json.dumps({"messages": [*example["prompt"], *example["completion"]]}) + "\n")
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    entry = {
        "file_name": "conversations.jsonl",
        "formatting": "sharegpt",
        "columns": {"messages": "messages"},
        "tags": {**tags, "system_tag": "system"},
    }
    (folder / "dataset_info.json").write_text(json.dumps({"examples": entry}))


def options(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """What `llamafactory-cli train` would read from a file."""
    tuned = {"finetuning_type": "full"}
    if job["method"] != "full":
        tuned = {"finetuning_type": "lora", "lora_rank": 64, "lora_alpha": 64, "lora_target": "all"}
    if job["method"] == "qlora":
        tuned["quantization_bit"] = 4
    return {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": job["model"],
        "dataset_dir": str(folder),
        "dataset": "examples",
        "template": "benchmark",
        "cutoff_len": job["sft"]["max_length"],
        "output_dir": str(folder / "out"),
        "overwrite_cache": True,
        "disable_tqdm": True,
        **tuned,
        **{name: value for name, value in job["sft"].items() if name != "max_length"},
    }


def main() -> None:
    """Train, and print what the steps took."""
    without_audio()
    job = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(job["folder"])
    folder.mkdir()
    write_data(Path(job["examples"]), folder)

    from llamafactory.data.template import StringFormatter, register_template
    from llamafactory.train.tuner import run_exp
    from steps import Steps

    register_template(
        name="benchmark",
        format_user=StringFormatter(slots=["<|im_start|>user\n{{content}}<|im_end|>\n<|im_start|>assistant\n"]),
        format_assistant=StringFormatter(slots=["{{content}}<|im_end|>"]),
        stop_words=["<|im_end|>"],
    )
    steps = Steps()
    run_exp(options(job, folder), callbacks=[steps])
    print(json.dumps(steps.taken()))


if __name__ == "__main__":
    main()
