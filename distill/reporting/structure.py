"""What a report holds, as plain data that JSON can carry. A part that the run has no files for is None, or empty."""

from typing import Any, Literal, TypedDict

from distill.evaluation.metrics import Interval
from distill.judging import Ledger
from distill.types import FinishReason, Outcome


class RecipeFacts(TypedDict):
    """What was asked."""

    name: str
    description: str
    seed: int
    text: str
    """The resolved recipe, as YAML."""


ModelScores = TypedDict(
    "ModelScores",
    {
        "pass@1": float,
        "ci95": Interval,
        "format": str,
        "problems": int,
        "samples": int,
        "no_answer": float,
        "truncated": float,
        "unverifiable": float,
        "mean_tokens": float,
        "engine": str,
        "identity": str,
        "sampling": dict[str, Any],
        "prompt_digest": str,
        "headline": str,
        "forms": dict[str, Any],
    },
)
"""One model on one suite. `forms` holds every form that it was measured in, by name, where there are several."""


class Comparison(TypedDict):
    """How far the first model is above the second, problem by problem."""

    difference: float
    ci95: Interval
    p: float
    problems: int


class Lengths(TypedDict):
    """Histogram of reply lengths: `counts[outcome][i]` replies have `edges[i]` to `edges[i + 1]` tokens."""

    edges: list[int]
    counts: dict[Outcome, list[int]]


class GenerateFacts(TypedDict):
    """What the teacher did."""

    problems: int
    traces: int
    accepted: float | None
    """Share of judged traces that are correct; None if none is judged."""
    correct: int
    incorrect: int
    unverifiable: int
    unjudged: int
    """Traces whose verdict is missing, because the run was killed or goes on."""
    verify: Ledger
    """Timeouts, and what a judge took. Its tokens are not among those below."""
    solved_problems: float | None
    """Share of problems with at least one correct trace."""
    tokens: int
    """Of prompts and completions together."""
    prompt_tokens: int
    completion_tokens: int
    errors: int
    """Requests that failed; those asked again with success are among them."""
    finish_reasons: dict[FinishReason, int]
    seconds: float
    lengths: Lengths


class CostRow(TypedDict):
    """What one stage took."""

    requests: int
    """Sent, retries included."""
    retries: int
    cancelled: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    wasted_tokens: int
    """Completion tokens of requests that gave no trace: failed, or cancelled because their problem had enough."""
    gpu_hours: float
    dollars: float


class CostFacts(TypedDict):
    """What the run took, by stage and in all."""

    stages: dict[str, CostRow]
    total: CostRow
    kept: int
    """Traces that the filter kept."""
    dollars_per_kept: float | None
    """What generate cost, shared among the kept traces; None if nothing is kept, or nothing has a price."""
    tokens_per_kept: float | None


class FunnelStep(TypedDict):
    """A step of the filter: traces it dropped, traces left after it, and its reasons counted."""

    step: str
    dropped: int
    left: int
    reasons: dict[str, int]


class FilterFacts(TypedDict):
    """What the filter did."""

    funnel: list[FunnelStep]
    examples: int | None
    seconds: float


class LogEntry(TypedDict):
    """One line of the training log; a loss that is not finite is None."""

    step: int
    loss: float | None
    learning_rate: float | None


class TrainFacts(TypedDict):
    """How the student learned."""

    steps: int | None
    seconds: float
    examples: int | None
    tokens: int | None
    method: str | None
    final_loss: float | None
    log: list[LogEntry]
    """Every logged step that has a loss."""


class SampleTrace(TypedDict):
    """A trace to look at. All of its text is a model's: escape it."""

    kind: str
    """correct, incorrect or truncated."""
    id: str
    prompt: str
    reference: str | None
    thinking: str
    answer: str
    extracted: str | None
    reason: str
    completion_tokens: int


class ReplyFacts(TypedDict):
    """A reply to look at. All of its text is a model's: escape it."""

    thinking: str
    answer: str
    completion_tokens: int


class Flip(TypedDict):
    """A problem that base and student fare differently on, with a reply of each."""

    way: Literal["gained", "lost"]
    prompt: str
    reference: str
    base: ReplyFacts
    student: ReplyFacts


class Flips(TypedDict):
    """What training gave and took on one suite."""

    gained: int
    """Problems that the student solves and the base does not."""
    lost: int
    shown: list[Flip]
    """A few of both, where their replies are there."""


class ExpectedFacts(TypedDict):
    """A score that the source of a recipe reports, and what was measured here; all in percent."""

    suite: str
    metric: str
    harness: str
    published: float
    measured: float | None
    """None where the suite was not measured."""
    ci95: Interval | None
    agrees: bool | None
    """Whether the published score lies in the interval of the measured one."""


class DepartureFacts(TypedDict):
    """A setting that is not the source's."""

    key: str
    theirs: Any
    ours: Any
    why: str


class RouteFacts(TypedDict):
    """A run that follows a published road, beside its source."""

    form: str
    sources: list[str]
    expected: list[ExpectedFacts]
    departures: list[DepartureFacts]
    """Of the recipe from its source."""
    changes: list[DepartureFacts]
    """Of the run from the recipe that ships under its name."""
    cause: str
    """The largest likely cause of a difference, in a sentence."""


class Report(TypedDict):
    """All that is known of a run."""

    run: str
    recipe: RecipeFacts
    models: dict[str, ModelScores]
    """Scores on the recipe's first suite by role; a base measured in several forms counts as its best."""
    suites: dict[str, dict[str, ModelScores]]
    comparisons: dict[str, dict[str, Comparison]]
    flips: dict[str, Flips]
    """By suite, where base and student were measured."""
    generate: GenerateFacts | None
    cost: CostFacts | None
    filter: FilterFacts | None
    train: TrainFacts | None
    route: RouteFacts | None
    environment: dict[str, Any]
    sample_traces: list[SampleTrace]
