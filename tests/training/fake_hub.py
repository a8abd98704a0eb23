"""A Hub on this machine: takes a repository and a commit as huggingface_hub sends them, and keeps every request."""

import base64
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

OID = "a" * 40
BIG = ".safetensors"


class Asked(NamedTuple):
    """A request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeHub:
    """Listens on a free port. A path that begins as one of `failures` is answered with that status."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.failures: dict[str, int] = {}
        self.stored: dict[str, bytes] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def to(self, start: str) -> list[Asked]:
        return [request for request in self.asked if request.path.startswith(start)]

    def committed(self) -> dict[str, bytes]:
        """The files of the one commit."""
        (commit,) = self.to("/api/models/me/small/commit/")
        files: dict[str, bytes] = {}
        for line in map(json.loads, commit.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
        return files

    def answer(self, request: Asked) -> tuple[int, Any]:
        for start, status in self.failures.items():
            if request.path.startswith(start):
                return status, {"error": "no"}
        if request.path == "/api/repos/create":
            return 200, {"url": f"{self.url}/me/small", "id": "1", "name": "me/small"}
        if request.path == "/api/validate-yaml":
            return 200, {"errors": [], "warnings": []}
        if "/preupload/" in request.path:
            files = [
                {"path": file["path"], "uploadMode": "lfs" if file["path"].endswith(BIG) else "regular",
                 "shouldIgnore": False}
                for file in request.json["files"]
            ]  # fmt: skip
            return 200, {"files": files}
        if request.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**file, "actions": {"upload": {"href": f"{self.url}/storage/{file['oid']}"}}}
                for file in request.json["objects"]
            ]
            return 200, {"transfer": "basic", "objects": objects}
        if request.path.startswith("/storage/"):
            self.stored[request.path.rpartition("/")[2]] = request.body
            return 200, {}
        if "/commit/" in request.path:
            return 200, {"success": True, "commitOid": OID, "commitUrl": f"{self.url}/me/small/commit/{OID}"}
        return 404, {"error": "not found"}


def handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            request = Asked(self.command, self.path, dict(self.headers.items()), self._body())
            hub.asked.append(request)
            status, content = hub.answer(request)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = _answer

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


@contextmanager
def fake_hub() -> Generator[FakeHub]:
    hub = FakeHub()
    thread = threading.Thread(target=hub.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()
