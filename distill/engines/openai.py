"""Any server that speaks OpenAI's chat API: a vendor's, or your own vLLM, SGLang, llama.cpp, Ray Serve.

With several addresses, each request goes to the one with the fewest in flight, and one that fails is left alone until
it is well again. The keys are read from the environment when a session begins, and nowhere else.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, ValidationError

from distill.engines import Completion, Request
from distill.engines.balance import Balancer
from distill.engines.endpoint import Endpoint, Server, is_loopback
from distill.engines.limits import Pauses
from distill.errors import EngineError, RecipeError, did_you_mean
from distill.recipe import Price, Section

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "no-key-needed"


class Address(Section):
    """One item of `base_url`: a server, and what sets it apart from the others."""

    url: str
    api_key_env: str
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    price: Price | None = None


class OpenAIEngine:
    """A model behind one or more OpenAI-compatible servers.

    Args:
        model: The name by which the servers know it. It is the engine's identity: the same model at another address is
            the same teacher.
        base_url: An address with its `/v1`, or a list of several that serve the same model. An item of a list may be a
            mapping: `url`, and `api_key_env`, `requests_per_minute`, `tokens_per_minute`, `price` of its own. If not
            given, the address in OPENAI_BASE_URL, else OpenAI's.
        api_key_env: The environment variable that holds the key. A server on this machine does without.
        stream: Let replies come piece by piece, so that one that loops can be cut.
        timeout: Seconds of silence that end a try, however long the whole reply takes; without `stream`, seconds from
            the request to the last byte.
        max_retries: Further tries after 408, 409, 429, 5xx, a lost connection, a timeout, or a reply that is empty or
            not whole; with growing pauses or, up to ten minutes, those that the server asks for by `Retry-After`.
        requests_per_minute: Most that one address gets; no limit if not given.
        tokens_per_minute: Most that one address gets, prompts and replies together, as they are expected.
        extra_body: Further keys of each request, by the server's own names; a key that is null is not sent.

    Raises:
        RecipeError: If a base_url is not an http address, or holds a password, or one of its keys is unknown.
    """

    budgets_thinking = True
    pauses = Pauses()

    def __init__(
        self,
        *,
        model: str,
        base_url: str | list[str | dict[str, Any]] | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        stream: bool = True,
        timeout: float = 600.0,
        max_retries: int = 8,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        given = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL
        defaults = {
            "api_key_env": api_key_env,
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
        }
        items: list[str | dict[str, Any]] = [given] if isinstance(given, str) else given
        self.addresses = [_address(f"base_url[{index}]", item, defaults) for index, item in enumerate(items)]
        self.model, self.stream, self.timeout, self.max_retries = model, stream, timeout, max_retries
        self.extra_body = extra_body or {}
        self.identity = model

    def stamp(self) -> dict[str, Any]:
        """What is known of what answers: not its version, precision or hardware, which a server does not tell."""
        return {"urls": [address.url for address in self.addresses], "extra_body": self.extra_body}

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ChatSession", None]:
        """Open the connections of each address; nothing is asked yet.

        Raises:
            EngineError: If a key is missing.
        """
        async with contextlib.AsyncExitStack() as stack:
            endpoints = [self._endpoint(address) for address in self.addresses]
            servers = [await stack.enter_async_context(endpoint.connected()) for endpoint in endpoints]
            yield ChatSession(servers, Balancer(servers, max_retries=self.max_retries, pauses=self.pauses))

    def _endpoint(self, address: Address) -> Endpoint:
        url, name = address.url, address.api_key_env
        key = os.environ.get(name, "").strip()
        if not key and not is_loopback(url):
            raise EngineError(
                f"{url} needs a key, and the environment variable {name} is not set: export it, or name "
                f"the variable that holds the key with `api_key_env:` in the recipe"
            )
        return Endpoint(
            url=url,
            model=self.model,
            key=key or NO_KEY,
            key_name=name,
            stream=self.stream,
            timeout=self.timeout,
            max_retries=self.max_retries,
            pauses=self.pauses,
            requests_per_minute=address.requests_per_minute,
            tokens_per_minute=address.tokens_per_minute,
            price=address.price,
            extra_body=self.extra_body,
        )


class ChatSession:
    """Servers that are up and share the requests."""

    def __init__(self, servers: Sequence[Server], balancer: Balancer[Server]) -> None:
        self.servers, self._balancer = servers, balancer

    async def complete(self, request: Request) -> Completion:
        """One reply, from whichever server can give it.

        Raises:
            EngineError: If no reply can be had.
        """
        return await self._balancer.complete(request)


def _address(where: str, item: object, defaults: dict[str, Any]) -> Address:
    given: object = {"url": item} if isinstance(item, str) else item
    if not isinstance(given, dict):
        raise RecipeError(f"{where} is {item!r:.60}; give an address, or a mapping with `url`")
    try:
        address = Address.model_validate({**defaults, **given})
    except ValidationError as error:
        raise RecipeError(_explained(where, error)) from None
    return address.model_copy(update={"url": _checked(address.url)})


def _explained(where: str, error: ValidationError) -> str:
    lines: list[str] = []
    for item in error.errors():
        *parents, last = map(str, item["loc"])
        if item["type"] == "extra_forbidden":  # without its value, which may be a key
            known = Price.model_fields if parents == ["price"] else Address.model_fields
            lines.append(f"{where}: unknown key {last!r}.{did_you_mean(last, known)} Keys here: {', '.join(known)}")
        elif item["type"] == "missing":
            lines.append(f"{where}: {last} is missing")
        else:
            key = ".".join([*parents, last])
            lines.append(f"{where}: {key} is {item['input']!r:.60}: {item['msg'][0].lower()}{item['msg'][1:]}")
    return "\n".join(lines)


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
