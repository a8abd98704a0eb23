"""What one try of a request takes, shown while it comes: a caller that cancels it still learns what it cost."""

from distill.engines import Meter
from distill.recipe import Price


class Gauge:
    """Keeps a request's meter up to date during one try, on top of what earlier tries took.

    Args:
        meter: The request's.
        price: Of the server's tokens, if it is known.
    """

    def __init__(self, meter: Meter, price: Price | None) -> None:
        self._meter, self._price = meter, price
        self._before = (meter.prompt_tokens, meter.completion_tokens, meter.dollars)
        meter.tries += 1

    def show(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> None:
        """So much has come by now, in this try."""
        prompt_before, completion_before, dollars_before = self._before
        self._meter.prompt_tokens = prompt_before + prompt_tokens
        self._meter.completion_tokens = completion_before + completion_tokens
        self._meter.dollars = dollars_before + (self.dollars(prompt_tokens, cached_tokens, completion_tokens) or 0.0)

    def dollars(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float | None:
        """What it costs; None without a price."""
        return self._price.dollars(prompt_tokens, cached_tokens, completion_tokens) if self._price else None
