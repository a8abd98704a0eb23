"""One OpenAI-compatible server that is up: its client, its load, and its refusals put into words.

The key is known to the client alone: it is left out of every `repr`, and cut out of whatever a server says.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from distill.engines import Completion, Request
from distill.engines.chat import (
    Constraint,
    constrained,
    read_completion,
    redacted,
    request_body,
    server_message,
    unwrapped,
)
from distill.errors import EngineError

if TYPE_CHECKING:
    import openai

LOOPBACK = ("localhost", "127.0.0.1", "::1")
CONNECT_TIMEOUT = 10.0
"""Seconds; a server that does not take a connection by then is not there."""
MAX_CONNECTIONS = 4096
"""Our caller limits what is in flight; the client's own limit of 1000 would make requests time out in its queue."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a server is, and how it is talked to."""

    url: str
    """With the version: `http://127.0.0.1:8000/v1`."""
    model: str
    key: str = field(repr=False)
    key_name: str
    """The environment variable that holds the key."""
    timeout: float = 600.0
    """Seconds that one try may take."""
    max_retries: int = 5
    """Further tries after a failed one, with growing pauses, or those that the server asks for."""
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    constraint: Constraint = "response_format"
    """How it is told that a reply shall be one of a few."""

    @contextlib.asynccontextmanager
    async def connected(self) -> "AsyncGenerator[Server, None]":
        """A client for this server, closed afterwards. Nothing is sent yet."""
        import openai

        transport: dict[str, Any] = {"limits": _limits()}
        if is_loopback(self.url):
            transport["trust_env"] = False  # a proxy from the environment does not know our loopback
        client = openai.AsyncOpenAI(
            api_key=self.key,
            base_url=self.url,
            timeout=openai.Timeout(self.timeout, connect=min(self.timeout, CONNECT_TIMEOUT)),
            max_retries=self.max_retries,
            http_client=openai.DefaultAsyncHttpxClient(**transport),
        )
        async with client:
            yield Server(self, client)


def _limits() -> Any:
    import openai

    # The client speaks httpx in openai 2 and httpx2 in openai 3: take the class that its own defaults are of.
    return type(openai.DEFAULT_CONNECTION_LIMITS)(
        max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS
    )


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    return urlsplit(url).hostname in LOOPBACK


class Server:
    """An endpoint with its client."""

    def __init__(self, endpoint: Endpoint, client: "openai.AsyncOpenAI") -> None:
        self.endpoint = endpoint
        self.num_in_flight = 0
        self._client = client
        self._constrains = True
        # OpenAI's own models refuse the older name; most other servers know no other.
        is_openai = urlsplit(endpoint.url).hostname == "api.openai.com"
        self._limit_key = "max_completion_tokens" if is_openai else "max_tokens"

    async def complete(self, request: Request) -> Completion:
        """One reply; cancelling the call closes its connection, on which vLLM and SGLang stop the work.

        Raises:
            EngineError: After the last try, or at once where another try cannot help.
        """
        import openai

        self.num_in_flight += 1
        try:
            if request.choices and self._constrains:
                return unwrapped(await self._chosen(request, request.choices))
            return await self._post(request)
        except openai.APIError as error:
            raise await self._explained(error) from None
        except EngineError as error:
            raise self._error(f"{error}.") from None
        finally:
            self.num_in_flight -= 1

    async def _chosen(self, request: Request, choices: list[str]) -> Completion:
        """One of a few; a server that refuses to be told so is asked without it, now and from now on."""
        import openai

        try:
            return await self._post(request, constrained(choices, self.endpoint.constraint))
        except (openai.BadRequestError, openai.UnprocessableEntityError):
            completion = await self._post(request)  # if the fault is another, it fails again, and says why
            self._constrains = False
            return completion

    async def _post(self, request: Request, constraint: Mapping[str, Any] | None = None) -> Completion:
        extra_body = {**(constraint or {}), **self.endpoint.extra_body}
        body = request_body(request, self.endpoint.model, extra_body, limit_key=self._limit_key)
        model, messages = body.pop("model"), body.pop("messages")
        raw = await self._client.chat.completions.with_raw_response.create(
            model=model, messages=messages, extra_body=body
        )
        return read_completion(raw.content, self.endpoint.key)

    async def _explained(self, error: "openai.APIError") -> EngineError:
        import openai

        if isinstance(error, openai.APIStatusError):
            way_out = await self._way_out(error.status_code)
            return self._error(
                f"answered {error.status_code}: {server_message(error.body, self.endpoint.key)}. {way_out}"
            )
        if isinstance(error, openai.APITimeoutError):
            return self._error(
                f"did not answer within {self.endpoint.timeout:g} s ({self._tries()}). Is the server overloaded? "
                f"Long replies need a longer `timeout`, a smaller `max_tokens` or a lower `concurrency`"
            )
        cause = server_message(str(error.__cause__ or error), self.endpoint.key).rstrip(".")
        return self._error(f"cannot be reached ({self._tries()}): {cause}. Is the server running at that address?")

    async def _way_out(self, status: int) -> str:
        if status in (401, 403):
            return f"The key in the environment variable {self.endpoint.key_name} is missing or not accepted there"
        if status == 404:
            return await self._models()
        if status == 429:
            return f"Lower `concurrency`, raise `max_retries` or look at your quota ({self._tries()})"
        if status >= 500:
            return f"The server's log says why ({self._tries()})"
        return "Another try would not help: mend `sampling`, `extra_body` or the prompt's length"

    async def _models(self) -> str:
        import openai

        asked = f"Asked for model {self.endpoint.model!r}"
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                page = await self._client.with_options(max_retries=0).models.list()
            names = [model.id for model in page.data]
        except (openai.APIError, TimeoutError, ValueError, TypeError, AttributeError):
            return f"{asked}; {self.endpoint.url}/models does not answer either, so look at base_url: most end in /v1"
        return f"{asked}; it has: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"

    def _tries(self) -> str:
        num_tries = self.endpoint.max_retries + 1
        return f"up to {num_tries} tries" if num_tries > 1 else "one try"

    def _error(self, what: str) -> EngineError:
        return EngineError(redacted(f"{self.endpoint.url} {what}", self.endpoint.key))
