"""Words that are answers: numbers spelt out, and the ways to say that there is no answer.

English, and the numerals of Chinese and Japanese.
"""

import re
from fractions import Fraction

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
_SMALL = {word: value for value, word in enumerate([*_ONES.split(), "eighteen", "nineteen"])}
_TENS = {
    word: 10 * value
    for value, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {
    **{"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9},
    **{"tenth": 10, "eleventh": 11, "twelfth": 12, "hundredth": 100, "thousandth": 1000},
}
_HAN = {char: value for value, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_SCALES = {"十": 10, "百": 100, "千": 1000}
_HAN_GROUPS = {"万": 10**4, "萬": 10**4, "亿": 10**8, "億": 10**8}
_HAN_NUMBER = re.compile("负?[零〇一二两兩三四五六七八九十百千万萬亿億]+")
_WORD = re.compile(r"[a-z]+")

NOTHING = frozenset(
    (
        *("no solution", "no solutions", "no real solution", "no real solutions", "there is no solution"),
        *(
            "there are no solutions",
            "does not exist",
            "dne",
            "none",
            "nothing",
            "empty set",
            "the empty set",
            "null set",
        ),
    )
)
"""Folded ways to say that the set of solutions is empty."""
EVERYTHING = frozenset(("all real numbers", "all reals", "the set of all real numbers", "any real number", "reals"))

_OPPOSITES = {"yes": "no", "no": "yes", "true": "false", "false": "true"}
_IS_SO = re.compile(r"\b(?:is|are|was|were|be|equals)(?: (?:a|an|the))? $")
_FILLERS = frozenset("the a an is are it answer therefore so thus hence of my final".split())


def fold(text: str) -> str:
    """A text for comparison: lower case, punctuation and white space as single blanks, no accents on the case."""
    return " ".join(re.sub(r"[^\w%+]+", " ", text.casefold()).replace("_", " ").split())


def same(reference: str, answer: str) -> bool:
    """Whether two folded texts say the same, but for articles and phrases such as "the answer is"."""
    if reference == answer or reference.replace(" ", "") == answer.replace(" ", ""):
        return True
    if reference in _OPPOSITES and answer.startswith(f"{reference} ") and _OPPOSITES[reference] not in answer.split():
        return True  # "yes, it converges"
    if _IS_SO.search(answer[: -len(reference)]) and answer.endswith(reference):
        return True  # "it will be a Tuesday"
    wanted = [word for word in reference.split() if word not in _FILLERS]
    given = [word for word in answer.split() if word not in _FILLERS]
    return bool(wanted) and wanted == given


def spelt_number(text: str) -> Fraction | None:
    """The number that words spell, such as "minus two thirds" or "twenty-one"; None if they spell none."""
    if _HAN_NUMBER.fullmatch(text.strip()):
        return _han(text.strip())
    words = [word for word in _WORD.findall(text.casefold()) if word not in ("and", "a", "an", "the")]
    if not words or re.search(r"[^A-Za-z\s,-]", text) or len(words) > 20:
        return None
    if words[0] in ("minus", "negative"):
        value = _positive(words[1:])
        return None if value is None else -value
    return _positive(words)


def _positive(words: list[str]) -> Fraction | None:
    if not words:
        return None
    part = words[-1].removesuffix("s") if words[-1] != "halves" else "half"
    if part in _PARTS:
        above = _whole(words[:-1]) if len(words) > 1 else 1
        return None if above is None else Fraction(above, _PARTS[part])
    value = _whole(words)
    return None if value is None else Fraction(value)


def _whole(words: list[str]) -> int | None:
    total = current = 0
    expects_number = True
    for word in words:
        if word in _SMALL:
            if not expects_number and (_SMALL[word] > 9 or current % 10):
                return None
            current += _SMALL[word]
        elif word in _TENS and current % 100 == 0:
            current += _TENS[word]
        elif word == "hundred" and 0 < current < 100:
            current *= 100
        elif word == "dozen":
            current = 12 * max(current, 1)
        elif word in _SCALES and current:
            total, current = total + current * _SCALES[word], 0
            expects_number = True
            continue
        else:
            return None
        expects_number = False
    return total + current


def _han(text: str) -> Fraction:
    sign = -1 if text.startswith("负") else 1
    total = section = digit = 0
    for char in text.removeprefix("负"):
        if char in _HAN:
            digit = 10 * digit + _HAN[char] if digit else _HAN[char]  # 二〇二四 is read digit by digit
        elif char in _HAN_SCALES:
            section, digit = section + max(digit, 1) * _HAN_SCALES[char], 0
        else:
            total, section, digit = (total + section + digit) * _HAN_GROUPS[char], 0, 0
    return Fraction(sign * (total + section + digit))
