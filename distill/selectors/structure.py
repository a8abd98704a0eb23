"""Whether a reply has its format's shape, holds no marks of any format where text should be, and is whole."""

import re
from itertools import dropwhile

from distill.formats import FORMATS
from distill.selectors import Candidate, Context, Drop, Gate
from distill.selectors.layout import fences, line_before

_NAMES = "channel|message|start|end|return|call|constrain|system|user|assistant|observation|endoftext|pad|unk|sep"
_MARKS = (
    r"<function=\w+>",
    r"</?(?:think|thinking|thought|tool_call|tool_calls|tool_response|tool_result|function_call|function_calls)>",
    # Words with an underscore, as <|x|> is mathematics
    r"<\|(?:[a-z][a-z0-9]*(?:[_▁][a-z0-9]+)+|" + _NAMES + r")\|>",
    r"<｜[^｜<>\n]{1,40}｜>",  # noqa: RUF001
    r"◁/?think▷",
    r"</?(?:start_of_turn|end_of_turn|bos|eos)>|</s>(?=\s*$)",
    r"\[/?(?:INST|TOOL_CALLS|THINK|AVAILABLE_TOOLS)\]|<</?SYS>>",
)
_FORMAT_MARKS = sorted({re.escape(mark.strip()) for known in FORMATS.values() for mark in known.marks})
_MARK = re.compile("|".join([*_MARKS, *_FORMAT_MARKS]))

_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")
_BRACE = re.compile(r"\\[{}]|[{}]")
_DISPLAY = re.compile(r"\\\\|\\\[|\\\]")
_INLINE = re.compile(r"\\\\|\\\(|\\\)")
_CODE = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)|`[^`\n]+`", re.MULTILINE | re.DOTALL)
_MATHEMATICS = re.compile(r"[=^_]|\\[a-zA-Z]")
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001)))) + "\u200b\u200c\u200d\u200e\u200f\ufeff"
_SAYS_NOTHING = re.compile(
    r"(?:[#*_>\s]*(?:(?:the )?final (?:answer|solution)(?: is)?|(?:the )?answer(?: is)?[\s*_]*:)[\s:*_]*|"
    r"\.{2,}|…|`{3,}\w*\s*`{3,}|\$+\s*\$+|\\\[\s*\\\])?",
    re.IGNORECASE,
)
_OF_NO_CONTENT = re.compile(
    r"^[ \t]*#{1,6}[ \t*_]+(?:(?:final|detailed|full|short) )?(?:(?:solution|answer|explanation|conclusion|approach|"
    r"analysis|summary|verification|proof)s?|(?:step|part)s?[ \t]*\d*)[*_:. \t]*$|^[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
"""Headings and rules."""
_COURTESY = re.compile(
    r"^\W*(?:ok(?:ay)?|sure(?: thing)?|certainly|of course|great question|absolutely|alright)\b[.!,]*|"
    r"\b(?:please )?let me know if you (?:have|need)\b[^\n.!?:\d]*[.!?]*|"
    r"\b(?:I hope (?:this|that) helps|I'm happy to help|happy to help|feel free to ask)\b[^\n.!?:\d]*[.!?]*",
    re.IGNORECASE,
)
"""What is said before and after an answer."""
_WANTS_COURTESY = re.compile(
    r"\b(?:translat|re-?writ|rephras|repl(?:y|ies)|respond|e-?mail|letter|message|thank|say|polite)",
    re.IGNORECASE,
)
LONGEST_OF_NO_CONTENT = 600
_PLACEHOLDER = re.compile(
    r"\[(?:(?:please )?(?:insert|enter|fill in|put)(?: \w+){0,3} (?:answer|result|solution|value)(?: here)?|"
    r"your(?: final| correct)? (?:answer|result|solution)(?: goes)?(?: here)?)\](?![(\[:])",
    re.IGNORECASE,
)
"""A form's place for the answer, which nobody filled in."""
_NEVER_LAST = frozenset("the and because than its their our your Then".split())
"""Words that an English sentence does not end with; a short answer may, and so may a line of code."""
_ENGLISH = frozenset("a are as at by for have in is it no not of on or so that they this to was we were with".split())
NUM_WORDS_BEFORE = 6
_BEFORE_MORE = re.compile(r"(?:(?<=[^\W\d_][^\W\d_])|(?<=[)\]}*$])) ?[:\uff1a]\**$")
_EMOJI = re.compile(r":\w+:$")
_RULE_OF_TABLE = re.compile(r"\|[ :|-]+\|")
_OPEN_ARGUMENT = re.compile(r"\\[a-zA-Z]+\{[^{}\n]*$")
_ENVIRONMENT = re.compile(r"\\(begin|end)\s*\{(\w+\*?)\}")


def structure() -> Gate:
    """Keep replies with their format's shape: one closed thought, an answer after it, and no marks inside either.

    What the shape is, the format says that the teacher was asked with: where the template opens the thought, a reply
    begins inside it. A mark of another format, the end of a turn, or a call of a tool, would be taught as text.
    """

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        trace = candidate.trace
        if trace.malformed:
            return Drop(trace.malformed)
        prompt = candidate.problem.prompt
        if says_nothing(trace.answer, prompt):
            return Drop("no answer after the thought", repr(trace.answer[:40]))
        for place in _PLACEHOLDER.finditer(trace.answer):
            is_index = line_before(trace.answer, place.start())[-1:].isalnum()  # a[your answer]
            if place[0] not in prompt and not is_index:
                return Drop("an empty place for the answer", repr(place[0]))
        for part, text in (("thought", trace.thinking), ("answer", trace.answer)):
            if found := stray_mark(text):
                return Drop("a stray mark", f"{found[0]!r} at character {found.start()} of the {part}")
        return None

    return gate


def cut_off() -> Gate:
    """Keep answers that are whole, whatever the server says of how they ended.

    Not whole is what leaves a box, code, a formula or a row of a table open, or stops where a sentence must go on:
    behind a colon, a comma, or a word such as `the` or `because`.
    """

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        opened = left_open(candidate.trace.answer)
        return Drop("the answer breaks off", f"in {opened}") if opened else None

    return gate


def stray_mark(text: str) -> re.Match[str] | None:
    """The first mark of any known format in a text.

    Example:
        >>> stray_mark("so 4.<|im_end|>")[0]
        '<|im_end|>'
        >>> stray_mark("so <|x|> = 0 if x < 3") is None
        True
    """
    return _MARK.search(text) if "<" in text or "[" in text or "◁" in text else None


def says_nothing(answer: str, prompt: str = "") -> bool:
    r"""Whether an answer is all headings, rules and courtesy.

    Args:
        answer: What follows the thought.
        prompt: Its problem, which may ask for just that: "Rewrite this politely."

    Example:
        >>> says_nothing("### Solution\n\n### Answer")
        True
        >>> says_nothing("### Answer\n\n12")
        False
    """
    answer = answer.strip(_BLANKS)
    if _SAYS_NOTHING.fullmatch(answer):
        return True
    if len(answer) > LONGEST_OF_NO_CONTENT:
        return False
    bare, num_headings = _OF_NO_CONTENT.subn("", answer)
    bare, num_phrases = _COURTESY.subn("", bare)
    if bare.strip():
        return False
    # One phrase alone may well be the answer
    return num_headings > 0 or (num_phrases > 1 and not _WANTS_COURTESY.search(prompt))


def left_open(text: str) -> str | None:
    r"""What a text ends in the middle of; None if it closes all that it opens.

    Example:
        >>> left_open(r"Thus it is \boxed{\frac{1}{2")
        'a box'
    """
    if _is_fence_open(text):
        return "a code block"
    last = None
    for box in _BOX.finditer(text):
        last = box
    if last and not _closes(text, last.end()):
        return "a box"
    if _last(_DISPLAY, text) == "\\[" or _is_inline_open(_CODE.sub(" ", text)):
        return "a formula"
    whole = text.rstrip()
    last_line = line_before(whole, len(whole))
    if _OPEN_ARGUMENT.search(last_line) or (last_line.endswith(",") and last_line.count("$") % 2):
        return "a command of a formula"
    if _is_row_open(whole):
        return "a table"
    if _stops_short(last_line):
        return "a sentence"
    depth: dict[str, int] = {}
    for mark in _ENVIRONMENT.finditer(text):
        depth[mark[2]] = depth.get(mark[2], 0) + (1 if mark[1] == "begin" else -1)
    still = next((name for name, count in depth.items() if count > 0), None)
    return f"the environment {still!r}" if still else None


def _last(signs: re.Pattern[str], text: str) -> str:
    """The last of some signs, with no escaped backslash among them."""
    return next((found for found in reversed(signs.findall(text)) if found != "\\\\"), "")


def _is_inline_open(text: str) -> bool:
    # Regular expressions hold the same sign, so what follows has to be mathematics
    return _last(_INLINE, text) == "\\(" and bool(_MATHEMATICS.search(text, text.rindex("\\(") + 2))


def _stops_short(line: str) -> bool:
    if _BEFORE_MORE.search(line) and not _EMOJI.search(line):
        return True
    words = line.split()
    if len(words) <= NUM_WORDS_BEFORE or len(_ENGLISH.intersection(words)) < 2:
        return False
    return words[-1] in _NEVER_LAST or words[-1].endswith(",")


def _is_row_open(text: str) -> bool:
    """Whether the last row of a table does not end in a bar, as all before it do, and has fewer cells than its head."""
    if "|" not in text[text.rfind("\n") + 1 :]:
        return False
    lines = (line.strip() for line in text[text.rfind("\n\n") + 1 :].strip().split("\n"))
    rows = [*dropwhile(lambda line: not line.startswith("|"), lines)]
    if len(rows) < 3 or not _RULE_OF_TABLE.fullmatch(rows[1]) or rows[-1].endswith("|"):
        return False
    return rows[-1].count("|") < rows[0].count("|") and all(row.endswith("|") for row in rows[:-1])


def _is_fence_open(text: str) -> bool:
    places = fences(text)
    # A fence with nothing behind it closes one that was lost
    return len(places) % 2 == 1 and bool(text[places[-1] :].strip())


def _closes(text: str, start: int) -> bool:
    depth = 1
    for brace in _BRACE.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return True
    return False
