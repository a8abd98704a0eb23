r"""What must hold of every journey, whoever made it. The first that fails is the reason that it is not taught.

They look at the finished text and at the thoughts that its pieces come from, never at how it was put together, so that
a mistake of the builder is found as one of the samples is.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from distill.builders import Workshop
from distill.builders.journey.draft import Draft, Part, resume_at
from distill.builders.journey.equations import equations
from distill.builders.journey.steps import steps
from distill.formats import TraceFormat
from distill.selectors.answers import boxes, several, spelled
from distill.types import Problem
from distill.verifiers.extraction import last_marked

LONGEST_VALUE = 40
"""Characters of an answer that is looked for word for word; a longer one is prose, which may be put in other words."""

SOON = 200
"""Characters within which a right sample may take back an error of its own."""
_TAKEN_BACK = re.compile(r"\b(?:wait|no|not|wrong|mistake|incorrect|actually|oops|hmm|recheck|check)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Bounds:
    """How far a journey may stray."""

    max_detours: int = 1
    max_share: float = 0.75
    """Most of the thought's characters that attempts and acknowledgements may take."""


async def refused(draft: Draft, bounds: Bounds, problem: Problem, workshop: Workshop) -> str | None:
    """Why a journey is not taught; None if it is."""
    reason = (
        broken(draft.thinking, draft.answer, workshop.trace_format)
        or unacknowledged(draft)
        or without_return(draft)
        or leaps(draft)
        or wrong_answer_kept(draft)
        or left_standing(draft)
        or too_far(draft, bounds)
    )
    return reason or await misjudged(draft.thinking, draft.answer, problem, workshop)


def broken(thinking: str, answer: str, trace_format: TraceFormat) -> str | None:
    """A thought or an answer that holds marks of the trace format, so that the reply would be read as another."""
    found = trace_format.parse(trace_format.render(thinking, answer))
    if not trace_format.holds(thinking, answer) or found.malformed:
        return "a mark of the trace format in the text"
    return None


async def misjudged(thinking: str, answer: str, problem: Problem, workshop: Workshop) -> str | None:
    """A reply whose answer, read as the student's will be, is not judged correct."""
    trace_format = workshop.trace_format
    verdict = await workshop.judge(problem, trace_format.parse(trace_format.render(thinking, answer)).answer)
    return None if verdict.outcome == "correct" else f"the final answer is {verdict.outcome}"


def unacknowledged(draft: Draft) -> str | None:
    """An attempt that is not followed at once by words that name its error, with the correction if it is known."""
    for part, after in zip(draft.parts, [*draft.parts[1:], None], strict=True):
        if part.kind != "attempt":
            continue
        slip = part.slip
        if slip is None or part.text != draft.thoughts.get(part.source, "")[part.start : part.start + len(part.text)]:
            return "an attempt without a known error"
        if not part.start <= slip.start < slip.end or slip.end > part.start + len(part.text):
            return "the error is not in the attempt"
        named = after.text if after and after.kind == "acknowledgement" else ""
        if " ".join(slip.said.split()) not in named or slip.truth not in named:
            return "the error is not acknowledged"
    return None


def without_return(draft: Draft) -> str | None:
    """A journey whose last words are not the end of a right thought, with all that leads to its answer."""
    last = draft.parts[-1] if draft.parts else None
    detours = [part for part in draft.parts if part.kind == "attempt"]
    if not detours:
        return "no detour"
    if last is None or last.kind != "continuation" or not last.text.strip():
        return "the detour does not return"
    whole = draft.thoughts.get(last.source, "")
    if whole[last.start :].rstrip() != last.text.rstrip():
        return "the detour does not return"
    answer = draft.right_answer
    # a thought that never says its answer cannot be asked to say it here
    if 0 < len(answer) <= LONGEST_VALUE and answer in whole and answer not in last.text:
        return "the detour does not return"
    return None


def leaps(draft: Draft) -> str | None:
    """A piece that does not begin with the problem nor with what stands in the text before the errors.

    A piece begins with its thought's first step, or leaves out first steps that all stand, word for word, in what the
    earlier pieces said before their errors.
    """
    sound: list[str] = []
    for place, part in enumerate(draft.parts):
        if part.kind == "acknowledgement":
            if place == 0 or draft.parts[place - 1].kind != "attempt":
                return "a leap"
            continue
        thought = draft.thoughts.get(part.source, "")
        first = next((step.start for step in steps(thought)), 0)
        is_start_of_step = any(step.start == part.start for step in steps(thought))
        if part.start > first and not (is_start_of_step and part.start <= resume_at(thought, sound)):
            return "a leap"
        sound.append(part.sound)
    return None


def wrong_answer_kept(draft: Draft) -> str | None:
    """A wrong sample's answer in the final answer's box or statement, or in a box after the last acknowledgement."""
    if several(draft.answer):
        return "several answers"
    boxed = {spelled(one) for text in (draft.answer, draft.parts[-1].text) for group in boxes(text) for one in group}
    marked = last_marked(draft.answer)
    final = boxed | {spelled(line) for line in draft.answer.splitlines()} | ({spelled(marked)} if marked else set())
    right = spelled(draft.right_answer)
    wrong = {spelled(answer) for answer in draft.wrong_answers if answer.strip()} - {right}
    return "a wrong answer in the final answer" if wrong & final else None


def left_standing(draft: Draft) -> str | None:
    """A false equation that is taught as right, in the way or before a detour's error, and that nothing takes back."""
    for text in (part.sound for part in draft.parts if part.kind != "acknowledgement"):
        for equation in equations(text):
            if equation.is_false and not _TAKEN_BACK.search(text, equation.end, equation.end + SOON):
                return "an error left standing"
    return None


def too_far(draft: Draft, bounds: Bounds) -> str | None:
    """Too many detours, or too long ones."""
    strayed: Sequence[Part] = [part for part in draft.parts if part.kind != "continuation"]
    if sum(part.kind == "attempt" for part in strayed) > bounds.max_detours:
        return "too many detours"
    total = sum(len(part.text) for part in draft.parts)
    if sum(len(part.text) for part in strayed) > bounds.max_share * total:
        return "the detours are too long"
    return None
