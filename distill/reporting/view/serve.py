"""`distill view`: starts the server, says where it is, and ends it without a trace on Ctrl-C."""

import os
import secrets
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from distill import plugins
from distill.errors import RunError
from distill.reporting.view.follow import Follower
from distill.reporting.view.index import Index
from distill.reporting.view.places import named_runs

if TYPE_CHECKING:
    from uvicorn import Server

LOOPBACK = "127.0.0.1"
NEEDED = ("starlette", "uvicorn", "latex2mathml", "pygments")


def serve(directories: list[Path], *, port: int, is_opened: bool, say: Callable[[str], None]) -> None:
    """Show runs until Ctrl-C.

    Args:
        directories: Folders of runs.
        port: Of loopback; 0 takes a free one.
        is_opened: Whether to open the page in a browser, where there is one.
        say: Takes the line with the link.

    Raises:
        MissingExtraError: If the server is not installed.
        RunError: If a run is not there, or the port is taken.
    """
    for module in NEEDED:
        plugins.need(module, "distill view", "view")
    runs = named_runs(directories)
    os.environ["HF_HUB_OFFLINE"] = "1"  # a tokenizer that is not on this machine is done without
    with listening(port) as listener, tempfile.TemporaryDirectory(prefix="distill-view-") as scratch:
        token = secrets.token_urlsafe(24)
        url = f"http://{LOOPBACK}:{listener.getsockname()[1]}/{token}/"
        index = Index(Path(scratch) / "index.sqlite")
        try:
            follower = Follower(runs, index)
            server = server_of(follower, token)  # loads what takes a moment, before anyone waits for the page
            with follower:
                say(url)
                if is_opened and has_display():
                    webbrowser.open(url)
                _run(server, listener)
        finally:
            index.close()


def listening(port: int) -> socket.socket:
    """A socket on loopback.

    Raises:
        RunError: If the port is taken.
    """
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise RunError(
            f"cannot listen on {LOOPBACK}:{port}: {error.strerror}; give another --port, or none for a free one"
        ) from None
    return listener


def has_display() -> bool:
    """Whether a browser could open a window; without one, Python would start a browser in the terminal."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def server_of(follower: Follower, token: str) -> "Server":
    """The web server over what a follower reads, to be run with a socket."""
    import uvicorn

    from distill.reporting.view.app import make_app

    # no access log: it would hold the token
    config = uvicorn.Config(
        make_app(follower, token),  # pyright: ignore[reportArgumentType]
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        timeout_graceful_shutdown=2,
    )
    return uvicorn.Server(config)


def _run(server: "Server", listener: socket.socket) -> None:
    try:
        server.run(sockets=[listener])
    except KeyboardInterrupt:
        return  # how it is meant to end; uvicorn has closed what was open
