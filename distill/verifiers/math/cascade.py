"""The lanes, from cheap to dear: each decides what it can prove, and leaves the rest to the next."""

import re
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import msgspec

from distill.types import Judgement, Problem
from distill.verifiers import choice
from distill.verifiers.extraction import MAX_SHOWN, TRUNCATED, after_thought
from distill.verifiers.math import scalars
from distill.verifiers.math.equality import same
from distill.verifiers.math.notation import plain
from distill.verifiers.math.prose import Candidate, Wanted
from distill.verifiers.math.reading import readings
from distill.verifiers.math.replies import candidates
from distill.verifiers.math.symbolic import ask
from distill.verifiers.math.tokens import Unreadable
from distill.verifiers.math.tree import Apply, Based, Group, Listing, Node, Number, Quantity, Ratio, Words

_LETTERS = re.compile(r"\(?[A-J]\)?(?:\s*(?:,|and|&)?\s*[A-J])*|\(?[A-J](?:\)|[.:]|\s)\s*[A-Za-z]{3,}.*", re.DOTALL)
_MAX_MARKED = 300
"""Characters of a reference that is an answer; a longer one is a solution. ``\\boxed{1}, \\boxed{2}`` is an answer."""
_COMMAND = re.compile(r"\\[A-Za-z]{2}")
_NUMERIC = (Number, Based, Quantity, Ratio)


class Reference(NamedTuple):
    """The reference, once found in its text."""

    text: str
    written: str
    """In the one notation."""
    readings: tuple[Node, ...]
    """Empty if it cannot be read."""
    wants: Wanted
    parts: int


def judge(problem: Problem, answer: str, *, symbolic: bool = True) -> Judgement:
    """Judge the answer that a reply gives; see `MathVerifier`."""
    if problem.reference is None or not problem.reference.strip():
        return _without_reference(answer)
    reply = after_thought(answer)
    if reply is None:
        return _incorrect("", "structure", TRUNCATED)
    reference = _reference(problem.reference)
    if reply.strip() == problem.reference.strip():  # of any length
        return _correct(reference.text, "string")
    if _is_letter(reference.written):
        return _letter(reference, reply)
    return _judge(reference, reply, symbolic)


def _without_reference(answer: str) -> Judgement:
    """What the reply answers, for a majority to be taken of."""
    found = next(candidates(after_thought(answer) or "", wants="number"), None)
    extracted = found.text if found and found.text else None
    return Judgement(outcome="unverifiable", extracted=extracted, method="math", reason="no reference")


def _judge(reference: Reference, reply: str, asks_symbols: bool) -> Judgement:
    found = None
    for candidate in candidates(reply, wants=reference.wants, parts=reference.parts):
        found = found or candidate
        judgement = _by_string(reference, candidate) or _by_value(reference, candidate)
        if judgement is None:
            continue  # not readable: the next candidate may be
        if candidate.anchor == "boxes" and judgement.outcome != "correct":
            continue  # perhaps they do not belong together
        if judgement.outcome == "unverifiable" and asks_symbols and _may_be_solved(reference, candidate):
            return _by_symbols(reference, candidate)
        return judgement
    if found is None or not found.text:
        return _incorrect("", "extraction", "no answer")
    if asks_symbols and found.anchor in ("box", "tag", "hashes") and _COMMAND.search(plain(found.text)):
        return _by_symbols(reference, found)
    return _incorrect(found.text, "extraction", "no answer that can be read")


@lru_cache(maxsize=4096)
def _reference(text: str) -> Reference:
    """What a reference says; it may be a whole solution."""
    best: Reference | None = None
    for candidate in chain([Candidate(text, "whole")], candidates(text, wants="number")):
        is_guess = candidate.anchor == "number" and len(text) < _MAX_MARKED  # a number in a formula is not its value
        if is_guess or (candidate.anchor == "whole" and _is_marked(text) and len(text) > _MAX_MARKED):
            continue
        read = _readings(candidate.text)
        reference = Reference(candidate.text, plain(candidate.text).strip(" ."), read, _wanted(read), _parts(read))
        best = best or reference
        if read:
            return reference
    return best or Reference(text.strip(), plain(text).strip(" ."), (), wants="other", parts=1)


def _is_marked(text: str) -> bool:
    return "boxed" in text or "####" in text or "<answer>" in text


def _readings(text: str) -> tuple[Node, ...]:
    try:
        return readings(text)
    except Unreadable:
        return ()


def _wanted(read: tuple[Node, ...]) -> Wanted:
    if read and _is_number(read):
        return "number"
    return "brackets" if read and isinstance(read[0], Group) and read[0].opening != "{" else "other"


def _is_number(read: tuple[Node, ...]) -> bool:
    value = read[0].value if isinstance(read[0], Quantity) else read[0]
    is_signed = isinstance(value, Apply) and value.op in ("percent", "degree")
    return is_signed or isinstance(value, _NUMERIC)


def _parts(read: tuple[Node, ...]) -> int:
    for node in read:
        if isinstance(node, Listing | Group):
            return len(node.items)
        if isinstance(node, Apply) and node.op in ("pm", "mp"):
            return 2
    return 1


def _by_string(reference: Reference, candidate: Candidate) -> Judgement | None:
    """Decides equal texts, and two plain integers."""
    if candidate.text == reference.text:
        return _correct(candidate.text, "string")
    if not candidate.text or (candidate.anchor == "whole" and len(candidate.text) > len(reference.text) + 100):
        return None
    written = plain(candidate.text).strip(" .")
    if written and written == reference.written:
        return _correct(candidate.text, "string")
    if written.isdigit() and reference.written.isdigit():
        is_same = written.lstrip("0") == reference.written.lstrip("0")
        return _correct(candidate.text, "string") if is_same else _different(candidate.text, "string")
    return None


def _by_value(reference: Reference, candidate: Candidate) -> Judgement | None:
    """Compares what both mean; None if the candidate cannot be read."""
    answers = _readings(candidate.text)
    if not answers:
        return None
    if not reference.readings:
        return Judgement(
            outcome="unverifiable",
            extracted=_shown(candidate.text),
            method="reading",
            reason="cannot read the reference",
        )
    outcomes = [_same(wanted, given) for wanted in reference.readings for given in answers]
    method = "exact" if _is_number(reference.readings) and _is_number(answers) else "value"
    if True in outcomes:
        return _correct(candidate.text, method)
    if outcomes[0] is None:  # the likeliest reading of both
        return Judgement(
            outcome="unverifiable", extracted=_shown(candidate.text), method="value", reason="cannot compare"
        )
    is_prose = all(isinstance(node, Words) for node in answers)
    if is_prose and candidate.anchor not in ("box", "tag"):
        return None
    return _different(candidate.text, method)


def _may_be_solved(reference: Reference, candidate: Candidate) -> bool:
    """Whether the symbolic lane may know more: of LaTeX, and not of numbers that are only too large, or have dots."""
    if not (_COMMAND.search(reference.text) or _COMMAND.search(candidate.text)):
        return False
    read = (*reference.readings, *_readings(candidate.text))
    return not reference.readings or not all(map(scalars.is_closed, read))


def _same(wanted: Node, given: Node) -> bool | None:
    try:
        return same(wanted, given)
    except (RecursionError, ArithmeticError):  # too deep, or no value where we looked
        return None


def _by_symbols(reference: Reference, candidate: Candidate) -> Judgement:
    judgement = ask(reference.text, candidate.text)
    return msgspec.structs.replace(judgement, extracted=_shown(candidate.text))


def _is_letter(written: str) -> bool:
    return _LETTERS.fullmatch(written) is not None


def _letter(reference: Reference, reply: str) -> Judgement:
    """A reference that is a letter, or several, is one of the options of a choice."""
    for candidate in candidates(reply, wants="other", parts=reference.parts):
        if candidate.text == reference.text:
            return _correct(candidate.text, "string")
    return choice.choose(reference.text, reply)


def _shown(text: str) -> str:
    """The head of a text, as it can be written to a file: half of a pair of surrogates cannot."""
    return text[:MAX_SHOWN].encode(errors="replace").decode()


def _correct(text: str, method: str) -> Judgement:
    return Judgement(outcome="correct", extracted=_shown(text), method=method)


def _different(text: str, method: str) -> Judgement:
    return _incorrect(text, method, "differs from the reference")


def _incorrect(text: str, method: str, reason: str) -> Judgement:
    return Judgement(outcome="incorrect", extracted=_shown(text) or None, method=method, reason=reason)
