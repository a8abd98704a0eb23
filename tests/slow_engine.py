"""An engine for tests in real processes: each reply takes a while, and is as long as its problem is hard."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path

from distill.engines import Completion, Request


class SlowEngine:
    """Writes the reference after `seconds`; a reply needs as many tokens as the target says, and stops at its limit."""

    def __init__(self, *, seconds: float = 0.05, startup: float = 0.0) -> None:
        self.seconds, self.startup = seconds, startup
        self.identity = "slow"

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["SlowEngine"]:
        await asyncio.sleep(self.startup)
        yield self

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(self.seconds)
        needed, limit = request.metadata["target"], request.sampling.max_tokens
        assert isinstance(needed, int)
        return Completion(
            text="1+1",
            reasoning="so",
            completion_tokens=min(needed, limit),
            finish_reason="length" if needed > limit else "stop",
        )
