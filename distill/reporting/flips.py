"""What training gave and what it took: problems that only the student solves, and problems that only the base does."""

from collections.abc import Collection
from pathlib import Path

from distill.evaluation.scores import Scores
from distill.journal import Journal
from distill.reporting.structure import Flip, Flips, ReplyFacts
from distill.reporting.traces import TraceFacts, VerdictFacts, clipped, drawn, find
from distill.types import Problem, Trace

SHOWN_EACH_WAY = 2


def flips_of(suite_dir: Path, before: Scores, after: Scores) -> Flips:
    """Count the problems that flipped, and fetch a few of them with a reply of each model.

    With several replies to a problem, it is solved where most of them are correct; a tie is neither.

    Args:
        suite_dir: A run's folder of one suite, with a folder for each model.
        before: Of the base, in its best form.
        after: Of the student.
    """
    shares = {
        problem_id: (share, after.correct_by_problem[problem_id])
        for problem_id, share in before.correct_by_problem.items()
        if problem_id in after.correct_by_problem
    }
    gained = [problem_id for problem_id, (base, student) in shares.items() if base < 0.5 < student]
    lost = [problem_id for problem_id, (base, student) in shares.items() if student < 0.5 < base]
    shown = [*drawn(gained, SHOWN_EACH_WAY), *drawn(lost, SHOWN_EACH_WAY)]
    problems = find(Journal(suite_dir / after.model / "problems.jsonl", Problem), "id", shown)
    old = _replies(suite_dir / before.model, shown, correct=lost)
    new = _replies(suite_dir / after.model, shown, correct=gained)
    flips = [
        Flip(
            way="gained" if problem_id in gained else "lost",
            prompt=clipped(problems[problem_id].prompt),
            reference=clipped(problems[problem_id].reference or ""),
            base=old[problem_id],
            student=new[problem_id],
        )
        for problem_id in shown
        if problem_id in problems and problem_id in old and problem_id in new
    ]
    return Flips(gained=len(gained), lost=len(lost), shown=flips)


def _replies(model_dir: Path, wanted: Collection[str], correct: Collection[str]) -> dict[str, ReplyFacts]:
    """For each problem the first reply that is correct, or is not, as the problem asks; none where there is none."""
    traces = [t for t in Journal(model_dir / "traces.jsonl", TraceFacts) if t.problem_id in wanted]
    verdicts = find(Journal(model_dir / "verdicts.jsonl", VerdictFacts), "trace_id", [trace.id for trace in traces])
    chosen: dict[str, str] = {}
    for trace in traces:
        verdict = verdicts.get(trace.id)
        if verdict and (verdict.outcome == "correct") == (trace.problem_id in correct):
            chosen.setdefault(trace.problem_id, trace.id)
    whole = find(Journal(model_dir / "traces.jsonl", Trace), "id", chosen.values())
    return {
        problem_id: ReplyFacts(
            thinking=clipped(whole[trace_id].thinking),
            answer=clipped(whole[trace_id].answer),
            completion_tokens=whole[trace_id].completion_tokens,
        )
        for problem_id, trace_id in chosen.items()
    }
