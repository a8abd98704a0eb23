r"""Which option does an answer choose: a letter among those that the problem declares.

Reads ``\boxed{C}``, ``(C)``, ``**C**``, ``Answer: C``, ``The answer is (C)``, a bare letter, and an option's own text.
The last one counts. Who names two options ("A or B") has not answered, and the article of "A simple answer" is no
option.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from distill.types import Judgement, Problem
from distill.verifiers.extraction import MAX_SHOWN, last_marked

DEFAULT_LETTERS = ("A", "B", "C", "D")

_ANSWER_IS = re.compile(r"\b(?:answer|option|choice)\b[\s*_]*(?:(?:is|are|:|=)[\s*_]*)+", re.IGNORECASE)
_MACRO = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|rm|bf)\b\s*")
_BRACKET = re.compile(r"\\(?=[()\[\]])")
_DECORATION = str.maketrans("", "", "*_$`{}")
_QUALIFIER = re.compile(r"^(?:either|probably|option|choice|letter)\s+", re.IGNORECASE)
_PROSE_LETTER = re.compile(r"\(([A-Za-z])\)|\*\*([A-Z])[.)]?\*\*")
_AND_OTHER = r"[)\].]?\s*(?:or|and|/|&{comma})\s*(?:maybe|perhaps|possibly|else)?\s*[(\[]?([{letters}])\b(?!')"
# After "the answer is": a letter that is followed by more prose is an article, unless the prose gives a reason.
_GOES_ON = r"(?=[)\].,;:!?]|\s*$|\s+(?:because|since|as|for|which|with|where|and|but|-)\b|\s*[-\u2013\u2014(=])"


class _Reading(NamedTuple):
    """The letter that a text chooses, or why it chooses none."""

    letter: str | None
    reason: str = ""


_NOTHING = _Reading(None, "no answer")


class ChoiceVerifier:
    """Judges multiple choice.

    ``problem.reference`` is a letter; ``problem.metadata["options"]`` is a list of the options' texts, or a dict from
    letters to texts. Without it the letters are A to D.
    """

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the option that an answer chooses."""
        options = _options(problem.metadata.get("options"))
        reference = (problem.reference or "").strip().strip("().").upper()
        if reference not in options:
            reason = f"the reference is not one of {' '.join(options)}" if reference else "no reference"
            return Judgement(outcome="unverifiable", method="choice", reason=reason)
        letter, reason = _Reader(options).read(answer)
        if letter is None:
            return Judgement(outcome="incorrect", method="choice", reason=reason)
        is_right = letter == reference
        return Judgement(
            outcome="correct" if is_right else "incorrect",
            extracted=letter[:MAX_SHOWN],
            method="choice",
            reason="" if is_right else f"chooses {letter}, not {reference}",
        )


def _options(declared: object) -> dict[str, str]:
    """Letters and texts; the texts are empty where the problem gives none."""
    if isinstance(declared, Mapping):
        return {str(k).strip().upper(): str(v) for k, v in cast(Mapping[object, object], declared).items()}
    if isinstance(declared, Sequence) and not isinstance(declared, str):
        return {chr(ord("A") + i): str(text) for i, text in enumerate(cast(Sequence[object], declared)[:26])}
    return dict.fromkeys(DEFAULT_LETTERS, "")


class _Reader:
    """Reads answers to problems with these options."""

    def __init__(self, options: dict[str, str]) -> None:
        self._options = options
        # a declared key may be longer than a letter ("10"); only letters are looked for in prose
        self._letters = "".join(letter for letter in options if len(letter) == 1 and letter.isalpha())
        self._texts = {_plain(text).casefold(): letter for letter, text in options.items() if text.strip()}

    def read(self, answer: str) -> _Reading:
        """The choice of a whole answer: its last box or tag, else its last "answer is", else its last line."""
        answer = unicodedata.normalize("NFKC", answer)
        marked = last_marked(answer)
        if marked is not None:
            return self._whole(marked)
        whole = self._whole(answer)
        if whole.letter:
            return whole
        said = list(_ANSWER_IS.finditer(answer))
        if said:
            return self._said(_first_line(answer[said[-1].end() :]))
        last_line = answer.strip().rpartition("\n")[2]
        found = self._whole(last_line)
        return found if found is not _NOTHING else self._in_prose(last_line)

    def _whole(self, text: str) -> _Reading:
        """The choice of a text that should be nothing but a choice."""
        plain = _QUALIFIER.sub("", _plain(text))
        if plain.casefold() in self._texts:
            return _Reading(self._texts[plain.casefold()])
        bare = plain.strip("()[].:, ").upper()
        if bare in self._options:
            return _Reading(bare)
        if hedge := self._hedge(plain, ",", re.IGNORECASE):
            return hedge
        if labelled := re.match(rf"[(\[]?([{self._letters}])(?:[)\]]\s*[.:]?|[.:])\s*\S", plain):
            return _Reading(labelled[1])
        return _Reading(None, "no option of that name") if re.fullmatch(r"[A-Z]", bare) else _NOTHING

    def _said(self, text: str) -> _Reading:
        """The choice of what follows "the answer is"."""
        plain = _QUALIFIER.sub("", _plain(text))
        if hedge := self._hedge(plain, ""):
            return hedge
        if chosen := re.match(rf"[(\[]?([{self._letters}]){_GOES_ON}", plain):
            return _Reading(chosen[1])
        return self._whole(text)

    def _hedge(self, plain: str, comma: str, flags: int = 0) -> _Reading | None:
        pattern = rf"[(\[]?([{self._letters}])" + _AND_OTHER.format(
            comma="|" + comma if comma else "", letters=self._letters
        )
        found = re.match(pattern, plain, flags)
        return _Reading(None, "names more than one option") if found and found[1] != found[2] else None

    def _in_prose(self, line: str) -> _Reading:
        """The one letter that stands in parentheses or in bold type in a sentence."""
        letters = {(found[1] or found[2]) for found in _PROSE_LETTER.finditer(line)} & set(self._letters)
        if len(letters) > 1:
            return _Reading(None, "names more than one option")
        return _Reading(letters.pop()) if letters else _NOTHING


def _plain(text: str) -> str:
    """A text without type faces, math marks and a full stop, its white space folded."""
    text = _BRACKET.sub("", _MACRO.sub("", text)).translate(_DECORATION)
    return " ".join(text.split()).removesuffix(".").strip()


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
