r"""Where in a reply its answer stands.

In this order: what the last box holds, the last ``<answer>``, what follows the last ``####``, what follows the last
"the answer is" in one of several languages; without any of these the whole reply if it is short, its last formula, and
its last number if a number is wanted. A thought that is not closed holds no answer. Linear scans only.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from distill.verifiers.extraction import boxed_at
from distill.verifiers.math.notation import unbold
from distill.verifiers.math.units import is_unit_word

MAX_SEARCHED = 200_000
"""Characters at the end of a reply that are searched."""
_MAX_SEARCHED_FOR_FORMULAS = 10_000
_MAX_WHOLE = 300
_MAX_GAP = 80
"""Characters between two boxes of one answer."""

_BOX = re.compile(r"(?:\\(?:begin)?(?:boxed|fbox|framebox)|(?<![A-Za-z\\])boxed)\s*\{|\\(?:boxed|fbox)\s+(?=[^\s{])")
_LONGEST_BEFORE_BOX = len("frame")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_END_TAG = re.compile(r"</answer>", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*")
_SPECIAL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</s>|<eos>")
_IS = r"(?:ist|is|are|was|equals|would be|should be|must be|est|es|sono|é|è|是|为|為|は|은|는|हैं|है)"
_WORDS_FOR_ANSWER = (
    r"\b(?:réponse|respuesta|antwort|resposta|risposta|ответ|відповідь|odpowiedź|svar|vastaus|cevap|válasz|răspuns"
    r"|jawaban|jibu|đáp án)\b|答案|答え|解答|정답|답은|उत्तर|উত্তর|الجواب|الإجابة|คำตอบ"
)
_ANSWER = re.compile(
    rf"(?:\banswers?\b[^.:=\n]{{0,60}}?(?:\b{_IS}\b|[:=])|\bresult\s*(?:is\b|[:=])|(?:{_WORDS_FOR_ANSWER})[\s*_]*{_IS}?)"
    r"[\s*_]*[:：=]?[\s*_]*",
    re.IGNORECASE,
)
_WEAK = re.compile(r"\b(?:we|I|you|to) (?:get|obtain|find|have found)\s*:?\s*", re.IGNORECASE)
_SPAN = re.compile(r"\$\$(.{1,2000}?)\$\$|\$([^$]{1,2000})\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]", re.DOTALL)
_STOP = re.compile(r"\.(?:\s|$)|[。！!?？]|\n|;\s| because\b| since\b| I hope\b|, (?:which|where|so|because|since)\b")
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9_.,^\\{\['])(?<!\bor )(?:negative |minus |[-+−])?"
    r"(?:\\?d?frac\{\d+\}\{\d+\}|[$€£]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?(?:\s?/\s?\d+)?|\.\d+|[½⅓⅔¼¾])\s?\\?%?"
    r"(?![\d^_(\\+*=]|[A-Za-z]+[\d(^])"
)
_DIGIT = re.compile(r"(?![0-9])\d")
_BRACKETS = re.compile(r"[(\[][^()\[\]]{1,200}[)\]]")
_JOINT = re.compile(r"[\s,;]*(?:and|or|und|et|y)?\s*", re.IGNORECASE)
_PROSE_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}|[^\x00-\x7f]")
_LETTERS = re.compile(r"[A-Za-z]+")


Wanted = Literal["number", "brackets", "other"]


class Candidate(NamedTuple):
    """A text that may be the answer, and how it was found."""

    text: str
    anchor: str
    """box, tag, hashes, said, whole, formula or number."""


def candidates(reply: str, *, wants: Wanted, parts: int = 1) -> Iterator[Candidate]:
    """Texts that may be the answer, the best first; the caller takes the first that it can read.

    Args:
        reply: What follows the thought.
        wants: What the reference is: a number in prose may answer a number, brackets in prose a tuple or an interval.
        parts: Parts of the reference; several boxes close together may be an answer of several parts.
    """
    reply = unbold(_SPECIAL.sub(" ", reply[-MAX_SEARCHED:])).strip()
    if not reply.isascii():
        reply = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), reply)
    anchored = False
    for candidate in _anchored(reply, parts, wants):
        anchored = True
        yield candidate
    if anchored:
        return
    if len(reply) <= _MAX_WHOLE:
        yield Candidate(reply, "whole")
    weak = _last(_WEAK, reply)
    if weak is not None and wants == "number" and len(reply) <= _MAX_WHOLE:  # a long reply ends with its conclusion
        yield from _numbers(_sentence(reply[weak:]), "number", first=True)
    end = reply[-_MAX_SEARCHED_FOR_FORMULAS:]
    spans = list(_SPAN.finditer(end))
    if len(spans) >= parts > 1 and all(_JOINT.fullmatch(gap) for gap in _gaps(end, spans[-parts:])):
        yield Candidate(" , ".join(map(_inside, spans[-parts:])), "formula")
    if spans:
        yield Candidate(_inside(spans[-1]), "formula")
    last_line = reply.rpartition("\n")[2].strip()
    if len(last_line) <= _MAX_WHOLE and last_line != reply:
        yield Candidate(last_line, "whole")
    if wants == "number" and not _is_formula(reply):
        yield from _numbers(reply, "number", first=False)
    elif wants == "brackets":
        yield from (Candidate(found[-1][0], "formula") for found in [list(_BRACKETS.finditer(reply))] if found)


def _anchored(reply: str, parts: int, wants: Wanted) -> Iterator[Candidate]:
    boxes = _boxes(reply)
    if boxes:
        yield from _boxed(reply, boxes, parts)
        return
    tag = _last(_TAG, reply)
    if tag is not None:
        end = _END_TAG.search(reply, tag)
        yield from _said(reply[tag : end.start()] if end else reply[tag:].partition("\n")[0], "tag", wants)
        return
    hashes = _last(_HASHES, reply)
    if hashes is not None:
        yield from _said(reply[hashes:].partition("\n")[0], "hashes", wants)
        return
    said = _last(_ANSWER, reply)
    if said is not None and reply[said:].strip(" .:*"):
        yield from _said(_first_line(reply[said:]), "said", wants)


def _boxes(reply: str) -> list[re.Match[str]]:
    """The openings of all boxes. Looks for the letters first: the pattern alone would be tried at every character."""
    boxes: list[re.Match[str]] = []
    at = reply.find("box")
    while at != -1:
        start = at
        while start > max(at - _LONGEST_BEFORE_BOX, 0) and reply[start - 1].isalpha():
            start -= 1
        found = _BOX.match(reply, start - 1 if start and reply[start - 1] == "\\" else start)
        if found:
            boxes.append(found)
        at = reply.find("box", at + 3)
    return boxes


def _boxed(reply: str, boxes: list[re.Match[str]], parts: int) -> Iterator[Candidate]:
    last = next((inside for box in reversed(boxes) if (inside := _box(reply, box))), "")
    together = _together(reply, boxes, parts)
    if len(together) > 1:
        yield Candidate(" , ".join(together), "box")
    yield Candidate(last, "box")


def _together(reply: str, boxes: list[re.Match[str]], parts: int) -> list[str]:
    """The last boxes, as many as the reference has parts, if they stand close to each other."""
    if parts < 2 or len(boxes) < 2:
        return []
    taken = boxes[-parts:]
    for one, other in pairwise(taken):
        gap = reply[one.end() + len(_box(reply, one)) : other.start()]
        if len(gap) > _MAX_GAP or re.search(r"\bnot\b|\bbut\b|\bwrong\b|\.\s", gap):
            return []
    return [_box(reply, box) for box in taken]


def _box(reply: str, box: re.Match[str]) -> str:
    if box[0].endswith("{"):
        return boxed_at(reply, box.end()).strip()
    return re.split(r"[\s$]", reply[box.end() :], maxsplit=1)[0].rstrip(".,")


def _said(text: str, anchor: str, wants: Wanted) -> Iterator[Candidate]:
    """What is said to be the answer: its first sentence, all of it, a formula in it, its first number."""
    text = text.strip()
    sentence = _sentence(text)
    if sentence:
        yield Candidate(sentence, anchor)
    if sentence != text:
        yield Candidate(text, anchor)
    spans = list(_SPAN.finditer(text[:_MAX_SEARCHED_FOR_FORMULAS]))
    if spans:
        yield Candidate(_inside(spans[-1]), anchor)
    if wants == "number":
        yield from _numbers(sentence or text, anchor, first=True)


def _first_line(text: str) -> str:
    """The first line, or a display formula that begins there."""
    text = text.strip()
    display = re.match(r"(?:\$\$|\\\[)", text)
    if display:
        span = _SPAN.match(text)
        if span:
            return span[0]
    inline = re.match(r"(?:\$[^$]*\$|\\\([^()]*?\\\))", text)
    return text[: max(inline.end() if inline else 0, len(text.partition("\n")[0]))]


def _sentence(text: str) -> str:
    end = _STOP.search(text)
    return text[: end.start()].strip() if end else text.strip()


def _numbers(text: str, anchor: str, *, first: bool) -> Iterator[Candidate]:
    text = text[:20_000] if first else text[-20_000:]
    found = [number[0] for number in _NUMBER.finditer(text) if _stands_alone(text, number.end())]
    if found:
        number = (found[0] if first else found[-1]).strip()
        yield Candidate(number.rstrip(","), anchor)


def _is_formula(reply: str) -> bool:
    """Whether a reply is one formula: a number in it is not its value."""
    return "\\" in reply and len(reply) <= _MAX_WHOLE and _PROSE_WORD.search(reply) is None


def _stands_alone(text: str, end: int) -> bool:
    """Whether the letters right after a number, if any, are its unit: 17x is another number."""
    letters = None if text[end - 1].isspace() else _LETTERS.match(text, end)
    return letters is None or letters[0] in "msghlL" or is_unit_word(letters[0])


def _gaps(text: str, spans: list[re.Match[str]]) -> Iterator[str]:
    return (text[one.end() : other.start()] for one, other in pairwise(spans))


def _inside(span: re.Match[str]) -> str:
    return next(group for group in span.groups() if group is not None)


def _last(pattern: re.Pattern[str], text: str) -> int | None:
    end = None
    for match in pattern.finditer(text):
        end = match.end()
    return end
