"""What asking models took: requests, tokens, GPU time and money. One ledger for each stage, and their sum.

Everything is added up from the journals, so it survives a kill, and a reply that was cancelled, cut or lost on the way
counts like one that was kept. GPU time is of engines that run here, from start to end, idle or not.
"""

from collections.abc import Iterable
from typing import Self

import msgspec

from distill.types import FinishReason, Outcome


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A `Trace` without its words: what it took. Reads lines of `traces.jsonl` and `unfinished.jsonl`."""

    id: str
    problem_id: str
    sample: int
    teacher: str
    finish_reason: FinishReason
    retry: int = 0
    max_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    is_estimated: bool = False
    tries: int = 1
    dollars: float = 0.0


class Asked(Spent, frozen=True, kw_only=True):
    """What a request took that the filter made of a model. A line of `asked.jsonl`."""

    is_reply: bool
    """Whether a reply came of it."""


class Ledger(msgspec.Struct, kw_only=True):
    """Sums; add to it with `add` and `judge`. All tokens and dollars include those of requests that gave no trace."""

    requests: int = 0
    """Sent, retries included."""
    retries: int = 0
    """Sent again, after a failure or a refusal."""
    replies: int = 0
    """Traces."""
    truncated: int = 0
    cut: int = 0
    """Replies cut because they only repeated themselves."""
    cancelled: int = 0
    """Requests ended by us because their problem had enough, or because the run was stopped."""
    failed: int = 0
    """Requests that gave nothing, after their retries."""
    correct: int = 0
    incorrect: int = 0
    unverifiable: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Tokens of prompts that a server had in its cache, where it says so; they are among `prompt_tokens`."""
    completion_tokens: int = 0
    wasted_tokens: int = 0
    """Completion tokens of requests that gave no trace; they are among `completion_tokens`."""
    estimated: int = 0
    """Replies whose tokens are our estimate, because the server counted none."""
    token_dollars: float = 0.0
    """What the tokens cost, by the recipe's prices."""
    gpu_seconds: float = 0.0
    """Seconds that engines ran here, times their GPUs."""

    @property
    def judged(self) -> int:
        """Verdicts."""
        return self.correct + self.incorrect + self.unverifiable

    @property
    def tokens(self) -> int:
        """Of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    def dollars(self, gpu_hour: float) -> float:
        """Tokens and GPU time together, in US dollars.

        Args:
            gpu_hour: What an hour of one GPU costs.
        """
        return self.token_dollars + self.gpu_seconds / 3600 * gpu_hour

    def add(self, spent: Spent, *, is_trace: bool) -> None:
        """Count a request: one that gave a trace, or one that gave none."""
        self.requests += spent.tries
        self.retries += max(spent.tries - 1, 0)
        self.prompt_tokens += spent.prompt_tokens
        self.cached_tokens += spent.cached_tokens
        self.completion_tokens += spent.completion_tokens
        self.estimated += spent.is_estimated
        self.token_dollars += spent.dollars
        if is_trace:
            self.replies += 1
            self.truncated += spent.finish_reason == "length"
            self.cut += spent.finish_reason == "aborted"
        else:
            self.cancelled += spent.finish_reason == "aborted"
            self.failed += spent.finish_reason == "error"
            self.wasted_tokens += spent.completion_tokens

    def judge(self, outcome: Outcome) -> None:
        """Count a verdict."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    @classmethod
    def total(cls, ledgers: Iterable[Self]) -> Self:
        """The sum of several."""
        whole = cls()
        for ledger in ledgers:
            for name in cls.__struct_fields__:
                setattr(whole, name, getattr(whole, name) + getattr(ledger, name))
        return whole
