"""Faults of one server, and what several make of them: who is asked again, where, how often, and how long it waits."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import SHORT, ask, ask_all, failure, request
from fake_chat_server import Answer, Asked, FakeChatServer, completion, streamed

from distill.engines import Completion
from distill.engines.openai import OpenAIEngine
from distill.errors import EngineError, RecipeError
from distill.recipe import Price

GOOD = streamed("4")
KEY = "sk-not-to-be-seen-0123456789"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenAIEngine, "pauses", SHORT)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def nobody() -> Iterator[dict[str, str]]:
    """An address that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield {"url": f"http://127.0.0.1:{unused.getsockname()[1]}/v1"}


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Answer({"error": {"message": "slow down"}}, status=429), id="429 without Retry-After"),
        pytest.param(Answer({}, status=429, headers={"Retry-After": "0"}), id="429 with Retry-After"),
        pytest.param(Answer({}, status=429, headers={"retry-after-ms": "20"}), id="429 in milliseconds"),
        pytest.param(Answer(b"oops", status=500), id="500"),
        pytest.param(Answer(b"", status=503), id="503"),
        pytest.param(streamed("half a", drop=True), id="dropped in the middle of the stream"),
        pytest.param(streamed("half a", hang=True), id="silent in the middle of the stream"),
        pytest.param(Answer(hang=True), id="silent from the start"),
        pytest.param(Answer(b'{"choices": [{', headers={"Content-Type": "application/json"}), id="malformed JSON"),
        pytest.param(Answer(pieces=[b"data: {nonsense\n\n"]), id="a malformed event"),
        pytest.param(Answer(pieces=[b'data: {"error": {"message": "overloaded"}}\n\n']), id="an error in the stream"),
        pytest.param(streamed(finish_reason="stop", usage=None), id="an empty reply"),
        pytest.param(streamed("part", finish_reason=None), id="a reply without its end"),
    ],
)
def test_a_fault_that_may_pass_is_tried_again_and_its_text_is_nowhere(fault: Answer) -> None:
    with FakeChatServer(fault, GOOD) as server:
        asked = request()
        found = ask(server, asked, timeout=1.0 if fault.hang else 60.0)
    assert (found.text, found.finish_reason) == ("4", "stop")
    assert asked.meter.tries == len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_a_refusal_that_will_not_pass_is_final(status: int) -> None:
    with FakeChatServer(Answer({"error": {"message": "no"}}, status=status)) as server:
        (found,) = ask_all([request()], server)
    assert isinstance(found, EngineError)
    assert len([one for one in server.asked if one.path.endswith("/completions")]) == 1


def test_a_reply_that_a_filter_cut_is_no_reply_and_is_not_asked_again() -> None:
    with FakeChatServer(streamed("part", finish_reason="content_filter"), GOOD) as server:
        (found,) = ask_all([request()], server)
    assert isinstance(found, EngineError)
    assert "content_filter" in str(found)
    assert len(server.asked) == 1


def test_a_prompt_that_is_too_long_is_said_so() -> None:
    words = "This model's maximum context length is 256 tokens. However, you requested 4000 tokens"
    message = failure(Answer({"error": {"message": words, "code": 400}}, status=400))
    assert "maximum context length is 256" in message
    assert "max_tokens" in message or "prompt's length" in message


def test_a_server_that_always_fails_is_given_up_after_its_tries() -> None:
    with FakeChatServer(Answer(b"oops", status=500)) as server:
        (found,) = ask_all([request()], server, max_retries=2)
    assert isinstance(found, EngineError)
    assert "500" in str(found)
    assert len(server.asked) == 3


def test_a_dead_server_leaves_its_requests_to_the_others(nobody: dict[str, str]) -> None:
    requests = [request(seed=seed) for seed in range(12)]
    with FakeChatServer(GOOD) as well:
        found = ask_all(requests, nobody, well, max_retries=2)
    assert [one.text for one in found] == ["4"] * 12
    assert len(well.asked) == 12


def test_an_ill_server_is_set_aside_and_asked_again_once_it_is_well() -> None:
    was_ill: list[Asked] = []

    def ill_for_a_while(asked: Asked) -> Answer:
        was_ill.append(asked)
        return Answer(b"oops", status=500) if len(was_ill) <= 3 else GOOD

    def steady(asked: Asked) -> Answer:
        return streamed("4")

    async def go(ill: FakeChatServer, well: FakeChatServer) -> list[Completion]:
        async with OpenAIEngine(model="m", base_url=[ill.url, well.url]).session(Path()) as session:
            found: list[Completion] = []
            for turn in range(40):
                found += await asyncio.gather(*(session.complete(request(seed=turn)) for _ in range(2)))
                await asyncio.sleep(0.01)
            return found

    with FakeChatServer(ill_for_a_while) as ill, FakeChatServer(steady) as well:
        found = asyncio.run(go(ill, well))
    assert [one.text for one in found] == ["4"] * 80
    assert len(was_ill) > 8, "it never got load again"
    assert len(well.asked) > len(was_ill) - 3


def test_a_wrong_key_of_one_of_several_sets_it_aside_for_good(capsys: pytest.CaptureFixture[str]) -> None:
    requests = [request(seed=seed) for seed in range(20)]
    with FakeChatServer(Answer({"error": {"message": "who?"}}, status=401)) as stranger, FakeChatServer(GOOD) as well:
        found = ask_all(requests, stranger, well)
    assert [one.text for one in found] == ["4"] * 20
    assert capsys.readouterr().err.count("who?") == 1


def test_all_wrong_keys_are_an_error_that_names_the_variable() -> None:
    answer = Answer({"error": {"message": "who?"}}, status=401)
    with FakeChatServer(answer) as one, FakeChatServer(answer) as other:
        found = ask_all([request()], one, other)
    assert isinstance(found[0], EngineError)
    assert "OPENAI_API_KEY" in str(found[0])


def test_an_unknown_rate_limit_is_found_without_failing_anybody() -> None:
    """Two at a time are served, the rest get 429: with a halving limit all are served in the end."""
    inside, lock = [0], threading.Lock()

    def at_most_two(asked: Asked) -> Answer:
        with lock:
            inside[0] += 1
            is_full = inside[0] > 2
        time.sleep(0.02)
        with lock:
            inside[0] -= 1
        return Answer({"error": {"message": "slow down"}}, status=429) if is_full else GOOD

    with FakeChatServer(at_most_two) as server:
        found = ask_all([request(seed=seed) for seed in range(30)], server, max_retries=8)
    assert [getattr(one, "text", one) for one in found] == ["4"] * 30
    assert len(server.asked) < 30 * 4


def test_requests_per_minute_are_spread() -> None:
    with FakeChatServer(GOOD) as server:
        ask_all([request(seed=seed) for seed in range(6)], server, requests_per_minute=1200)
    times = sorted(one.at for one in server.asked)
    assert times[-1] - times[0] > 0.1  # 5 x 50 ms, less the slack


def test_an_address_has_its_own_price_and_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "prompt_tokens_details": {"cached_tokens": 40}}
    with FakeChatServer(streamed("4", usage=usage)) as server:
        address = {"url": server.url, "api_key_env": "MY_KEY", "price": {"input": 2.0, "cached_input": 1, "output": 10}}
        (found,) = ask_all([request()], address)
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert (found.prompt_tokens, found.cached_tokens, found.completion_tokens) == (100, 40, 10)
    assert found.dollars == pytest.approx((60 * 2 + 40 * 1 + 10 * 10) / 1e6)
    assert Price(input=2, output=10).dollars(100, 40, 10) == pytest.approx((100 * 2 + 10 * 10) / 1e6)


def test_a_key_of_an_address_that_nobody_knows_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"base_url\[0\].*requests_per_minut.*requests_per_minute"):
        OpenAIEngine(model="m", base_url=[{"url": "http://127.0.0.1:1/v1", "requests_per_minut": 3}])


def test_plain_json_without_streaming_works_as_well() -> None:
    with FakeChatServer(Answer(completion("4"))) as server:
        assert ask(server).text == "4"
        assert ask(server, stream=False).text == "4"
    assert [one.body.get("stream") for one in server.asked] == [True, None]
