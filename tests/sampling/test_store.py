"""The index is what the journals say: after any kill, with any damage to it, and however often it is opened."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.recipe import Samples
from distill.sampling import Store
from distill.sampling.store import pass_rate
from distill.sources import make_problem
from distill.types import FinishReason, Outcome, Problem, Trace, Verdict

PROBLEMS = [make_problem(prompt=f"p{index}", verifier="exact", reference="yes") for index in range(4)]
SAMPLES = Samples(min=1, max=3, until_correct=1)


def trace(problem: Problem, sample: int, *, teacher: str = "t", retry: int = 0, end: FinishReason = "stop") -> Trace:
    return Trace(
        id=f"{problem.id}-{teacher}-{sample}{f'.{retry}' if retry else ''}",
        problem_id=problem.id,
        sample=sample,
        teacher=teacher,
        thinking="so",
        answer="yes",
        finish_reason=end,
        retry=retry,
        max_tokens=100,
        prompt_tokens=3,
        completion_tokens=7,
        dollars=0.5,
    )


def verdict(trace: Trace, outcome: Outcome) -> Verdict:
    return Verdict(trace_id=trace.id, outcome=outcome)


def known(folder: Path) -> dict[str, Any]:
    """All that an index says."""
    with Store(folder, "t") as store:
        index = store.index
        return {
            "standings": list(index.standings()),
            "problems": index.num_problems(),
            "unjudged": sorted(index.unjudged()),
            "truncated": {problem.id: index.num_truncated(problem.id) for problem in PROBLEMS},
            "ledger": index.ledger,
            "verifiers": index.verifiers,
            "wanted": store.want(PROBLEMS, SAMPLES),
            "open": index.open_problems(99),
        }


def from_nothing(folder: Path, to: Path) -> dict[str, Any]:
    """What an index says that is made from the journals alone."""
    to.mkdir()
    for path in folder.glob("*.jsonl"):
        shutil.copy(path, to)
    return known(to)


Step = tuple[str, int, int, Outcome, FinishReason]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["problem", "trace", "judged", "other", "unfinished", "retry", "commit", "reopen"]),
        st.integers(0, 3),
        st.integers(0, 2),
        st.sampled_from(["correct", "incorrect", "unverifiable"]),
        st.sampled_from(["stop", "length", "aborted"]),
    ),
    max_size=25,
)


@settings(max_examples=60)
@given(steps=STEPS, damage=st.sampled_from(["none", "deleted", "garbage", "empty"]))
def test_after_a_kill_the_index_is_what_the_journals_say(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step], damage: str
):
    root = tmp_path_factory.mktemp("store")
    folder, seen = root / "run", set[str]()
    store = Store(folder, "t")
    for kind, which, sample, outcome, end in steps:
        problem = PROBLEMS[which]
        if kind == "problem" or store.index.start_of(problem.id) is None:  # nothing is asked that is not known
            store.want([problem], SAMPLES)
        elif kind in ("trace", "judged", "retry", "other"):
            teacher = "other" if kind == "other" else "t"
            found = trace(problem, sample, end=end, teacher=teacher, retry=int(kind == "retry"))
            if found.id not in seen:
                seen.add(found.id)
                store.add_trace(found)
                if kind != "trace":
                    store.add_verdict(verdict(found, outcome))
        elif kind == "unfinished":
            store.add_unfinished(trace(problem, sample, end="error"))
        elif kind == "commit":
            store.index.commit()
        else:
            store.__exit__(None, None, None)
            store = Store(folder, "t")
    killed = root / "killed"
    shutil.copytree(folder, killed)  # as a kill leaves it: journals written, the index as it was last committed
    if damage == "deleted":
        for path in killed.glob("index.sqlite*"):
            path.unlink()
    elif damage != "none":
        (killed / "index.sqlite").write_bytes(b"" if damage == "empty" else b"no database" * 1000)
    expected = from_nothing(folder, root / "nothing")
    assert known(killed) == expected
    store.__exit__(None, None, None)
    assert known(folder) == expected


def test_an_index_of_another_teacher_is_made_anew(tmp_path: Path):
    with Store(tmp_path, "t") as store:
        store.want(PROBLEMS, SAMPLES)
        for number, teacher in enumerate(["t", "other"]):
            found = trace(PROBLEMS[number], 0, teacher=teacher)
            store.add_trace(found)
            store.add_verdict(verdict(found, "correct"))
    with Store(tmp_path, "other") as store:
        assert [standing.problem_id for standing in store.index.standings()] == [PROBLEMS[1].id]
        assert store.ledger.replies == 2


def test_a_journal_that_was_cut_back_is_noticed(tmp_path: Path):
    with Store(tmp_path, "t") as store:
        store.want(PROBLEMS, SAMPLES)
        for problem in PROBLEMS:
            store.add_trace(trace(problem, 0))
    lines = (tmp_path / "traces.jsonl").read_bytes().splitlines(keepends=True)
    (tmp_path / "traces.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:-9])
    with Store(tmp_path, "t") as store:
        assert store.ledger.replies == 2
        assert len(store.index.unjudged()) == 2


def test_a_call_for_the_same_problems_does_not_go_through_them_again(tmp_path: Path):
    def unread() -> Any:
        raise AssertionError("the source was read again")
        yield

    with Store(tmp_path, "t") as store:
        assert store.want(PROBLEMS, SAMPLES, asked="a").problems == 4
    with Store(tmp_path, "t") as store:
        assert store.want(unread(), SAMPLES, asked="a").problems == 4
        assert store.want(PROBLEMS[:2] + PROBLEMS[:1], SAMPLES, asked="b") == (2, 1)
        assert [found.problem_id for found in store.index.open_problems(9)] == [problem.id for problem in PROBLEMS[:2]]
        with pytest.raises(AssertionError, match="read again"):
            store.want(unread(), SAMPLES, asked="a")


def test_more_samples_open_problems_again(tmp_path: Path):
    with Store(tmp_path, "t") as store:
        store.want(PROBLEMS[:1], Samples(min=1, max=1), asked="a")
        found = trace(PROBLEMS[0], 0)
        store.add_trace(found)
        assert not store.add_verdict(verdict(found, "incorrect"))
        store.want([], Samples(min=2, max=2), asked="a")
        assert [case.outcomes for case in store.cases(9)] == ["i"]


def test_after_a_failure_of_the_index_nothing_more_of_it_is_committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = Store(tmp_path, "t")
    store.want(PROBLEMS, SAMPLES)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store.index, "add_trace", full)
    for _ in range(2):
        with pytest.raises(OSError, match=r"index\.sqlite"):
            store.add_trace(trace(PROBLEMS[0], 0))
    store.__exit__(None, None, None)
    with Store(tmp_path, "t") as again:
        assert again.ledger.replies == 2


@pytest.mark.parametrize(
    ("outcomes", "truncated", "rate", "difficulty"),
    [("c", 0, 1.0, 0.3333), ("iiic", 1, 0.25, 0.6667), ("uu", 0, 0.0, 0.5), ("i.u", 0, 0.0, 0.6667)],
)
def test_a_pass_rate_counts_what_was_judged_either_way(outcomes: str, truncated: int, rate: float, difficulty: float):
    found = pass_rate("p", outcomes, truncated)
    assert (found.pass_rate, found.difficulty, found.truncated) == (rate, difficulty, truncated)
    assert found.replies + found.unverifiable == len(outcomes.replace(".", ""))
