"""Any server that speaks OpenAI's chat API: a vendor's, or your own vLLM, SGLang, llama.cpp, Ray Serve.

With several addresses, each request goes to the one with the fewest in flight. The key is read from the environment
when a session begins, and nowhere else.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from distill.engines import Completion, Request
from distill.engines.endpoint import Endpoint, Server, is_loopback
from distill.errors import EngineError, RecipeError

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"


class OpenAIEngine:
    """A model behind one or more OpenAI-compatible servers.

    Args:
        model: The name by which the servers know it. It is the engine's identity: the same model at another address is
            the same teacher.
        base_url: An address, or several that serve the same model, each with its `/v1`. If not given, that in
            OPENAI_BASE_URL, else OpenAI's.
        api_key_env: The environment variable that holds the key. A server on this machine does without.
        timeout: Seconds that one try may take, from the request to the last byte of the reply.
        max_retries: Further tries after 408, 409, 429, 5xx, a lost connection or a timeout, with growing pauses or, up
            to two minutes, those that the server asks for by `Retry-After`.
        extra_body: Further keys of each request, by the server's own names; a key that is null is not sent.

    Raises:
        RecipeError: If a base_url is not an http address, or holds a password.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str | list[str] | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        timeout: float = 600.0,
        max_retries: int = 5,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        given = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        self.urls = [_checked(url) for url in ([given] if isinstance(given, str) else given)]
        self.model, self.api_key_env, self.timeout, self.max_retries = model, api_key_env, timeout, max_retries
        self.extra_body = extra_body or {}
        self.identity = model

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ChatSession", None]:
        """Open a client for each address; nothing is asked yet.

        Raises:
            EngineError: If the key is missing.
        """
        async with contextlib.AsyncExitStack() as stack:
            endpoints = [self._endpoint(url) for url in self.urls]
            yield ChatSession([await stack.enter_async_context(endpoint.connected()) for endpoint in endpoints])

    def _endpoint(self, url: str) -> Endpoint:
        key = os.environ.get(self.api_key_env, "").strip()
        if not key and not is_loopback(url):
            raise EngineError(
                f"{url} needs a key, and the environment variable {self.api_key_env} is not set: export it, or name "
                f"the variable that holds the key with `api_key_env:` in the recipe"
            )
        return Endpoint(
            url=url,
            model=self.model,
            key=key or NO_KEY,
            key_name=self.api_key_env,
            timeout=self.timeout,
            max_retries=self.max_retries,
            extra_body=self.extra_body,
        )


class ChatSession:
    """Servers that are up and share the requests."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self.servers = servers

    def chat_prompt(self, request: Request) -> str | None:
        """Only the server knows its chat template."""
        return None

    async def complete(self, request: Request) -> Completion:
        """One reply, from the server with the fewest requests in flight.

        Raises:
            EngineError: If no reply can be had.
        """
        return await min(self.servers, key=lambda server: server.num_in_flight).complete(request)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise RecipeError(
            f"base_url of host {parts.hostname!r} holds a password or a query; put the key into an environment "
            f"variable, and its name into `api_key_env:`"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise RecipeError(f"base_url is {url!r}; give an address such as http://127.0.0.1:8000/v1")
    return url.rstrip("/")
