"""Is it right. A verifier judges one answer to one problem.

One pair, in one line:

    >>> from distill.verifiers import verify
    >>> verify("B", "It cannot be A. The answer is (B).", options=["3", "4"]).outcome
    'correct'

Many go through `distill verify` or `distill.verifiers.pool`, where each has a deadline.

A verifier of your own is a callable that returns something shaped like `Verifier`; name it in a dataset card or a
source as ``verifier: my_package.module:MyVerifier``, or export it as an entry point of the group ``distill.verifiers``.
It runs in a process of its own that is killed at its deadline (`distill.verifiers.pool`), so it may be slow, but it
must be importable by name.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Protocol

from distill.types import Judgement, Problem


class Verifier(Protocol):
    """Judges answers. `unverifiable` is for its own failures; a reply without an answer is `incorrect`."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the text that follows the thought."""
        ...


def verify(
    reference: str | None,
    response: str,
    *,
    kind: str | None = None,
    options: Sequence[str] | Mapping[str, str] | None = None,
    tests: object = None,
    prompt: str = "",
    verifier: str = "math",
) -> Judgement:
    """Judge one response, in this process.

    The built-in verifiers bound their own time and memory, and run what could hurt in processes of their own; one of
    yours runs here as it is.

    Args:
        reference: The accepted answer; None where the tests say it all.
        response: What the model wrote. Everything up to its last ``</think>`` is left out; a ``<think>`` that is never
            closed means a truncated response, which is `incorrect`.
        kind: What kind of problem it is: the name of a verifier, or ``mcq``; others say nothing.
        options: Those of multiple choice: texts in their order, or texts by letters. They call for `choice`.
        tests: Those of a program. They call for `code`.
        prompt: The question, for verifiers that look at it.
        verifier: Judges what neither kind, options nor tests decide.

    Raises:
        PluginError: If nothing answers to the verifier's name.
        MissingExtraError: If its packages are not installed.

    Example:
        >>> verify("1/2", "<think>Two of four.</think> It is 0.5.").outcome
        'correct'
        >>> verify("1/2", "<think>Two of four, so it is 1/2").reason
        'truncated'
    """
    from distill.verifiers import extraction, pairs

    answer = extraction.after_thought(response)
    if answer is None or not answer.strip():
        reason = extraction.TRUNCATED if answer is None else "no answer"
        return Judgement(outcome="incorrect", method="structure", reason=reason)
    name = pairs.verifier_for(kind, options, tests, verifier)
    problem = pairs.problem_for(id="", prompt=prompt, reference=reference, verifier=name, options=options, tests=tests)
    return _built(name)(problem, answer)


@cache
def _built(name: str) -> Verifier:
    from distill import plugins

    return plugins.build("verifiers", name, {})
