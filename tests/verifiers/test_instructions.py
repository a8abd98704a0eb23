"""Constraints that a program can check: a reply that keeps to each, and one that just does not."""

import json
from pathlib import Path
from typing import Any

import pytest

from distill.types import Problem
from distill.verifiers.instructions import KINDS, MAX_READ, InstructionsVerifier

SHIPPED = Path(__file__).parents[2] / "datasets" / "instructions.jsonl"
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({"kind": "words", "max": 3}, "It isn't over-long", "It is four words"),
    ({"kind": "words", "min": 2, "max": 2}, "two words.", "one."),
    ({"kind": "sentences", "min": 2, "max": 2}, "One. Two!", "One. Two. Three"),
    ({"kind": "sentences", "min": 1, "max": 1}, "It costs 3.5 euros", "It costs 3. Five"),
    ({"kind": "paragraphs", "min": 2, "max": 2}, "a\n \nb", "a\nb"),
    ({"kind": "lines", "min": 2, "max": 2}, "a\n\nb", "a b"),
    ({"kind": "bullets", "min": 2, "max": 2}, "- a\n* b", "- a\n-b"),
    ({"kind": "digits", "max": 0}, "none", "v2"),
    ({"kind": "slots", "min": 1}, "Dear [name]", "Dear name]"),
    ({"kind": "numbered", "min": 2, "max": 2}, "1. a\n2) b", "1. a\n3. b"),
    ({"kind": "include", "text": "sun"}, "The Sun, then.", "Sunday"),
    ({"kind": "include", "text": "go", "min": 2, "max": 2}, "go and go", "go go go"),
    ({"kind": "avoid", "texts": ["ice", ","]}, "nice", "Ice"),
    ({"kind": "avoid", "texts": [","]}, "a b", "a, b"),
    ({"kind": "starts", "text": "Yes"}, "Yes it is", "yes it is"),
    ({"kind": "ends", "text": "Done!"}, "It is. Done!\n", "It is. Done"),
    ({"kind": "case", "to": "lower"}, "all low: 3", "Not low"),
    ({"kind": "case", "to": "upper"}, "UP!", "Up!"),
    ({"kind": "json", "keys": ["a"]}, '```json\n{"a": [1]}\n```', '{"a": 1, "b": 2}'),
    ({"kind": "json", "keys": ["a"]}, '{"a": null}', 'Here: {"a": null}'),
    ({"kind": "wrapped", "in": ['"', '"']}, '"so"', '"so" he said'),
    ({"kind": "wrapped", "in": ["(", ")"]}, "(x)", "()"),
    ({"kind": "parts", "by": "***", "count": 2}, "a\n***\nb", "a *** b"),
    ({"kind": "parts", "by": "***", "count": 2}, "a\n*** \nb", "a\n***\n"),
    ({"kind": "acrostic", "word": "ab"}, "Ah\n\nbut", "Ah\nno"),
]


def judged(constraints: Any, reply: str) -> tuple[str, str]:
    problem = Problem(id="p", prompt="?", verifier="instructions", metadata={"constraints": constraints})
    found = InstructionsVerifier()(problem, reply)
    return found.outcome, found.reason


@pytest.mark.parametrize(("constraint", "kept", "broken"), CASES)
def test_a_constraint_is_kept_or_broken(constraint: dict[str, Any], kept: str, broken: str) -> None:
    assert judged([constraint], kept) == ("correct", "")
    outcome, reason = judged([constraint], broken)
    assert outcome == "incorrect"
    assert reason


def test_every_kind_has_a_case() -> None:
    assert {constraint["kind"] for constraint, _, _ in CASES} == set(KINDS)


def test_all_constraints_must_be_kept_and_the_first_broken_one_is_named() -> None:
    both = [{"kind": "words", "max": 2}, {"kind": "starts", "text": "A"}]
    assert judged(both, "A b")[0] == "correct"
    assert judged(both, "B b") == ("incorrect", "does not start with 'A'")
    assert judged(both, "B b c") == ("incorrect", "has 3 words, not at most 2")


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        (None, "no constraints"),
        ([], "no constraints"),
        (["words"], "no constraint of kind None"),
        ([{"kind": "wrods"}], "no constraint of kind 'wrods'; the kinds are words"),
        ([{"kind": "include"}], "'include' cannot be read: KeyError"),
        ([{"kind": "case", "to": "title"}], "'case' cannot be read"),
    ],
)
def test_constraints_that_cannot_be_read_are_our_failure(constraints: Any, message: str) -> None:
    outcome, reason = judged(constraints, "x")
    assert outcome == "unverifiable"
    assert message in reason


@pytest.mark.parametrize("reply", ["a" * (MAX_READ + 1), "[" * 40_000, '{"a":' * 9_000, "a." * 20_000, "((" * 20_000])
def test_hostile_replies_are_judged_at_once(reply: str) -> None:
    for constraint, _, _ in CASES:
        assert judged([constraint], reply)[0] in ("correct", "incorrect")
    assert judged([CASES[0][0]], " \n ") == ("incorrect", "no answer")


def test_every_shipped_request_can_be_met_and_its_example_breaks_when_it_is_turned_round() -> None:
    rows = [json.loads(line) for line in SHIPPED.read_text(encoding="utf-8").splitlines()]
    assert len({row["prompt"] for row in rows}) == len(rows) >= 40
    for row in rows:
        assert judged(row["constraints"], row["example"]) == ("correct", ""), row["prompt"]
    strangers = [judged(row["constraints"], rows[index - 1]["example"])[0] for index, row in enumerate(rows)]
    assert strangers.count("incorrect") >= 0.8 * len(rows)
