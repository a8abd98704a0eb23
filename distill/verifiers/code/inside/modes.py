"""The jobs of a confined process: run a script, make one call, answer calls, or run tests that make calls.

A job ends as the interpreter would: threads are waited for, exit handlers run, what is buffered is written.
"""

import atexit
import contextlib
import gc
import json
import random
import sys
import threading
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast

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
    for step in (threading._shutdown, atexit._run_exitfuncs, _flush, _clear, _flush):  # pyright: ignore
        with contextlib.suppress(BaseException):
            step()


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
        return values.dumps(_plain(result))


def _plain(result: Any) -> Any:
    """A result in what JSON has, as what is expected was: a map, a range or a deque is a list there."""
    if isinstance(result, Decimal | Fraction):
        return float(result)
    if isinstance(result, dict):
        return {key: _plain(value) for key, value in cast(dict[Any, Any], result).items()}
    if result is None or isinstance(result, int | float | complex | str | bytes | set | frozenset):
        return result
    return [_plain(item) for item in result]


def _report(error: BaseException) -> None:
    with contextlib.suppress(BaseException):
        text = f"{type(error).__name__}: {error}".removesuffix(": ")[:MAX_MESSAGE]
        channel.send(channel.ERROR + json.dumps(text).encode())


def _flush() -> None:
    with contextlib.suppress(BaseException):
        sys.stdout.flush()
    if sys.__stdout__:
        sys.__stdout__.flush()  # which a program may have replaced, and still have written to


def _clear() -> None:
    """Forget the program's names, as the interpreter does at its end: a file that it left open is written then."""
    vars(sys.modules["__main__"]).clear()
    gc.collect()
