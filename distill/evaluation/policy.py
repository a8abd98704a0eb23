"""What policies of sampling share: they ask an engine piece by piece, each piece going on from what is there."""

import contextlib
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from distill.engines import Completion, Engine, Request, Session
from distill.errors import EngineError
from distill.formats import TraceFormat


class Policy(Protocol):
    """Answers one request by asking a session as often as it likes."""

    identity: str
    """What decides the text of its replies, besides the engine."""

    async def complete(self, session: Session, request: Request) -> Completion:
        """One reply."""
        ...


class PolicyEngine:
    """An engine whose replies a policy makes, out of those of another.

    Args:
        engine: Who answers.
        policy: How it is asked.
    """

    def __init__(self, engine: Engine, policy: Policy) -> None:
        self._engine, self._policy = engine, policy
        self.identity = f"{engine.identity}+{policy.identity}"
        self.num_gpus: int = getattr(engine, "num_gpus", 0)

    def stamp(self) -> dict[str, Any]:
        """What the engine says of itself."""
        said = getattr(self._engine, "stamp", None)
        return dict(said()) if said else {}

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["_PolicySession"]:
        """The engine's session, asked by the policy."""
        async with self._engine.session(logs_dir) as session:
            yield _PolicySession(session, self._policy)


class _PolicySession:
    def __init__(self, session: Session, policy: Policy) -> None:
        self._session, self._policy = session, policy

    async def complete(self, request: Request) -> Completion:
        """One reply."""
        return await self._policy.complete(self._session, request)


async def piece(
    session: Session, request: Request, said: str, *, max_tokens: int, number: int, stop: tuple[str, ...] = ()
) -> Completion:
    """The next piece of a reply.

    Args:
        session: Who answers.
        request: For the whole reply.
        said: What the reply holds so far, the request's own prefill included.
        max_tokens: Of the piece.
        number: Of the piece: each draws with a seed of its own.
        stop: Texts before which it ends.

    Raises:
        EngineError: If the server takes thought and answer apart, so that it cannot go on from either.
    """
    sampling = request.sampling.model_copy(update={"max_tokens": max_tokens})
    seed = (request.seed + 7919 * number) % 2**31
    found = await session.complete(
        msgspec.structs.replace(request, sampling=sampling, seed=seed, prefill=said, stop=stop, cut_loops=False)
    )
    if found.reasoning is not None:
        raise EngineError(
            "this server sends thoughts apart from answers, and a thought that comes apart cannot be gone on with: "
            "leave out its reasoning parser (`args: {reasoning_parser: ...}`) to force budgets or to search"
        )
    return found


def opening(form: TraceFormat) -> str:
    """What a reply in this form begins with if we write its beginning."""
    return "" if form.opened_by == "template" else form.open
