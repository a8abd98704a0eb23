"""A teacher that is a program: it writes Countdown searches, with dead ends and, if told to, with mistakes.

With it, the tiny world needs no model from anywhere: its teacher learned from this engine, its student from that
teacher. Streams of Search (arXiv 2404.03683) found that such searches teach better than optimal paths.
"""

import contextlib
import random
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

from distill.countdown import search
from distill.engines import Completion, Request
from distill.errors import EngineError

Style = Literal["search", "direct"]


class SolverEngine:
    """Answers Countdown problems (and, word for word, problems whose reference is in their metadata).

    Args:
        slips: Chance that one comparison of a search goes wrong; such a search may end in a wrong answer, as a
            model's would.
        style: `search` thinks first; `direct` gives the expression alone.
        limit_reply: The longest reply, in characters; a longer one ends as `finish_reason: length`.
    """

    def __init__(self, *, slips: float = 0.0, style: Style = "search", limit_reply: int = 100_000) -> None:
        self.slips, self.style, self.limit_reply = slips, style, limit_reply
        self.identity = f"solver(slips={slips}, style={style})"

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["SolverEngine"]:
        """Nothing to start."""
        yield self

    async def complete(self, request: Request) -> Completion:
        """Solve one problem.

        Raises:
            EngineError: If the problem is not one of Countdown.
        """
        reference = request.metadata.get("reference")
        if isinstance(reference, str):
            return Completion(text=reference, completion_tokens=len(reference))
        numbers, target = request.metadata.get("numbers"), request.metadata.get("target")
        if not isinstance(numbers, list) or not isinstance(target, int):
            raise EngineError(
                f"the solver answers Countdown problems only, and {request.messages[-1]['content']!r:.60} has no "
                f"numbers and target; use source countdown, or another engine"
            )
        largest = request.metadata.get("largest")
        found = search(
            [int(n) for n in numbers],
            target,
            largest=largest if isinstance(largest, int) else None,
            slips=self.slips,
            rng=random.Random(request.seed),
        )
        thinking = found.text if self.style == "search" else ""
        return Completion(
            text=found.expression,
            reasoning=thinking or None,
            finish_reason="length" if len(thinking) > self.limit_reply else "stop",
            completion_tokens=len(thinking) + len(found.expression),
        )
