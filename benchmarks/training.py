"""Training beside others: the same examples, model and batch, each in a process of its own, in turn. Prints a table.

    python benchmarks/training.py                      ours beside TRL's defaults, on this processor, a tiny model
    python benchmarks/training.py --shape 1.5B --method lora --length 16384       on a GPU: Qwen2.5's shapes

Lengths have the long tail of reasoning: log-normal, the longest some ten times the median. Weights are random, and the
text is noise: neither changes what a step costs. "TRL" is SFTTrainer with SFTConfig as it comes, but for what the rows
must share: batch, steps, `max_length`, precision, and no evaluation. Tokens are those of the examples, without padding.
A row's time is that of the steps after the first tenth, without loading and preparing; memory is the most that the
process ever had (resident on a processor, allocated on a GPU), beside what it had before the first step.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from memory import QWEN

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 8192, "tie_word_embeddings": True},
    **{name.removeprefix("Qwen2.5-"): shape for name, shape in QWEN.items()},
}  # fmt: skip
ROWS = ("ours", "ours, packed", "TRL")


def examples(options: argparse.Namespace) -> Iterator[Mapping[str, Any]]:
    """Conversations with replies of long-tailed length; one byte is one token."""
    rng = random.Random(0)
    for index in range(options.examples):
        size = min(int(rng.lognormvariate(0, options.sigma) * options.median), options.length - 80)
        words = [str(rng.randint(100, 999)) for _ in range(max(size // 4, 4))]
        yield {
            "prompt": [{"role": "user", "content": f"{index:06d} -> {rng.randint(10, 99)}"}],
            "completion": [{"role": "assistant", "content": f"<think>\n{' '.join(words)}\n</think>\n\n{index}"}],
            "problem_id": str(index),
            "trace_ids": [str(index)],
        }


def make_model(options: argparse.Namespace, folder: Path) -> None:
    """A student of the shape, untrained, with the tiny world's tokenizer."""
    import torch
    import transformers

    from distill.training.byte_tokenizer import byte_tokenizer

    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = options.length
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        "qwen2", max_position_embeddings=options.length, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=None, **SHAPES[options.shape],
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config, dtype="float32").save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def sft(options: argparse.Namespace) -> dict[str, Any]:
    """What all rows share, by SFTConfig's names."""
    return {
        "per_device_train_batch_size": options.batch,
        "num_train_epochs": 1,
        "max_length": options.length,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
    }


class Clock:
    """Times of the ends of steps, as a callback."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def callback(self) -> Any:
        """For a trainer of transformers."""
        import torch
        import transformers

        ends = self.ends

        class Ticks(transformers.TrainerCallback):
            """Notes when each step ends."""

            def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                ends.append(time.perf_counter())

        return Ticks()


def train_one(row: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as a row does, in this process."""
    trainer = trl_trainer(options, folder) if row == "TRL" else our_trainer(options, folder, packed="packed" in row)
    clock = Clock()
    trainer.add_callback(clock.callback())
    before = memory()
    began = time.perf_counter()
    trainer.train()
    ends = [began, *clock.ends]
    skipped = max(len(clock.ends) // 10, 1)
    tokens = [entry["num_tokens"] for entry in trainer.state.log_history if "num_tokens" in entry]
    taught = unpadded_tokens(trainer)
    return {
        "tokens": taught,
        "seconds": ends[-1] - ends[skipped],
        "share": 1 - skipped / len(clock.ends),
        "steps": len(clock.ends),
        "memory": memory() - before,
        "counted": tokens[-1] if tokens else 0,
    }


def unpadded_tokens(trainer: Any) -> int:
    """Tokens of the examples that an epoch sees."""
    return sum(len(ids) for ids in trainer.train_dataset["input_ids"])


def our_trainer(options: argparse.Namespace, folder: Path, *, packed: bool) -> Any:
    """As `distill train` makes it."""
    from distill.formats import named_format
    from distill.journal import Journal
    from distill.recipe import Train
    from distill.training.sft import make_trainer, sft_config
    from distill.training.student import load_student
    from distill.types import Example

    own = {"packing": True, "per_device_train_batch_size": 1} if packed else {}
    train = Train(student=str(folder / "model"), method=options.method, sft={**sft(options), **own})
    student = load_student(train, named_format("think"), 0)
    rows = [student.chat.row(example) for example in Journal(folder / "train.jsonl", Example)]
    return make_trainer(student, rows, train, sft_config(train, folder / "ours", 0))


def trl_trainer(options: argparse.Namespace, folder: Path) -> Any:
    """As TRL's documentation has it."""
    import datasets
    import torch
    import trl

    lines = (folder / "train.jsonl").read_text().splitlines()
    rows = [{key: json.loads(line)[key] for key in ("prompt", "completion")} for line in lines]
    peft_config = None
    if options.method != "full":
        import peft

        peft_config = peft.LoraConfig(r=64, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM")
    config = trl.SFTConfig(
        output_dir=str(folder / "trl"), use_cpu=not torch.cuda.is_available(), disable_tqdm=True, **sft(options)
    )
    return trl.SFTTrainer(
        model=str(folder / "model"),
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        peft_config=peft_config,
    )


def memory() -> float:
    """The most that this process had so far, in MiB."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def run_row(row: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A row in a process of its own."""
    words = [sys.executable, __file__, "--row", row, "--folder", str(folder)]
    for name in ("shape", "method", "length", "batch", "examples", "median", "sigma"):
        words += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{row} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure each row so many times, in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="tiny")
    parser.add_argument("--method", choices=("full", "lora", "qlora"), default="full")
    parser.add_argument("--length", type=int, default=2048, help="max_length, and of the longest example")
    parser.add_argument("--median", type=int, default=200, help="tokens of a reply")
    parser.add_argument("--sigma", type=float, default=0.9, help="of the logarithm of the length")
    parser.add_argument("--examples", type=int, default=320)
    parser.add_argument("--batch", type=int, default=8, help="examples in a step: SFTConfig's default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(train_one(options.row, options, options.folder)))
        return
    with tempfile.TemporaryDirectory(prefix="distill-benchmark-") as name:
        folder = Path(name)
        make_model(options, folder / "model")
        with (folder / "train.jsonl").open("w") as file:
            file.writelines(json.dumps(example) + "\n" for example in examples(options))
        measured: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
        for round_number in range(1, options.rounds + 1):
            for row in ROWS:
                measured[row].append(run_row(row, options, folder))
                print(f"round {round_number}: {row}: {measured[row][-1]}", file=sys.stderr, flush=True)
    print_table(measured)


def print_table(measured: Mapping[str, list[dict[str, Any]]]) -> None:
    """Rates as ratios to TRL's, medians over rounds."""
    rates = {
        row: [made["tokens"] * made["share"] / made["seconds"] for made in rounds] for row, rounds in measured.items()
    }
    baseline = statistics.median(rates["TRL"])
    print("| | tokens | steps | tokens/s | range | x TRL | peak MiB above the start |\n|---|--:|--:|--:|--:|--:|--:|")
    for row, rounds in measured.items():
        rate = statistics.median(rates[row])
        print(
            f"| {row} | {rounds[0]['tokens']:,} | {rounds[0]['steps']} | {rate:,.0f} "
            f"| {min(rates[row]):,.0f} to {max(rates[row]):,.0f} | {rate / baseline:.2f} "
            f"| {statistics.median(made['memory'] for made in rounds):,.0f} |"
        )


if __name__ == "__main__":
    main()
