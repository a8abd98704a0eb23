"""The first thing asked of a student: does it stop?

The most common end of a training that went wrong is a model that never stops (open-r1 492, trl 1623, s1 96), and the
loss does not show it. A few replies of the saved folder do, as a server would load it.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from distill.engines import Completion, Request
from distill.engines.transformers import TransformersEngine
from distill.formats import TraceFormat
from distill.recipe import Sampling

TAIL = 120
"""Characters shown of a reply that did not stop."""


class Smoke(NamedTuple):
    """What became of the replies."""

    asked: int
    stopped: int
    """Replies that ended by themselves."""
    well_formed: int
    """Replies of the trace format's shape."""
    max_tokens: int
    unstopped_tail: str
    """The end of the first reply that did not stop; empty if all did."""

    def __str__(self) -> str:
        return (
            f"{self.stopped} of {self.asked} held-out replies stop within {self.max_tokens} tokens, "
            f"{self.well_formed} have the trace format's shape"
        )


def smoke(folder: Path, prompts: Sequence[str], trace_format: TraceFormat, max_tokens: int, seed: int) -> Smoke:
    """Ask a saved student.

    Args:
        folder: As `save_student` leaves it.
        prompts: The users' words.
        trace_format: What the student was taught.
        max_tokens: A reply that is longer counts as one that does not stop.
        seed: Of the first reply; each has its own.

    Raises:
        EngineError: If the folder cannot be loaded.
    """
    completions = asyncio.run(_ask(folder, prompts, trace_format, max_tokens, seed))
    unstopped = [completion.text for completion in completions if completion.finish_reason != "stop"]
    return Smoke(
        asked=len(prompts),
        stopped=len(prompts) - len(unstopped),
        well_formed=sum(
            trace_format.parse(trace_format.prefill + completion.text).malformed is None for completion in completions
        ),
        max_tokens=max_tokens,
        unstopped_tail=unstopped[0][-TAIL:] if unstopped else "",
    )


async def _ask(
    folder: Path, prompts: Sequence[str], trace_format: TraceFormat, max_tokens: int, seed: int
) -> list[Completion]:
    sampling = Sampling(temperature=0.6, top_p=0.95, max_tokens=max_tokens)
    with tempfile.TemporaryDirectory() as logs_dir:
        async with TransformersEngine(model=str(folder)).session(Path(logs_dir)) as session:
            requests = [
                Request(
                    messages=trace_format.messages(prompt),
                    sampling=sampling,
                    seed=seed + number,
                    prefill=trace_format.prefill,
                )
                for number, prompt in enumerate(prompts)
            ]
            return await asyncio.gather(*(session.complete(request) for request in requests))
