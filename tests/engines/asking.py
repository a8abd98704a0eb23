"""Ask fake servers through the engine."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fake_chat_server import Answer, FakeChatServer

from distill.engines import Completion, Request
from distill.engines.limits import Pauses
from distill.engines.openai import OpenAIEngine
from distill.errors import EngineError
from distill.recipe import Sampling

SHORT = Pauses(first=0.01, longest=0.04, aside=0.05)


def request(
    prefill: str = "", seed: int = 11, choices: list[str] | None = None, cut_loops: bool = False, **sampling: Any
) -> Request:
    return Request(
        messages=[{"role": "user", "content": "2+2?"}],
        sampling=Sampling(**sampling),
        seed=seed,
        prefill=prefill,
        choices=choices,
        cut_loops=cut_loops,
    )


def ask_all(requests: list[Request], *servers: FakeChatServer | dict[str, Any], **options: Any) -> list[Any]:
    """What comes of each request, all of them sent at once; errors too."""

    async def go() -> list[Any]:
        urls: list[Any] = [server if isinstance(server, dict) else server.url for server in servers]
        async with OpenAIEngine(model="m", base_url=urls, **options).session(Path()) as session:
            return await asyncio.gather(*map(session.complete, requests), return_exceptions=True)

    return asyncio.run(go())


def ask(server: FakeChatServer, asked: Request | None = None, **options: Any) -> Completion:
    (outcome,) = ask_all([asked or request()], server, **options)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def failure(answer: Answer, models: tuple[str, ...] = (), **options: Any) -> str:
    with FakeChatServer(answer, models=models) as server, pytest.raises(EngineError) as caught:
        ask(server, **{"max_retries": 0, **options})
    return str(caught.value)
