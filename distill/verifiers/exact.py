"""Is the answer the reference, character for character, but for white space."""

from distill.types import Judgement, Problem
from distill.verifiers.extraction import MAX_SHOWN, last_marked


class ExactVerifier:
    r"""Compares strings. The answer may stand in ``\boxed{}`` or ``<answer></answer>``.

    Args:
        ignore_case: Take upper and lower case for the same.
    """

    def __init__(self, *, ignore_case: bool = False) -> None:
        self.ignore_case = ignore_case

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge an answer by the problem's reference."""
        if problem.reference is None:
            extracted = (last_marked(answer) or answer.strip())[:MAX_SHOWN] or None
            return Judgement(outcome="unverifiable", extracted=extracted, method="exact", reason="no reference")
        wanted = self._normal(problem.reference)
        marked = last_marked(answer)
        given = answer.strip() if marked is None or self._normal(answer) == wanted else marked
        if not given:
            return Judgement(outcome="incorrect", method="exact", reason="no answer")
        is_equal = self._normal(given) == wanted
        return Judgement(
            outcome="correct" if is_equal else "incorrect",
            extracted=given[:MAX_SHOWN],
            method="exact",
            reason="" if is_equal else "differs from the reference",
        )

    def _normal(self, text: str) -> str:
        text = " ".join(text.split())
        return text.casefold() if self.ignore_case else text
