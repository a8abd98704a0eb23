"""A journey from samples that are paid for: a wrong one up to its first error, and a right one from before it.

The idea is O1-Journey's (arXiv 2410.18982): a student that sees a wrong turn, its recognition and the way back learns
to recover, where one that sees shortcuts learns the way alone. There a tree search gives the turns; here rejection
sampling has paid for them already.
"""

import random
from collections.abc import Sequence
from typing import NamedTuple

from distill.builders.journey.draft import Draft, Part, resume_at
from distill.builders.journey.phrases import acknowledged
from distill.builders.journey.slips import Slip
from distill.builders.journey.steps import start_of_step
from distill.selectors import Candidate


class Turn(NamedTuple):
    """A wrong sample and its first error."""

    candidate: Candidate
    slip: Slip


def spliced(right: Candidate, turns: Sequence[Turn], phrases: Sequence[str], rng: random.Random) -> Draft:
    """The wrong turns one after the other, each acknowledged, and then the right way.

    Args:
        right: The sample whose answer is taught.
        turns: Wrong samples of the same problem, at least one.
        phrases: The recipe's own acknowledgements; empty for the shipped ones.
        rng: Chooses the words.
    """
    parts: list[Part] = []
    sound: list[str] = []
    for number, turn in enumerate(turns):
        attempt = _attempt(turn, sound)
        sound.append(attempt.sound)
        follows = turns[number + 1].candidate if number + 1 < len(turns) else right
        goes_back = _resume(follows, sound) > _first(follows)
        words = acknowledged(turn.slip, goes_back=goes_back, own=phrases, rng=rng)
        parts += [attempt, Part("acknowledgement", words, slip=turn.slip)]
    start = _resume(right, sound)
    parts.append(Part("continuation", right.trace.thinking[start:].rstrip(), right.trace.id, start=start))
    return Draft(
        parts,
        right.trace.answer,
        {found.trace.id: found.trace.thinking for found in (right, *(turn.candidate for turn in turns))},
        right.verdict.extracted or right.trace.answer.strip(),
        [turn.candidate.verdict.extracted or turn.candidate.trace.answer for turn in turns],
    )


def _attempt(turn: Turn, sound: Sequence[str]) -> Part:
    """The wrong thought up to just after its error, without the steps that were said before."""
    thought = turn.candidate.trace.thinking
    # the step with the error is told even if another sample's finder took the same step for sound
    start = min(_resume(turn.candidate, sound), start_of_step(thought, turn.slip.start))
    text = thought[start : turn.slip.end]
    return Part("attempt", text, turn.candidate.trace.id, turn.slip, start)


def _resume(candidate: Candidate, sound: Sequence[str]) -> int:
    return resume_at(candidate.trace.thinking, sound) or _first(candidate)


def _first(candidate: Candidate) -> int:
    thought = candidate.trace.thinking
    return len(thought) - len(thought.lstrip())
