import asyncio
from pathlib import Path
from typing import Any

import pytest

from distill.engines import Completion, Request
from distill.engines.replay import ReplayEngine
from distill.errors import EngineError
from distill.journal import Journal
from distill.recipe import Sampling
from distill.types import Trace


def trace(problem_id: str = "p", sample: int = 0, teacher: str = "t", **fields: Any) -> Trace:
    told: dict[str, Any] = {"thinking": f"thought {sample}", "answer": f"answer {sample}", "finish_reason": "stop"}
    return Trace(
        id=f"{problem_id}-{teacher}-{sample}",
        problem_id=problem_id,
        sample=sample,
        teacher=teacher,
        **{**told, **fields},
    )


def record(folder: Path, *traces: Trace) -> str:
    path = folder / "traces.jsonl"
    Journal(path, Trace).write_all(traces)
    return str(path)


def replay(path: str, metadata: dict[str, object], **options: Any) -> Completion:
    async def go() -> Completion:
        async with ReplayEngine(path=path, **options).session(Path()) as session:
            return await session.complete(Request(messages=[], sampling=Sampling(), seed=0, metadata=metadata))

    return asyncio.run(go())


@pytest.mark.parametrize("sample", [0, 1])
def test_a_problem_gets_the_trace_of_the_sample_it_asks_for(tmp_path: Path, sample: int) -> None:
    path = record(tmp_path, trace(sample=1, prompt_tokens=5, completion_tokens=9), trace(), trace("q"))
    found = replay(path, {"problem_id": "p", "sample": sample})
    assert (found.reasoning, found.text) == (f"thought {sample}", f"answer {sample}")
    assert (found.prompt_tokens, found.completion_tokens) == ((5, 9) if sample else (0, 0))


def test_a_truncated_trace_is_truncated_again(tmp_path: Path) -> None:
    path = record(tmp_path, trace(finish_reason="length", answer=""))
    assert replay(path, {"problem_id": "p", "sample": 0}).finish_reason == "length"


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"problem_id": "p", "sample": 7}, "no sample 7 of problem p"),
        ({"problem_id": "other", "sample": 0}, "no sample 0 of problem other"),
        ({}, "needs problem_id and sample"),
    ],
)
def test_what_was_not_recorded_is_an_error(tmp_path: Path, metadata: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        replay(record(tmp_path, trace()), metadata)


def test_a_recorded_failure_fails_again(tmp_path: Path) -> None:
    path = record(tmp_path, trace(finish_reason="error", error="the server was on fire", answer="", thinking=""))
    with pytest.raises(EngineError, match="on fire"):
        replay(path, {"problem_id": "p", "sample": 0})


def test_traces_of_two_teachers_need_a_choice(tmp_path: Path) -> None:
    path = record(tmp_path, trace(), trace(teacher="u", answer="of u"))
    with pytest.raises(EngineError, match=r"2 teachers.*t, u"):
        replay(path, {"problem_id": "p", "sample": 0})
    assert replay(path, {"problem_id": "p", "sample": 0}, teacher="u").text == "of u"


def test_other_traces_are_another_teacher(tmp_path: Path) -> None:
    before = ReplayEngine(path=record(tmp_path, trace())).identity
    assert ReplayEngine(path=record(tmp_path, trace())).identity == before
    assert ReplayEngine(path=record(tmp_path, trace(answer="5"))).identity != before


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"cannot read the recorded traces .*none\.jsonl"):
        ReplayEngine(path=str(tmp_path / "none.jsonl"))
