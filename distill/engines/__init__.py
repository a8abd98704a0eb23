"""Who answers. An engine takes one request at a time, as many at once as its caller likes, and answers each.

An engine of your own is a callable that returns something shaped like `Engine`; name it in a recipe as
``engine: my_package.module:MyEngine``, or export it as an entry point of the group ``distill.engines``.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import msgspec

from distill.recipe import Sampling
from distill.types import FinishReason, Message


class Meter:
    """What one request has taken so far. An engine that can keeps it up to date, so that a cancelled request counts."""

    __slots__ = ("completion_tokens", "dollars", "prompt_tokens", "tries")

    def __init__(self) -> None:
        self.tries = 0
        """Times that it was sent to a server, the first one included."""
        self.prompt_tokens = 0
        self.completion_tokens = 0
        """Tokens that have come, over all tries."""
        self.dollars = 0.0
        """What they cost, where the engine knows prices of its own."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One reply wanted."""

    messages: list[Message]
    sampling: Sampling
    seed: int
    """Seed of this reply alone, where the engine can seed one."""
    prefill: str = ""
    """What the reply already starts with. An engine's `Completion.text` does not repeat it."""
    stop: tuple[str, ...] = ()
    """Texts before which the reply ends, besides the model's own end. `Completion.text` is without them."""
    choices: list[str] | None = None
    """The reply shall be one of these. A server is held to it where it can be, and no engine promises it: look."""
    metadata: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    """The problem's metadata and its id (``problem_id``), for engines that do not read text: solver, replay."""
    cut_loops: bool = False
    """Cut the reply once it only repeats itself, where the engine can look while it comes: see `distill.loops`."""
    on_text: Callable[[str, str], None] | None = None
    """Told the reply while it comes, where the engine can: all of its text so far, and of a thought that comes apart.
    Another try begins anew."""
    meter: Meter = msgspec.field(default_factory=Meter)


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """One reply, as it came."""

    text: str
    """The reply without special tokens; without the thought if that came apart, in `reasoning`."""
    reasoning: str | None = None
    """The thought, from servers that send it apart (`reasoning_content`); None from all others."""
    finish_reason: FinishReason = "stop"
    reason: str = ""
    """Why the engine cut it, where `finish_reason` is `aborted`."""
    stopped_by: str | None = None
    """Which of the request's `stop` ended it, where the engine tells; None if the model ended it itself."""
    metadata: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    """What a policy of sampling did: tokens of the thought, ends that were forced or suppressed."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    """Tokens of the prompt that the server had in its cache, where it says so."""
    completion_tokens: int = 0
    is_estimated: bool = False
    """The server sent no token counts, so they are our estimate."""
    dollars: float | None = None
    """What it cost by the engine's own prices; None where it has none."""


class Engine(Protocol):
    """Answers requests. Made by a factory that takes the recipe's options."""

    identity: str
    """What decides the text of the replies: model, revision, digest of local weights. Part of the teacher key."""

    def session(self, logs_dir: Path) -> AbstractAsyncContextManager["Session"]:
        """Load or start what answers, and end it afterwards, whatever happens."""
        ...


class Session(Protocol):
    """An engine that is up."""

    async def complete(self, request: Request) -> Completion:
        """One reply. Cancelling the call stops the work on it.

        Raises:
            EngineError: If no reply can be had, after the engine's own retries.
        """
        ...
