"""A band of difficulty: problems that a model nearly always or nearly never solves teach little.

The teacher's own pass rates come with its traces. Any other model's come from a run of its own: `distill generate` with
another engine, and the same sources. s1K drops what either of two models solves (arXiv 2501.19393); LIMO what one model
solves in any of 4 tries, and what another does not solve 1 to 3 times in 32 (arXiv 2502.03387).
"""

from pathlib import Path

from distill.errors import DataError
from distill.journal import Journal
from distill.selectors import Candidate, Context, Drop, Gate
from distill.types import PassRate


def pass_rate(
    *,
    min: float = 0.0,
    max: float = 1.0,
    min_difficulty: float = 0.0,
    max_difficulty: float = 1.0,
    min_correct: int = 0,
    max_correct: int | None = None,
    of: str | None = None,
) -> Gate:
    """Keep traces of problems whose pass rate and difficulty lie in a band, ends included.

    Args:
        min: Smallest share of a model's replies to the problem that are correct.
        max: Largest share.
        min_difficulty: As `PassRate.difficulty` counts it, which does not depend on when sampling stopped.
        max_difficulty: The same, from above.
        min_correct: Smallest number of correct replies.
        max_correct: Largest number.
        of: The run whose model is meant, by its folder: ``runs/student-probe``; the teacher of this run if not given.

    Raises:
        DataError: If that folder has no pass rates.
    """
    found_elsewhere = _read(Path(of).expanduser()) if of else None
    model = f" of {Path(of).name}" if of else ""

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        found = candidate.pass_rate if found_elsewhere is None else found_elsewhere.get(candidate.problem.id)
        if found is None:
            return Drop(f"no pass rate{model}")
        seen = f"{found.correct} of {found.replies} correct, difficulty {found.difficulty:g}"
        if not min <= found.pass_rate <= max:
            return Drop(f"pass rate{model} not in {min:g} to {max:g}", seen)
        if not min_difficulty <= found.difficulty <= max_difficulty:
            return Drop(f"difficulty{model} not in {min_difficulty:g} to {max_difficulty:g}", seen)
        if found.correct < min_correct or (max_correct is not None and found.correct > max_correct):
            limit = "any number" if max_correct is None else max_correct
            return Drop(f"correct replies{model} not {min_correct} to {limit}", seen)
        return None

    return gate


def _read(folder: Path) -> dict[str, PassRate]:
    path = folder / "pass_rates.jsonl"
    if not path.exists():
        raise DataError(f"filter step 'pass_rate': {path} does not exist; give `of` the folder of a run that generated")
    return {found.problem_id: found for found in Journal(path, PassRate)}
