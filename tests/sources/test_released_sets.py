"""Every released set of traces is read out of a small file in its exact columns, as JSON Lines and as Parquet."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill import assets
from distill.errors import DataError
from distill.sources import card as cards
from distill.sources.adopters import Adopted, HubAdopter, JsonlAdopter
from tests.sources.released import RELEASED, THINK, THOUGHT, talk

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    if path.suffix == ".parquet":
        datasets.Dataset.from_list(rows).to_parquet(path)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def test_every_card_with_traces_is_tested_here() -> None:
    with_traces = {name for name, path in assets.shipped("datasets").items() if cards.load(path).traces}
    assert with_traces == set(RELEASED)


# Sky-T1's is one array in a .json, the others are lines or Parquet
@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
@pytest.mark.parametrize("name", RELEASED)
def test_a_row_of_the_set_gives_its_problem_and_its_traces(name: str, suffix: str, tmp_path: Path) -> None:
    row, expected = RELEASED[name]
    found = list(HubAdopter(card=name, path=written(tmp_path / f"rows{suffix}", [row, row])))
    assert len(found) == 2
    problem, told, system = found[0]
    assert (problem.prompt, problem.reference, problem.domain) == (
        expected.prompt,
        expected.reference,
        expected.domain,
    )
    assert [(t.reply.thinking, t.reply.answer, t.finish_reason) for t in told] == expected.traces
    assert system == expected.system
    assert told[0].metadata == (expected.metadata or {})
    assert told[0].reply.malformed is None


@pytest.mark.parametrize("name", RELEASED)
def test_a_row_of_another_schema_is_an_error_that_names_row_and_column(name: str, tmp_path: Path) -> None:
    row, _ = RELEASED[name]
    traces = cards.load(assets.find("datasets", name)).traces
    assert traces is not None
    column = traces.messages or traces.reply or traces.answer
    path = written(tmp_path / "rows.jsonl", [{key: value for key, value in row.items() if key != column}])
    with pytest.raises(DataError, match=f"row 0: there is no column '{column}'; the row has "):
        list(HubAdopter(card=name, path=path))


def own(tmp_path: Path, rows: list[dict[str, Any]], traces: dict[str, Any], **options: Any) -> JsonlAdopter:
    path = written(tmp_path / "own.jsonl", rows)
    return JsonlAdopter(path=path, traces={"model": "m", **traces}, **options)


MESSAGES = {"messages": "messages"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a text", "line 1: column 'messages' holds a str; a list of messages is needed"),
        ([{"who": "me"}], "each message needs from and value, or role and content"),
        ([{"role": "tool", "content": "x"}], "column 'messages' has a turn of 'tool'; known are system"),
        ([{"role": "user", "content": ["x"]}], "column 'messages' holds a list; a text or a number is needed"),
    ],
)
def test_messages_that_are_none_are_named(value: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        list(own(tmp_path, [{"messages": value}], MESSAGES))


def test_lists_of_another_length_are_named(tmp_path: Path) -> None:
    row = {"q": "?", "thoughts": ["a", "b"], "answers": ["1"], "done": [True, True, False], "replies": [THINK, THINK]}
    apart = {"thinking": "thoughts", "answer": "answers"}
    with pytest.raises(DataError, match="line 1: column 'thoughts' holds 2 thoughts and 'answers' 1 answers"):
        list(own(tmp_path, [row], apart, prompt_column="q"))
    with pytest.raises(DataError, match="line 1: column 'done' holds 3 values for 2 replies"):
        list(own(tmp_path, [row], {"reply": "replies", "complete": "done"}, prompt_column="q"))


def test_rows_without_a_trace_are_left_out_and_counted(tmp_path: Path) -> None:
    several = [*talk(THINK), *talk(THINK)]
    rows = [
        {"messages": talk(THINK)},
        {"messages": talk(THINK)[:1]},
        {"messages": None},
        {"messages": talk("  ")},
        {"messages": several},
        {"messages": talk(THINK)[1:]},
    ]
    adopter = own(tmp_path, rows, MESSAGES)
    assert len(list(adopter)) == 1
    assert adopter.skipped == {"no trace": 3, "a conversation of several turns": 1, "no prompt": 1}
    assert adopter.num_rows() == 6


@pytest.mark.parametrize(
    ("reply", "thinking", "answer", "malformed"),
    [
        ("<think>\nSix", "Six", "", "the thought is not closed"),
        ("Six</think>42", "Six", "42", "the thought is not opened"),
        ("<think>a</think>", "a", "", "no answer after the thought"),
        ("<think>a</think>b<think>", "a", "b<think>", "more than one thought"),
    ],
)
def test_a_malformed_reply_is_kept_and_says_why(
    reply: str, thinking: str, answer: str, malformed: str, tmp_path: Path
) -> None:
    [found] = own(tmp_path, [{"messages": talk(reply)}], MESSAGES)
    assert found.told[0].reply == (thinking, answer, malformed)


def one(tmp_path: Path, row: dict[str, Any], traces: dict[str, Any], **options: Any) -> Adopted:
    [found] = own(tmp_path, [row], traces, **options)
    return found


def test_a_long_thought_that_ends_in_a_mark_is_split_there(tmp_path: Path) -> None:
    # O1-Journey's columns
    row = {"question": "?", "answer": "42", "longCOT": "Six. No #### yet.\n#### 42"}
    traces = {"reply": "longCOT", "format": "plain", "answer_from": "####"}
    told = one(tmp_path, row, traces, prompt_column="question", reference_column="answer").told[0]
    assert told.reply == ("Six. No #### yet.", "#### 42", None)
    row["longCOT"] = "Six sevens, and no end"
    told = one(tmp_path, row, traces, prompt_column="question", reference_column="answer").told[0]
    assert told.reply == ("Six sevens, and no end", "", "the answer is not marked")


def test_records_as_older_versions_of_datasets_give_them_are_read(tmp_path: Path) -> None:
    row = {"messages": {"from": ["system", "human", "gpt"], "value": ["Think.", "?", THINK]}}
    found = one(tmp_path, row, MESSAGES)
    assert (found.system, found.problem.prompt, found.told[0].reply.thinking) == ("Think.", "?", THOUGHT)


@pytest.mark.parametrize(
    ("traces", "message"),
    [
        ({"messages": "m", "reply": "r"}, "traces: give one of messages, reply, or thinking and answer"),
        ({"thinking": "t"}, "give one of messages, reply, or thinking and answer"),
        ({"mesages": "m"}, "a card has no key 'mesages'. Did you mean 'messages'?"),
        ({"reply": "r", "format": "thikn"}, "format is 'thikn': no trace format named 'thikn'"),
        ({"reply": "r", "answer_from": "("}, "'\\(' is not a regular expression"),
        ({"reply": "r"}, "where is the prompt\\? Give prompt_column"),
    ],
)
def test_a_mistake_in_the_block_is_named(traces: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        own(tmp_path, [], traces)


def test_a_set_of_conversations_is_no_source_of_problems() -> None:
    from distill.sources.hub import HubSource

    with pytest.raises(DataError, match=r"card sky-t1-17k: .* take problems and traces from it with generate\.adopt"):
        HubSource(card="sky-t1-17k")


def test_a_card_of_problems_alone_cannot_be_adopted() -> None:
    with pytest.raises(DataError, match="card gsm8k says nothing of traces"):
        HubAdopter(card="gsm8k")
