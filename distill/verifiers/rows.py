"""Rows of a file of references and responses: read, or refused with what they have and what they should have."""

from typing import Any

import msgspec

from distill.errors import DataError
from distill.types import Problem, Trace
from distill.verifiers import pairs
from distill.verifiers.extraction import after_thought

_LIKELY = {
    "reference": ("gold", "answer", "target", "label", "ground_truth", "expected_answer", "solution", "expected"),
    "response": ("pred", "prediction", "output", "completion", "generation", "generated", "model_output"),
}
"""What other files call the two fields: guessed at in an error, never in a verdict."""


class Row(msgspec.Struct, frozen=True):
    """A line of the file. Other fields may stand beside these."""

    response: str
    reference: str | int | float | None = None
    id: str | int | None = None
    kind: str | None = None
    options: list[str | int | float] | dict[str, str | int | float] | None = None
    tests: Any = None
    prompt: str | None = None
    metadata: dict[str, Any] | None = None

    def problem(self, number: int, verifier: str) -> Problem:
        """What the row asks; `verifier` judges it if the row does not tell another."""
        return pairs.problem_for(
            id=str(number),
            prompt=self.prompt or "",
            reference=None if self.reference is None else str(self.reference),
            verifier=pairs.verifier_for(self.kind, self.options, self.tests, verifier),
            options=self.options,
            tests=self.tests,
            metadata=self.metadata,
        )

    def trace(self, number: int) -> Trace:
        """The response, as the reply of a teacher that nobody asked."""
        answer = after_thought(self.response)
        return Trace(
            id=str(number),
            problem_id=str(number),
            sample=0,
            teacher="",
            thinking="",
            answer=answer or "",
            finish_reason="length" if answer is None else "stop",
        )


def read(line: bytes, place: str) -> Row:
    """A line of the file as a row.

    Raises:
        DataError: If it is none; says what it has, and what it should have.
    """
    try:
        row = msgspec.json.decode(line, type=Row)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{place}: {_complaint(line, error)}") from None
    if row.reference is None and not row.tests and not row.metadata:
        raise DataError(f"{place}: {_complaint(line, None)}")
    return row


def _complaint(line: bytes, error: Exception | None) -> str:
    try:
        fields: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return f"not JSON ({error}): {line[:60].decode(errors='replace')!r}"
    if not isinstance(fields, dict):
        return f"a row is an object with `reference` and `response`; this is {fields!r:.60}"
    names: list[str] = [str(name) for name in fields]  # pyright: ignore[reportUnknownArgumentType]
    missing = [name for name in _LIKELY if name not in names]
    if not missing:
        return str(error) if error else "the reference is null, and there are no tests"
    absent = " and no ".join(map(repr, missing))
    return f"there is no {absent}; the row has {', '.join(map(repr, names)) or 'none'}. {_hint(names, missing)}"


def _hint(names: list[str], missing: list[str]) -> str:
    found = {wanted: next((name for name in _LIKELY[wanted] if name in names), "...") for wanted in missing}
    renamed = ", ".join(f"{wanted}: .{name}" for wanted, name in found.items())
    return f"Rename, as with: jq -c '. + {{{renamed}}}' FILE"
