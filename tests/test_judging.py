"""The judge's place: asked only about what is left undecided, and its cost is never lost."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from distill.journal import Journal
from distill.judging import Bench, ledger, opened
from distill.recipe import Verify
from distill.sources import make_problem
from distill.types import Judgement, Outcome, Trace, Usage, Verdict
from distill.verifiers.pool import VerifierPool
from tests.conftest import Distill
from tests.engines.fake_chat_server import Answer, FakeChatServer, completion
from tests.test_cli import error_of

pytestmark = pytest.mark.timeout(60)


class Ruling(NamedTuple):
    judgement: Judgement
    requests: int = 2
    prompt_tokens: int = 30
    completion_tokens: int = 4


class Certain:
    """A judge that always says the same."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome: Outcome = outcome
        self.asked: list[str] = []

    async def judge(self, problem: object, answer: str) -> Ruling:
        self.asked.append(answer)
        return Ruling(Judgement(outcome=self.outcome, extracted="the judge's", method="judge", reason="said so"))


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "verifiers"))


def judged(judge: Certain, answers: Sequence[str], reference: str | None = "17") -> list[Verdict]:
    problem = make_problem(prompt="p", verifier="hostile_verifiers:Hostile", reference=reference)

    async def main() -> list[Verdict]:
        async with VerifierPool(timeout=5) as pool:
            bench = Bench(pool, judge)  # type: ignore[arg-type]
            return [await bench.judge(problem, trace(answer, i)) for i, answer in enumerate(answers)]

    return asyncio.run(main())


def trace(answer: str, number: int = 0) -> Trace:
    return Trace(
        id=f"t-{number}", problem_id="x", sample=0, teacher="t", thinking="", answer=answer, finish_reason="stop"
    )


def test_what_is_undecided_is_the_judges_and_all_else_is_not():
    judge = Certain("correct")
    decided, empty, failed = judged(judge, ["good", "", "raise no idea"])
    assert judge.asked == ["raise no idea"]
    assert (decided.method, decided.judge, empty.method, empty.judge) == ("hostile", None, "structure", None)
    assert (failed.outcome, failed.extracted, failed.method, failed.reason) == (
        "correct",
        "the judge's",
        "judge",
        "said so",
    )
    assert failed.judge == Usage(requests=2, prompt_tokens=30, completion_tokens=4)


def test_a_judge_that_cannot_tell_leaves_the_verifiers_failure_in_sight():
    (failed,) = judged(Certain("unverifiable"), ["exit 3"])
    assert (failed.outcome, failed.method) == ("unverifiable", "error")
    assert failed.reason == "the verifier's process died; said so"
    assert failed.judge is not None


def test_without_a_reference_there_is_nothing_to_ask():
    judge = Certain("correct")
    assert judged(judge, ["exit 3"], reference=None)[0].outcome == "unverifiable"
    assert judge.asked == []


VERIFIER = """
from distill import Judgement

class Undecided:
    def __call__(self, problem, answer):
        return Judgement(outcome="unverifiable", method="shrug", reason="cannot tell")
"""


def test_a_judge_is_asked_over_http_and_its_cost_is_in_manifest_and_report(distill: Distill, tmp_path: Path):
    (tmp_path / "shrug.py").write_text(VERIFIER)
    (tmp_path / "problems.jsonl").write_text(json.dumps({"question": "2 + 2?", "answer": "4"}) + "\n")
    with (
        FakeChatServer(Answer(completion("four"))) as teacher,
        FakeChatServer(Answer(completion("EQUIVALENT"))) as judge,
    ):
        (tmp_path / "mine.yaml").write_text(
            f"""
name: mine
generate:
  sources: [{{use: jsonl, path: problems.jsonl, prompt_column: question, verifier: "shrug:Undecided"}}]
  teacher: {{engine: openai, model: t, base_url: "{teacher.url}"}}
  format: plain
  verify: {{judge: {{engine: openai, model: j, base_url: "{judge.url}"}}}}
"""
        )
        distill("generate", "mine.yaml")
        assert [asked.body["model"] for asked in judge.asked] == ["j", "j"]
        assert {asked.body["temperature"] for asked in judge.asked} == {0.0}
    run = tmp_path / "runs" / "mine"
    (verdict,) = Journal(run / "verdicts.jsonl", Verdict)
    assert (verdict.outcome, verdict.method) == ("correct", "judge")
    took = {"timeouts": 0, "asked": 1, "requests": 2, "prompt_tokens": 14, "completion_tokens": 6}
    assert json.loads((run / "manifest.json").read_text())["stages"]["generate"]["verify"] == took
    assert json.loads(distill("report", "mine", "--json").stdout)["generate"]["verify"] == took
    assert "a judge was asked about 1 replies: 2 requests, 20 tokens" in " ".join(
        distill("report", "mine").stdout.split()
    )


def test_the_ledger_adds_up_what_the_file_holds(tmp_path: Path):
    took = Usage(requests=2, prompt_tokens=30, completion_tokens=4)
    with Journal(tmp_path / "verdicts.jsonl", Verdict).appender() as verdicts:
        for method, usage in (("exact", None), ("timeout", None), ("timeout", took), ("judge", took)):
            verdicts.append(Verdict(trace_id="t", outcome="unverifiable", method=method, judge=usage))
    assert ledger(tmp_path / "verdicts.jsonl") == {
        "timeouts": 2,
        "asked": 2,
        "requests": 4,
        "prompt_tokens": 60,
        "completion_tokens": 8,
    }
    assert ledger(tmp_path / "none.jsonl")["asked"] == 0


def test_a_deadline_may_change_in_the_middle_of_a_run_and_what_decides_verdicts_may_not(
    distill: Distill, recipe_path: Path
):
    distill("generate", recipe_path)
    distill("generate", recipe_path, "--set", "generate.verify={timeout: 3, workers: 2}")
    options = "generate.verify.options={exact: {ignore_case: true}}"
    message = error_of(distill("generate", recipe_path, "--set", options, check=None))
    assert "generate.verify.options.exact.ignore_case was None and is now True" in message


def test_the_end_of_a_bench_tells_how_fast_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    verify = Verify.model_validate({"options": {"exact": {"ignore_case": True}}})
    problem = make_problem(prompt="p", verifier="exact", reference="Yes")

    async def main() -> Verdict:
        async with opened(verify, ["exact"], tmp_path, "generate") as bench:
            return await bench.judge(problem, trace("yes"))

    assert asyncio.run(main()).outcome == "correct"
    assert "generate: 1 verdicts, " in capsys.readouterr().err
