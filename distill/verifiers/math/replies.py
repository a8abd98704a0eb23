r"""Where in a reply its answer stands.

In this order: what the last box holds, the last ``<answer>``, what follows the last ``####``, what follows the last
"the answer is" in one of several languages; without any of these what it concludes (`prose`). Linear scans only.
"""

import re
import unicodedata
from collections.abc import Iterator
from itertools import pairwise

from distill.verifiers.extraction import boxed_at
from distill.verifiers.math.notation import unbold
from distill.verifiers.math.prose import SPAN, Candidate, Wanted, conclusions, inside, numbers, sentence, uncontrasted

MAX_SEARCHED = 200_000
"""Characters at the end of a reply that are searched."""
_MAX_SAID = 10_000
_MAX_GAP = 80
"""Characters between two boxes of one answer."""

_BOX = re.compile(r"(?:\\(?:begin)?(?:boxed|fbox|framebox)|(?<![A-Za-z\\])boxed)\s*\{|\\(?:boxed|fbox)\s+(?=[^\s{])")
_LONGEST_BEFORE_BOX = len("frame")
_TAG = re.compile(r"<answer>", re.IGNORECASE)
_END_TAG = re.compile(r"</answer>", re.IGNORECASE)
_HASHES = re.compile(r"####[ \t]*")
_SPECIAL = re.compile(r"<\|[^|<>\n]{1,40}\|>|</s>|<eos>")
_IS = r"(?:ist|is|are|was|equals|should be|must be|est|es|sono|é|è|是|为|為|は|은|는|हैं|है)"
_WORDS_FOR_ANSWER = (
    r"\b(?:réponse|respuesta|antwort|resposta|risposta|ответ|відповідь|odpowiedź|svar|vastaus|cevap|válasz|răspuns"
    r"|jawaban|jibu|đáp án)\b|答案|答え|解答|정답|답은|उत्तर|উত্তর|الجواب|الإجابة|คำตอบ"
)
_ANSWER = re.compile(
    rf"(?:^[ \t#*_]*(?:final\s+)?answers?[ \t*_:]*\n|\banswers?\b[^.:=\n]{{0,60}}?(?:\b{_IS}\b|[:=])"
    rf"|\bresult\s*(?:is\b|[:=])|(?:{_WORDS_FOR_ANSWER})[\s*_]*{_IS}?)[\s*_]*[:：=]?[\s*_]*",
    re.IGNORECASE | re.MULTILINE,
)
_JOINT = re.compile(r"[}$\s,;]*\b(?:and|or)\b[$\s,;]*", re.IGNORECASE)
_DIGIT = re.compile(r"(?![0-9])\d")


def candidates(reply: str, *, wants: Wanted, parts: int = 1) -> Iterator[Candidate]:
    """Texts that may be the answer, the best first; the caller takes the first that it can read.

    Args:
        reply: What follows the thought.
        wants: What the reference is: a number in prose may answer a number, brackets in prose a tuple or an interval.
        parts: Parts of the reference; several boxes close together may be an answer of several parts.
    """
    reply = reply[-MAX_SEARCHED:]
    if "<" in reply:
        reply = _SPECIAL.sub(" ", reply)
    reply = reply.strip()
    if not reply.isascii():
        reply = _DIGIT.sub(lambda found: str(unicodedata.decimal(found[0])), reply)
    anchored = False
    for candidate in _anchored(unbold(reply), parts, wants):
        anchored = True
        yield candidate
    if not anchored:
        yield from conclusions(reply, wants, parts)


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
        yield from _said(uncontrasted(_first_line(reply[said:])), "said", wants)


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
    joint = ""
    if len(boxes) > 1:
        gap = reply[boxes[-2].end() + len(_box(reply, boxes[-2])) : boxes[-1].start()]
        joint = "or" if _JOINT.fullmatch(gap) and _box(reply, boxes[-2]) and _box(reply, boxes[-1]) else ""
    together = _together(reply, boxes, max(parts, 2 if joint else 1))
    if len(together) > 1:
        yield Candidate(" , ".join(together), "box" if joint else "boxes")
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
    start = sentence(text)
    if start:
        yield Candidate(start, anchor)
    if start != text:
        yield Candidate(text, anchor)
    spans = list(SPAN.finditer(text[:_MAX_SAID]))
    if spans:
        yield Candidate(inside(spans[-1]), anchor)
    if wants == "number":
        yield from numbers(start or text, anchor, first=True)


def _first_line(text: str) -> str:
    """The first line, or a display formula that begins there."""
    text = text.strip()
    display = re.match(r"(?:\$\$|\\\[)", text)
    if display:
        span = SPAN.match(text)
        if span:
            return span[0]
    inline = re.match(r"(?:\$[^$]*\$|\\\([^()]*?\\\))", text)
    return text[: max(inline.end() if inline else 0, len(text.partition("\n")[0]))]


def _last(pattern: re.Pattern[str], text: str) -> int | None:
    end = None
    for match in pattern.finditer(text):
        end = match.end()
    return end
