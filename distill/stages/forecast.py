"""What training would take, before a GPU is rented: memory on each, the longest example that fits, hours, dollars."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from distill import assets, environment, plugins
from distill import recipe as recipes
from distill.errors import RecipeError, did_you_mean
from distill.recipe import Recipe, Scratch, Train
from distill.stages import amounts
from distill.training import gpus, memory, shapes, speed
from distill.training.choices import Machine, choices
from distill.training.sft import DEFAULTS
from distill.training.student import not_loaded, tokenizer_of

GIB = 2**30
SHOWN = ("RTX4090", "A100-40GB", "A100-80GB", "H100", "H200")
"""GPUs that are shown if none is asked for."""


class Job(NamedTuple):
    """A training, as far as it decides what it takes."""

    config: Any
    train: Train
    options: Mapping[str, Any]
    work: amounts.Work | None

    @property
    def longest(self) -> int:
        """Tokens of the longest example; `max_length` where nobody knows it."""
        known = self.work.longest if self.work else None
        return int(self.options["max_length"]) if known is None else known


def forecast(recipe: Recipe, run_dir: Path, gpu: str | None, count: int | None) -> Iterator[str]:
    """Lines that say what training would take.

    Args:
        recipe: With a section train.
        run_dir: Of its run; if it has examples, their lengths are used, else what its cards say, and `max_length`.
        gpu: One of `gpus.GPUS`. That of the recipe's route if None, and a few usual ones if it has none.
        count: GPUs; as many as the recipe has processes if None.

    Raises:
        RecipeError: If nobody knows that GPU.
        TrainingError: If the student's config or tokenizer cannot be read.
    """
    if gpu is not None and gpu not in gpus.GPUS:
        raise RecipeError(f"--gpu {gpu!r} is not known.{did_you_mean(gpu, gpus.GPUS)} Known are {', '.join(gpus.GPUS)}")
    job = job_of(recipe, run_dir)
    yield from job.work.said if job.work else ()
    if job.work is None or job.work.longest is None:
        yield f"no examples yet: the longest is taken to have max_length, {job.longest:,} tokens"
    launch = job.train.launch
    count = count or (launch and launch.num_processes) or 1
    step = step_of(job, count)
    peak = memory.peak(job.config, step, job.longest)
    yield (
        f"memory of each GPU at {job.longest:,} tokens: {peak.total / GIB:.1f} GiB (weights {peak.weights / GIB:.1f}, "
        f"gradients {peak.gradients / GIB:.1f}, optimizer {peak.optimizer / GIB:.1f}, activations "
        f"{peak.activations / GIB:.1f})"
    )
    theirs = recipe.route.hardware.gpu if recipe.route and recipe.route.hardware else None
    if job.work is None:
        yield "hours are not known: neither a card nor the route says how many tokens the examples have"
    for name in [gpu] if gpu else [theirs] if theirs and theirs in gpus.GPUS else SHOWN:
        yield _on(name, job, step, peak, recipe.gpu_hour)


def job_of(recipe: Recipe, run_dir: Path) -> Job:
    """A recipe's training.

    Raises:
        TrainingError: If the student's config or tokenizer cannot be read.
    """
    assert recipe.train is not None
    environment.quiet_libraries()
    options = _options(recipe.train)
    work = amounts.of_run(recipe, run_dir, options["max_length"]) or amounts.expected(recipe)
    return Job(student_config(recipe.train), recipe.train, options, work)


def hours_of(job: Job, gpu: str, count: int, reached: speed.Reached) -> float | None:
    """Hours on so many GPUs; None where nobody knows how much there is to train on."""
    if job.work is None:
        return None
    return gpus.hours(
        job.config,
        int(job.work.tokens * _passes(job, count)),
        gpu,
        count,
        length=job.work.length,
        method=job.train.method,
        gradient_checkpointing=bool(job.options["gradient_checkpointing"]),
        utilisation=reached.share,
    )


def told(hours: float) -> str:
    """Hours in two digits, which is more than is known of them."""
    return f"{hours:.2g}" if hours < 100 else f"{hours:,.0f}"


def _passes(job: Job, count: int) -> float:
    if job.options["max_steps"] <= 0:
        return job.options["num_train_epochs"]
    per_step = job.options["per_device_train_batch_size"] * job.options["gradient_accumulation_steps"] * count
    return job.options["max_steps"] * per_step / max(job.work.rows if job.work else 0, 1)


def _on(name: str, job: Job, step: memory.Step, peak: memory.Peak, gpu_hour: float) -> str:
    has = gpus.GPUS[name].memory_gib
    line = f"{step.num_gpus} x {name} ({has} GiB): "
    if peak.total > has * GIB * memory.ROOM:
        fits = memory.largest_length(job.config, has * GIB, step, longest=job.longest)
        line += f"does not fit; up to {fits:,} tokens would" if fits else "does not fit, however short"
        # A card tells the mean, not the longest, so most examples may fit all the same.
        if not fits or job.work is None or job.work.longest is not None:
            return line
    else:
        line += "fits"
    launch = job.train.launch
    reached = speed.reached(launch.config if launch else "ddp", launch.num_machines if launch else 1)
    hours = hours_of(job, name, step.num_gpus, reached)
    if hours is None or job.work is None:
        return line
    tokens = job.work.tokens * _passes(job, step.num_gpus)
    gpu_hours = hours * step.num_gpus
    dollars = f", ${gpu_hours * gpu_hour:,.0f}" if gpu_hour else f" ({gpu_hours:,.0f} GPU hours; gpu_hour prices them)"
    share = f"at {100 * reached.share:.0f} % of its peak ({reached.source})"
    return f"{line}; {tokens / 1e6:,.1f}M tokens in {told(hours)} hours{dollars} {share}"


def _options(train: Train) -> dict[str, Any]:
    import dataclasses

    trl = plugins.need("trl", "training", "train")
    defaults = {field.name: field.default for field in dataclasses.fields(trl.SFTConfig)}
    # A GPU without flash-attn: what is rented may lack the package.
    chosen = {choice.option: choice.value for choice in choices(train, Machine(True, True, False))}
    return {**defaults, **DEFAULTS, **chosen, **train.sft}


def step_of(job: Job, count: int) -> memory.Step:
    """How so many GPUs take a step of it."""
    train, options = job.train, job.options
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
        offloaded=train.launch is not None and train.launch.config == "zero3-offload",
    )


def _begun_from(student: str) -> str:
    """The model that a student began from, where it is one that a run of a shipped recipe will make."""
    parts = Path(student).parts
    if Path(student).exists() or len(parts) != 3 or parts[2] != "student" or parts[1] not in assets.shipped("recipes"):
        return student
    made = recipes.load(assets.find("recipes", parts[1])).train
    return made.student if made and isinstance(made.student, str) else student


def student_config(train: Train) -> Any:
    """The config of the student's architecture, without its weights; of a well-known one without the hub.

    Raises:
        TrainingError: If it cannot be read.
    """
    transformers = plugins.need("transformers", "training", "train")
    if isinstance(train.student, Scratch):
        return transformers.AutoConfig.for_model(vocab_size=len(tokenizer_of(train.student)), **train.student.config)
    if (known := shapes.config_of(_begun_from(train.student))) is not None:
        return known
    try:
        return transformers.AutoConfig.from_pretrained(assets.model_path(train.student))
    except (OSError, ValueError) as error:
        raise not_loaded(train.student, error) from error
