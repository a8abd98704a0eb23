"""Ctrl-C and SIGTERM while replies come: the first asks for a clean end, the second for an end at once."""

import asyncio
import contextlib
import signal
import threading
from collections.abc import Callable, Generator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def listening(stop: Callable[[], None]) -> Generator[None]:
    """Call `stop`, in the event loop, for each signal that comes; the handlers of before are put back.

    Outside the main thread signals cannot be had, and nothing changes. A Ctrl-C that is ignored stays ignored, as a
    script's background jobs begin.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}
    heard = [number for number in SIGNALS if before[number] is not signal.SIG_IGN]
    for number in heard:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
            signal.signal(number, before[number])
