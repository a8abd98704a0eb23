"""How an error is acknowledged. Each phrase names it; which one is used hangs on the seed and the trace alone."""

import random
from collections.abc import Sequence

from distill.builders.journey.slips import Slip
from distill.errors import PluginError

KNOWN = (
    "Wait, {said} is wrong: it should be {truth}.",
    "No, that is a mistake: I wrote {said}, but {truth}.",
    "Let me check {said}. That is not right; in fact {truth}.",
    "Hold on, {said} cannot be: {truth}.",
)
"""Where it is known what holds instead."""
UNKNOWN = (
    "Wait, this is wrong: {said}",
    "Hold on, there is a mistake here: {said}",
    "No, I have to take this back: {said}",
)
"""Where it is not."""
BACK = ("I go back to the step before it.", "So I go on from before it.", "Back to where I was before that.")
"""What follows if the way goes on from what was established."""
AFRESH = ("Let me start again from the problem.", "I start over.", "Once more, from the beginning.")
"""What follows if it does not."""


def acknowledged(slip: Slip, *, goes_back: bool, own: Sequence[str], rng: random.Random) -> str:
    """An acknowledgement of an error, with its correction where that is known.

    Args:
        slip: The error.
        goes_back: Whether what follows builds on steps that were sound.
        own: Phrases of the recipe's, which hold ``{said}``; those with ``{truth}`` are for errors where that is known,
            those without for the others. Where none fits, one of those above is taken.
        rng: Chooses.
    """
    # what holds instead has to be said where it is known: a phrase that does not is for errors without
    fitting = [phrase for phrase in own if ("{truth}" in phrase) == bool(slip.truth)]
    phrase = rng.choice(fitting or (KNOWN if slip.truth else UNKNOWN))
    # str.format would read braces of the trace's text if it were asked twice; once is safe
    said = " ".join(slip.said.split())
    words = phrase.format(said=said, truth=slip.truth)
    ended = words if words[-1:] in (".", "!", "?") else f"{words}."
    return f"{ended} {rng.choice(BACK if goes_back else AFRESH)}"


def check_phrases(own: Sequence[str]) -> None:
    """Refuse phrases that would not name the error.

    Raises:
        PluginError: If one does not hold ``{said}``, or holds braces besides it and ``{truth}``.
    """
    for phrase in own:
        rest = phrase.replace("{said}", "").replace("{truth}", "")
        if "{said}" not in phrase or "{" in rest or "}" in rest:
            raise PluginError(
                f"filter.build: the phrase {phrase!r} must hold {{said}}, where the error is named, and may hold "
                f"{{truth}}, what holds instead, but no other braces"
            )
