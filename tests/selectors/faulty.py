"""Selectors of somebody else's, with the defects that the filter has to bear."""

import os
from collections.abc import Iterator

from distill.selectors import Candidate, Context, Drop, Gate, Measured, Ruling, Value


def failing() -> Gate:
    def gate(candidate: Candidate, context: Context) -> Drop | None:
        raise ZeroDivisionError("division by zero")

    return gate


def dying() -> Gate:
    def gate(candidate: Candidate, context: Context) -> Drop | None:
        os._exit(9)

    return gate


class Ruler:
    """Keeps all, with so many rulings on each."""

    def __init__(self, *, times: int) -> None:
        self.times = times

    def measure(self, candidate: Candidate, context: Context) -> tuple[Value, ...]:
        return (candidate.trace.id,)

    def choose(self, measured: Iterator[Measured], context: Context) -> Iterator[Ruling]:
        for found in measured:
            yield from [Ruling(found.row, None)] * self.times


def noting() -> Gate:
    def gate(candidate: Candidate, context: Context) -> Drop | None:
        context.note("words", len(candidate.trace.thinking.split()))
        return (
            Drop("too long", f"{context.count_tokens(candidate.trace)} tokens") if candidate.trace.sample % 2 else None
        )

    return gate
