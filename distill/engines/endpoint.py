"""One OpenAI-compatible server that is up: its connections, one try of a request, and its refusals put into words.

The key is known to the connections alone: it is left out of every `repr`, and cut out of whatever a server says.
"""

import asyncio
import contextlib
import re
import urllib.request
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from distill.engines import Completion, Request
from distill.engines.balance import Balancer
from distill.engines.chat import (
    Constraint,
    constrained,
    read_completion,
    redacted,
    request_body,
    server_message,
    unwrapped,
)
from distill.engines.failures import FailedTry, asked_wait, fault_of, is_overflow
from distill.engines.gauge import Gauge
from distill.engines.limits import Lane, Pauses
from distill.engines.stream import StreamedReply
from distill.errors import EngineError
from distill.recipe import Price

if TYPE_CHECKING:
    import aiohttp

LOOPBACK = ("localhost", "127.0.0.1", "::1")
CONNECT_TIMEOUT = 10.0
"""Seconds; a server that does not take a connection by then is not there."""
IDLE = 4.0
"""Seconds that an idle connection is kept: uvicorn, under vLLM and SGLang, closes it after 5."""
LINGER = 5.0
"""Seconds that a server has for its token counts and the end of the stream, once the reply itself is whole."""
SAID = 20_000
"""Characters of a refusal that are looked through."""
EVENTS = "text/event-stream"
LOG_SAYS_WHY = "The server's log says why"
_CONSTRAINTS = frozenset({"structured_outputs", "response_format"})


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a server is, and how it is talked to."""

    url: str
    """With the version: `http://127.0.0.1:8000/v1`."""
    model: str
    key: str = field(repr=False)
    key_name: str
    """The environment variable that holds the key."""
    stream: bool = True
    """Whether replies come piece by piece, so that one that loops can be cut, and silence tells from length."""
    timeout: float = 600.0
    """Seconds of silence that end a try; without streaming, seconds that it may take in all."""
    max_retries: int = 8
    """Further tries after a failed one, with growing pauses, or those that the server asks for."""
    pauses: Pauses = field(default_factory=Pauses)
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    """Prompts and replies together."""
    price: Price | None = None
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    constraint: Constraint = "response_format"
    """How it is told that a reply shall be one of a few."""

    @contextlib.asynccontextmanager
    async def connected(self) -> "AsyncGenerator[Server, None]":
        """Connections to this server, closed afterwards. Nothing is sent yet."""
        import aiohttp

        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE, ttl_dns_cache=300),
            headers={"Authorization": f"Bearer {self.key}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        ) as client:
            yield Server(self, client)


def is_loopback(url: str) -> bool:
    """Whether a URL is of this machine."""
    return urlsplit(url).hostname in LOOPBACK


def proxy_options(url: str) -> dict[str, Any]:
    """What aiohttp needs to know of the environment's proxy for a URL; none for this machine, which it cannot reach.

    Its own `trust_env` asks the environment in a thread for each request, and looks into ~/.netrc for other keys.
    """
    import aiohttp
    import yarl

    parts, proxies = urlsplit(url), urllib.request.getproxies()
    given = proxies.get(parts.scheme) or proxies.get("all")
    if is_loopback(url) or not given or urllib.request.proxy_bypass(parts.hostname or ""):
        return {}
    proxy = yarl.URL(given if "://" in given else f"http://{given}")
    if proxy.scheme not in ("http", "https"):
        raise EngineError(
            f"the environment's proxy for {url} is of the kind {proxy.scheme!r}; only http and https work"
        )
    auth = aiohttp.BasicAuth(proxy.user, proxy.password or "") if proxy.user else None
    return {"proxy": proxy.with_user(None), "proxy_auth": auth}


class Server:
    """An endpoint with its connections."""

    def __init__(self, endpoint: Endpoint, client: "aiohttp.ClientSession") -> None:
        self.endpoint = endpoint
        self.lane = Lane(
            pauses=endpoint.pauses,
            requests_per_minute=endpoint.requests_per_minute,
            tokens_per_minute=endpoint.tokens_per_minute,
        )
        self._client, self._proxy = client, proxy_options(endpoint.url)
        self._alone = Balancer([self], max_retries=endpoint.max_retries, pauses=endpoint.pauses)
        self._refused: frozenset[str] = frozenset()
        # OpenAI's own models refuse the older name; most other servers know no other.
        is_openai = urlsplit(endpoint.url).hostname == "api.openai.com"
        self._limit_key = "max_completion_tokens" if is_openai else "max_tokens"

    @property
    def num_in_flight(self) -> int:
        """Requests that were sent, and are not answered yet."""
        return self.lane.num_in_flight

    async def complete(self, request: Request) -> Completion:
        """One reply; cancelling the call closes its connection, on which vLLM and SGLang stop the work.

        Raises:
            EngineError: After the last try, or at once where another try cannot help.
        """
        return await self._alone.complete(request)

    async def attempt(self, request: Request) -> Completion:
        """One try. What a server refuses to be told is left out, and left out from then on if that helps.

        Raises:
            FailedTry: If it brings no reply.
        """
        refused = self._refused
        while True:
            body = self._body(request, refused)
            try:
                completion = await self._post(request, body)
            except FailedTry as failure:
                culprit = _culprit(failure, request, body)
                if culprit is None or culprit in refused:
                    raise
                refused |= {culprit}
                continue
            self._refused |= refused
            return unwrapped(completion) if request.choices and "choices" not in refused else completion

    def _body(self, request: Request, refused: frozenset[str]) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        if request.choices:
            # One word is not worth a stream.
            extra = {} if "choices" in refused else constrained(request.choices, self.endpoint.constraint)
        elif self.endpoint.stream and "stream" not in refused:
            extra = {"stream": True, "stream_options": {"include_usage": True}}
            if "stream_options" in refused:
                del extra["stream_options"]
        extra_body = {**extra, **self.endpoint.extra_body}
        if request.on_text and "stream_interval" in extra_body:
            extra_body["stream_interval"] = 1  # somebody reads along
        return request_body(request, self.endpoint.model, extra_body, limit_key=self._limit_key)

    async def _post(self, request: Request, body: dict[str, Any]) -> Completion:
        import aiohttp

        gauge, streams = Gauge(request.meter, self.endpoint.price), bool(body.get("stream"))
        began = False
        try:
            async with self._client.post(
                f"{self.endpoint.url}/chat/completions",
                data=_encoded(body),
                headers={"Content-Type": "application/json"},
                timeout=self._timeout(streams),
                allow_redirects=False,
                **self._proxy,
            ) as response:
                began = response.content_type == EVENTS
                # Left before its end, by an error or a cut, it closes the connection, on which the server stops.
                return await self._read(response, request, gauge)
        except TimeoutError:
            raise self._silence(streams, began) from None
        except (aiohttp.ClientError, OSError) as error:
            cause = server_message(str(error) or type(error).__name__, self.endpoint.key).rstrip(".")
            fault = "unreachable" if isinstance(error, aiohttp.ClientConnectorError) else "server"
            if began:
                raise FailedTry(fault, f"broke off in the middle of a reply: {cause}", LOG_SAYS_WHY) from None
            raise FailedTry(fault, f"cannot be reached: {cause}", "Is the server running at that address?") from None

    def _timeout(self, streams: bool) -> "aiohttp.ClientTimeout":
        import aiohttp

        seconds, connect = self.endpoint.timeout, min(self.endpoint.timeout, CONNECT_TIMEOUT)
        if streams:
            return aiohttp.ClientTimeout(total=None, connect=connect, sock_read=seconds)
        return aiohttp.ClientTimeout(total=seconds, connect=connect)

    def _silence(self, streams: bool, began: bool) -> FailedTry:
        seconds = f"{self.endpoint.timeout:g} s"
        what = f"was silent for {seconds} in the middle of a reply" if began else f"did not answer within {seconds}"
        mend = "It needs" if streams else "Long replies need streaming, a smaller `max_tokens`,"
        return FailedTry(
            "server", what, f"Is the server overloaded? {mend} a longer `timeout` or a lower `concurrency`"
        )

    async def _read(self, response: "aiohttp.ClientResponse", request: Request, gauge: Gauge) -> Completion:
        if not 200 <= response.status < 300:
            raise await self._refusal(response)
        if response.content_type == EVENTS:
            completion = await self._streamed(response, request, gauge)
        else:
            completion = read_completion(await response.read(), request, self.endpoint.key)
        took = (completion.prompt_tokens, completion.cached_tokens, completion.completion_tokens)
        gauge.show(*took)
        return msgspec.structs.replace(completion, dollars=gauge.dollars(*took))

    async def _streamed(self, response: "aiohttp.ClientResponse", request: Request, gauge: Gauge) -> Completion:
        import aiohttp

        reply, content = StreamedReply(request, self.endpoint.key), response.content
        gauge.show(*reply.taken())
        while not reply.is_over:
            chunk = await content.readany()
            if not chunk:
                reply.end()
                break
            reply.feed(chunk)
            gauge.show(*reply.taken())
        if reply.finish_reason and not reply.loop:
            # The text is whole by now: whatever happens to the rest, which is read lest the connection be lost.
            with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
                async with asyncio.timeout(LINGER):
                    while chunk := await content.readany():
                        reply.feed(chunk)
        return reply.completion()

    async def _refusal(self, response: "aiohttp.ClientResponse") -> FailedTry:
        text = (await response.read()).decode(errors="replace")
        if 300 <= response.status < 400:
            where = redacted(response.headers.get("Location", "elsewhere"), self.endpoint.key)
            return FailedTry("request", f"answered {response.status}: go to {where}", "Put that address into base_url")
        said = redacted(text, self.endpoint.key)[:SAID]
        return FailedTry(
            fault_of(response.status, said),
            f"answered {response.status}: {server_message(_decoded(text), self.endpoint.key)}",
            status=response.status,
            said=said,
            wait=asked_wait(response.headers),
        )

    async def explained(self, failure: FailedTry, num_tries: int) -> EngineError:
        """The failure as the user is told of it: address, what happened, and the way out."""
        way_out = failure.way_out or await self._way_out(failure)
        tries = "one try" if num_tries == 1 else f"{num_tries} tries"
        sentence = f"{self.endpoint.url} {failure} ({tries})"
        return EngineError(redacted(f"{sentence}. {way_out}" if way_out else sentence, self.endpoint.key))

    async def _way_out(self, failure: FailedTry) -> str:
        status = failure.status
        if status in (401, 403):
            return f"The key in the environment variable {self.endpoint.key_name} is missing or not accepted there"
        if status == 404:
            return await self._models()
        if status == 429:
            return "Lower `concurrency`, raise `max_retries` or look at your quota"
        if status >= 500:
            return LOG_SAYS_WHY
        if is_overflow(failure):
            return (
                "The prompt and `max_tokens` do not fit the model's context, and another try would not help: mend "
                "`sampling` or the prompt's length"
            )
        return "Another try would not help: mend `sampling`, `extra_body` or the prompt's length" if status else ""

    async def _models(self) -> str:
        import aiohttp

        asked, url = f"Asked for model {self.endpoint.model!r}", f"{self.endpoint.url}/models"
        try:
            timeout = aiohttp.ClientTimeout(total=CONNECT_TIMEOUT)
            async with self._client.get(url, timeout=timeout, allow_redirects=False, **self._proxy) as response:
                listed = msgspec.json.decode(await response.read(), type=_Models)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
            return f"{asked}; {url} does not answer either, so look at base_url: most end in /v1"
        names = [model.id for model in listed.data]
        return f"{asked}; it has: {', '.join(names[:10])}{', ...' if len(names) > 10 else ''}"


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


def _culprit(failure: FailedTry, request: Request, body: Mapping[str, Any]) -> str | None:
    """What of a request a server seems to refuse, and would be left out of the next try; None if nothing is."""
    if failure.status not in (400, 422):
        return None
    if request.choices:
        return "choices" if _CONSTRAINTS & body.keys() else None
    if "stream_options" in body and "stream_options" in failure.said:
        return "stream_options"
    return "stream" if body.get("stream") and re.search(r"\bstream", failure.said) else None


def _encoded(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError) as error:
        raise FailedTry("request", f"cannot be sent this request: {error}", "Mend `extra_body` or the prompt") from None


def _decoded(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
