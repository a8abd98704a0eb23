"""How problems are asked: in which form, how often, with which settings. What a reply will be is decided here alone."""

from dataclasses import dataclass, field
from typing import Any

from distill.engines import Engine, Request
from distill.formats import TraceFormat
from distill.recipe import Budget, Price, Samples, Sampling, Verify, digest
from distill.types import Problem


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One way of asking. `teacher_key` tells it from others; seeds follow from the run's seed, problem and sample."""

    trace_format: TraceFormat
    samples: Samples
    sampling: Sampling
    seed: int
    concurrency: int = 256
    budget: Budget = field(default_factory=Budget)
    price: Price | None = None
    gpu_hour: float = 0.0
    """US dollars."""
    cut_loops: bool = False
    drain: float = 20.0
    """Seconds left to the requests in flight when the user stops the run."""
    limit_may_grow: bool = False
    """Whether `max_tokens` may change in the middle of a run: a reply that ended by itself would have been the same."""
    verify: Verify = field(default_factory=Verify)

    def teacher_key(self, engine: Engine) -> str:
        """Digest of all that decides what a reply will be: model, sampling, form and prompt."""
        asked = [self.trace_format.name, self.trace_format.system_prompt, self.trace_format.prefill]
        settings: dict[str, Any] = self.sampling.model_dump(exclude_none=True)
        if self.limit_may_grow:
            del settings["max_tokens"]
        return digest([engine.identity, settings, asked], length=8)

    def request(self, problem: Problem, sample: int) -> Request:
        """The request for one reply; its seed is a function of the run's seed, the problem and the sample."""
        return Request(
            messages=self.trace_format.messages(problem.prompt),
            sampling=self.sampling,
            seed=int(digest([self.seed, problem.id, sample], length=8), 16) % 2**31,
            prefill=self.trace_format.prefill,
            cut_loops=self.cut_loops,
            metadata={
                **problem.metadata,
                "problem_id": problem.id,
                "sample": sample,
                "reference": problem.reference,
            },
        )
