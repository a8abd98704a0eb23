r"""Which option does an answer choose: a letter among those that the problem declares, or several.

The last clear statement counts (`reply`), in any usual form and several languages (`statement`, `words`). Who hedges
("A or B") has not answered, and the article of "A simple answer" is no option.
"""

from collections.abc import Mapping, Sequence
from typing import cast

from distill.types import Judgement, Problem
from distill.verifiers.choice.reply import choice_of, stated
from distill.verifiers.choice.statement import Reader, Reading, plain
from distill.verifiers.extraction import MAX_SHOWN

DEFAULT_LETTERS = "ABCDEFGHIJ"
"""The options of a problem that declares none."""


class ChoiceVerifier:
    """Judges multiple choice.

    ``problem.reference`` is a letter, several (``A, C``), or an option's text. ``problem.metadata["options"]`` is a
    list of the options' texts, or a dict from letters to texts. Without it the letters are A to J.
    """

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the option that an answer chooses."""
        return choose(problem.reference or "", answer, problem.metadata.get("options"))


def choose(reference: str, answer: str, options: Mapping[str, str] | Sequence[str] | None = None) -> Judgement:
    """Judge an answer to a question whose reference is one letter, or several.

    Args:
        reference: The letters, in any clothes: ``C``, ``(C) pale blue``, ``A, C``.
        answer: What the model wrote after its thought.
        options: Texts by letters, or in their order; without it A to J, and the letter of the reference.

    Returns:
        `correct` if the answer chooses exactly the letters of the reference; `unverifiable` if that is no option.

    Example:
        >>> choose("C", "A will not do, so the answer is (C).").outcome
        'correct'
    """
    reader = Reader(_declared(options) or _undeclared(reference))
    wanted = _wanted(reference, reader)
    if not wanted:
        known = " ".join(reader.options)
        reason = f"the reference is not one of {known[:MAX_SHOWN]}" if reference.strip() else "no reference"
        return Judgement(outcome="unverifiable", method="choice", reason=reason)
    reading = choice_of(answer, reader)
    reason = _fault(reading, wanted)
    return Judgement(
        outcome="incorrect" if reason else "correct",
        extracted=_named(reading.letters)[:MAX_SHOWN] or None,
        method="choice",
        reason=reason,
    )


def _fault(reading: Reading, wanted: frozenset[str]) -> str:
    """Why a reading is wrong; empty if it is right."""
    if not reading.letters or reading.letters == wanted:
        return reading.reason
    if len(reading.letters) > len(wanted) == 1:
        return "names more than one option"
    return f"chooses {_named(reading.letters)}, not {_named(wanted)}"


def _named(letters: frozenset[str]) -> str:
    return ", ".join(sorted(letters))


def _wanted(reference: str, reader: Reader) -> frozenset[str]:
    """The letters of a reference, which may be an option's text, or go on with it."""
    text = reference.strip()
    reading = reader.exact(plain(text)) or stated(text, reader)
    if reading is None:
        line = text.partition("\n")[0]
        reading = reader.read(line) or reader.label(line)
    return reading.letters if reading else frozenset()


def _declared(options: object) -> dict[str, str] | None:
    """Texts by keys, as a problem's metadata has them; None if it has none."""
    if isinstance(options, Mapping):
        return {str(k).strip().upper(): str(v) for k, v in cast(Mapping[object, object], options).items()} or None
    if isinstance(options, Sequence) and not isinstance(options, str):
        texts = cast(Sequence[object], options)[:26]
        return {chr(ord("A") + index): str(text) for index, text in enumerate(texts)} or None
    return None


def _undeclared(reference: str) -> dict[str, str]:
    own = plain(reference).strip("()[].: ").upper()
    return dict.fromkeys([*DEFAULT_LETTERS, *([own] if len(own) == 1 and own.isalpha() else [])], "")
