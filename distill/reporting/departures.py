"""What a run reached beside what its route's source published, where the two differ, and what that may come from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from distill import assets
from distill import recipe as recipes
from distill.errors import DistillError
from distill.reporting.structure import DepartureFacts, ExpectedFacts, ModelScores, RouteFacts

STAGES = ("generate", "filter", "train", "eval")


class Cause(NamedTuple):
    """What a departure has done to others' scores."""

    prefix: str
    """Of the recipe's keys."""
    evidence: str


CAUSES = (
    Cause(
        "train.student",
        "the student decides most: LIMO's examples gave Qwen2.5-32B 63.3 on AIME24, and Qwen1.5-32B 9.2 "
        "(arXiv 2502.03387)",
    ),
    Cause(
        "train.sft.max_length",
        "s1's examples, cut at 4,096 tokens, gave 30.0 on AIME24 and not 50.0 (arXiv 2501.19393)",
    ),
    Cause(
        "generate",
        "whose traces are taught: one student, the same prompts, three teachers gave 84.3, 79.4 and 70.9 on AIME24 "
        "(Not All Correct Answers Are Equal, 2025)",
    ),
    Cause(
        "eval",
        "how it is measured: the same weights of s1-32B have 50.0 on AIME24 in their own harness and 36.0 in Evalchemy",
    ),
    Cause(
        "train.sft", "how it is trained: DeepDistill's 72B has 79.2 on AIME24 at a learning rate of 8e-5, 72.5 at 8e-6"
    ),
    Cause("filter", "which traces are taught: those with wrong answers cost 3.2 points (arXiv 2502.07374)"),
    Cause("train.method", "adapters learn less than full training where there is much to learn (LoRA Without Regret)"),
    Cause("train", "how the student is asked and trained"),
)
"""From the largest effect that was published to the smallest. A departure is judged by the first it is under."""
HARNESS = CAUSES[3]


def route_facts(recipe: Mapping[str, Any], suites: Mapping[str, Mapping[str, ModelScores]]) -> RouteFacts | None:
    """What is to be said of a run that follows a published road; None of others.

    Args:
        recipe: The run's resolved recipe, as plain data.
        suites: Scores by suite and role.
    """
    route: Mapping[str, Any] | None = recipe.get("route")
    if not route:
        return None
    departures = [_departure(one) for one in route.get("departures") or []]
    changes = list(_changes(recipe))
    scores = {suite: roles.get("student") for suite, roles in suites.items()}
    expected = [_expected(suite, one, scores.get(suite)) for suite, one in (route.get("expected") or {}).items()]
    return RouteFacts(
        form=route.get("form") or "",
        sources=list(route.get("source") or []),
        expected=expected,
        departures=departures,
        changes=changes,
        cause=_cause(expected, [*changes, *departures]),
    )


def _departure(one: Mapping[str, Any]) -> DepartureFacts:
    return DepartureFacts(key=one["key"], theirs=one.get("theirs"), ours=one.get("ours"), why=one.get("why") or "")


def _expected(suite: str, one: Mapping[str, Any], scores: ModelScores | None) -> ExpectedFacts:
    measured, interval = (100 * scores["pass@1"], scores["ci95"]) if scores else (None, None)
    agrees = None if interval is None else 100 * interval[0] <= one["score"] <= 100 * interval[1]
    return ExpectedFacts(
        suite=suite,
        metric=one["metric"],
        harness=one["harness"],
        published=one["score"],
        measured=measured,
        ci95=interval,
        agrees=agrees,
    )


def _changes(recipe: Mapping[str, Any]) -> Iterator[DepartureFacts]:
    """Settings of the run that are not those of the recipe that ships under its name."""
    name = str(recipe.get("name") or "").removesuffix("-tiny")
    if name not in assets.shipped("recipes"):
        return
    try:
        shipped = recipes.load(assets.find("recipes", name)).model_dump(mode="json")
    except DistillError:  # it names a part that is not installed here
        return
    for stage in STAGES:
        for key, theirs, ours in _differing(shipped.get(stage), recipe.get(stage), stage):
            yield DepartureFacts(key=key, theirs=theirs, ours=ours, why="changed for this run")


def _differing(one: Any, other: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, dict) and isinstance(other, dict):
        names: Sequence[str] = [*dict.fromkeys([*one, *other])]
        for name in names:
            yield from _differing(one.get(name), other.get(name), f"{key}.{name}")  # pyright: ignore[reportUnknownArgumentType]
    elif one != other:
        yield key, one, other


def _cause(expected: Sequence[ExpectedFacts], departures: Sequence[DepartureFacts]) -> str:
    """One sentence on what the largest likely cause of the difference is."""
    compared = [one for one in expected if one["agrees"] is not None]
    if not compared:
        return "None of the suites that its source reports was measured, so nothing can be compared."
    if all(one["agrees"] for one in compared):
        return "Every published score lies in the interval of the measured one: there is no difference to explain."
    for cause in CAUSES:
        for one in departures:
            if one["key"] == cause.prefix or one["key"].startswith(f"{cause.prefix}."):
                return f"The largest likely cause of the difference is {one['key']}: {cause.evidence}."
    return f"No setting is known to differ, so the harness is the likeliest cause: {HARNESS.evidence}."
