"""Every case of `math_cases.yaml`: what is equal is accepted, what is not is not, and next to nothing stays open."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from distill.types import Judgement, Problem
from distill.verifiers.math import MathVerifier

CASES = yaml.safe_load((Path(__file__).parent / "math_cases.yaml").read_text(encoding="utf-8"))
MAY_STAY_OPEN = "hostile"
"""Towers and divisions by zero: nobody has to say what they are, as long as they are not accepted."""


@cache
def verifier() -> MathVerifier:
    return MathVerifier()


def judged(case: dict[str, str]) -> Judgement:
    return verifier()(Problem(id="", prompt="", verifier="math", reference=case["reference"]), case["response"])


@pytest.mark.parametrize("kind", CASES)
def test_every_case_of_the_kind(kind: str) -> None:
    failures: list[str] = []
    for case in CASES[kind]:
        judgement = judged(case)
        is_open = judgement.outcome == "unverifiable" and kind != MAY_STAY_OPEN
        if is_open or (judgement.outcome == "correct") != case["correct"]:
            failures.append(f"{case} was {judgement.outcome} ({judgement.method}: {judgement.reason})")
    assert not failures, f"{len(failures)} of {len(CASES[kind])}:\n" + "\n".join(failures)


def test_the_cases_are_many_and_near_half_of_them_are_wrong_answers() -> None:
    rows = [case for cases in CASES.values() for case in cases]
    assert len(rows) >= 1000
    assert 0.4 < sum(not case["correct"] for case in rows) / len(rows) < 0.55
