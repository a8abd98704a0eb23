"""The sampler alone: which samples are asked for, in which order, which are cancelled, when it stops."""

from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import FOREVER, RIGHT, WRONG, ScriptedEngine, plan, problems, records, run

from distill.engines import Completion
from distill.errors import EngineError, RecipeError
from distill.recipe import Budget, Price, Samples, Sampling
from distill.sampling import Store
from distill.sampling.case import wants_more


def outcome_of(prompt: str, sample: int, odds: int) -> Completion:
    return RIGHT if hash((prompt, sample, 7)) % odds == 0 else WRONG


def samples_by_prompt(engine: ScriptedEngine) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for prompt, sample in engine.asked:
        found[prompt].append(sample)
    return found


def test_every_problem_gets_its_first_sample_before_any_gets_its_second(tmp_path: Path):
    engine = ScriptedEngine(lambda prompt, sample: WRONG)
    run(tmp_path, problems(5), engine, plan(Samples(min=1, max=3), concurrency=1))
    assert [sample for _, sample in engine.asked] == [0] * 5 + [1] * 5 + [2] * 5


def test_a_problem_with_a_correct_reply_gets_no_more_and_a_hopeless_one_is_left(tmp_path: Path):
    engine = ScriptedEngine(lambda prompt, sample: RIGHT if (prompt, sample) in {("p0", 0), ("p1", 2)} else WRONG)
    run(tmp_path, problems(3), engine, plan(Samples(min=1, max=9, give_up_after=4)))
    assert samples_by_prompt(engine) == {"p0": [0], "p1": [0, 1, 2], "p2": [0, 1, 2, 3]}


@pytest.mark.parametrize("count", [1, 8])
def test_a_fixed_number_is_asked_whatever_comes_back(tmp_path: Path, count: int):
    engine = ScriptedEngine(lambda prompt, sample: RIGHT)
    run(tmp_path, problems(3), engine, plan(Samples(min=count, max=count), concurrency=5))
    assert {prompt: sorted(samples) for prompt, samples in samples_by_prompt(engine).items()} == {
        f"p{i}": list(range(count)) for i in range(3)
    }
    assert engine.most_in_flight <= 5


def test_siblings_in_flight_are_cancelled_and_what_they_took_is_counted(tmp_path: Path):
    engine = ScriptedEngine(
        lambda prompt, sample: RIGHT if sample == 1 else WRONG,
        delay=lambda prompt, sample: 3 if sample == 1 else FOREVER,
    )
    run(tmp_path, problems(1), engine, plan(Samples(min=1, max=4, at_once=4), price=Price(output=1e6)))
    assert sorted(engine.asked) == [("p0", sample) for sample in range(4)]
    assert sorted(engine.cancelled) == [("p0", 0), ("p0", 2), ("p0", 3)]
    assert [trace["sample"] for trace in records(tmp_path / "traces.jsonl")] == [1]
    lost = records(tmp_path / "unfinished.jsonl")
    assert {line["finish_reason"] for line in lost} == {"aborted"}
    assert all(line["completion_tokens"] > 0 and not line["thinking"] + line["answer"] for line in lost)
    with Store(tmp_path, plan().teacher_key(engine)) as store:
        ledger = store.ledger
    assert (ledger.cancelled, ledger.replies, ledger.correct) == (3, 1, 1)
    assert ledger.wasted_tokens == sum(line["completion_tokens"] for line in lost)
    assert ledger.token_dollars == pytest.approx(ledger.completion_tokens) == ledger.wasted_tokens + 10


def test_siblings_are_asked_only_when_no_other_problem_waits(tmp_path: Path):
    engine = ScriptedEngine(lambda prompt, sample: WRONG, delay=lambda prompt, sample: 5)
    run(tmp_path, problems(6), engine, plan(Samples(min=1, max=2, at_once=2), concurrency=2))
    assert [sample for _, sample in engine.asked[:6]] == [0] * 6


@settings(max_examples=60)
@given(
    count=st.integers(1, 6),
    least=st.integers(1, 3),
    extra=st.integers(0, 4),
    until=st.integers(1, 3),
    at_once=st.integers(1, 4),
    give_up=st.none() | st.integers(1, 4),
    concurrency=st.integers(1, 7),
    odds=st.integers(1, 5),
    delays=st.lists(st.integers(0, 6), min_size=1, max_size=9),
    faults=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 6)), max_size=4),
)
def test_no_sample_is_asked_twice_and_at_the_end_nothing_is_wanted(
    tmp_path_factory: pytest.TempPathFactory, count, least, extra, until, at_once, give_up, concurrency, odds, delays,
    faults,
):  # fmt: skip
    tmp_path = tmp_path_factory.mktemp("run")
    samples = Samples(min=least, max=least + extra, until_correct=until, at_once=at_once, give_up_after=give_up)

    def script(prompt: str, sample: int) -> Completion | Exception:
        is_fault = (int(prompt[1:]), sample) in faults
        return EngineError("no answer") if is_fault else outcome_of(prompt, sample, odds)

    def delay(prompt: str, sample: int) -> int:
        return delays[(int(prompt[1:]) * 3 + sample) % len(delays)]

    engine = ScriptedEngine(script, delay)
    how = plan(samples, concurrency=concurrency)
    first = run(tmp_path, problems(count), engine, how)
    assert max(Counter(engine.asked).values()) == 1
    assert engine.most_in_flight <= concurrency
    faults.clear()
    asked_before = set(engine.asked) - set(engine.cancelled)
    engine.asked.clear()
    second = run(tmp_path, problems(count), engine, how)
    assert (second.open, second.failed) == (0, 0)
    ids = [trace["id"] for trace in records(tmp_path / "traces.jsonl")]
    assert len(ids) == len(set(ids))
    if not first.failed:
        assert not engine.asked or asked_before
    outcomes: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for verdict in records(tmp_path / "verdicts.jsonl"):
        problem, _, sample = verdict["trace_id"].split("-")
        outcomes[problem][int(sample)] = verdict["outcome"][0]
    assert len(outcomes) == count
    for found in outcomes.values():
        text = "".join(found.get(index, ".") for index in range(samples.max))
        assert not wants_more(text, samples), text


@pytest.mark.parametrize("delays", [(1, 1), (1, 9), (9, 1), (4, 0)])
def test_with_one_at_once_the_samples_do_not_depend_on_the_timing(tmp_path: Path, delays: tuple[int, int]):
    engine = ScriptedEngine(
        lambda prompt, sample: RIGHT if int(prompt[1:]) % 3 == sample else WRONG,
        delay=lambda prompt, sample: delays[(int(prompt[1:]) + sample) % 2],
    )
    run(tmp_path, problems(7), engine, plan(Samples(min=1, max=4), concurrency=4))
    assert sorted(engine.asked) == [(f"p{i}", sample) for i in range(7) for sample in range(i % 3 + 1)]


def test_a_failed_request_is_asked_again_by_the_next_call_and_never_becomes_a_trace(tmp_path: Path):
    failing = True

    def script(prompt: str, sample: int) -> Completion | Exception:
        return EngineError("the server is ill") if failing and prompt == "p1" else RIGHT

    engine = ScriptedEngine(script)
    assert run(tmp_path, problems(3), engine, plan(Samples(min=1, max=3))).failed == 1
    assert engine.asked.count(("p1", 0)) == 1
    (lost,) = records(tmp_path / "unfinished.jsonl")
    assert (lost["finish_reason"], lost["error"], lost["answer"]) == ("error", "the server is ill", "")
    assert len(records(tmp_path / "traces.jsonl")) == 2
    failing = False
    assert run(tmp_path, problems(3), engine, plan(Samples(min=1, max=3))).failed == 0
    assert len(records(tmp_path / "traces.jsonl")) == 3


def test_twenty_failures_in_a_row_end_the_call(tmp_path: Path):
    engine = ScriptedEngine(lambda prompt, sample: EngineError("nobody there"))
    with pytest.raises(EngineError, match="20 requests failed one after another, the last with: nobody there"):
        run(tmp_path, problems(50), engine, plan(concurrency=1))
    assert len(engine.asked) == 20


@pytest.mark.parametrize(
    ("budget", "price"),
    [(Budget(tokens=500), None), (Budget(dollars=5.0), Price(output=10_000.0))],
)
def test_a_budget_stops_before_it_is_overrun_and_a_larger_one_goes_on(
    tmp_path: Path, budget: Budget, price: Price | None
):
    engine = ScriptedEngine(lambda prompt, sample: RIGHT)
    outcome = run(tmp_path, problems(200), engine, plan(budget=budget, price=price, concurrency=8))
    assert outcome.is_spent
    # ten tokens a reply: fifty replies; the first few are expected to reach their limit of a hundred
    assert 40 <= len(records(tmp_path / "traces.jsonl")) <= 50
    again = run(tmp_path, problems(200), engine, plan(budget=budget, price=price, concurrency=8))
    assert again.is_spent
    assert len(records(tmp_path / "traces.jsonl")) <= 50
    more = Budget(**{key: value * 3 for key, value in budget.model_dump(exclude_none=True).items()})
    run(tmp_path, problems(200), engine, plan(budget=more, price=price, concurrency=8))
    assert 140 <= len(records(tmp_path / "traces.jsonl")) <= 150


def test_only_truncated_replies_are_asked_again_and_only_under_a_larger_limit(tmp_path: Path):
    limit = 100

    def script(prompt: str, sample: int) -> Completion:
        needed = 50 * int(prompt[1:])
        return Completion(
            text="yes", completion_tokens=min(needed, limit), finish_reason="length" if needed > limit else "stop"
        )

    engine = ScriptedEngine(script)
    how = plan(Samples(min=1, max=1))
    run(tmp_path, problems(6), engine, how)
    for limit, expected in ((160, ["p3", "p4", "p5"]), (160, []), (400, ["p4", "p5"]), (400, [])):
        engine.asked.clear()
        longer = plan(Samples(min=1, max=1), sampling=Sampling(max_tokens=limit))
        assert longer.teacher_key(engine) == how.teacher_key(engine)
        run(tmp_path, problems(6), engine, longer, retry_truncated=True)
        assert [prompt for prompt, _ in engine.asked] == expected
    traces = records(tmp_path / "traces.jsonl")
    assert sorted(trace["id"].rpartition("-")[2] for trace in traces) == ["0"] * 6 + ["0.1"] * 3 + ["0.2"] * 2
    assert {trace["seed"] for trace in traces} == {trace["seed"] for trace in traces if not trace["retry"]}
    engine.asked.clear()
    run(tmp_path, problems(6), engine, how)
    assert not engine.asked


def test_an_engine_that_cannot_end_a_thought_refuses_a_budget_for_it(tmp_path: Path):
    with pytest.raises(RecipeError, match="thinking_token_budget is 50, and this engine cannot"):
        run(tmp_path, problems(1), ScriptedEngine(lambda *_: RIGHT), plan(sampling=Sampling(thinking_token_budget=50)))
