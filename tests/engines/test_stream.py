"""A streamed reply is the same however its bytes come, and is cut, counted and closed in time."""

import asyncio
import itertools
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asking import SHORT, ask, failure, request
from fake_chat_server import DONE, USAGE, Answer, FakeChatServer, completion, event, streamed
from hypothesis import given
from hypothesis import strategies as st

from distill.engines import Completion
from distill.engines.chat import TokenCounts, reply_estimate
from distill.engines.failures import FailedTry
from distill.engines.openai import OpenAIEngine
from distill.engines.stream import EventParser, StreamedReply


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(OpenAIEngine, "pauses", SHORT)


def data_of(chunks: list[bytes]) -> list[bytes]:
    parser = EventParser()
    return [data for chunk in chunks for data in parser.feed(chunk)] + parser.end()


def split(text: bytes, places: list[int]) -> list[bytes]:
    cuts = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


@pytest.mark.parametrize(
    ("stream", "data"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\r\n\r\ndata:b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: [1,\ndata: 2]\n\n", [b"[1,\n2]"]),
        (b": still here\n\ndata: a\n\n: still here\n\n", [b"a"]),
        (b"event: message\nid: 4\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"\n\n\n\ndata: a\n\n\n\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data: a\n", [b"a"]),
        (b"database: a\n\ndata\n\ndata:\n\n", []),
        (b"", []),
    ],
)
def test_events_give_their_data(stream: bytes, data: list[bytes]) -> None:
    assert data_of([stream]) == data
    assert data_of([stream[i : i + 1] for i in range(len(stream))]) == data


LINES = st.sampled_from(
    [b"data: x", b"data:y", b'data: {"a": "\xc3\xa9"}', b": ping", b"event: e", b"", b"", b"data: "]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS)), st.lists(st.integers(min_value=0)))
def test_events_are_the_same_however_they_are_split(lines: list[tuple[bytes, bytes]], places: list[int]) -> None:
    stream = b"".join(line + end for line, end in lines)
    assert data_of(split(stream, places)) == data_of([stream])
    plain = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert data_of([stream]) == data_of([plain])


def read(chunks: list[bytes], **asked: Any) -> Completion:
    reply = StreamedReply(request(**asked))
    for chunk in chunks:
        reply.feed(chunk)
    reply.end()
    return reply.completion()


@given(st.lists(st.text(min_size=1)), st.lists(st.text(min_size=1)), st.lists(st.integers(min_value=0)))
def test_a_reply_is_the_same_however_it_is_split(thoughts: list[str], words: list[str], places: list[int]) -> None:
    said = [event(reasoning_content=word) for word in thoughts] + [event(content=word) for word in words]
    stream = b": ping\n\n".join([*said, event(finish_reason="length"), event(usage=USAGE), DONE])
    found = read(split(stream, places))
    assert (found.text, found.reasoning or "", found.finish_reason) == ("".join(words), "".join(thoughts), "length")
    assert (found.prompt_tokens, found.completion_tokens, found.is_estimated) == (7, 3, False)


@pytest.mark.parametrize(
    "chunks",
    [
        [event("stop", usage=USAGE, content="4"), DONE],
        [event(usage=USAGE, content="4"), event("stop"), DONE],
        [event(content="4"), event("stop")],
        [event(content="4"), event("stop").removesuffix(b"\n\n")],
        [event(content="4") + event("stop") + DONE + event(content="5")],
        [event(content="4"), b'data: {"choices": [{"index": 1, "delta": {"content": "5"}}]}\n\n', event("stop")],
        [event(content="4"), b'data: {"choices": null}\n\ndata: {"type": "ping"}\n\n', event("stop")],
        [event(content="4"), b'data: {"choices": [{"delta": null, "finish_reason": "stop"}]}\n\n'],
    ],
)
def test_the_end_of_a_stream_has_many_forms(chunks: list[bytes]) -> None:
    found = read(chunks)
    assert (found.text, found.finish_reason) == ("4", "stop")


@pytest.mark.parametrize("end", [[], [DONE], [b'data: {"choices": [{"delta": {"con'], [event("abort"), DONE]])
def test_a_stream_that_is_not_whole_is_no_reply(end: list[bytes]) -> None:
    with pytest.raises(FailedTry, match="not whole"):
        read([event(content="4"), *end])


def test_a_streamed_reply_is_the_reply() -> None:
    answer = Answer(pieces=[event(reasoning="two "), event(reasoning="and"), *(streamed("It ", "is 4.").pieces or ())])
    with FakeChatServer(answer) as server:
        found = ask(server)
    assert found == Completion(text="It is 4.", reasoning="two and", prompt_tokens=7, completion_tokens=3)


@pytest.mark.parametrize(("words", "num_tokens"), [(["a"] * 30, 30), (["abcdefghij"], 3)])
def test_what_no_usage_counts_is_estimated_by_pieces_and_letters(words: list[str], num_tokens: int) -> None:
    asked = request()
    with FakeChatServer(streamed(*words, usage=None)) as server:
        found = ask(server, asked)
    assert (found.completion_tokens, found.prompt_tokens, found.is_estimated) == (num_tokens, 1, True)
    assert (asked.meter.completion_tokens, asked.meter.prompt_tokens, asked.meter.tries) == (num_tokens, 1, 1)
    assert reply_estimate(0) == 0


def test_a_connection_is_used_again_after_a_stream() -> None:
    async def go(server: FakeChatServer) -> None:
        async with OpenAIEngine(model="m", base_url=server.url).session(Path()) as session:
            for _ in range(3):
                await session.complete(request())

    with FakeChatServer(streamed("4")) as server:
        asyncio.run(go(server))
    assert len({asked.client for asked in server.asked}) == 1


def test_a_server_that_never_ends_its_stream_has_still_replied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distill.engines.endpoint.LINGER", 0.1)
    with FakeChatServer(Answer(pieces=[event(content="4"), event("stop")], hang=True)) as server:
        assert ask(server).text == "4"
        assert server.client_left.wait(10)


LOOP = " Wait, no." * 1000


@pytest.mark.parametrize("part", ["content", "reasoning_content"])
def test_a_loop_is_cut_and_the_server_is_left(part: str) -> None:
    asked = request(cut_loops=True)
    pieces = [event(**{part: "So it is 4."}), *(event(**{part: LOOP}) for _ in range(9))]
    with FakeChatServer(Answer(pieces=pieces, hang=True)) as server:
        found = ask(server, asked)
        assert server.client_left.wait(10)
    text = found.text if part == "content" else found.reasoning or ""
    assert (found.finish_reason, found.reason) == ("aborted", "it only repeats itself")
    assert text == "So it is 4." + LOOP
    assert (found.completion_tokens, found.is_estimated) == (2503, True)  # a quarter of 10,011 characters
    assert (asked.meter.completion_tokens, asked.meter.tries) == (2503, 1)
    assert len(server.asked) == 1


def test_no_loop_is_cut_unless_it_is_asked_for() -> None:
    with FakeChatServer(streamed(LOOP, LOOP)) as server:
        assert ask(server).text == LOOP * 2


def test_thought_and_answer_are_watched_apart() -> None:
    one, two = event(reasoning_content=" Wait, no." * 150), event(content=" Wait, no." * 150)
    with FakeChatServer(Answer(pieces=[one, two, *(streamed().pieces or ())])) as server:
        assert ask(server, request(cut_loops=True)).finish_reason == "stop"


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("refused", ["stream_options", "stream"])
def test_a_server_that_refuses_to_stream_is_asked_without_it_from_then_on(status: int, refused: str) -> None:
    def answer(asked: Any) -> Answer:
        if refused in asked.body:
            return Answer({"error": {"message": f"Extra inputs are not permitted: {refused}"}}, status=status)
        return streamed("4") if "stream" in asked.body else Answer(completion("4"))

    async def go(server: FakeChatServer) -> list[str]:
        async with OpenAIEngine(model="m", base_url=server.url, max_retries=0).session(Path()) as session:
            return [(await session.complete(request())).text for _ in range(2)]

    with FakeChatServer(answer) as server:
        assert asyncio.run(go(server)) == ["4", "4"]
    assert [refused in asked.body for asked in server.asked] == [True, False, False]
    assert "stream_options" not in server.asked[-1].body


def test_a_refusal_that_streaming_has_no_part_in_changes_nothing() -> None:
    refusal = Answer({"detail": [{"msg": "bad seed", "input": {"stream": True}}]}, status=422)

    async def go(server: FakeChatServer) -> None:
        async with OpenAIEngine(model="m", base_url=server.url, max_retries=0).session(Path()) as session:
            for _ in range(2):
                with pytest.raises(Exception, match="bad seed"):
                    await session.complete(request())

    with FakeChatServer(refusal) as server:
        asyncio.run(go(server))
    assert ["stream" in asked.body for asked in server.asked] == [True, False, True, False]


def test_a_cancelled_request_knows_what_it_took() -> None:
    asked = request()

    async def go(server: FakeChatServer) -> None:
        item = {"url": server.url, "price": {"input": 1.0, "output": 2.0}}
        async with OpenAIEngine(model="m", base_url=[item]).session(Path()) as session:
            call = asyncio.create_task(session.complete(asked))
            end = time.monotonic() + 10
            while asked.meter.completion_tokens < 3 and time.monotonic() < end:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert await asyncio.to_thread(server.client_left.wait, 10)

    with FakeChatServer(streamed("a", "b", "c", hang=True)) as server:
        asyncio.run(go(server))
    meter = asked.meter
    assert (meter.tries, meter.prompt_tokens, meter.completion_tokens) == (1, 1, 3)
    assert meter.dollars == pytest.approx((1 * 1 + 2 * 3) / 1e6)


def test_what_a_failed_try_took_is_counted_too() -> None:
    asked = request()
    with FakeChatServer(streamed("a", "b", drop=True), streamed("4")) as server:
        found = ask(server, asked)
    assert (found.prompt_tokens, found.completion_tokens) == (7, 3)
    assert (asked.meter.tries, asked.meter.prompt_tokens, asked.meter.completion_tokens) == (2, 1 + 7, 2 + 3)


def test_counts_that_come_with_each_piece_are_the_ones_that_count() -> None:
    pieces = [event(content="4", usage={"prompt_tokens": 9, "completion_tokens": 1})]
    reply = StreamedReply(request())
    reply.feed(pieces[0])
    assert reply.taken() == (9, 0, 1)
    assert msgspec.json.decode(b"{}", type=TokenCounts).cached_tokens == 0


def test_an_answer_that_is_no_stream_and_no_json_is_shown() -> None:
    page = Answer(b"<html>Welcome</html>", headers={"Content-Type": "text/html"})
    assert "not JSON: <html>Welcome" in failure(page)


def test_a_listener_hears_the_thought_and_the_text_grow_and_gets_every_token_as_it_comes() -> None:
    heard: list[tuple[str, str]] = []
    pieces = [event(reasoning_content="7 times "), event(reasoning_content="6"), event(content="4"), event(content="2")]
    answer = Answer(pieces=[*pieces, event(finish_reason="stop"), event(usage=USAGE), DONE])
    with FakeChatServer(answer) as server:
        asked = msgspec.structs.replace(request(), on_text=lambda text, thought: heard.append((text, thought)))
        reply = ask(server, asked, extra_body={"stream_interval": 128})
        ask(server, extra_body={"stream_interval": 128})
    assert (reply.text, reply.reasoning) == ("42", "7 times 6")
    assert heard[-1] == ("42", "7 times 6")
    assert all(after[0].startswith(before[0]) for before, after in itertools.pairwise(heard))
    assert [asked.body["stream_interval"] for asked in server.asked] == [1, 128]
