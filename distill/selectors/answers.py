r"""Answers that answer more than once: boxes with different contents, or `the answer is 5 ... the answer is 7`.

Only what follows the thought counts: a thought tries boxes on. Boxes in one line are one answer in parts, and so are
boxes that a last box sums up, and those under the labels of a problem that asks for several, or under its words:
`Mean: ...`, `Deviation: ...`. Equality is of spelling and of numbers; what is equal only by algebra is different.
"""

import re
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction

from distill.selectors import Candidate, Context, Drop, Gate
from distill.selectors.layout import line_before

LONGEST_VALUE = 40
"""Characters of an answer that is only said, not boxed."""

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_TAGGED = re.compile(r"(?<!`)<answer>([^<\n]{1,60})</answer>(?!`)")
_BRACE = re.compile(r"\\[{}]|[{}]")
_SAID = re.compile(
    r"\banswer(?: (?:to|for) [^.\n]{1,40}?)?(?:\s+is|\s*:|\s+equals|\s*=)[\s:*$(\\]*(?<![a-zA-Z])"
    r"(-?\d(?:[\d,]*\d)?(?:\.\d+)?(?:\s*/\s*\d+)?|(?-i:[A-J])(?![\w']))(?!\.?\d|[\^_{(+*/=-])[ \t*$)\\]*([^\W\d_]*|%)",
    re.IGNORECASE,
)
_IF = re.compile(
    r"\b(?:if|whether|suppose|assum\w+|would|could|might|may|not|unless|wrong|incorrect\w*|instead)\b", re.IGNORECASE
)
_PART = re.compile(
    r"^\W*(?:\(?[a-z0-9]{1,3}[).:]|(?:sub)?(?:part|problem|question|case|step|section)\b)", re.IGNORECASE
)
_LABEL_OF_PART = re.compile(
    r"^[ \t>#*_-]*(?:(?:part|question)\s*)?(?:\(([a-z]|[ivx]{1,4}|\d)\)|([a-z]|[ivx]{1,4})\)|(\d)[.)])",
    re.IGNORECASE | re.MULTILINE,
)
_ASKED_PART = re.compile(r"(?<![\w)])\(([a-z]|[ivx]{1,4}|\d)\)\s|^[ \t]*(\d)[.)]\s", re.IGNORECASE | re.MULTILINE)
_LABELLED = re.compile(r"[ \t>#*_•-]*([^\W\d_]+(?:[ -][^\W\d_]+){0,4})[*_]* ?:[\s*$(\\]*")
_ASKS_BOTH = re.compile(
    r"\b(?:find|compute|calculate|determine|evaluate|give|state|what (?:is|are|were))\b[^.?!\n]*(?:\band\b|,)",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"\b(?!(?:answer|final|solution|result|value|total|initial|first|correct|boxed|please|reason|step|your|within)\b)"
    r"[^\W\d_]{4,}"
)
_GAP = r"(?:\s|\\(?:quad|qquad|[,;:! ]))*"
_NOTHING = re.compile(rf"{_GAP}(?:\?+|\.{{2,}}|…|_+|\\[lc]?dots)?{_GAP}")
_NESTED = 3
"""How deep `\\text{}` may stand in `\\text{}`."""
_JOINTS = frozenset("and so because since as which option or but".split())
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mathit|operatorname|mbox|bm|boldsymbol)\s*\{([^{}]*)\}")
_NOISE = re.compile(
    r"\\left\b|\\right\b|\\displaystyle|\\[,;:! ]|\\quad|\\qquad|\^\{?\\circ\}?|\\degree|\\%|\\\$|[\s$%~°\"'`*]|\.$|"
    r"(?<=\d),(?=\d{3})"
)
_FRACTION = re.compile(r"-?\\[dt]?frac\{?(-?\d+)\}?\{?(\d+)\}?")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:/\d+)?|-?\.\d+")
_LIST = re.compile(r"[,;()\[\]]|\\[{}]|\band\b|\bor\b")
_LABEL = re.compile(r"^\\?[a-zA-Z]\w*(?:\([a-z]\))?=(?=.)")


def answers() -> Gate:
    """Keep replies that give one answer."""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        return several(candidate.trace.answer, candidate.problem.prompt)

    return gate


def several(answer: str, prompt: str = "") -> Drop | None:
    r"""Why an answer is not one; None if it is.

    Args:
        answer: What follows the thought.
        prompt: Its problem: where that asks several questions, the answer may have parts: (a), (b), 1., 2.

    Example:
        >>> several(r"So \boxed{5}. But with the tip, \boxed{7}.")
        Drop(reason='several answers', detail='5 | 7')
        >>> several(r"So \boxed{\frac12}, that is \boxed{0.5}.") is None
        True
    """
    placed = _placed(answer)
    groups = [group for _, group in placed]
    for content in (content for group in groups for content in group):
        if _NOTHING.fullmatch(_unwrapped(content)):
            return Drop("an empty answer", f"\\boxed{{{content.strip()}}}")
    keys = [" ".join(map(spelled, group)) for group in groups]
    parts = _parts_of([place for place, _ in placed], answer, prompt)
    last = dict(zip(parts, keys, strict=True))
    settled = (_is_within(key, last[part]) or _is_within(key, keys[-1]) for part, key in zip(parts, keys, strict=True))
    if not all(settled):
        shown = {key: " ".join(" ".join(group).split()) for key, group in zip(keys, groups, strict=True)}
        return Drop("several answers", " | ".join(shown.values()))
    tagged = [] if "```" in answer else _TAGGED.findall(answer)
    if len({spelled(value) for value in tagged if not _BOX.search(value)}) > 1:
        return Drop("several answers", " | ".join(dict.fromkeys(tagged)))
    said = [*_said(answer)]
    if len(set(said)) > 1:
        return Drop("several answers", " | ".join(dict.fromkeys(said)))
    return None


def boxes(text: str) -> list[list[str]]:
    """What the boxes of a text hold; those that share a line are together."""
    return [group for _, group in _placed(text)]


def _placed(text: str) -> list[tuple[int, list[str]]]:
    """The groups of boxes, each with the place where it begins."""
    groups: list[tuple[int, list[str]]] = []
    end = -1
    for box in _BOX.finditer(text):
        if box.start() < end:
            continue  # a box in a box
        close = _closing(text, box.end())
        content = text[box.end() : close]
        if groups and "\n" not in text[end : box.start()] and not re.search(r"[.!?]\s", text[end : box.start()]):
            groups[-1][1].append(content)
        else:
            groups.append((box.start(), [content]))
        end = close + 1
    return groups


def _parts_of(places: Sequence[int], answer: str, prompt: str) -> list[str]:
    """The label under which each place of an answer stands; all empty if the problem asks for one answer."""
    asked = {"".join(label).lower() for label in _ASKED_PART.findall(prompt)}
    asks_several = len(re.findall("[?？]", prompt)) > 1 or len(asked) > 1  # noqa: RUF001
    labels = [*_LABEL_OF_PART.finditer(answer)] if asks_several else []
    starts = [label.start() for label in labels]
    if not labels or any(place < starts[0] for place in places):
        return _named(places, answer, prompt)
    return ["".join(filter(None, labels[bisect(starts, place) - 1].groups())).lower() for place in places]


def _named(places: Sequence[int], answer: str, prompt: str) -> list[str]:
    """The label in the problem's words under which each place stands, as in `Mean: 5`; all empty if not each does."""
    if len(places) < 2 or not _ASKS_BOTH.search(prompt):
        return [""] * len(places)
    asked = {*_CONTENT.findall(prompt.lower())}
    lines = [_LABELLED.fullmatch(line_before(answer, place)) for place in places]
    named = [asked.intersection(_CONTENT.findall(line[1].lower())) if line else set[str]() for line in lines]
    counts = Counter(word for words in named for word in words)
    own = [" ".join(sorted(word for word in words if counts[word] == 1)) for words in named]
    return own if all(own) else [""] * len(places)


def _unwrapped(value: str) -> str:
    for _ in range(_NESTED):
        value = _WRAPPED.sub(r"\1", value)
    return value


def spelled(value: str) -> str:
    r"""An answer without what does not matter: spaces, units, `x =`; a number as a fraction.

    Example:
        >>> spelled(r"x = 1{,}250.0\text{ cm}"), spelled(r"\dfrac{1}{2}"), spelled(r"\text{(C)}")
        ('1250', '1/2', 'C')
    """
    value = value.replace("{,}", ",")
    unwrapped = _WRAPPED.sub(
        lambda found: "" if found.start() and value[: found.start()].strip()[-1:].isdigit() else found[1], value
    )
    short = _LABEL.sub("", _NOISE.sub("", unwrapped))
    if fraction := _FRACTION.fullmatch(short):
        short = f"{'-' if short.startswith('-') else ''}{fraction[1]}/{fraction[2]}"
    if _NUMBER.fullmatch(short):
        try:
            return str(Fraction(short))
        except (ValueError, ZeroDivisionError):
            return short
    short = short.replace("dfrac", "frac").replace("tfrac", "frac")
    return short.strip("()") if len(short) <= 3 else short


def _is_within(part: str, whole: str) -> bool:
    """Whether an answer is the last one, or a part that the last one sums up."""
    if part == whole:
        return True
    pieces = _LIST.split(whole)
    return len(pieces) > 1 and part in {_LABEL.sub("", piece) for piece in pieces}


def _said(answer: str) -> list[str]:
    found: list[str] = []
    for said in _SAID.finditer(answer):
        line = line_before(answer, said.start())
        sentence = re.split(r"[.!?;]\s", line)[-1]
        if len(said[1]) > LONGEST_VALUE or _IF.search(sentence) or _PART.match(line):
            continue
        unit = "" if said[2].lower() in _JOINTS else said[2].lower()
        if unit and said[1].isalpha():
            continue  # the answer is A set
        found.append(f"{spelled(said[1])} {unit}".strip())
    units = {value.partition(" ")[2] for value in found}
    # 12 minutes and 0.2 hours may be the same
    return found if len(units) <= 1 else []


def _closing(text: str, start: int) -> int:
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    end = text.find("\n", start)
    return end if end >= 0 else len(text)
