r"""What one statement chooses: ``C``, ``(C) pale blue``, ``\textbf{(C)}\ 12``, ``A and C``, an option's own text."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from distill.verifiers.choice.words import AND, DENIES, ENDS, GOES_ON, NOT_ASSERTED, OR, PREDICATE, QUALIFIERS, REJECTED

REACH = 400
"""Characters of a statement that are read, besides the longest option."""
ENGLISH = "AI"
"""Letters that are words: with another word after them they are no choice."""
NO_LETTER = "\0"
"""Stands for the letters of a problem whose options have none."""

_MACRO = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt|up|normal)?|math(?:rm|bf|sf|tt|it)|rm|bf|boxed|fbox|left|right|[bB]igg?[lr]?)(?![a-zA-Z])\s*"
)
_SPACE = re.compile(r"\\(?:[ ,;:!]|q?quad(?![a-zA-Z]))|~")
_BRACKET = re.compile(r"\\(?=[()\[\]])")
_MARKS = str.maketrans("", "", "$`{}")
_STRESS = re.compile(r"(?<![A-Za-z0-9*_])[*_]++|[*_]++(?![A-Za-z0-9*_])")
_ENDS = re.compile(ENDS)
_GOES_ON = re.compile(GOES_ON)
_REJECTED = re.compile(REJECTED)
_STRANGER = re.compile(rf"[(\[]?[A-Z](?:[)\]]|{ENDS})")
_LABEL_TEXT = re.compile(r"\s[A-Z0-9]")
_AFTER_LABEL = " .:)]=–—-"  # noqa: RUF001


class Reading(NamedTuple):
    """The letters that a text chooses; none, and why, if what it says is no choice."""

    letters: frozenset[str]
    reason: str = ""


HEDGE = Reading(frozenset(), "names more than one option")
UNKNOWN = Reading(frozenset(), "no option of that name")
SILENCE = Reading(frozenset(), "no answer")


class _Patterns(NamedTuple):
    item: re.Pattern[str]
    separator: re.Pattern[str]
    denied: re.Pattern[str]
    run: re.Pattern[str]
    asserted: re.Pattern[str]


@lru_cache(maxsize=256)
def _patterns(letters: str) -> _Patterns:
    letters = letters or NO_LETTER
    either, capitals = re.escape(letters + letters.lower()), re.escape(letters)
    return _Patterns(
        item=re.compile(rf"([(\[])?\s?([{either}])(?![A-Za-z0-9_\u00c0-\u024f])(\s?[)\]])?"),
        separator=re.compile(rf"(?P<hedge>{OR})|{AND}|\s(?=[(\[]?[{capitals}][)\]]?(?:{ENDS}))"),
        denied=re.compile(rf"{DENIES}[{capitals}](?![A-Za-z0-9])"),
        run=re.compile(rf"[(\[]?([{capitals}]{{2,26}})[)\]]?(?:{ENDS})"),
        asserted=re.compile(
            rf"({NOT_ASSERTED})?(?<![A-Za-z0-9])([(\[*]{{0,6}}+[{capitals}][)\]*.]{{0,6}}+){PREDICATE}"
        ),
    )


class Reader:
    """Reads statements about these options.

    Args:
        options: Texts by letters, or by other keys; a text is empty where the problem gives none.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self.options = options
        self.letters = "".join(key for key in options if len(key) == 1 and key.isalpha())
        self.reach = REACH + 2 * max(map(len, options.values()), default=0)
        self._patterns = _patterns(self.letters)
        self.asserted = self._patterns.asserted
        """A letter with "is correct" after it; its first group is a word that takes the assertion away."""
        texts = {plain(text).casefold(): key for key, text in options.items()}
        self._texts = {text: texts[text] for text in sorted(texts, key=len, reverse=True) if text}

    def read(self, text: str, *, clearly: bool = False) -> Reading | None:
        """The choice that a text begins with; None if it begins with none.

        Args:
            text: What follows "the answer is", or stands in a box.
            clearly: Take nothing but capitals and letters in brackets.
        """
        whole = plain(text[: self.reach])
        start = QUALIFIERS.match(whole)
        said = whole[start.end() :] if start else whole
        if not said:
            return None
        return (
            self.exact(whole)
            or self.exact(said)
            or self._letters(said, clearly)
            or (None if clearly else self._run(said))
            or self._text(said)
            or (None if clearly or not _STRANGER.match(said) else UNKNOWN)
        )

    def exact(self, said: str) -> Reading | None:
        """The choice of a text that is nothing but a key or an option."""
        bare = said.strip("()[].:, ")
        key = bare.upper() if bare.upper() in self.options else self._texts.get(said.casefold())
        return Reading(frozenset((key,))) if key is not None else None

    def joins(self, gap: str) -> bool:
        """Whether a text between two boxes makes one statement of them."""
        return self._patterns.separator.fullmatch(f" {plain(gap)} ") is not None

    def label(self, text: str) -> Reading | None:
        """The letter that a text begins with, whatever comes after it: so references are written, and no answers."""
        found = self._patterns.item.match(plain(text[: self.reach]))
        return Reading(frozenset(found[2])) if found and found[2].isupper() else None

    def _letters(self, said: str, clearly: bool) -> Reading | None:
        item = self._patterns.item.match(said)
        if item is None or (clearly and not item[2].isupper() and not (item[1] and item[3])):
            return None
        items, is_hedge = [item], False
        while joint := self._patterns.separator.match(said, items[-1].end()):
            following = self._patterns.item.match(said, joint.end())
            if following is None or not (joint[0].strip(" ,;") or self._stands(said, following)):
                if following and clearly:  # "so A, B and their midpoint"
                    return None
                break
            is_hedge = is_hedge or joint["hedge"] is not None
            items.append(following)
        letters = frozenset(found[2].upper() for found in items)
        if len(letters) == 1:
            return Reading(letters) if any(self._stands(said, found) for found in (items[0], items[-1])) else None
        if not item[2].isupper() and not self._stands(said, items[-1]):
            return None
        return HEDGE if is_hedge else Reading(letters)

    def _stands(self, said: str, item: re.Match[str]) -> bool:
        """Whether a letter is a choice, by what comes after it."""
        letter, end = item[2], item.end()
        if _REJECTED.match(said, end):
            return False
        if item[3] or _ENDS.match(said, end):
            return True
        if not letter.isupper():
            return False
        if _GOES_ON.match(said, end) or self._patterns.denied.match(said, end):
            return True
        text = plain(self.options[letter]).casefold() if letter in self.options else ""
        if text and said[end:].lstrip(_AFTER_LABEL).casefold().startswith(text):
            return True
        return letter not in ENGLISH and _LABEL_TEXT.match(said, end) is not None

    def _run(self, said: str) -> Reading | None:
        found = self._patterns.run.match(said)
        return Reading(frozenset(found[1])) if found and len(set(found[1])) == len(found[1]) else None

    def _text(self, said: str) -> Reading | None:
        folded = said.casefold()
        for text, key in self._texts.items():
            # 12 is not the beginning of 12.5
            if folded.startswith(text) and _GOES_ON.match(folded, len(text)) and not folded[len(text) :][1:2].isdigit():
                return Reading(frozenset((key,)))
        return None


def plain(text: str) -> str:
    """A text without type faces and math marks, its white space folded, and without a full stop."""
    text = _SPACE.sub(" ", _MACRO.sub("", text))
    text = _STRESS.sub("", _BRACKET.sub("", text).translate(_MARKS))
    return " ".join(text.split()).removesuffix(".").strip()
