"""`--scale tiny`: the same stages, steps, builder, method and formats, with models and data of the tiny world.

What comes out says that a road is open from end to end, on two cores and in minutes. It says nothing about where the
road leads: the numbers of a tiny run are those of no paper.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from distill import assets
from distill import recipe as recipes
from distill.errors import RecipeError
from distill.recipe import Recipe

Data = dict[str, Any]
Scale = Literal["tiny"]
SCALES: tuple[Scale, ...] = ("tiny",)

PROBLEMS = 96
"""In all, spread over the domains that the filter counts."""
KEPT = 24
"""What counts of the filter add up to."""
SLIPS = 0.1
"""Of the teacher, which is a program: about a third of its replies are wrong, so that there is something to filter."""
STEPS = 6
MAX_LENGTH = 512
"""Tokens of the tiny student, which are bytes."""
LONGEST_PROMPT = 64
"""Characters of a system prompt that leave room for an example."""
SHORT_PROMPT = "Think first, then answer."
TARGETS = range(10, 100)
"""Of Countdown; each domain has a part of them to itself, so that no problem belongs to two."""

# What a trainer of a 32B student is told and a tiny one's must not be: sizes, kernels, and who shares the weights.
LARGE = (
    *("num_train_epochs", "gradient_accumulation_steps", "per_device_train_batch_size", "model_init_kwargs"),
    *("use_liger_kernel", "optim", "bf16", "fp16", "tf32", "gradient_checkpointing", "gradient_checkpointing_kwargs"),
    *("deepspeed", "fsdp", "fsdp_config", "save_steps", "save_strategy", "torch_compile", "padding_free"),
    *("chat_template_path", "eos_token", "pad_token", "report_to", "dataloader_num_workers"),
)


class Scaled(NamedTuple):
    """A recipe's data, and every swap in words."""

    data: Data
    swaps: list[str]


class _Swaps:
    """Data that is changed key by key, and what is said of it."""

    def __init__(self, data: Data) -> None:
        self.data = data
        self.said: list[str] = []

    def put(self, block: Data, key: str, value: object, place: str) -> None:
        """Set a key, and say so if that changes anything."""
        if block.get(key) != value:
            self.said.append(f"{place}.{key}: {_short(block.get(key))} -> {_short(value)}")
            block[key] = value


def load(name: str, overrides: Sequence[str], scale: str | None, say: Callable[[str], None]) -> Recipe:
    """A recipe at a scale.

    Args:
        name: Of a shipped recipe, or the path of one.
        overrides: Items of `--set`; they apply to the scaled recipe.
        scale: One of `SCALES`; None leaves the recipe as it is.
        say: Told every swap.

    Raises:
        RecipeError: If there is no such recipe, it cannot be read, or nobody knows that scale.
    """
    path = assets.find("recipes", name)
    if scale is None:
        return recipes.load(path, overrides)
    if scale not in SCALES:
        raise RecipeError(f"--scale {scale!r} is not known; choose {', '.join(SCALES)}")

    def reshape(data: Data) -> Data:
        scaled = tiny(data)
        for swap in scaled.swaps:
            say(f"scale {scale}: {swap}")
        return scaled.data

    return recipes.load(path, overrides, reshape)


def tiny(resolved: Mapping[str, Any]) -> Scaled:
    """The recipe in the tiny world.

    Args:
        resolved: A recipe as plain data, with all its defaults. It is left as it is.

    Returns:
        Data that is a recipe again.
    """
    swaps = _Swaps(copy.deepcopy(dict(resolved)))
    data = swaps.data
    domains = _domains(data["filter"]["select"])
    swaps.put(data, "name", f"{data['name'].removesuffix('-tiny')}-tiny", "recipe")
    _generate(data["generate"], domains, swaps)
    _filter(data["filter"], swaps)
    if data.get("train"):
        _train(data["train"], swaps)
    if data.get("eval"):
        _eval(data["eval"], swaps)
    return Scaled(data, swaps.said)


def _domains(steps: list[Data]) -> list[str]:
    """Those that a step counts, so that it has something to count; three for a step that only spreads."""
    for step in steps:
        if counted := step.get("counts") or step.get("shares"):
            return list(counted)
    return ["algebra", "geometry", "numbers"] if any(step.get("by") or "count" in step for step in steps) else [""]


def _generate(section: Data, domains: list[str], swaps: _Swaps) -> None:
    share = len(TARGETS) // len(domains)
    sources: list[Data] = [
        {
            "use": "countdown",
            "count": -(-PROBLEMS // len(domains)),
            "largest": 99,
            "target_low": TARGETS[place * share],
            "target_high": TARGETS[(place + 1) * share - 1],
            "prompt": "{numbers} -> {target}",
            **({"domain": domain} if domain else {}),
        }
        for place, domain in enumerate(domains)
    ]
    for key, value in (
        ("adopt", []),
        ("sources", sources),
        ("teacher", {"engine": "solver", "slips": SLIPS}),
        ("budget", {}),
        ("concurrency", min(section["concurrency"], 16)),
    ):
        swaps.put(section, key, value, "generate")
    swaps.put(section["verify"], "workers", 1, "generate.verify")
    swaps.put(section["verify"], "judge", None, "generate.verify")
    swaps.put(section["sampling"], "thinking_token_budget", None, "generate.sampling")
    for key in ("min", "max"):
        swaps.put(section["samples"], key, min(section["samples"][key], 4), "generate.samples")


def _filter(section: Data, swaps: _Swaps) -> None:
    steps: list[Data] = []
    for place, step in enumerate(section["select"]):
        where = f"filter.select.{place} ({step['use']})"
        if step["use"] == "pass_rate" and "of" in step:
            swaps.said.append(f"{where}: left out, as there is no run of {step['of']}")
        elif step.get("by") and (step.get("counts") or step.get("shares")) and step["by"] != "domain":
            swaps.said.append(f"{where}: left out, as the tiny world has no groups by {step['by']}")
        else:
            _step(step, where, swaps)
            steps.append(step)
    section["select"] = steps
    swaps.put(section, "workers", 1, "filter")
    _builder(section["build"], "filter.build", swaps)


def _step(step: Data, where: str, swaps: _Swaps) -> None:
    """Numbers of a step that count traces or tokens, brought down."""
    for key in [key for key in ("suites", "paths") if key in step]:  # benchmarks that are not measured here
        swaps.said.append(f"{where}.{key}: {_short(step.pop(key))} -> the suites of this recipe")
    if counts := step.get("counts"):
        swaps.put(step, "counts", _parts(counts), where)
    bounds: tuple[tuple[str, Callable[[Any], Any]], ...] = (
        ("total", lambda total: min(total, KEPT)),
        ("count", lambda count: min(count, KEPT)),
        ("tokens", lambda tokens: min(tokens, KEPT * 300)),
        ("min_tokens", lambda least: min(least, 8)),
        ("max_tokens", lambda most: min(most, MAX_LENGTH)),
    )
    for key, bound in bounds:
        if isinstance(step.get(key), int):
            swaps.put(step, key, bound(step[key]), where)
    rules: list[Data] = step.get("always") or []
    for rule in rules:
        if "min_tokens" in rule:
            swaps.put(rule, "min_tokens", min(rule["min_tokens"], 200), where)


def _parts(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts in their proportions, none of them gone."""
    whole = sum(counts.values())
    return {name: max(count * KEPT // max(whole, 1), 1) if count else 0 for name, count in counts.items()}


def _builder(block: Data, where: str, swaps: _Swaps) -> None:
    """A builder that asks a model asks the solver; so does the builder that it wraps."""
    if "engine" in block:
        swaps.put(block, "engine", {"engine": "solver"}, where)
    if isinstance(block.get("of"), dict):
        _builder(block["of"], f"{where}.of", swaps)


def _train(section: Data, swaps: _Swaps) -> None:
    swaps.put(section, "student", "tiny-base", "train")
    swaps.put(section, "launch", None, "train")
    if len(section["system_prompt"] or "") > LONGEST_PROMPT:
        swaps.put(section, "system_prompt", SHORT_PROMPT, "train")
    # Six steps teach nobody to stop, and so nobody is asked to.
    swaps.put(section, "smoke", {"prompts": 2, "max_tokens": 64, "min_stopped": 0.0}, "train")
    sft: Data = section["sft"]
    for key in [key for key in sft if key in LARGE]:
        swaps.said.append(f"train.sft.{key}: {_short(sft.pop(key))} -> left out")
    for key, value in (
        ("max_steps", STEPS),
        ("per_device_train_batch_size", 4),
        ("max_length", MAX_LENGTH),
        ("logging_steps", 1),
    ):
        swaps.put(sft, key, value, "train.sft")


def _eval(section: Data, swaps: _Swaps) -> None:
    swaps.put(section, "suites", ["countdown-few"], "eval")
    swaps.put(section, "samples", min(section["samples"] or 1, 2), "eval")
    swaps.put(section, "engine", {"engine": "transformers"}, "eval")
    swaps.put(section, "concurrency", min(section["concurrency"], 16), "eval")
    if section["sampling"] is None:
        swaps.put(section, "sampling", {"max_tokens": 160}, "eval")
    else:
        swaps.put(section["sampling"], "max_tokens", min(section["sampling"]["max_tokens"], 160), "eval.sampling")


def _short(value: object) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
