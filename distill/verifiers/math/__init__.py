r"""Is a mathematical answer equal to the reference: from cheap to dear, and by value rather than by string.

The lanes, in order; each decides what it can prove, and leaves the rest to the next:

1. string: the same text, or two plain integers;
2. exact: two numbers, as rationals of any size (`exact`);
3. value: whatever else can be read (`reading`): part by part (`equality`), down to expressions that are evaluated at
   several points with proven error bounds (`balls`);
4. symbolic: Math-Verify in a process that can be killed (`symbolic`).

The first three are bounded by the length of the text, so they run anywhere: in any thread, without a deadline.
"""

from distill import plugins
from distill.types import Judgement, Problem


class MathVerifier:
    """Judges numbers, expressions, sets, intervals, relations, matrices, units and words by their value.

    Args:
        symbolic: Ask Math-Verify, in a process of its own, about what the other lanes leave undecided.

    Raises:
        MissingExtraError: If python-flint is not installed.
    """

    def __init__(self, *, symbolic: bool = True) -> None:
        plugins.need("flint", "verifier 'math'", "math")
        from distill.verifiers.math import cascade

        self._judge = cascade.judge
        self._symbolic = symbolic

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the answer that a reply gives."""
        return self._judge(problem, answer, symbolic=self._symbolic)
