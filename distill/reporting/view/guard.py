"""What stands between the page and everyone else on the machine, and on the web.

A request must name this machine as its host (a foreign name that was made to point here, as DNS rebinding does, is
refused), and begin with the token that was drawn when the server started. No answer allows another origin to read it,
to frame it, or to be asked by it; and the policy sent with each lets the page run nothing but its own files.
"""

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

HOSTS = frozenset({"127.0.0.1", "localhost"})
"""With any port: a tunnel may bring the page to another one."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Guard:
    """Lets through what comes from this machine and knows the token; the app behind it sees paths without it.

    Args:
        app: What answers.
        token: What every path begins with.
        on_request: Called with the path of each request that is let through, before it is answered.
    """

    def __init__(self, app: App, token: str, on_request: Callable[[str], None]) -> None:
        self.app, self.token, self.on_request = app, token, on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        first, slash, rest = scope["path"].lstrip("/").partition("/")
        if not is_local(scope):
            await _refuse(send, 403, "This page answers to 127.0.0.1 and localhost only.")
        elif not secrets.compare_digest(first.encode(), self.token.encode()):
            await _refuse(send, 404, "Not found. The link is printed by `distill view`; each start draws a new one.")
        elif scope["method"] not in ("GET", "HEAD"):
            await _refuse(send, 405, "Nothing can be changed here.")
        elif not slash:
            await _refuse(send, 307, "", [(b"location", f"/{self.token}/".encode())])
        else:
            self.on_request(f"/{rest}")
            inner = {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode(), "root_path": ""}
            await self.app(inner, receive, _with_headers(send))


def is_local(scope: Scope) -> bool:
    """Whether the request names this machine as its host, once."""
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if len(hosts) != 1:
        return False
    name, _, port = hosts[0].lower().partition(":")
    return name in HOSTS and (not port or (port.isascii() and port.isdecimal()))


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message = {**message, "headers": [*message.get("headers", []), *ours]}
        await send(message)

    return sending


async def _refuse(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    described = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    start = {"type": "http.response.start", "status": status, "headers": [*described, *(headers or [])]}
    await _with_headers(send)(start)
    await send({"type": "http.response.body", "body": body})
