"""From a name in a recipe to the part it means: built in, else an entry point, else `package.module:attr`.

A part is a factory: called with the recipe's options it gives something that fits the Protocol of its kind. No base
class, no decorator, no registry that changes while the program runs.
"""

import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Literal

from distill.errors import MissingExtraError, PluginError, did_you_mean

Kind = Literal["sources", "adopters", "engines", "verifiers", "selectors", "builders", "pairs", "scorers"]
Factory = Callable[..., Any]

# Strings, so that listing what there is imports none of it.
BUILTIN: Mapping[Kind, Mapping[str, str]] = {
    "sources": {
        "countdown": "distill.sources.countdown:CountdownSource",
        "hub": "distill.sources.hub:HubSource",
        "jsonl": "distill.sources.jsonl:JsonlSource",
    },
    "adopters": {
        "hub": "distill.sources.adopters:HubAdopter",
        "jsonl": "distill.sources.adopters:JsonlAdopter",
    },
    "engines": {
        "openai": "distill.engines.openai:OpenAIEngine",
        "replay": "distill.engines.replay:ReplayEngine",
        "solver": "distill.engines.solver:SolverEngine",
        "transformers": "distill.engines.transformers:TransformersEngine",
        "vllm": "distill.engines.vllm:VLLMEngine",
    },
    "verifiers": {
        "choice": "distill.verifiers.choice:ChoiceVerifier",
        "code": "distill.verifiers.code:CodeVerifier",
        "countdown": "distill.verifiers.countdown:CountdownVerifier",
        "exact": "distill.verifiers.exact:ExactVerifier",
        "instructions": "distill.verifiers.instructions:InstructionsVerifier",
        "math": "distill.verifiers.math:MathVerifier",
        "math_verify": "distill.verifiers.math_verify:MathVerifyVerifier",
    },
    "selectors": {
        "answers": "distill.selectors.answers:answers",
        "correct": "distill.selectors.gates:correct",
        "cut_off": "distill.selectors.structure:cut_off",
        "dedup": "distill.selectors.duplicates:Dedup",
        "decontaminate": "distill.selectors.contamination:decontaminate",
        "diverse": "distill.selectors.diverse:Diverse",
        "incorrect": "distill.selectors.gates:incorrect",
        "language": "distill.selectors.language:language",
        "length": "distill.selectors.length:length",
        "majority": "distill.selectors.majority:Majority",
        "pass_rate": "distill.selectors.difficulty:pass_rate",
        "per_problem": "distill.selectors.per_problem:PerProblem",
        "quota": "distill.selectors.quota:Quota",
        "refusal": "distill.selectors.refusal:refusal",
        "repetition": "distill.selectors.repetition:repetition",
        "structure": "distill.selectors.structure:structure",
        "verdict": "distill.selectors.gates:verdict",
    },
    "builders": {
        "answer_only": "distill.builders.plain:answer_only",
        "journey": "distill.builders.journey:journey",
        "plain": "distill.builders.plain:plain",
        "rewrite": "distill.builders.rewrite:rewrite",
        "shortcut": "distill.builders.journey.shortcut:shortcut",
        "stream": "distill.builders.journey.stream:stream",
    },
    "pairs": {
        "correct_against_incorrect": "distill.builders.pairs:correct_against_incorrect",
        "shortest_against_longest": "distill.builders.pairs:shortest_against_longest",
    },
    "scorers": {
        "length": "distill.evaluation.scorers:Length",
    },
}


def known(kind: Kind) -> list[str]:
    """Every name of that kind that can be used here, built in or installed."""
    return sorted({*BUILTIN[kind], *(point.name for point in entry_points(group=f"distill.{kind}"))})


def resolve(kind: Kind, name: str) -> Factory:
    """The factory that `name` means.

    Raises:
        PluginError: If nothing answers to the name, or two things do.
        MissingExtraError: If the part needs packages that are not installed.
    """
    points = [point for point in entry_points(group=f"distill.{kind}") if point.name == name]
    targets = [*([BUILTIN[kind][name]] if name in BUILTIN[kind] else []), *(point.value for point in points)]
    if len(targets) > 1:
        raise PluginError(
            f"two {kind} are named {name!r}: {' and '.join(targets)}. Uninstall one of the packages, "
            f"or name yours in full as package.module:attr"
        )
    if targets:
        return _load(kind, name, targets[0])
    if ":" in name:
        return _load(kind, name, name)
    raise PluginError(_miss(kind, name))


def _load(kind: Kind, name: str, target: str) -> Factory:
    module_name, _, attribute = target.partition(":")
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except ImportError as error:
        raise PluginError(f"{kind}: cannot import {module_name!r} for {name!r}: {error}") from error
    except AttributeError:
        raise PluginError(f"{kind}: module {module_name!r} has no {attribute!r} (asked for by {name!r})") from None


def _miss(kind: Kind, name: str) -> str:
    names = known(kind)
    hint = did_you_mean(name, names)
    singular = kind.removesuffix("s")
    return f"no {singular} named {name!r}.{hint} Known: {', '.join(names)}. Your own: package.module:Name"


def check_options(kind: Kind, name: str, options: Mapping[str, object]) -> Factory:
    """The factory of that name, once it is sure to take these options.

    Raises:
        PluginError: If it does not take one of them, or misses one.
    """
    factory = resolve(kind, name)
    parameters = inspect.signature(factory).parameters
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    names = [p.name for p in parameters.values() if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    for option in options:
        if option not in names and not takes_any:
            hint = did_you_mean(option, names)
            raise PluginError(
                f"{kind.removesuffix('s')} {name!r} has no option {option!r}.{hint} "
                f"It takes: {', '.join(names) or 'none'}"
            )
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in options
    ]
    if missing:
        raise PluginError(f"{kind.removesuffix('s')} {name!r} needs the option {missing[0]!r}")
    return factory


def build(kind: Kind, name: str, options: Mapping[str, object]) -> Any:
    """The part itself, made with its options."""
    return check_options(kind, name, options)(**options)


def need(module: str, what: str, extra: str) -> Any:
    """Import a heavy module where it is used.

    Raises:
        MissingExtraError: If it is not installed; says which extra brings it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(what, extra) from error
