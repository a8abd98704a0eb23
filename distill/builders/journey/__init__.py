"""Journeys: examples that go wrong, say so, and come back, from the samples that rejection sampling has paid for.

Journey learning was proposed by O1-Journey (arXiv 2410.18982), which found 8 points more on MATH than with shortcuts.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from distill import plugins
from distill.builders import Builder
from distill.builders.journey.asking import Asker
from distill.builders.journey.checks import Bounds
from distill.builders.journey.finders import JUDGE_FREE, Finder
from distill.builders.journey.judge import Judge
from distill.builders.journey.maker import Journeys, Told
from distill.builders.journey.phrases import check_phrases
from distill.builders.journey.rollouts import Rollouts
from distill.builders.journey.tree import Tree, judged
from distill.errors import PluginError
from distill.formats import named_format
from distill.recipe import Sampling

ASKING = ("rollouts", "judge")
"""Finders that ask a model."""
FROM_THE_START = ("replay", "solver")
"""Engines that pass over what a reply begins with already, so that a rollout would say nothing of it."""


def journey(
    *,
    find: str | Sequence[str] = ("countdown", "arithmetic"),
    detours: int = 1,
    max_share: float = Bounds.max_share,
    phrases: Sequence[str] = (),
    teach_errors: bool = True,
    share_of_journeys: float = 1.0,
    otherwise: str = "nothing",
    engine: Mapping[str, Any] | None = None,
    sampling: Mapping[str, Any] | None = None,
    format: str | None = None,
    rollouts: int = 8,
    votes: int = 1,
    by: str = "splice",
    width: int = 3,
    depth: int = 10,
    score: str = "rollouts",
) -> Builder:
    """For each kept trace, a wrong sample of its problem up to its first error, an acknowledgement, and the right way.

    Args:
        find: Who finds the first error: `countdown`, `arithmetic`, `divergence`, `rollouts`, `judge`, or a finder of
            your own as ``package.module:my_finder``. They are asked in this order; the first that finds one is
            believed.
        detours: Most wrong samples in one journey, each with another error.
        max_share: Most of a thought's characters that its detours may take.
        phrases: Acknowledgements of your own, with ``{said}`` for the error and ``{truth}`` for what holds instead.
        teach_errors: Whether the errors themselves are in the loss. If not, the student reads them, and is taught what
            comes before and after.
        share_of_journeys: Of the traces that make a journey, how many are taught as one, drawn by the recipe's seed; of
            the others the plain example is.
        otherwise: What a kept trace gives that makes no journey: `plain` its plain example, `nothing` none.
        engine: Whom `rollouts` and `judge` ask: a block like ``generate.teacher``.
        sampling: As ``generate.sampling``.
        format: The trace format of that model; the student's if not given.
        rollouts: Continuations of each beginning that is tried. Math-Shepherd (arXiv 2312.08935) samples 8.
        votes: Replies of a judge; more than half must name the same step.
        by: `splice` takes the turns from wrong samples. `tree` searches for them with `engine`, as O1-Journey did, and
            tells `detours` failed branches at most; `find` means nothing to it.
        width: Steps that the tree proposes at each level.
        depth: Its levels, after which a rollout ends the thought.
        score: What tells that a branch fails: `rollouts`, or the word of a `judge`.

    Raises:
        PluginError: If an option is not what it should be.
    """
    bounds = _bounds(max_share, detours=detours, rollouts=rollouts, votes=votes, width=width, depth=depth)
    if not 0 < share_of_journeys <= 1:
        raise PluginError(f"filter.build: share_of_journeys is {share_of_journeys!r}; give a share above 0, at most 1")
    _choose("otherwise", otherwise, "plain", "nothing")
    _choose("by", by, "splice", "tree")
    _choose("score", score, *ASKING)
    check_phrases(phrases)
    asking: dict[str, Finder] = {}
    tree = None
    if engine is not None:
        asker = Asker(engine, Sampling.model_validate(sampling or {}))
        tries = Rollouts(asker, named_format(format) if format else None, rollouts)
        asking = {"rollouts": tries, "judge": Judge(asker, votes)}
        scoring = tries.value if score == "rollouts" else judged(Judge(asker, votes, is_whole=False))
        tree = Tree(asker, tries, scoring, width, depth)
    elif by == "tree":
        raise PluginError("filter.build: by tree asks a model; name it as engine: {engine: ..., ...}")
    names = [find] if isinstance(find, str) else find
    if by == "tree" or "rollouts" in names:
        _goes_on(engine)
    finders = [_finder(name, asking) for name in names]
    told = Told(teach_errors, share_of_journeys, otherwise)
    return Journeys(finders, bounds, tuple(phrases), told, tree if by == "tree" else None)


def _bounds(max_share: float, **counts: int) -> Bounds:
    for name, count in counts.items():
        if count < 1:
            raise PluginError(f"filter.build: {name} is {count!r}; give a number from 1 up")
    if not 0 < max_share < 1:
        raise PluginError(f"filter.build: max_share is {max_share!r}; give a share between 0 and 1")
    return Bounds(counts["detours"], max_share)


def _goes_on(engine: Mapping[str, Any] | None) -> None:
    """Refuse an engine that would answer anew where it is given a beginning."""
    if engine and engine.get("engine") in FROM_THE_START:
        raise PluginError(
            f"filter.build: the engine {engine['engine']!r} always begins anew, and a thought has to be gone on with; "
            f"take transformers, vllm or openai"
        )


def _choose(name: str, value: str, *known: str) -> None:
    if value not in known:
        raise PluginError(f"filter.build: {name} is {value!r}; choose {' or '.join(known)}")


def _finder(name: str, asking: Mapping[str, Finder]) -> Finder:
    known = {**JUDGE_FREE, **asking}
    if name in known:
        return known[name]
    if name in ASKING:
        raise PluginError(f"filter.build: the finder {name!r} asks a model; name it as engine: {{engine: ..., ...}}")
    if ":" not in name:
        raise PluginError(
            f"filter.build: no finder named {name!r}; choose of {', '.join((*JUDGE_FREE, *ASKING))}, or name your own "
            f"as package.module:my_finder"
        )
    return plugins.resolve("builders", name)
