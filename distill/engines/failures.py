"""Why one try of a request failed, and what follows from it: another try, another server, or none."""

import email.utils
import re
import time
from collections.abc import Mapping
from typing import Literal

from distill.errors import EngineError

Fault = Literal["request", "key", "limit", "server", "unreachable", "reply"]
"""Whose fault it is, by what helps: `request`, nothing helps (400, 413, 422); `key`, this server will refuse every
request (401, 403, 404); `limit`, it wants a pause (429); `server`, it may be ill (5xx, silence, a lost connection);
`unreachable`, it does not take the connection; `reply`, it is well, and this reply is not whole."""

TRIED_AGAIN = (408, 409)
"""Statuses below 500 that may pass by themselves, besides 429."""


class FailedTry(EngineError):
    """One try that brought no reply.

    Args:
        fault: See `Fault`.
        what: What the server did, as a clause, without its address and its key.
        way_out: What the user may do, where the status does not say it.
        status: Of the answer; 0 if there was none, or one with status 200.
        said: More of the answer than an error may show, to look for words in.
        wait: Seconds that the server asks to wait; None if it does not say.
    """

    def __init__(
        self,
        fault: Fault,
        what: str,
        way_out: str = "",
        *,
        status: int = 0,
        said: str = "",
        wait: float | None = None,
    ) -> None:
        super().__init__(what)
        self.fault: Fault = fault
        self.way_out = way_out
        self.status, self.said, self.wait = status, said, wait


def fault_of(status: int, said: str) -> Fault:
    """What a status other than 2xx means."""
    if status == 429:
        # OpenAI's word for an account without money, which no pause mends.
        return "request" if "insufficient_quota" in said else "limit"
    if status in (401, 403, 404):
        return "key"
    if status in TRIED_AGAIN:
        return "reply"
    return "server" if status >= 500 else "request"


_OVERFLOW = re.compile(
    r"context_length_exceeded|context (length|window|size)|maximum (model|input) length|max_model_len|too many tokens"
    r"|(prompt|input|request) is (too long|longer)",
    re.IGNORECASE,
)


def is_overflow(failure: FailedTry) -> bool:
    """Whether a server refuses a request because prompt and `max_tokens` do not fit the model's context."""
    return failure.status in (400, 413, 422) and bool(_OVERFLOW.search(failure.said))


def asked_wait(headers: Mapping[str, str], clock: float | None = None) -> float | None:
    """Seconds that a server asks to wait, by `Retry-After` or the finer `retry-after-ms`; None if it does not say.

    Args:
        headers: Of its answer; names in any case, if the mapping finds them so.
        clock: Seconds since the epoch, now.
    """
    try:
        return max(float(headers["retry-after-ms"]) / 1000, 0.0)
    except (KeyError, ValueError):
        pass
    given = headers.get("retry-after", "").strip()
    try:
        return max(float(given), 0.0)
    except ValueError:
        pass
    try:
        date = email.utils.parsedate_to_datetime(given)
    except ValueError:
        return None
    return max(date.timestamp() - (time.time() if clock is None else clock), 0.0)
