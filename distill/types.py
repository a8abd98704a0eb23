"""The nouns: what passes between the stages, one record type for each file of a run.

Records are frozen `msgspec` structs: they are read and written millions of times, and msgspec decodes them with
types checked several times faster than the standard library parses the same JSON (`benchmarks/journal.py`).
"""

from typing import Any, Literal, NotRequired, TypedDict

import msgspec

FinishReason = Literal["stop", "length", "aborted", "error"]
"""How a reply ended: by itself, at its token limit, cut by us (a sibling won, a loop), or by a failure."""

Outcome = Literal["correct", "incorrect", "unverifiable"]
"""`unverifiable` is the verifier's failure, never the model's: a reply without an answer is `incorrect`."""


class Message(TypedDict):
    """One turn of a conversation, as chat templates and chat APIs take it."""

    role: Literal["system", "user", "assistant"]
    content: str
    name: NotRequired[str]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A question whose answer can be checked. A line of `problems.jsonl`."""

    id: str
    """Digest of prompt, reference and verifier: the same problem has the same id in every run and on every machine."""
    prompt: str
    verifier: str
    """Name of the verifier that judges answers to it."""
    reference: str | None = None
    """The accepted answer; None where the verifier needs only `metadata`."""
    source: str = ""
    domain: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """What its verifier and its source need besides: numbers and target, options, tests."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One reply of a model to one problem. A line of `traces.jsonl`."""

    id: str
    """`<problem id>-<teacher key>-<sample>`: the content key by which runs resume, grow and merge. The retry of a
    truncated sample ends in `.<retry>` besides."""
    problem_id: str
    sample: int
    teacher: str
    """Digest of the model and the sampling settings that made it."""
    thinking: str
    answer: str
    """What follows the thought; all of the reply where the trace format has no thought."""
    finish_reason: FinishReason
    malformed: str | None = None
    """Why the reply lacks the shape its trace format asks for; None if it has it."""
    retry: int = 0
    """How many times its sample was asked again with a larger `max_tokens`, because the reply was truncated."""
    max_tokens: int = 0
    """The limit under which it was written."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Tokens of the prompt that the server had in its cache."""
    completion_tokens: int = 0
    """Tokens the model produced, thought included, counted by the engine."""
    is_estimated: bool = False
    """The server counted no tokens; the counts are an estimate."""
    tries: int = 1
    """Times the request was sent."""
    dollars: float = 0.0
    """What it cost, by the prices of the recipe at the time."""
    seed: int = 0
    seconds: float = 0.0
    """From the request to the end of the reply, as this process saw it."""
    error: str | None = None
    """Why there is no whole reply, where `finish_reason` is `error` or `aborted`."""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """What the dataset that it was adopted from says of it, or what a policy of sampling did. Decides nothing."""


class PassRate(msgspec.Struct, frozen=True, kw_only=True):
    """How the teacher fared on one problem. A line of `pass_rates.jsonl`, for problems with a judged trace.

    Which replies exist depends on how the earlier ones went (a problem with enough gets no more), so `pass_rate`, which
    is `correct / replies`, leans upwards. `difficulty` does not depend on when one stopped: it is one minus the mean of
    the posterior Beta(1 + correct, 1 + wrong).
    """

    problem_id: str
    replies: int
    """Those with a verdict either way; truncated and cut ones are wrong."""
    correct: int
    truncated: int
    unverifiable: int
    pass_rate: float
    difficulty: float


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What asking a model took."""

    requests: int
    prompt_tokens: int
    completion_tokens: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier says of one trace. A line of `verdicts.jsonl`."""

    trace_id: str
    outcome: Outcome
    extracted: str | None = None
    """The answer that was found in the reply; None if there was none."""
    method: str = ""
    """Which part of the verifier decided."""
    reason: str = ""
    seconds: float = 0.0
    judge: Usage | None = None
    """What asking a judge took; None where none was asked."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a trace teaches. Every trace has one, a line of `decisions.jsonl`."""

    trace_id: str
    kept: bool
    step: str = ""
    """The step of the filter that dropped it; empty if it is kept."""
    reason: str = ""
    """Short, the same for all that share it: reasons are counted."""
    detail: str = ""
    """What was seen in this trace, and where."""
    scores: dict[str, float] = msgspec.field(default_factory=dict[str, float])
    """What the steps measured of it on the way, such as its length in the student's ``tokens``."""


class Example(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the student is taught from: TRL's conversational prompt-completion form. A line of `train.jsonl`."""

    prompt: list[Message]
    completion: list[Message]
    problem_id: str
    trace_ids: list[str]
    """The traces it was built from: one for a plain example, several for a journey."""
    masked: list[tuple[int, int]] = []
    """Characters of the completion, from and to, that the student reads but is not taught: the errors of a journey."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two replies to one problem, one preferred: TRL's conversational preference form. A line of `pairs.jsonl`."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    problem_id: str
    chosen_id: str
    """The trace that is to be preferred."""
    rejected_id: str
    kind: str
    """What sets them apart: ``shortest against longest``."""
    chosen_tokens: int
    """The student's."""
    rejected_tokens: int


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What a verifier returns: a `Verdict` that does not know its trace yet."""

    outcome: Outcome
    extracted: str | None = None
    method: str = ""
    reason: str = ""
