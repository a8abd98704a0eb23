"""The jobs of a confined process: run a script, make one call, answer calls, or run tests that make calls."""

import atexit
import contextlib
import json
import random
import sys
import threading
from typing import Any

from . import channel, checker, server, values
from .prelude import namespace
from .source import compiled

MAX_MESSAGE = 200


def run(job: dict[str, Any]) -> None:
    """Do a job and report an exception, if it ends with one. Never raises."""
    sys.set_int_max_str_digits(0)  # the limit of CPU time is the guard here
    random.seed(0)
    modes = {"script": _script, "call": _call, "serve": server.serve, "check": checker.check}
    try:
        modes[job["mode"]](job)
    except SystemExit:
        pass
    except BaseException as error:
        _report(error)
    with contextlib.suppress(BaseException):
        _finish()


def _script(job: dict[str, Any]) -> None:
    names = namespace("__main__", with_prelude=True)
    exec(compiled(job["code"]), names)


def _call(job: dict[str, Any]) -> None:
    """Call a function, or a method of a class `Solution`, and send what it returns."""
    names = namespace("solution", with_prelude=True)
    exec(compiled(job["code"]), names)
    function = _find(names, job["function"])
    result = function(*values.loads(job["arguments"].encode()))
    channel.send(channel.ANSWER + _sent(result))


def _find(names: dict[str, Any], function: str) -> Any:
    if "Solution" in names and hasattr(names["Solution"], function):
        return getattr(names["Solution"](), function)
    if function not in names:
        raise NameError(f"the program defines no {function!r}")
    return names[function]


def _sent(result: Any) -> bytes:
    try:
        return values.dumps(result)
    except values.UnsendableError:
        return values.dumps(list(result))  # a map, a range, a deque


def _report(error: BaseException) -> None:
    with contextlib.suppress(BaseException):
        text = f"{type(error).__name__}: {error}".removesuffix(": ")[:MAX_MESSAGE]
        channel.send(channel.ERROR + json.dumps(text).encode())


def _finish() -> None:
    """What the interpreter does at its end, for programs that print in an exit handler or in a thread."""
    threading._shutdown()  # pyright: ignore
    atexit._run_exitfuncs()  # pyright: ignore
    sys.stdout.flush()
