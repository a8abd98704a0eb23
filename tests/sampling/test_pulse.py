"""What a call says of itself while it runs: money, time left, and whom it waits for."""

from pathlib import Path

import pytest
from scripted import ScriptedEngine, plan

from distill.engines import Request
from distill.recipe import Samples, Sampling
from distill.sampling import Plan, Store
from distill.sampling.pulse import Pulse, expected_replies


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def request() -> Request:
    return Request(messages=[{"role": "user", "content": "p"}], sampling=Sampling(), seed=0)


def pulse_of(store: Store, clock: Clock, how: Plan | None = None, num_gpus: int = 0) -> Pulse:
    return Pulse(how or plan(), store, num_gpus, clock)


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path, plan().teacher_key(ScriptedEngine(lambda prompt, sample: RuntimeError()))) as store:
        yield store


def test_hours_of_gpus_cost_money_those_of_earlier_calls_included(store: Store):
    clock = Clock()
    store.ledger.gpu_seconds, store.ledger.token_dollars = 3600.0, 0.5
    pulse = pulse_of(store, clock, plan(gpu_hour=2.0), num_gpus=8)
    clock.now = 1800.0
    assert pulse.gpu_seconds == 8 * 1800
    assert pulse.dollars() == pytest.approx(0.5 + 2.0 * (1 + 4))
    assert "$10.50" in pulse.note(is_waiting=False)


def test_the_last_few_are_waited_for_by_name(store: Store):
    clock = Clock()
    pulse = pulse_of(store, clock)
    held = [request() for _ in range(3)]
    for each in held:
        clock.now += 10
        pulse.begin(each)
    clock.now = 75
    assert "3 in flight" in pulse.note(is_waiting=False)
    assert "waiting for the last 3, the longest for 65 s" in pulse.note(is_waiting=True)
    pulse.end(held[0])
    assert "waiting for the last 2, the longest for 55 s" in pulse.note(is_waiting=True)


def test_time_left_follows_the_rate_and_the_accepted_share(store: Store):
    clock = Clock()
    pulse = pulse_of(store, clock, plan(Samples(min=1, max=1000, until_correct=1)))
    assert pulse.seconds_left(10) is None
    store.ledger.replies, store.ledger.correct, clock.now = 100, 25, 50.0
    # two replies a second, four of them for each problem
    assert pulse.seconds_left(10) == pytest.approx(20.0)


@pytest.mark.parametrize(
    ("p", "until", "most", "expected"), [(0, 1, 8, 8), (1, 1, 8, 1), (1, 3, 8, 3), (0.5, 1, 2, 1.5)]
)
def test_expected_replies(p: float, until: int, most: int, expected: float):
    assert expected_replies(p, until, most) == pytest.approx(expected)
