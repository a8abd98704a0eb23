"""A program that answers calls: its functions and objects stay here, plain values go over."""

import json
import operator
from collections.abc import Callable
from typing import Any

from . import channel, values
from .prelude import namespace
from .source import compiled, completed, preamble


def _called(target: Callable[..., Any], positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
    return target(*positional, **named)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _called,
    "get": getattr,
    "set": setattr,
    "item": operator.getitem,
    "length": len,
    "iterate": iter,
    "next": next,
    "truth": bool,
}


def serve(job: dict[str, Any]) -> None:
    """Load a program and answer what is asked of it, until nobody asks."""
    names = namespace("solution", with_prelude=False)
    exec(compiled(preamble(job["header"], job["entry_point"])), names)
    exec(compiled(completed(job["code"], job["header"], job["entry_point"])), names)
    channel.send(channel.LOADED)
    kept: list[Any] = []

    def keep(value: object) -> int:
        kept.append(value)
        return len(kept) - 1

    def find(reference: int | str) -> Any:
        if isinstance(reference, int):
            return kept[reference]
        if reference not in names:
            raise NameError(f"the program defines no {reference!r}")
        return names[reference]

    while True:
        question = channel.receive()
        try:
            name, *arguments = values.loads(question, find)
            answer = channel.ANSWER + values.dumps(_OPERATIONS[name](*arguments), keep)
        except Exception as error:
            answer = channel.RAISED + json.dumps([type(error).__name__, str(error)[:200]]).encode()
        channel.send(answer)
