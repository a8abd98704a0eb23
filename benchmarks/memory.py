"""How near the estimate of training memory comes to what training takes.

    python benchmarks/memory.py             without a GPU: small shapes on the CPU, a minute
    python benchmarks/memory.py 1.5B        on a GPU: shapes of Qwen2.5 whose name has 1.5B; all without an argument

Prints a Markdown table for docs/training.md. TRL's own trainer takes three steps on weights that are drawn at random.
On the CPU, what is alive is summed from the allocator's events, as the profiler records them, temporaries of kernels
included; on a GPU it is `torch.cuda.max_memory_allocated`.
"""

import gc
import sys
import tempfile
import time
from typing import Any

from distill import environment
from distill.training.byte_tokenizer import byte_tokenizer
from distill.training.memory import Step, peak

GIB = 1 << 30
QWEN: dict[str, dict[str, Any]] = {
    "Qwen2.5-0.5B": {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "Qwen2.5-1.5B": {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "num_key_value_heads": 2, "vocab_size": 151936, "tie_word_embeddings": True,
    },
    "Qwen2.5-7B": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "vocab_size": 152064, "tie_word_embeddings": False,
    },
}  # fmt: skip
"""From config.json of the models on the Hugging Face hub."""
SMALL: dict[str, dict[str, Any]] = {
    "small": {
        "hidden_size": 256, "intermediate_size": 1024, "num_hidden_layers": 8, "num_attention_heads": 4,
        "num_key_value_heads": 4, "vocab_size": 32000, "tie_word_embeddings": False,
    },
    "small, tied, grouped heads": {
        "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 8, "num_attention_heads": 8,
        "num_key_value_heads": 2, "vocab_size": 2000, "tie_word_embeddings": True,
    },
    "wide": {
        "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 6, "num_attention_heads": 12,
        "num_key_value_heads": 12, "vocab_size": 1000, "tie_word_embeddings": False,
    },
}  # fmt: skip
FULL = Step(gradient_checkpointing=False)
CHECKPOINTED = Step()
LORA = Step(method="lora", gradient_checkpointing=False)
LORA_CHECKPOINTED = Step(method="lora")
ON_CPU = [
    ("small", FULL, 512),
    ("small", FULL, 2048),
    ("small", CHECKPOINTED, 512),
    ("small", CHECKPOINTED, 2048),
    ("small", LORA, 512),
    ("small", LORA, 2048),
    ("small", LORA_CHECKPOINTED, 2048),
    ("small, tied, grouped heads", FULL, 1024),
    ("small, tied, grouped heads", CHECKPOINTED, 1024),
    ("small, tied, grouped heads", LORA, 1024),
    ("wide", Step(method="qlora", lora={"r": 8}), 1024),
    ("small, tied, grouped heads", Step(gradient_accumulation_steps=2), 1024),
]
ON_GPU = [
    ("Qwen2.5-0.5B", CHECKPOINTED, 4096),
    ("Qwen2.5-0.5B", CHECKPOINTED, 32768),
    ("Qwen2.5-1.5B", CHECKPOINTED, 4096),
    ("Qwen2.5-1.5B", FULL, 4096),
    ("Qwen2.5-1.5B", CHECKPOINTED, 32768),
    ("Qwen2.5-1.5B", Step(gradient_accumulation_steps=2), 16384),
    ("Qwen2.5-7B", LORA_CHECKPOINTED, 4096),
    ("Qwen2.5-7B", LORA_CHECKPOINTED, 32768),
    ("Qwen2.5-7B", Step(method="qlora"), 16384),
]


def shape(name: str) -> Any:
    """The config of a shape by its name."""
    import transformers

    return transformers.AutoConfig.for_model("qwen2", max_position_embeddings=131072, **{**QWEN, **SMALL}[name])


def measured(config: Any, step: Step, length: int) -> int:
    """Bytes that TRL's trainer takes at its peak, in three steps on rows of so many tokens."""
    import torch

    # What earlier trainers left in cycles would be freed in between, and counted as if this one had given it back.
    gc.collect()
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_trainer(config, step, length, folder)
        if not torch.cuda.is_available():
            return alive_on_cpu(trainer)
        torch.cuda.reset_peak_memory_stats()
        trainer.train()
        return torch.cuda.max_memory_allocated()


def make_trainer(config: Any, step: Step, length: int, folder: str) -> Any:
    """TRL's trainer on fresh weights."""
    import datasets
    import peft
    import torch
    import transformers
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from distill.training import adapters

    model: Any = transformers.AutoModelForCausalLM.from_config(
        config, dtype="float32" if step.method == "full" else "bfloat16", attn_implementation=step.attn
    )
    if step.method == "qlora":
        model = quantized(model, folder)
    args = SFTConfig(
        folder,
        max_steps=3,
        per_device_train_batch_size=step.batch_size,
        gradient_accumulation_steps=step.gradient_accumulation_steps,
        gradient_checkpointing=step.gradient_checkpointing,
        optim=step.optim,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    ids = [5 + index % 100 for index in range(length)]
    trainer = SFTTrainer(
        model=model,
        args=args,
        train_dataset=datasets.Dataset.from_list([{"input_ids": ids, "labels": ids}] * 8),
        processing_class=byte_tokenizer(),
        peft_config=None if step.method == "full" else peft.LoraConfig(**{**adapters.LORA, **step.lora}),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def quantized(model: Any, folder: str) -> Any:
    """The model in 4 bits, by way of a file, as a student comes."""
    import torch
    import transformers

    from distill.training import adapters

    model.save_pretrained(f"{folder}/base")
    return transformers.AutoModelForCausalLM.from_pretrained(
        f"{folder}/base",
        dtype="bfloat16",
        quantization_config=transformers.BitsAndBytesConfig(**adapters.NF4, bnb_4bit_compute_dtype="bfloat16"),
        device_map={"": 0 if torch.cuda.is_available() else "cpu"},
    )


def alive_on_cpu(trainer: Any) -> int:
    """Bytes of tensors that are alive at the peak of training."""
    from torch.profiler import ProfilerActivity, profile

    tensors = (*trainer.model.parameters(), *trainer.model.buffers())
    before = sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        trainer.train()
    events: Any = record.profiler.kineto_results.events()  # pyright: ignore[reportOptionalMemberAccess]
    changes = [event for event in events if event.name() == "[memory]"]
    alive, most = before, before
    for event in sorted(changes, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        most = max(most, alive)
    return most


def main(part: str = "") -> None:
    """Print the table."""
    import torch

    environment.quiet_libraries()
    has_gpu = torch.cuda.is_available()
    print("| shape | step | tokens | estimate, GiB | measured, GiB | ratio | estimated in, s |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for name, step, length in ON_GPU if has_gpu else ON_CPU:
        if part not in name:
            continue
        started = time.perf_counter()
        estimate = peak(shape(name), step, length, kernels="cuda" if has_gpu else "cpu").total
        seconds = time.perf_counter() - started
        real = measured(shape(name), step, length)
        print(
            f"| {name} | {described(step)} | {length} | {estimate / GIB:.3f} | {real / GIB:.3f} "
            f"| {estimate / real:.3f} | {seconds:.1f} |",
            flush=True,
        )


def described(step: Step) -> str:
    """A step in a few words."""
    words = [step.method]
    words += ["checkpointed"] if step.gradient_checkpointing else []
    words += ["accumulating"] if step.gradient_accumulation_steps > 1 else []
    words += [step.optim] if step.optim != "adamw_torch_fused" else []
    return ", ".join(words)


if __name__ == "__main__":
    main(*sys.argv[1:])
