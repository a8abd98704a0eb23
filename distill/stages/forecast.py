"""What training would take, before a GPU is rented: memory on each, the longest example that fits, hours."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from distill import assets, environment, plugins
from distill.errors import RecipeError, did_you_mean
from distill.journal import Journal
from distill.recipe import Recipe, Scratch, Train
from distill.training import gpus, lengths, memory
from distill.training.choices import Machine, choices
from distill.training.sft import DEFAULTS
from distill.training.student import load_chat, not_loaded, tokenizer_of
from distill.types import Example

GIB = 2**30
SHOWN = ("RTX4090", "A100-40GB", "A100-80GB", "H100", "H200")
"""GPUs that are shown if none is asked for."""


class Work(NamedTuple):
    """What there is to train on."""

    lengths: list[int]
    """Tokens of the examples that fit."""
    num_too_long: int
    all_lengths: list[int]


def forecast(recipe: Recipe, run_dir: Path, gpu: str | None, count: int) -> Iterator[str]:
    """Lines that say what training would take.

    Args:
        recipe: With a section train.
        run_dir: Of its run; if it has examples, their lengths are used, else `max_length`.
        gpu: One of `gpus.GPUS`; a few usual ones if None.
        count: GPUs.

    Raises:
        RecipeError: If nobody knows that GPU.
        TrainingError: If the student's config or tokenizer cannot be read.
    """
    assert recipe.train is not None
    train = recipe.train
    if gpu is not None and gpu not in gpus.GPUS:
        raise RecipeError(f"--gpu {gpu!r} is not known.{did_you_mean(gpu, gpus.GPUS)} Known are {', '.join(gpus.GPUS)}")
    environment.quiet_libraries()
    config, options = student_config(train), _options(train)
    work = examples_of(recipe, run_dir, options["max_length"])
    longest = max(work.lengths, default=0) if work else options["max_length"]
    if work:
        yield from lengths.table(work.all_lengths).splitlines()
        if work.num_too_long:
            yield f"{work.num_too_long} examples are longer than max_length {options['max_length']} and are left out"
    else:
        yield f"no examples yet: the longest is taken to have max_length, {longest:,} tokens"
    step = _step(train, options, count)
    peak = memory.peak(config, step, longest)
    yield (
        f"memory of each GPU at {longest:,} tokens: {peak.total / GIB:.1f} GiB (weights {peak.weights / GIB:.1f}, "
        f"gradients {peak.gradients / GIB:.1f}, optimizer {peak.optimizer / GIB:.1f}, activations "
        f"{peak.activations / GIB:.1f})"
    )
    for name in [gpu] if gpu else SHOWN:
        yield _on(name, config, step, peak, work, options, longest)


def _on(
    name: str,
    config: Any,
    step: memory.Step,
    peak: memory.Peak,
    work: Work | None,
    options: Mapping[str, Any],
    longest: int,
) -> str:
    has = gpus.GPUS[name].memory_gib
    line = f"{step.num_gpus} x {name} ({has} GiB): "
    if peak.total > has * GIB * memory.ROOM:
        fits = memory.largest_length(config, has * GIB, step, longest=longest)
        return line + (f"does not fit; up to {fits:,} tokens would" if fits else "does not fit, however short")
    if not work:
        return f"{line}fits"
    tokens = sum(work.lengths)
    passes = options["num_train_epochs"]
    if options["max_steps"] > 0:
        per_step = step.batch_size * step.gradient_accumulation_steps * step.num_gpus
        passes = options["max_steps"] * per_step / max(len(work.lengths), 1)
    hours = gpus.hours(
        config,
        int(tokens * passes),
        name,
        step.num_gpus,
        length=int(sum(length * length for length in work.lengths) / max(tokens, 1)),
        method=step.method,
        gradient_checkpointing=step.gradient_checkpointing,
    )
    return f"{line}fits; {tokens * passes / 1e6:,.1f}M tokens in {hours:.2g} hours at 40 % of its peak"


def _options(train: Train) -> dict[str, Any]:
    import dataclasses

    trl = plugins.need("trl", "training", "train")
    defaults = {field.name: field.default for field in dataclasses.fields(trl.SFTConfig)}
    # A GPU without flash-attn: what is rented may lack the package.
    chosen = {choice.option: choice.value for choice in choices(train, Machine(True, True, False))}
    return {**defaults, **DEFAULTS, **chosen, **train.sft}


def _step(train: Train, options: Mapping[str, Any], count: int) -> memory.Step:
    return memory.Step(
        method=train.method,
        batch_size=options["per_device_train_batch_size"],
        gradient_accumulation_steps=options["gradient_accumulation_steps"],
        gradient_checkpointing=bool(options["gradient_checkpointing"]),
        lora=train.lora,
        # States in 8 bit are not known there; under an adapter they are small beside all else.
        optim=options["optim"] if options.get("optim") in memory.STEPS else "adamw_torch_fused",
        num_gpus=count,
        sharded=train.launch is not None and train.launch.config != "ddp",
    )


def student_config(train: Train) -> Any:
    """The config of the student's architecture, without its weights.

    Raises:
        TrainingError: If it cannot be read.
    """
    transformers = plugins.need("transformers", "training", "train")
    if isinstance(train.student, Scratch):
        return transformers.AutoConfig.for_model(vocab_size=len(tokenizer_of(train.student)), **train.student.config)
    try:
        return transformers.AutoConfig.from_pretrained(assets.model_path(train.student))
    except (OSError, ValueError) as error:
        raise not_loaded(train.student, error) from error


def examples_of(recipe: Recipe, run_dir: Path, max_length: int | None) -> Work | None:
    """Lengths of a run's examples; None if it has none yet."""
    path = run_dir / "train.jsonl"
    if recipe.train is None or not path.exists():
        return None
    chat = load_chat(recipe.train, recipe.student_format)
    rows = [chat.row(example) for example in Journal(path, Example)]
    fitting = lengths.fitting(rows, max_length)
    kept = [len(row.input_ids) for row in fitting.kept]
    return Work(kept, len(fitting.too_long), [len(row.input_ids) for row in rows])
