"""Training beside others: the same examples, model and batch, each in a process of its own, in turn. Prints tables.

    python benchmarks/training.py                  on this processor: a tiny model, ratios
    python benchmarks/training.py gpu --rounds 1   on a GPU: Qwen2.5's shapes; or some of them, by their names in CASES

Lengths have the long tail of reasoning: log-normal, the longest some ten times the median. Weights are random, and the
text is noise: neither changes what a step costs. "TRL" is SFTTrainer with SFTConfig as it comes, "LLaMA-Factory" its
`train` as it comes (left out where `make setup-llamafactory` was not run), but for what the rows must share: examples,
batch, `max_length`, bfloat16 autocast (float32 on a processor without bfloat16), the adapter, and neither evaluation
nor checkpoints. Both compute activations again in the backward pass, which we do on a GPU alone; on a processor one
more row has TRL keep them, as we do there. Tokens are those of the examples, without padding, counted by each trainer
as it reads them; they must be the same in every row. A row's time is that of the steps after the first tenth, without
loading and preparing. Memory is the most that the process ever had: on a GPU what was allocated, on a processor what
was resident beyond what was before the first step.

With a GPU, "of peak" is the model FLOPs utilisation of PaLM (arXiv 2204.02311, appendix B): 6N operations a token, N
the weights that multiply, and 12 x layers x heads x head size x context for attention, over what a large bfloat16
matrix product reached in the same call. What checkpointing computes again does not count; all of the square of scores
does, though causal kernels leave half of it out. For adapters it is 4N: frozen weights need no gradients.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from memory import QWEN

from distill.training.choices import this_machine

ROOT = Path(__file__).parent.parent
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 8192, "tie_word_embeddings": True},
    **{name.removeprefix("Qwen2.5-"): shape for name, shape in QWEN.items()},
}  # fmt: skip
TINY = {"shape": "tiny", "method": "full", "length": 2048, "median": 200, "examples": 320, "batch": 8, "rows": 8}
"""`batch` is SFTConfig's default, all of it in one micro-batch."""
K16 = {"length": 16384, "median": 4000, "examples": 64, "batch": 8}
K32 = {"length": 32768, "median": 8000, "examples": 32, "batch": 4, "rows": 1}
CASES: dict[str, dict[str, Any]] = {
    "1.5B-full-16k": {"shape": "1.5B", "method": "full", **K16, "rows": 4},
    "1.5B-full-32k": {"shape": "1.5B", "method": "full", **K32},
    "1.5B-lora-16k": {"shape": "1.5B", "method": "lora", **K16, "rows": 4},
    "1.5B-lora-32k": {"shape": "1.5B", "method": "lora", **K32},
    "7B-lora-16k": {"shape": "7B", "method": "lora", **K16, "examples": 32, "batch": 4, "rows": 1},
    "7B-qlora-16k": {"shape": "7B", "method": "qlora", **K16, "examples": 32, "batch": 4, "rows": 1},
}
"""Sized for one GPU of 80 GB, and for a minute or two a row. `rows` are those of a micro-batch."""
BASELINE, KEPT, LLAMAFACTORY = "TRL", "TRL, activations kept", "LLaMA-Factory"
ROWS = ("ours", "ours, packed", BASELINE, KEPT, LLAMAFACTORY)
LLAMAFACTORY_PYTHON = ROOT / ".venv-llamafactory" / "bin" / "python"
SIDE = 8192
"""Of the square matrices whose product gives the peak."""


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


def model_config(options: argparse.Namespace, **tokens: Any) -> Any:
    """The config of the shape."""
    import transformers

    shape = SHAPES[options.shape]
    return transformers.AutoConfig.for_model("qwen2", max_position_embeddings=options.length, **shape, **tokens)


def make_model(options: argparse.Namespace, folder: Path) -> None:
    """A student of the shape, untrained, with the tiny world's tokenizer."""
    import torch
    import transformers

    from distill.training.byte_tokenizer import byte_tokenizer

    tokenizer = byte_tokenizer()
    tokenizer.model_max_length = options.length
    torch.manual_seed(0)
    has_gpu = torch.cuda.is_available()
    config = model_config(
        options, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, bos_token_id=None
    )
    with torch.device("cuda" if has_gpu else "cpu"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype="bfloat16" if has_gpu else "float32")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def sft(options: argparse.Namespace) -> dict[str, Any]:
    """What all rows share, by SFTConfig's names."""
    return {
        "bf16": options.bf16,
        "per_device_train_batch_size": options.rows,
        "gradient_accumulation_steps": options.batch // options.rows,
        "num_train_epochs": 1,
        "max_length": options.length,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "include_num_input_tokens_seen": "non_padding",
    }


def train_one(row: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Train as a row does, in this process."""
    import torch
    from steps import Steps

    steps = Steps()
    try:
        make = our_trainer if row.startswith("ours") else trl_trainer
        trainer = make(row, options, folder)
        trainer.add_callback(steps)
        trainer.train()
    except torch.cuda.OutOfMemoryError:
        return {"failed": "out of memory"}
    return steps.taken()


def context(options: argparse.Namespace, folder: Path) -> float:
    """Tokens in the row that a token stands in, on average over the tokens."""
    from distill.formats import named_format
    from distill.journal import Journal
    from distill.recipe import Train
    from distill.training.student import load_chat
    from distill.types import Example

    chat = load_chat(Train(student=str(folder / "model")), named_format("think"))
    lengths = [len(chat.row(example).input_ids) for example in Journal(folder / "train.jsonl", Example)]
    return sum(length**2 for length in lengths) / sum(lengths)


def flops_a_token(options: argparse.Namespace, folder: Path) -> float:
    """Operations that a token costs, forward and backward, by PaLM's count."""
    from distill.training.gpus import multiplied_weights

    config = model_config(options)
    weights = multiplied_weights(config) * (6 if options.method == "full" else 4)
    return weights + 12 * config.num_hidden_layers * config.hidden_size * context(options, folder)


def matmul_peak() -> dict[str, Any]:
    """Operations a second of the best of some large matrix products in bfloat16; 0 without a GPU."""
    import torch

    if not torch.cuda.is_available():
        return {"name": "", "flops": 0.0}
    left, right = (torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    seconds = float("inf")
    for _ in range(10):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        for _ in range(20):
            left @ right
        end.record()
        torch.cuda.synchronize()
        seconds = min(seconds, start.elapsed_time(end) / 1000 / 20)
    return {"name": torch.cuda.get_device_name(), "flops": 2 * SIDE**3 / seconds}


def our_trainer(row: str, options: argparse.Namespace, folder: Path) -> Any:
    """As `distill train` makes it."""
    from distill.formats import named_format
    from distill.journal import Journal
    from distill.recipe import Train
    from distill.training.sft import make_trainer, sft_config
    from distill.training.student import load_student
    from distill.types import Example

    # A packed row holds as many tokens as a micro-batch may, and so stands for several examples.
    own = (
        {"packing": True, "per_device_train_batch_size": 1, "gradient_accumulation_steps": 1} if "packed" in row else {}
    )
    train = Train(student=str(folder / "model"), method=options.method, sft={**sft(options), **own})
    student = load_student(train, named_format("think"), 0)
    rows = [student.chat.row(example) for example in Journal(folder / "train.jsonl", Example)]
    return make_trainer(student, rows, train, sft_config(train, folder / "ours", 0))


def trl_trainer(row: str, options: argparse.Namespace, folder: Path) -> Any:
    """As TRL's documentation has it."""
    import datasets
    import torch
    import trl

    lines = (folder / "train.jsonl").read_text().splitlines()
    rows = [{key: json.loads(line)[key] for key in ("prompt", "completion")} for line in lines]
    peft_config, own = None, {"gradient_checkpointing": False} if row == KEPT else {}
    if options.method != "full":
        import peft

        peft_config = peft.LoraConfig(r=64, lora_alpha=64, target_modules="all-linear", task_type="CAUSAL_LM")
    if options.method == "qlora":
        from distill.training.adapters import quantization_config

        own |= {"model_init_kwargs": {"quantization_config": quantization_config({})}}
    config = trl.SFTConfig(
        output_dir=str(folder / "trl"),
        use_cpu=not torch.cuda.is_available(),
        disable_tqdm=True,
        **own,
        **sft(options),
    )
    return trl.SFTTrainer(
        model=str(folder / "model"),
        args=config,
        train_dataset=datasets.Dataset.from_list(rows),
        peft_config=peft_config,
    )


def run_row(row: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """A row in a process of its own."""
    if row == LLAMAFACTORY:
        job = {
            "model": str(folder / "model"), "examples": str(folder / "train.jsonl"), "method": options.method,
            "folder": tempfile.mkdtemp(dir=folder) + "/job", "sft": {**sft(options), "use_cpu": not options.has_gpu},
        }  # fmt: skip
        path = folder / "job.json"
        path.write_text(json.dumps(job))
        words = [str(LLAMAFACTORY_PYTHON), str(ROOT / "benchmarks/peers/llamafactory_train.py"), str(path)]
    else:
        words = [sys.executable, __file__, "--row", row, "--folder", str(folder)]
        for name in (*TINY, "sigma", "bf16"):
            words += [f"--{name}", str(getattr(options, name))]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(f"{row} failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(options: argparse.Namespace, rows: Sequence[str], folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Each row so many times, in turn."""
    make = [sys.executable, __file__, "--row", "model", "--folder", str(folder)]
    subprocess.run([*make, "--shape", options.shape, "--length", str(options.length)], check=True)
    with (folder / "train.jsonl").open("w") as file:
        file.writelines(json.dumps(example) + "\n" for example in examples(options))
    measured: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
    for round_number in range(1, options.rounds + 1):
        for row in rows:
            measured[row].append(run_row(row, options, folder))
            print(f"round {round_number}: {row}: {measured[row][-1]}", file=sys.stderr, flush=True)
    read = {made["tokens"] for rounds in measured.values() for made in rounds if "failed" not in made}
    if len(read) > 1:
        sys.exit(f"the rows did not read the same tokens: {sorted(read)}")
    return measured


def rate(made: Mapping[str, Any]) -> float:
    """Tokens a second of one round."""
    return made["timed_tokens"] / made["seconds"]


def print_table(measured: Mapping[str, list[dict[str, Any]]], flops: float, peak: float) -> None:
    """Medians over rounds, and the rate beside the baseline's in the same round; with a peak, the share of it."""
    done = {row: rounds for row, rounds in measured.items() if not any("failed" in made for made in rounds)}
    rates = {row: statistics.median(map(rate, rounds)) for row, rounds in done.items()}
    of_peak = " of peak |" if peak else ""
    print(f"| | tokens | steps | tokens/s | x {BASELINE} | range | peak MiB |{of_peak}")
    print("|---" + "|--:" * (7 if peak else 6) + "|")
    for row, rounds in measured.items():
        if row not in done:
            print(f"| {row} | " + next(made["failed"] for made in rounds if "failed" in made) + " |")
            continue
        ratios = [rate(made) / rate(other) for made, other in zip(rounds, done.get(BASELINE, []), strict=False)]
        beside = f"{statistics.median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f}" if ratios else " | "
        print(
            f"| {row} | {rounds[0]['tokens']:,} | {rounds[0]['steps']} | {rates[row]:,.0f} | {beside} "
            f"| {statistics.median(made['memory'] for made in rounds):,.0f} |"
            + (f" {rates[row] * flops / peak:.1%} |" if peak else "")
        )


def parse(words: Sequence[str] | None = None, **defaults: Any) -> argparse.Namespace:
    """The options, a case's own under those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "cases", nargs="*", choices=[*CASES, "gpu", []], metavar="CASE", help=f"gpu, {', '.join(CASES)}"
    )
    parser.add_argument("--shape", choices=SHAPES)
    parser.add_argument("--method", choices=("full", "lora", "qlora"))
    parser.add_argument("--length", type=int, help="max_length, and of the longest example")
    parser.add_argument("--median", type=int, help="tokens of a reply")
    parser.add_argument("--sigma", type=float, default=0.9, help="of the logarithm of the length")
    parser.add_argument("--examples", type=int)
    parser.add_argument("--batch", type=int, help="examples in a step")
    parser.add_argument("--rows", type=int, help="examples in a micro-batch")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--bf16", type=int, choices=(0, 1), default=int(this_machine().has_bf16), help="1 where the machine has it"
    )
    parser.add_argument("--row", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(**{**TINY, **defaults})
    return parser.parse_args(words)


def print_json(what: Mapping[str, Any]) -> None:
    """For the process that started this one: its last line."""
    print(json.dumps(what))


def main() -> None:
    """Measure each case, or be one of its rows."""
    options = parse()
    if options.row == "model":
        make_model(options, options.folder / "model")
    elif options.row == "peak":
        print_json(matmul_peak())
    elif options.row:
        print_json(train_one(options.row, options, options.folder))
    else:
        measure_cases(options)


def measure_cases(options: argparse.Namespace) -> None:
    """A table for each case."""
    # In a process of its own, as all that touches the GPU: what it allocates would be missing to the rows.
    words = [sys.executable, __file__, "--row", "peak"]
    peak = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    if peak["flops"]:
        print(f"{peak['name']}: bfloat16 matrices of {SIDE} x {SIDE} multiply at {peak['flops'] / 1e12:,.0f} TFLOPS")
    rows = [row for row in ROWS if not (row == KEPT and peak["flops"])]
    if not LLAMAFACTORY_PYTHON.exists():
        rows.remove(LLAMAFACTORY)
        print("LLaMA-Factory is left out: make setup-llamafactory", file=sys.stderr)
    names = [*CASES] if "gpu" in options.cases else options.cases
    for name in names or [""]:
        case = parse(**CASES.get(name, {}))
        case.has_gpu = bool(peak["flops"])
        if case.batch % case.rows:
            sys.exit(f"--batch {case.batch} is no multiple of --rows {case.rows}")
        with tempfile.TemporaryDirectory(prefix="distill-benchmark-") as folder:
            measured = measure(case, rows, Path(folder))
            flops = flops_a_token(case, Path(folder)) if peak["flops"] else 0.0
        print(f"\n{name or case.shape + ' ' + case.method}:\n", flush=True)
        print_table(measured, flops, peak["flops"])


if __name__ == "__main__":
    main()
