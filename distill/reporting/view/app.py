"""The web application: the page, its files, and four questions that it asks. It can change nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from distill.errors import DataError
from distill.reporting.view.detail import Reader
from distill.reporting.view.follow import Follower
from distill.reporting.view.guard import App, Guard
from distill.reporting.view.mask import Students
from distill.reporting.view.query import FACETS, Questions, Wanted, number, wanted

STATIC = Path(__file__).parent / "static"
PULSE = "/api/pulse"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


def make_app(follower: Follower, token: str) -> App:
    """The application over what a follower reads.

    Args:
        follower: Its thread may run or not; the page shows what it has read.
        token: What every path begins with.
    """
    questions = Questions(follower.index)
    reader = Reader(follower.index, Students(follower.runs))

    def pulsing(_: Request) -> Response:
        return answer(pulse(follower))

    routes = [
        Route("/", _server_of("index.html")),
        *(Route(f"/static/{path.name}", _server_of(path.name)) for path in sorted(STATIC.iterdir())),
        Route(PULSE, pulsing),
        Route("/api/rows", _asking(lambda asked, given: questions.page(asked, *_order_and_offset(given)))),
        Route("/api/facets", _asking(lambda asked, _: questions.facets(asked))),
        Route("/api/trace", _asking(lambda _, given: _detail(reader, given))),
    ]

    def on_request(path: str) -> None:
        if path != PULSE:
            follower.step_aside()

    return Guard(Starlette(routes=routes), token, on_request)


def pulse(follower: Follower) -> dict[str, Any]:
    """Whether anything changed, and what the page must say of the whole."""
    index = follower.index
    return {
        "version": index.version,
        "is_building": follower.is_building,
        "notices": follower.notices,
        "stages": index.stages(),
        "runs": list(follower.runs),
    }


def static_file(name: str) -> Response:
    """One of the page's own files."""
    path = STATIC / name
    return Response(path.read_bytes(), media_type=TYPES[path.suffix])


def _server_of(name: str) -> Callable[[Request], Response]:
    return lambda _: static_file(name)


def answer(data: object, status: int = 200) -> Response:
    """Data as JSON."""
    return Response(msgspec.json.encode(data), status_code=status, media_type="application/json")


def _asking(ask: Callable[[Wanted, Mapping[str, str]], object]) -> Callable[[Request], Response]:
    # not a coroutine: Starlette answers it from a thread, so that a slow question does not hold up the others
    def endpoint(request: Request) -> Response:
        given = request.query_params
        try:
            return answer(ask(wanted(given, {name: given.getlist(name) for name in FACETS}), given))
        except DataError as error:
            return answer({"error": str(error)}, 404 if "there is no" in str(error) else 400)

    return endpoint


def _order_and_offset(given: Mapping[str, str]) -> tuple[str, int]:
    return given.get("order", "file"), number(given, "offset") or 0


def _detail(reader: Reader, given: Mapping[str, str]) -> dict[str, Any]:
    return reader.detail(given.get("in", ""), given.get("id", ""), is_raw=given.get("raw") == "1")
