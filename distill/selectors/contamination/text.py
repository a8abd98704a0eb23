"""What of a text is compared: its key, its words as the published routes split them, and its tokens."""

import re
import unicodedata
from itertools import chain, pairwise

from distill.selectors.contamination.words import FOREIGN, FUNCTION, MONTHS, NUMERALS, TENS, UNITS

_LAYOUT = re.compile(r"\$|\\[()\[\],;!]|\\left(?![a-z])|\\right(?![a-z])|\\displaystyle")
_UNSEEN = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]+")
_BETWEEN_DIGITS = re.compile(r"(\d)\s+(?=\d)")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMPOUND = re.compile(rf"\b(?:{'|'.join(TENS)})-(?:{'|'.join(UNITS)})\b", re.ASCII | re.IGNORECASE)
_TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_\u2e80-\U0010ffff]+|[^\W\d_\0-\u2e7f]+")
_MASKED = re.compile(r"\d+(?:[.,]\d+)*|[^\W_]+|[^\w\s]")
_DATE = re.compile(rf"\b({'|'.join(MONTHS)})\b(?=\s+\d)", re.ASCII | re.IGNORECASE)
_LATIN_WORD = re.compile(r"[^\W\d_\u0250-\U0010ffff]+")
_OTHER_WORD = re.compile(r"[^\W\d_\0-\u024f\u2e80-\U0010ffff]+|[^\W\d_\0-\u2e7f]{1,2}")  # East Asian words: two
_LITERAL = re.compile(r"[\d_\\$=^{}]|[a-z][A-Z]|\w\(")
_QUOTED = re.compile(r"\"[^\"\n]+\"|(?<!\w)'[^'\n]+'(?!\w)")
_ENGLISH, _FOREIGN = (frozenset(word for word in small if len(word) > 1) for small in (FUNCTION, FOREIGN))
_ENDINGS = ("ations", "ation", "ings", "ing", "edly", "ed", "ies", "es", "ers", "er", "ly", "s", "e", "y")
_STEM = 7
"""Characters of a stem."""
HEAD = 12
"""Characters of a key that most texts share with no item."""
MOST_REMEMBERED = 20_000
"""Words whose tokens are remembered."""
LONG_WORD = 32
"""Characters of a word that is worth it; longer ones, as whole lines of Chinese, seldom come again."""
MOST_NAMES = 1 / 8
"""Share of a text's words; if more have capitals inside a sentence, they are not names alone."""
NUMBER = "#"
"""What a number's token begins with, and what stands for a number in a masked text."""

Tokens = frozenset[str]


def fold(text: str) -> str:
    """Without the differences of case, width and composition (Unicode's caseless compatibility matching)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.casefold()).casefold())


def key(text: str) -> str:
    r"""The same for texts that differ in case, blanks, math delimiters or the last full stop; empty for no text.

    A blank between digits stays a sign, so that "3 57" is not "35 7".
    """
    seen = text if text.isascii() else _UNSEEN.sub("", text)
    bare = fold(seen)
    if "$" in bare or "\\" in bare:
        bare = _LAYOUT.sub("", bare).replace("dfrac", "frac").replace("tfrac", "frac")
    bare = "".join(_BETWEEN_DIGITS.sub(r"\1|", bare).split())
    return bare.rstrip(".?!:;,") or bare or "".join(seen.split())


def head(text: str) -> str:
    """The first characters of its key, at a small part of the cost; empty if only the whole key tells."""
    start = key(text[:96])
    return start[:HEAD] if len(start) >= HEAD + 16 else ""  # what is cut in two at the end changes less than 16


def words(text: str) -> list[str]:
    """Lowercased, split at blanks: the words of the n-grams of s1 (arXiv 2501.19393) and open-r1."""
    return text.lower().split()


def stem(word: str) -> str:
    """What a word shares with its inflections, roughly: it need only be the same on both sides."""
    if len(word) > 3:
        for ending in _ENDINGS:
            if word.endswith(ending) and len(word) - len(ending) >= 3:
                word = word[: -len(ending)]
                break
    return word[:_STEM]


def _tokens_of(found: str) -> tuple[str, ...]:
    if found[0].isdigit():
        return (NUMBER + found.replace(",", ""),)
    humps = _HUMP.split(found)
    if len(humps) > 1:  # an identifier
        return tuple(token for hump in humps for token in _tokens_of(hump))
    word = found.lower()
    if word in NUMERALS:
        return (NUMBER + NUMERALS[word],)
    if word[0] >= "\u2e80":  # scripts without blanks between words: pairs of characters
        return tuple(map("".join, pairwise(word))) or (word,)
    return (stem(word),)


def _in_digits(text: str) -> str:
    """With "twenty-five" as 25; its parts alone are numbers without this."""
    return _COMPOUND.sub(lambda found: NUMERALS[found[0].lower()], text) if "ty-" in text.lower() else text


def tokens(text: str) -> Tokens:
    """Stems, numbers (``#12``, whether written in digits or as a word), and pairs of characters in East Asian text."""
    words = set(text.split())
    return frozenset(chain.from_iterable(map(_remembered.__getitem__, words)))


def _tokens_in(word: str) -> tuple[str, ...]:
    normal = _in_digits(word if word.isascii() else unicodedata.normalize("NFKC", word))
    return tuple(token for part in _TOKEN.findall(normal) for token in _tokens_of(part))


class _Remembered(dict[str, tuple[str, ...]]):
    """The tokens of words that were met; faster than an `lru_cache`, which moves what it finds to its end."""

    def __missing__(self, word: str) -> tuple[str, ...]:
        found = _tokens_in(word)
        if len(word) <= LONG_WORD and not any(map(str.isdigit, word)):  # words recur, numbers do not
            if len(self) >= MOST_REMEMBERED:
                self.clear()
            self[word] = found
        return found


_remembered = _Remembered()


def dates(text: str) -> Tokens:
    """Months before a day, as numbers."""
    return frozenset(NUMBER + MONTHS[month.lower()] for month in _DATE.findall(text))


def masked(text: str, names: bool = False) -> tuple[str, ...]:
    """Its words and signs with every number and every single letter (a variable) masked.

    Args:
        text: Any.
        names: Mask words that begin with a capital too.
    """
    return tuple(_mask(part, names) for part in _MASKED.findall(_in_digits(text)))


def _mask(part: str, names: bool) -> str:
    if part[0].isdigit() or part.lower() in NUMERALS:
        return NUMBER
    if len(part) == 1:
        return "x" if part.isalpha() and part not in "aAI" else part
    return "X" if names and part[0].isupper() else part.lower()


def language(text: str) -> str:
    """``other`` if a third of its words are not in Latin letters; else, by small words, ``en`` or ``latin``.

    Empty if these do not tell. Those of one letter do not count, since they are choices and variables too.
    """
    if not text.isascii() and 2 * len(_OTHER_WORD.findall(text)) >= max(1, len(_LATIN_WORD.findall(text))):
        return "other"
    found = text.lower().split()
    english, foreign = (sum(map(small.__contains__, found)) for small in (_ENGLISH, _FOREIGN))
    if len(found) < 5 or 10 * max(english, foreign) < len(found):
        return ""
    if english >= foreign:
        return "en"
    return "latin" if foreign >= 2 * english else ""


def anchors(text: str) -> Tokens:
    """What a translation into another language of Latin letters keeps: numbers, formulas, identifiers, quotes, names.

    Names are the words with a capital inside a sentence, unless these are many, as in German.
    """
    words = text.split()
    names = [word for before, word in pairwise(words) if word.istitle() and len(word) > 2 and before[-1] not in ".?!:"]
    kept = [word for word in words if _LITERAL.search(word)]
    kept += names if MOST_NAMES * len(words) >= len(names) else []
    numbers = (token for token in tokens(text) if token.startswith(NUMBER))
    return tokens(" ".join([*kept, *_QUOTED.findall(text)])).union(numbers)


def shortened(text: str, width: int = 160) -> str:
    """One line, its middle left out where it is long."""
    line = " ".join(text.split())
    half = (width - 5) // 2
    return line if len(line) <= width else f"{line[:half]} ... {line[-half:]}"
