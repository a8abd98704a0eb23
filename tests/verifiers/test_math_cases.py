"""Every case of `math_cases.yaml`: what is equal is correct, and what is not is incorrect, never correct."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from distill.sources import make_problem
from distill.verifiers.math import MathVerifier

pytest.importorskip("flint")

CASES = yaml.safe_load((Path(__file__).parent / "math_cases.yaml").read_text(encoding="utf-8"))
OUTCOMES = {True: "correct", False: "incorrect"}


@cache
def verifier() -> MathVerifier:
    return MathVerifier()


@pytest.mark.parametrize("kind", CASES)
def test_every_case_of_the_kind(kind: str) -> None:
    failures: list[str] = []
    for case in CASES[kind]:
        judgement = verifier()(make_problem(prompt="p", verifier="math", reference=case["reference"]), case["response"])
        if judgement.outcome != OUTCOMES[case["correct"]]:
            failures.append(f"{case} was {judgement.outcome} ({judgement.method}: {judgement.reason})")
    assert not failures, f"{len(failures)} of {len(CASES[kind])}:\n" + "\n".join(failures)


def test_cases_are_many_and_near_half_are_near_misses() -> None:
    rows = [case for cases in CASES.values() for case in cases]
    assert len(rows) >= 400
    assert 0.35 < sum(not case["correct"] for case in rows) / len(rows) < 0.55
