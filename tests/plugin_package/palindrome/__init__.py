"""A verifier, a source and a selector of somebody else's."""

from collections.abc import Iterator

from distill import Judgement, Problem
from distill.selectors import Candidate, Context, Drop, Gate
from distill.sources import make_problem


class PalindromeVerifier:
    """Accepts any palindrome."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        text = answer.strip().lower()
        if not text:
            return Judgement(outcome="incorrect", reason="no answer")
        outcome = "correct" if text == text[::-1] else "incorrect"
        return Judgement(outcome=outcome, extracted=text, method="exact")


class WordSource:
    """Asks for each word to be echoed: the solver answers with the reference."""

    def __init__(self, *, words: list[str]) -> None:
        self.words = words

    def __iter__(self) -> Iterator[Problem]:
        for word in self.words:
            yield make_problem(prompt=f"Say {word}", verifier="palindrome", reference=word, source="words")


def odd_length() -> Gate:
    """Keep words of odd length."""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        return None if len(candidate.trace.answer) % 2 else Drop("even length")

    return gate
