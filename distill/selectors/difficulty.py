"""A band of difficulty: problems that the teacher nearly always or nearly never solves teach little."""

from distill.selectors import Candidate, Context, Selector, per_trace


def pass_rate(
    *, min: float = 0.0, max: float = 1.0, min_difficulty: float = 0.0, max_difficulty: float = 1.0
) -> Selector:
    """Keep traces of problems whose pass rate and difficulty lie in a band, ends included.

    Args:
        min: Smallest share of the teacher's replies to the problem that are correct.
        max: Largest share.
        min_difficulty: As `PassRate.difficulty` counts it, which does not depend on when sampling stopped.
        max_difficulty: The same, from above.
    """

    def rule(candidate: Candidate, _: Context) -> str | None:
        found = candidate.pass_rate
        if found is None:
            return "no pass rate"
        if not min <= found.pass_rate <= max:
            return f"pass rate not in {min:g} to {max:g}"
        if not min_difficulty <= found.difficulty <= max_difficulty:
            return f"difficulty not in {min_difficulty:g} to {max_difficulty:g}"
        return None

    return per_trace(rule)
