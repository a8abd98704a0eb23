"""A band of difficulty: problems that the teacher nearly always or nearly never solves teach little."""

from distill.selectors import Candidate, Context, Drop, Gate


def pass_rate(*, min: float = 0.0, max: float = 1.0, min_difficulty: float = 0.0, max_difficulty: float = 1.0) -> Gate:
    """Keep traces of problems whose pass rate and difficulty lie in a band, ends included.

    Args:
        min: Smallest share of the teacher's replies to the problem that are correct.
        max: Largest share.
        min_difficulty: As `PassRate.difficulty` counts it, which does not depend on when sampling stopped.
        max_difficulty: The same, from above.
    """

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        found = candidate.pass_rate
        if found is None:
            return Drop("no pass rate")
        seen = f"{found.correct} of {found.replies} correct"
        if not min <= found.pass_rate <= max:
            return Drop(f"pass rate not in {min:g} to {max:g}", f"{found.pass_rate:g}: {seen}")
        if not min_difficulty <= found.difficulty <= max_difficulty:
            return Drop(f"difficulty not in {min_difficulty:g} to {max_difficulty:g}", f"{found.difficulty:g}: {seen}")
        return None

    return gate
