"""What a score depends on besides model and problems, kept with it; and what differs between two scores.

The same weights have been published with scores nine points apart (`docs/evaluation.md`): engine, precision, number of
GPUs, prompt, sampler, length limit and grader each move them. Two scores compare only where these are the same.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from distill import environment

GRADER = ("math-verify", "sympy", "latex2sympy2_extended", "python-flint")
"""Packages that judge along with our own verifiers."""
NEUTRAL = ("seeds", "hardware.cpus", "hardware.memory_gib", "hardware.platform")
"""Differences that are named, and alone are no reason to warn."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """All that a score depends on. Part of `scores.json`."""

    engine: dict[str, Any]
    """Name, and what the engine says of itself: version, dtype, parallelism, device."""
    sampler: dict[str, Any]
    """Temperature, top_p and so on; budget forcing or beam search, if any."""
    prompt: str
    """Digest of the prompts as messages."""
    template: str
    """Digest of the chat template, where it lies here."""
    format: str
    """The trace format that replies were taken apart by."""
    grader: str
    """Versions of what judged, our own verifiers by a digest of their source."""
    seeds: list[int]
    """Of the run; those of replies follow from it, the problem and the sample."""
    hardware: dict[str, Any]


def stamp_of(
    engine: Any, engine_name: str, *, sampler: Mapping[str, Any], prompt: str, format: str, seed: int
) -> Stamp:
    """The stamp of a score that is being made here.

    Args:
        engine: May say more of itself in a method `stamp`, as a mapping.
        engine_name: As recipes name it.
        sampler: How tokens were drawn.
        prompt: Digest of the prompts.
        format: Name of the trace format.
        seed: Of the run.
    """
    said = dict(engine.stamp()) if hasattr(engine, "stamp") else {}
    template = said.pop("template", "")
    return Stamp(
        engine={"name": engine_name, **said},
        sampler=dict(sampler),
        prompt=prompt,
        template=template,
        format=format,
        grader=grader_version(),
        seeds=[seed],
        hardware=hardware(),
    )


@cache
def grader_version() -> str:
    """Versions of all that judges: ``distill 0.1.0 (verifiers 3f2a...), math-verify 0.9.0``."""
    digest = hashlib.sha256()
    for path in sorted((Path(__file__).parent.parent / "verifiers").rglob("*.py")):
        digest.update(path.read_bytes())
    own = f"distill {environment.installed('distill') or 'checkout'} (verifiers {digest.hexdigest()[:8]})"
    return ", ".join([own, *(f"{name} {found}" for name in GRADER if (found := environment.installed(name)))])


@cache
def hardware() -> dict[str, Any]:
    """What this machine computes with."""
    here = environment.describe()
    return {"gpus": here["gpus"], "cpus": here["cpus"], "memory_gib": here["memory_gib"], "platform": here["platform"]}


def differences(a: Stamp, b: Stamp) -> dict[str, tuple[Any, Any]]:
    """What differs between two stamps, by dotted keys: ``{"engine.dtype": ("bfloat16", "float32")}``."""
    return _differences("", msgspec.to_builtins(a), msgspec.to_builtins(b))


def _differences(place: str, a: Any, b: Any) -> dict[str, tuple[Any, Any]]:
    if isinstance(a, dict) and isinstance(b, dict):
        found: dict[str, tuple[Any, Any]] = {}
        for key in dict.fromkeys([*a, *b]):
            found |= _differences(f"{place}.{key}".lstrip("."), a.get(key), b.get(key))
        return found
    return {} if a == b else {place: (a, b)}


def warned(found: Mapping[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """Those of the differences that can move a score by more than chance does."""
    return {key: pair for key, pair in found.items() if key not in NEUTRAL}
