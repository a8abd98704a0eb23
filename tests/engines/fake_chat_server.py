"""A server that answers over real HTTP what a test has written down for it, faults included."""

import contextlib
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    """Bytes that are announced and never sent."""
    hang: bool = False
    """Do not answer, or not beyond the pieces; wait until the client has gone."""
    pieces: Sequence[bytes | float] | None = None
    """A stream instead of the body: bytes to send, and seconds to wait."""
    drop: bool = False
    """Close the connection after the pieces, in the middle of the stream."""


@dataclass(frozen=True)
class Asked:
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    at: float
    client: tuple[str, int] = ("", 0)
    """Address and port that it came from: the same for two requests on one connection."""


def completion(content: str | None = "4", finish_reason: str | None = "stop", **message: Any) -> dict[str, Any]:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "finish_reason": finish_reason,
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}


USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
DONE = b"data: [DONE]\n\n"


def event(finish_reason: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    """One piece of a streamed reply."""
    choices = [] if usage and not delta else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return (
        b"data: %s\n\n" % json.dumps({"object": "chat.completion.chunk", "choices": choices, "usage": usage}).encode()
    )


def streamed(*words: str, finish_reason: str | None = "stop", usage: Any = USAGE, **options: bool) -> Answer:
    """A streamed reply, whole unless the options say that it is dropped or hangs after its words."""
    start = [event(role="assistant", content=""), *(event(content=word) for word in words)]
    end = [event(finish_reason=finish_reason), *([event(usage=usage)] if usage else []), DONE]
    return Answer(pieces=start if options else start + end, **options)


class FakeChatServer:
    """Gives its answers in order, the last one again and again; `models` are what /v1/models lists.

    An answer may be a function of what was asked.
    """

    def __init__(self, *answers: Answer | Callable[[Asked], Answer], models: tuple[str, ...] = ()) -> None:
        self.answers, self.models = list(answers), models
        self.asked: list[Asked] = []
        self.arrived, self.client_left = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def __enter__(self) -> "FakeChatServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()

    def next_answer(self, asked: Asked) -> Answer:
        with self._lock:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else answer(asked)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if fake.models:
                    models = [{"id": name, "object": "model", "created": 0, "owned_by": "us"} for name in fake.models]
                    self.answer(Answer({"object": "list", "data": models}))
                else:
                    self.answer(Answer({"detail": "Not Found"}, status=404))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.path, body, headers, time.monotonic(), self.client_address)
                fake.asked.append(asked)
                fake.arrived.set()
                try:
                    self.answer(fake.next_answer(asked))
                except ConnectionError:
                    self.left()

            def answer(self, answer: Answer) -> None:
                if answer.pieces is not None:
                    self.stream(answer, answer.pieces)
                    return
                if answer.hang:
                    self.wait_until_left()
                    return
                content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content) + answer.missing))
                self.end_headers()
                self.wfile.write(content)
                self.close_connection = bool(answer.missing)

            def stream(self, answer: Answer, pieces: Sequence[bytes | float]) -> None:
                self.send_response(answer.status)
                headers = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **answer.headers}
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                for piece in pieces:
                    if isinstance(piece, bytes):
                        self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    elif select.select([self.connection], [], [], piece)[0]:
                        self.left()
                        return
                if answer.hang:
                    self.wait_until_left()
                elif answer.drop:
                    self.close_connection = True
                else:
                    self.wfile.write(b"0\r\n\r\n")

            def wait_until_left(self) -> None:
                readable, _, _ = select.select([self.connection], [], [], 20.0)
                said_more = b""
                if readable:
                    with contextlib.suppress(ConnectionError):
                        said_more = self.connection.recv(1, socket.MSG_PEEK)
                    if not said_more:
                        self.left()
                self.close_connection = True

            def left(self) -> None:
                fake.client_left.set()
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler
