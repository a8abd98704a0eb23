"""The audit: what is drawn, that marks come back and are never lost, and what is said of the whole run."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import DataError
from distill.journal import Journal
from distill.stages.audit import draw, sheet
from distill.stages.audit.estimate import Marked, Stratum, by_method, mistaken
from distill.types import Outcome, Problem, Trace, Verdict
from tests.conftest import Distill
from tests.test_cli import error_of

pytestmark = pytest.mark.timeout(120)
HOSTILE_TEXT = "mark 1: [x] right  [ ] wrong\u2028mark 2: [x] right  [ ] wrong\r\nmark 3: [x] right  [ ] wrong\x1b[2J"

EXACT_RECIPE = """\
name: small
generate:
  sources: [{use: countdown, count: 1}]
  teacher: {engine: solver}
"""


class World:
    """A run whose verdicts are as the test says."""

    def __init__(self, folder: Path) -> None:
        self.recipe = folder / "small.yaml"
        self.recipe.write_text(EXACT_RECIPE)
        self.run = folder / "runs" / "small"
        self.run.mkdir(parents=True)
        self.audit = self.run / "audit"
        self.count = 0

    def add(self, outcome: Outcome, method: str, extracted: str | None = "1", *, problem: str = "", **of: str) -> str:
        """One judged trace; of a problem of its own if none is named."""
        problem_id = problem or f"p{self.count}"
        known = {found.id for found in Journal(self.run / "problems.jsonl", Problem)}
        if problem_id not in known:
            with Journal(self.run / "problems.jsonl", Problem).appender() as problems:
                stated = Problem(id=problem_id, prompt=of.get("prompt", "?"), verifier="exact", reference="2")
                problems.append(stated)
        trace_id = f"{problem_id}-key-{self.count}"
        self.count += 1
        with Journal(self.run / "traces.jsonl", Trace).appender() as traces:
            answer = of.get("answer", extracted or "")
            fields = {"problem_id": problem_id, "sample": 0, "teacher": "key", "thinking": "", "answer": answer}
            traces.append(Trace(id=trace_id, finish_reason="stop", **fields))  # type: ignore[arg-type]
        with Journal(self.run / "verdicts.jsonl", Verdict).appender() as verdicts:
            verdicts.append(
                Verdict(
                    trace_id=trace_id, outcome=outcome, method=method, extracted=extracted, reason=of.get("reason", "")
                )
            )
        return trace_id

    def rows(self) -> list[dict]:
        return [json.loads(line) for line in (self.audit / "audit.jsonl").read_text().splitlines()]

    def mark(self, marks: dict[str, str]) -> None:
        """Marks by trace id, in the rows."""
        marked = [{**row, "mark": marks.get(row["trace_id"], row["mark"])} for row in self.rows()]
        (self.audit / "audit.jsonl").write_text("".join(json.dumps(row) + "\n" for row in marked))

    def tick(self, number: int, mark: str) -> None:
        """A mark in the text."""
        text = (self.audit / "audit.md").read_text()
        line = f"\nmark {number}: [ ] right  [ ] wrong\n"
        assert line in text
        (self.audit / "audit.md").write_text(text.replace(line, line.replace(f"[ ] {mark}", f"[x] {mark}")))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_sample_is_drawn_marked_in_both_files_and_told(distill: Distill, world: World):
    for _ in range(30):
        world.add("correct", "exact")
        world.add("incorrect", "numeric")
    world.add("unverifiable", "timeout", None, answer="7", reason="no verdict within 10 s")
    drawn = distill("filter", world.recipe, "--audit", "13")
    assert "13 verdicts to mark in runs/small/audit/audit.md" in drawn.stderr
    assert Counter(row["outcome"] for row in world.rows()) == {"correct": 6, "incorrect": 6, "unverifiable": 1}
    rejected, accepted = ([row for row in world.rows() if row["outcome"] == o] for o in ("incorrect", "correct"))
    world.mark({row["trace_id"]: "wrong" for row in rejected[:5]} | {rejected[5]["trace_id"]: "right"})
    for row in accepted[:4]:
        world.tick(row["number"], "right")
    before = [path.read_bytes() for path in sorted(world.audit.glob("audit.*"))]
    told = distill("filter", world.recipe, "--audit", "99").stdout
    assert [path.read_bytes() for path in sorted(world.audit.glob("audit.*"))] == before
    assert "audit: 10 of 13 drawn verdicts are marked" in told
    assert "false positives (accepted, and wrong): 0.0 % [0.0, 49.0] of 30 correct verdicts (0 of 4 marked)" in told
    assert "false negatives (rejected, and right): 16.7 % [3.0, 56.4] of 30 incorrect verdicts (1 of 6 marked)" in told
    assert "mistakes by method: exact 0 of 4, numeric 1 of 6" in told
    assert "missed" not in told
    assert [line.split() for line in told.splitlines()[-3:]] == [
        ["correct", "exact", "30", "4", "4", "0"],
        ["incorrect", "numeric", "30", "6", "1", "5"],
        ["unverifiable", "timeout", "1", "0", "0", "0"],
    ]


def test_two_draws_of_a_run_are_the_same(distill: Distill, world: World):
    for number in range(50):
        world.add("correct" if number % 3 else "incorrect", "numeric")
    drawn = []
    for _ in range(2):
        distill("filter", world.recipe, "--audit", "10")
        drawn.append((world.audit / "audit.md").read_bytes())
        for path in world.audit.iterdir():
            path.unlink()
    assert drawn[0] == drawn[1]
    distill("filter", world.recipe, "--audit", "10", "--set", "seed=1")
    assert (world.audit / "audit.md").read_bytes() != drawn[0]


def test_what_a_model_wrote_cannot_pass_for_a_mark(distill: Distill, world: World):
    world.add("correct", "exact", HOSTILE_TEXT, answer=HOSTILE_TEXT, prompt=HOSTILE_TEXT, reason=HOSTILE_TEXT)
    distill("filter", world.recipe, "--audit", "5")
    assert "\x1b" not in (world.audit / "audit.md").read_text()
    assert "audit: 0 of 1 drawn" in distill("filter", world.recipe, "--audit", "5").stdout


@pytest.mark.parametrize(
    ("found", "put", "message"),
    [
        ("mark 1: [ ] right", "mark 1: [y] right", "audit.md, line 29: 'mark 1: [y] right  [ ] wrong' is no mark"),
        ("[ ] right  [ ] wrong", "[x] right  [x] wrong", "with one x at most"),
        ("mark 1:", "mark 7:", "has a mark 7, and audit.jsonl has no such row"),
        ('"mark":null', '"mark":"good"', "audit.jsonl, line 1: Invalid enum value 'good' - at `$.mark`. `mark` is"),
        ("mark 1: [ ] right  [ ] wrong", "mark 1: [x] right  [ ] wrong", "number 1 is marked right in audit.md, wrong"),
    ],
)
def test_a_mark_that_cannot_be_read_is_named(distill: Distill, world: World, found: str, put: str, message: str):
    trace_id = world.add("correct", "exact")
    distill("filter", world.recipe, "--audit", "1")
    if "is marked" in message:
        world.mark({trace_id: "wrong"})
    for path in world.audit.glob("audit.*"):
        path.write_text(path.read_text().replace(found, put))
    assert message in error_of(distill("filter", world.recipe, "--audit", "1", check=None))


def test_marks_of_another_run_and_runs_without_verdicts_are_refused(distill: Distill, world: World):
    assert "run `distill generate small` first" in error_of(distill("filter", world.recipe, "--audit", "1", check=None))
    world.add("correct", "exact")
    distill("filter", world.recipe, "--audit", "1")
    (world.run / "verdicts.jsonl").write_text("")
    world.add("correct", "exact")
    message = error_of(distill("filter", world.recipe, "--audit", "1", check=None))
    assert "traces that the run no longer has (1; p0-key-0 is one): move that folder away" in message
    both = distill("filter", world.recipe, "--audit", "1", "--restart", "filter", check=None)
    assert "leave it out" in error_of(both)


def test_unanimity_against_the_reference_is_suspect(distill: Distill, world: World):
    for extracted in ("1", "1", " 1 "):
        world.add("incorrect", "exact", extracted, problem="unanimous")
    world.add("incorrect", "structure", None, problem="unanimous")
    for extracted in ("1", "1", "3"):
        world.add("incorrect", "exact", extracted, problem="torn")
    for outcome in ("incorrect", "incorrect", "incorrect", "correct"):
        world.add(outcome, "exact", problem="solved")
    for _ in range(2):
        world.add("incorrect", "exact", problem="twice")
    told = distill("filter", world.recipe, "--audit", "3").stderr
    assert "suspect gold, where the teacher is unanimous against the reference: 1 (" in told
    found = [json.loads(line) for line in (world.audit / "suspect_gold.jsonl").read_text().splitlines()]
    assert [(row["problem_id"], row["reference"], row["answer"], row["traces"]) for row in found] == [
        ("unanimous", "2", "1", 3)
    ]


strata = st.dictionaries(
    st.builds(
        Stratum,
        st.sampled_from(["correct", "incorrect", "unverifiable"]),
        st.sampled_from(["exact", "numeric", "symbolic", "timeout"]),
    ),
    st.integers(1, 300),
    min_size=1,
)


@given(strata, st.integers(1, 200))
def test_every_draw_is_made_and_no_stratum_is_left_out_or_drained_twice(sizes: dict[Stratum, int], count: int):
    taken = draw.allocate(sizes, count)
    assert sum(taken.values()) == min(count, sum(sizes.values()))
    assert all(0 <= taken[stratum] <= size for stratum, size in sizes.items())
    if count >= len(sizes):
        assert all(taken.values())


def test_doubtful_methods_are_read_most():
    sizes = {Stratum("correct", "string"): 900, Stratum("correct", "symbolic"): 100, Stratum("incorrect", "numeric"): 9}
    assert draw.allocate(sizes, 40) == {
        Stratum("correct", "string"): 13,
        Stratum("correct", "symbolic"): 18,
        Stratum("incorrect", "numeric"): 9,
    }


def test_a_rate_is_that_of_the_whole_run_and_not_of_the_sample():
    found = {
        Stratum("correct", "string"): Marked(size=900, marked=10, right=10),
        Stratum("correct", "symbolic"): Marked(size=100, marked=20, right=10),
        Stratum("correct", "judge"): Marked(size=50, marked=0, right=0),
        Stratum("incorrect", "numeric"): Marked(size=80, marked=8, right=2),
    }
    rate = mistaken(found, "correct")
    assert rate
    assert rate.share == pytest.approx(0.05)  # a tenth of the run is wrong half the time
    assert rate.interval.low < 0.05 < rate.interval.high < 0.35
    assert (rate.mistakes, rate.marked, rate.size, rate.uncovered) == (10, 30, 1000, 50)
    assert mistaken(found, "unverifiable") is None
    assert by_method(found) == {"string": (0, 10), "symbolic": (10, 20), "numeric": (2, 8)}


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(1, 50), st.integers(0, 50)), min_size=1, max_size=6))
def test_an_interval_holds_its_share_and_stays_between_none_and_all(counts: list[tuple[int, int, int]]):
    found = {
        Stratum("incorrect", str(i)): Marked(size=max(size, marked), marked=marked, right=min(right, marked))
        for i, (size, marked, right) in enumerate(counts)
    }
    rate = mistaken(found, "incorrect")
    assert rate
    assert 0 <= rate.interval.low <= rate.share <= rate.interval.high <= 1


def test_a_sheet_without_its_text_still_has_its_marks(tmp_path: Path):
    item = sheet.Item(
        number=1,
        trace_id="t",
        problem="",
        reference=None,
        extracted=None,
        tail="",
        outcome="correct",
        method="",
        reason="",
    )
    sheet.write(tmp_path, [item])
    (tmp_path / sheet.TEXT).write_text((tmp_path / sheet.TEXT).read_text().replace("[ ] wrong", "[X] wrong"))
    assert sheet.marks(tmp_path) == {"t": "wrong"}
    (tmp_path / sheet.TEXT).unlink()
    assert sheet.marks(tmp_path) == {"t": None}
    (tmp_path / sheet.ROWS).write_text((tmp_path / sheet.ROWS).read_text() + "{}")  # as editors leave it
    with pytest.raises(DataError, match="line 2"):
        sheet.marks(tmp_path)
