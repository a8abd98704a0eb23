"""Is a mathematical answer equal to the reference: Math-Verify, with its own timeouts off.

Its timeouts are SIGALRM, which works only on a main thread and is late in long C calls; `distill.verifiers.pool` kills
the process instead. Never call this verifier on a model's text outside that pool: ``9^9^9^9`` does not end.
"""

import logging
import re
from itertools import product
from typing import Any

from distill import plugins
from distill.types import Judgement, Problem
from distill.verifiers.extraction import MAX_SHOWN, last_boxed, last_marked

_HAS_MARKS = re.compile(r"\$|\\\(|\\\[|\\boxed|\\begin\{(?:equation|align)")
_PROSE = re.compile(r"[A-Za-z]{2,}\s+[A-Za-z]{2,}|\n")


class MathVerifyVerifier:
    """Judges numbers, expressions, sets, intervals, relations and matrices by their value.

    Raises:
        MissingExtraError: If Math-Verify is not installed.
    """

    def __init__(self) -> None:
        self._math_verify = plugins.need("math_verify", "verifier 'math_verify'", "math")
        parser = plugins.need("math_verify.parser", "verifier 'math_verify'", "math")
        self._latex = parser.LatexExtractionConfig(boxed_match_priority=0)
        self._expression = parser.ExprExtractionConfig()
        logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns that we keep the deadline ourselves

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge an answer by the problem's reference."""
        if problem.reference is None or not problem.reference.strip():
            return Judgement(outcome="unverifiable", method="math-verify", reason="no reference")
        gold = self._parse(problem.reference)
        if not gold:
            return Judgement(outcome="unverifiable", method="math-verify", reason="cannot read the reference")
        found = self._parse(_candidate(answer)) if answer.strip() else []
        if not found:
            return Judgement(outcome="incorrect", method="math-verify", reason="no answer")
        return self._compare(gold, found)

    def _compare(self, gold: list[Any], found: list[Any]) -> Judgement:
        is_equal, failure = self._any_equal(gold, found)
        if not is_equal and all(isinstance(part, str) for part in gold):
            # a reference that is known only as a string proves nothing about another way to write it
            failure = "cannot read the reference"
        if failure and not is_equal:
            return Judgement(outcome="unverifiable", method="math-verify", reason=failure)
        return Judgement(
            outcome="correct" if is_equal else "incorrect",
            extracted=str(found[-1])[:MAX_SHOWN],
            method="math-verify",
            reason="" if is_equal else "differs from the reference",
        )

    def _any_equal(self, gold: list[Any], found: list[Any]) -> tuple[bool, str]:
        """Whether a pair is equal, and if none is, why one could not be compared."""
        failure = ""
        for pair in product(gold, found):
            try:
                if self._math_verify.verify(*pair, timeout_seconds=None, raise_on_error=True):
                    return True, ""
            except Exception as error:  # sympy raises nearly anything
                failure = f"cannot compare: {type(error).__name__}"
        return False, failure

    def _parse(self, text: str) -> list[Any]:
        """The text as Math-Verify reads it: an expression and its source, or nothing."""
        for written in dict.fromkeys((_in_math_mode(text), text)):
            parts = self._math_verify.parse(written, [self._latex, self._expression], parsing_timeout=None)
            if parts:
                return parts
        return []


def _candidate(answer: str) -> str:
    marked = last_marked(answer)
    # a box is left in its place: Math-Verify joins several boxes of one answer
    return answer if marked is None or last_boxed(answer) is not None else marked


def _in_math_mode(text: str) -> str:
    """Bare LaTeX between the marks that Math-Verify looks for; prose as it is."""
    stripped = text.strip()
    is_bare = not _HAS_MARKS.search(stripped) and not _PROSE.search(stripped)
    return f"${stripped}$" if is_bare else text
