"""What one server may be given, by a clock that the test sets; and how long the dead are waited for."""

import asyncio
import math

import pytest
from asking import SHORT, request

from distill.engines import Completion, Request
from distill.engines.balance import Balancer
from distill.engines.failures import FailedTry, Fault
from distill.engines.limits import Lane, Pace, Pauses
from distill.errors import EngineError


def test_a_pace_spreads_and_lets_pay_off_and_takes_back() -> None:
    pace = Pace(per_minute=600)
    assert pace.delay(100.0) == 0
    pace.take(5, 100.0)
    assert pace.delay(100.0) == pytest.approx(0.4)  # half a second, less the slack
    pace.take(-3, 100.0)
    assert pace.delay(100.0) == pytest.approx(0.1)
    assert pace.delay(200.0) == 0


def fails(lane: Lane, fault: Fault, now: float, wait: float | None = None) -> None:
    lane.failed(lane.take(1, now), FailedTry(fault, "failed", wait=wait), now)


def test_three_failures_in_a_row_set_a_server_aside_and_its_pause_grows_with_each_probe() -> None:
    lane = Lane(pauses=Pauses())
    fails(lane, "server", 0.0)
    fails(lane, "server", 0.0)
    lane.succeeded(lane.take(1, 0.0), 1, 0.0)
    for _ in range(2):
        fails(lane, "server", 0.0)
    assert (lane.is_aside, lane.delay(0.0)) == (False, 0)
    fails(lane, "server", 0.0)
    assert (lane.is_aside, lane.delay(0.0)) == (True, 1)
    fails(lane, "server", 1.0)
    assert lane.delay(1.0) == 2


def test_a_refused_connection_sets_a_server_aside_at_once_and_what_was_in_flight_changes_nothing() -> None:
    lane = Lane(pauses=Pauses())
    tickets = [lane.take(1, 0.0) for _ in range(9)]
    for ticket in tickets:
        lane.failed(ticket, FailedTry("unreachable", "failed"), 0.5)
    assert (lane.is_aside, lane.delay(0.5), lane.num_in_flight) == (True, 1, 0)


def test_a_server_set_aside_gets_one_probe_and_then_load_again() -> None:
    lane = Lane(pauses=Pauses())
    fails(lane, "unreachable", 0.0)
    probe = lane.take(1, 1.0)
    assert (probe.is_probe, lane.delay(1.0)) == (True, math.inf)
    lane.left(probe)
    assert lane.delay(1.0) == 0, "a probe whose caller went away has told nothing"
    probe = lane.take(1, 1.0)
    lane.succeeded(probe, 1, 1.0)
    assert (lane.is_aside, lane.take(1, 1.0).is_probe, lane.delay(1.0)) == (False, False, 0)


def test_a_storm_of_429_halves_what_is_in_flight_once_and_each_reply_adds_one() -> None:
    lane = Lane(pauses=Pauses())
    tickets = [lane.take(1, 0.0) for _ in range(16)]
    for ticket in tickets:
        lane.failed(ticket, FailedTry("limit", "failed", wait=3), 1.0)
    assert lane.delay(1.0) == 3
    taken = [lane.take(1, 4.0) for _ in range(8)]
    assert lane.delay(4.0) == math.inf
    lane.succeeded(taken[0], 1, 5.0)
    lane.take(1, 5.0)
    assert lane.delay(5.0) == 0
    lane.take(1, 5.0)
    assert lane.delay(5.0) == math.inf


def test_a_server_may_ask_for_ten_minutes_and_no_more() -> None:
    lane = Lane(pauses=Pauses())
    fails(lane, "limit", 0.0, wait=86_400)
    assert lane.delay(0.0) == 600


def test_tokens_that_were_expected_and_did_not_come_are_given_back() -> None:
    lane = Lane(pauses=Pauses(), tokens_per_minute=6000)
    ticket = lane.take(1000, 100.0)
    assert lane.delay(100.0) == pytest.approx(9.9)
    lane.succeeded(ticket, 100, 100.0)
    assert lane.delay(100.0) == pytest.approx(0.9)


class Dead:
    """A server that takes no connection, until it has been asked so often."""

    def __init__(self, num_failures: float = math.inf) -> None:
        self.lane = Lane(pauses=SHORT)
        self.num_asked, self._num_failures = 0, num_failures

    async def attempt(self, request: Request) -> Completion:
        self.num_asked += 1
        await asyncio.sleep(0)
        if self.num_asked <= self._num_failures:
            raise FailedTry("unreachable", "cannot be reached")
        return Completion(text="4")

    async def explained(self, failure: FailedTry, num_tries: int) -> EngineError:
        return EngineError(f"{failure} ({num_tries} tries)")


def outcomes(servers: list[Dead], num_requests: int, max_retries: int) -> list[Completion | BaseException]:
    async def go() -> list[Completion | BaseException]:
        balancer = Balancer(servers, max_retries=max_retries, pauses=SHORT)
        asked = (balancer.complete(request(seed=seed)) for seed in range(num_requests))
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)

    return asyncio.run(go())


@pytest.mark.parametrize("num_servers", [1, 2])
def test_the_dead_are_given_up_by_a_thousand_requests_as_soon_as_by_one(num_servers: int) -> None:
    servers = [Dead() for _ in range(num_servers)]
    found = outcomes(servers, 1000, max_retries=3)
    assert {str(one) for one in found} == {"cannot be reached (4 tries)"}
    assert sum(server.num_asked for server in servers) < 1000 + 20  # all that were sent at once, and then the probes


def test_a_server_that_comes_back_answers_all_that_waited() -> None:
    server = Dead(num_failures=102)
    found = outcomes([server], 100, max_retries=4)
    assert [getattr(one, "text", one) for one in found] == ["4"] * 100
