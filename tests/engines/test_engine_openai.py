import asyncio
import logging
import socket
from pathlib import Path

import pytest
from asking import SHORT, ask, ask_all, failure, request
from fake_chat_server import Answer, FakeChatServer, completion, streamed

from distill.engines import Completion
from distill.engines.chat import constrained, request_body, server_message
from distill.engines.failures import asked_wait
from distill.engines.limits import Pauses
from distill.engines.openai import OpenAIEngine
from distill.errors import EngineError, RecipeError

KEY = "sk-not-to-be-seen-0123456789"


@pytest.fixture(autouse=True)
def no_openai_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(OpenAIEngine, "pauses", SHORT)


def test_a_reply_keeps_text_tokens_and_its_end() -> None:
    with FakeChatServer(Answer(completion("It is 4."))) as server:
        found = ask(server)
    assert found == Completion(text="It is 4.", finish_reason="stop", prompt_tokens=7, completion_tokens=3)
    assert server.asked[0].path == "/v1/chat/completions"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_a_thought_that_comes_apart_stays_apart(name: str) -> None:
    with FakeChatServer(Answer(completion("4", **{name: "two and two"}))) as server:
        found = ask(server)
    assert (found.reasoning, found.text) == ("two and two", "4")


def test_a_reply_that_ends_inside_its_thought_has_no_text() -> None:
    with FakeChatServer(Answer(completion(None, "length", reasoning_content="two and"))) as server:
        found = ask(server)
    assert (found.reasoning, found.text, found.finish_reason) == ("two and", "", "length")


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}])
def test_what_a_server_does_not_count_is_estimated(usage: object) -> None:
    with FakeChatServer(Answer({**completion("four" * 5, reasoning="x"), "usage": usage})) as server:
        found = ask(server, request(prefill="well"))
    assert (found.prompt_tokens, found.completion_tokens, found.is_estimated) == (2, 6, True)


def test_cached_tokens_of_the_prompt_are_kept() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 5}}
    with FakeChatServer(Answer({**completion("4"), "usage": usage})) as server:
        found = ask(server)
    assert (found.prompt_tokens, found.cached_tokens, found.completion_tokens) == (7, 5, 3)
    assert (found.is_estimated, found.dollars) == (False, None)


def test_a_request_says_how_to_sample() -> None:
    with FakeChatServer(Answer(completion())) as server:
        ask(server, request(temperature=0.6, top_p=0.95, max_tokens=99, seed=5))
    body = server.asked[0].body
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "2+2?"}],
        "temperature": 0.6,
        "top_p": 0.95,
        "max_tokens": 99,
        "seed": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_top_k_and_min_p_are_sent_only_where_they_do_something() -> None:
    neutral, sharp = request_body(request(), "m", {}), request_body(request(top_k=20, min_p=0.1), "m", {})
    assert not {"top_k", "min_p", "thinking_token_budget"} & set(neutral)
    assert (sharp["top_k"], sharp["min_p"]) == (20, 0.1)
    assert request_body(request(thinking_token_budget=50), "m", {})["thinking_token_budget"] == 50
    assert OpenAIEngine.budgets_thinking


def test_the_server_is_told_to_go_on_from_a_prefill() -> None:
    with FakeChatServer(Answer(completion())) as server:
        ask(server, request(prefill="<think>\n"))
    body = server.asked[0].body
    assert body["messages"][-1] == {"role": "assistant", "content": "<think>\n"}
    assert (body["add_generation_prompt"], body["continue_final_message"]) == (False, True)


def test_extra_body_is_sent_last_and_null_takes_a_key_away() -> None:
    with FakeChatServer(Answer(completion())) as server:
        ask(server, extra_body={"seed": None, "chat_template_kwargs": {"enable_thinking": True}})
    body = server.asked[0].body
    assert "seed" not in body
    assert body["chat_template_kwargs"] == {"enable_thinking": True}


def test_a_choice_is_asked_for_as_json_and_comes_back_as_its_word() -> None:
    with FakeChatServer(Answer(completion('{"choice": "even"}'))) as server:
        assert ask(server, request(choices=["even", "odd"])).text == "even"
    schema = server.asked[0].body["response_format"]["json_schema"]["schema"]
    assert schema["properties"] == {"choice": {"type": "string", "enum": ["even", "odd"]}}
    assert "stream" not in server.asked[0].body


@pytest.mark.parametrize("text", ["even", '{"other": "even"}', '["even"]', '{"choice": 4}', "{", "[" * 100_000])
def test_a_reply_that_keeps_to_no_choice_is_left_as_it_is(text: str) -> None:
    with FakeChatServer(Answer(completion(text))) as server:
        assert ask(server, request(choices=["even", "odd"])).text == text


def test_vllm_is_told_to_choose_by_its_own_key() -> None:
    assert constrained(["even", "odd"], "structured_outputs") == {"structured_outputs": {"choice": ["even", "odd"]}}


@pytest.mark.parametrize("status", [400, 422])
def test_a_server_that_cannot_be_told_to_choose_is_asked_without_it_from_then_on(status: int) -> None:
    refusal = Answer({"error": {"message": "response_format is not supported"}}, status=status)

    async def go(server: FakeChatServer) -> list[str]:
        async with OpenAIEngine(model="m", base_url=server.url, max_retries=0).session(Path()) as session:
            return [(await session.complete(request(choices=["even", "odd"]))).text for _ in range(2)]

    with FakeChatServer(refusal, Answer(completion("even")), Answer(completion("odd"))) as server:
        assert asyncio.run(go(server)) == ["even", "odd"]
    assert ["response_format" in asked.body for asked in server.asked] == [True, False, False]


def test_a_request_that_is_refused_either_way_is_an_error_and_changes_nothing() -> None:
    refusal = Answer({"error": {"message": "too long"}}, status=400)

    async def go(server: FakeChatServer) -> None:
        async with OpenAIEngine(model="m", base_url=server.url, max_retries=0).session(Path()) as session:
            for _ in range(2):
                with pytest.raises(EngineError, match="too long"):
                    await session.complete(request(choices=["even", "odd"]))

    with FakeChatServer(refusal) as server:
        asyncio.run(go(server))
    assert ["response_format" in asked.body for asked in server.asked] == [True, False, True, False]


def test_openai_itself_gets_the_newer_name_of_the_limit() -> None:
    body = request_body(request(max_tokens=5), "m", {}, limit_key="max_completion_tokens")
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


def test_a_rate_limit_is_waited_for_as_long_as_the_server_asks() -> None:
    busy = Answer({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "1"})
    with FakeChatServer(busy, Answer(completion("4"))) as server:
        assert ask(server).text == "4"
    first, second = server.asked
    assert 1.0 <= second.at - first.at < 10.0  # our own pauses are short here


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "150"}, 0.15),
        ({"retry-after-ms": "150", "retry-after": "9"}, 0.15),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:27:00 GMT"}, 0.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_the_pause_that_a_server_asks_for_is_read(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(headers, clock=1445412480.0) == seconds  # 2015-10-21 07:28:00


FAULTS = {
    "a timeout of the server": Answer(b"oops", status=408),
    "a conflict": Answer(b"oops", status=409),
    "a rate limit": Answer(b"oops", status=429),
    "a failure of the server": Answer(b"oops", status=500),
    "a failure of the gateway": Answer(b"oops", status=503, headers={"retry-after-ms": "20"}),
    "a reply that breaks off": Answer(completion("half a rep"), missing=100),
    "a stream that breaks off": streamed("half a rep", drop=True),
    "a stream that just ends": streamed("half a rep", finish_reason=None),
    "a stream without events": Answer(pieces=[b": hello\n\n"]),
    "a stream that falls silent": streamed("half a rep", hang=True),
    "a server that says nothing": Answer(hang=True),
    "half of a JSON": Answer(b'{"choices": [{'),
    "half of a JSON in an event": Answer(pieces=[b'data: {"choices": [{\n\n']),
    "an error with status 200": Answer({"error": {"message": "overloaded"}}),
    "an error in the stream": Answer(pieces=[*streamed("half").pieces[:2], b'data: {"error": {"message": "x"}}\n\n']),
    "an error of SGLang in the stream": Answer(pieces=[b'data: {"object": "error", "message": "x"}\n\n']),
    "an empty reply": Answer({**completion(""), "usage": None}),
    "an empty reply of no tokens": Answer({**completion(None), "usage": {"completion_tokens": 0}}),
    "an empty stream": streamed(usage=None),
    "an unknown end": Answer(completion("part of it", "abort")),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_may_pass_is_tried_again(fault: Answer) -> None:
    asked = request()
    with FakeChatServer(fault, fault, streamed("4")) as server:
        assert ask(server, asked, max_retries=2, timeout=1.0 if fault.hang else 60.0).text == "4"
    assert len(server.asked) == asked.meter.tries == 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_what_does_not_pass_is_an_error_in_the_end(fault: Answer) -> None:
    with FakeChatServer(fault) as server, pytest.raises(EngineError, match=r"^http://127\.0\.0\.1:.*\(2 tries\)"):
        ask(server, max_retries=1, timeout=0.3 if fault.hang else 60.0)
    assert len(server.asked) == 2


def test_pauses_grow_and_are_never_all_alike() -> None:
    pauses = Pauses()
    assert all(0.25 <= pauses.after(1) <= 0.5 and 2 <= pauses.after(4) <= 4 for _ in range(50))
    assert 30 <= pauses.after(2000 // 2) <= 60
    assert len({pauses.after(1) for _ in range(5)}) > 1
    assert [pauses.set_aside(number) for number in (1, 2, 3, 99)] == [1, 2, 4, 60]


def test_an_empty_reply_that_took_tokens_is_a_reply() -> None:
    with FakeChatServer(Answer(completion("", "length"))) as server:
        assert ask(server).finish_reason == "length"


@pytest.mark.parametrize(
    "answer",
    [
        *(Answer({"error": {"message": "bad"}}, status=status) for status in (400, 401, 403, 404, 413, 422)),
        Answer({"error": {"message": "no money", "code": "insufficient_quota"}}, status=429),
        Answer(b"", status=307, headers={"Location": "http://elsewhere/v1"}),
        Answer(completion("part of it", "content_filter")),
    ],
)
def test_what_cannot_pass_is_not_tried_again(answer: Answer) -> None:
    with FakeChatServer(answer) as server, pytest.raises(EngineError):
        ask(server, max_retries=3)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(b"<html>Bad\n gateway</html>", status=502), ["502", "Bad gateway", "log"]),
        (Answer({"error": {"message": "slow down"}}, status=429), ["429", "slow down", "concurrency"]),
        (Answer({"error": {"message": "too long"}}, status=400), ["400", "too long", "prompt's length"]),
        (Answer({"object": "error", "message": "too long"}, status=400), ["400", "too long"]),
        (Answer({"detail": "wrong field"}, status=422), ["422", "wrong field"]),
        (Answer(b"", status=307, headers={"Location": "http://there/v1"}), ["307", "http://there/v1", "base_url"]),
        (Answer({**completion(""), "usage": None}), ["empty reply"]),
        (streamed("half", drop=True), ["broke off in the middle of a reply", "log"]),
        (streamed("half", finish_reason=None), ["None", "not whole"]),
        (streamed("half", finish_reason="content_filter"), ["content_filter", "not whole"]),
        (Answer(pieces=[b'data: {"error": {"message": "upstream"}}\n\n']), ["status 200", "upstream"]),
        (Answer(pieces=[b"data: oh no\n\n"]), ["not JSON", "oh no"]),
        (Answer({"error": {"message": "who?"}}, status=401), ["401", "who?", "OPENAI_API_KEY"]),
        (Answer({"error": {"message": "not you"}}, status=403), ["403", "not you", "OPENAI_API_KEY"]),
        (Answer(b'{"choices": [{'), ["not JSON", '{"choices": [{']),
        (Answer({"error": {"message": "overloaded"}}), ["status 200", "overloaded"]),
        (Answer({"error": "overloaded", "choices": []}), ["without choices", "overloaded"]),
        (Answer({**completion("Sorry, error"), "error": {"message": "upstream"}}), ["status 200", "upstream"]),
        (Answer({"choices": []}), ["without choices"]),
        (Answer({"hello": 1}), ["not a chat completion"]),
        (Answer(completion([{"type": "text"}])), ["not a chat completion"]),
        (Answer(completion("part of it", "content_filter")), ["content_filter", "not whole"]),
        (Answer(completion("part of it", "abort")), ["abort", "not whole"]),
        (Answer(completion("part of it", None)), ["None", "not whole"]),
        (Answer(completion("half a rep"), missing=100), ["cannot be reached"]),
    ],
)
def test_an_error_never_becomes_text_and_says_what_happened(answer: Answer, words: list[str]) -> None:
    message = failure(answer)
    assert message.startswith("http://127.0.0.1:")
    assert [word for word in words if word not in message] == []
    assert "\n" not in message


def test_a_wrong_model_name_is_answered_with_the_right_ones() -> None:
    answer = Answer({"error": {"message": "no such model"}}, status=404)
    assert "Asked for model 'm'; it has: alpha, beta" in failure(answer, models=("alpha", "beta"))
    assert "most end in /v1" in failure(answer)


@pytest.mark.parametrize(
    "said",
    [
        "This model's maximum context length is 256 tokens. However, you requested 4000 output tokens",
        "The input (300 tokens) is longer than the model's context length (256 tokens).",
        {"message": "too big", "code": "context_length_exceeded"},
    ],
)
def test_a_prompt_that_does_not_fit_is_said_so(said: object) -> None:
    message = failure(Answer({"error": said}, status=400))
    assert "answered 400" in message
    assert "do not fit the model's context" in message
    assert "mend `sampling` or the prompt's length" in message
    assert "do not fit" not in failure(Answer({"error": "no such field"}, status=400))


def test_a_long_message_is_shortened() -> None:
    assert len(server_message({"error": {"message": "x" * 5000}})) == 203


def test_nobody_there_is_said_with_the_address() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"

        async def go() -> None:
            async with OpenAIEngine(model="m", base_url=url, max_retries=0).session(Path()) as session:
                await session.complete(request())

        with pytest.raises(EngineError, match=r"(?s)127\.0\.0\.1.*cannot be reached.*Is the server running"):
            asyncio.run(go())


def test_a_silent_server_is_given_up_after_the_timeout() -> None:
    with FakeChatServer(Answer(hang=True)) as server, pytest.raises(EngineError, match=r"did not answer within 0\.2 s"):
        ask(server, timeout=0.2, max_retries=0)
    assert server.client_left.wait(10)


def test_silence_in_the_middle_of_a_reply_is_given_up_and_length_is_not() -> None:
    start, *rest = streamed("2", "+", "2").pieces
    with FakeChatServer(Answer(pieces=[start], hang=True)) as server:
        with pytest.raises(EngineError, match=r"was silent for 0\.3 s in the middle of a reply.*`timeout`"):
            ask(server, timeout=0.3, max_retries=0)
        assert server.client_left.wait(10)
    slow = Answer(pieces=[start, *(piece for word in rest for piece in (0.25, word))])
    with FakeChatServer(slow) as server:
        assert ask(server, timeout=1.0, max_retries=0).text == "2+2"  # a second and a half in all


def test_a_reply_that_does_not_stream_must_be_through_in_time() -> None:
    with FakeChatServer(Answer(hang=True)) as server, pytest.raises(EngineError, match=r"Long replies need streaming"):
        ask(server, timeout=0.2, max_retries=0, stream=False)
    assert "stream" not in server.asked[0].body


def test_cancelling_a_call_ends_its_http_request() -> None:
    async def go(server: FakeChatServer) -> None:
        async with OpenAIEngine(model="m", base_url=server.url).session(Path()) as session:
            call = asyncio.create_task(session.complete(request()))
            assert await asyncio.to_thread(server.arrived.wait, 10)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            # Inside the session: it is the cancelled call that left, not the closed client.
            assert await asyncio.to_thread(server.client_left.wait, 10)
            assert [one.num_in_flight for one in session.servers] == [0]

    for answer in (Answer(hang=True), streamed("2", hang=True)):
        with FakeChatServer(answer) as server:
            asyncio.run(go(server))


def test_each_request_goes_to_the_least_loaded_server() -> None:
    async def go(busy: FakeChatServer, idle: FakeChatServer) -> None:
        engine = OpenAIEngine(model="m", base_url=[busy.url, idle.url], timeout=10, max_retries=0)
        async with engine.session(Path()) as session:
            waiting = asyncio.create_task(session.complete(request()))
            assert await asyncio.to_thread(busy.arrived.wait, 10)
            for _ in range(3):
                await session.complete(request())
            waiting.cancel()

    with FakeChatServer(Answer(hang=True)) as busy, FakeChatServer(Answer(completion())) as idle:
        asyncio.run(go(busy, idle))
        assert (len(busy.asked), len(idle.asked)) == (1, 3)


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with FakeChatServer(Answer(completion("4"))) as server:
        assert ask(server, max_retries=0).text == "4"


@pytest.mark.parametrize("no_proxy", ["", "elsewhere.invalid"])
def test_a_proxy_of_the_environment_is_asked_for_other_machines(monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    for name in ("HTTP_PROXY", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with FakeChatServer(Answer(completion("4"))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.removesuffix("/v1").replace("//", "//me:secret@"))
        monkeypatch.setenv("no_proxy", no_proxy)
        (outcome,) = ask_all([request()], {"url": "http://elsewhere.invalid/v1"}, max_retries=0)
    if no_proxy:
        assert isinstance(outcome, EngineError)
        assert not proxy.asked
    else:
        assert outcome.text == "4"
        assert proxy.asked[0].path == "http://elsewhere.invalid/v1/chat/completions"
        assert proxy.asked[0].headers["proxy-authorization"].startswith("Basic ")


def test_the_key_comes_from_the_variable_that_the_recipe_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    with FakeChatServer(Answer(completion())) as server:
        ask(server, api_key_env="MY_KEY")
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_server_elsewhere_needs_a_key() -> None:
    async def go() -> None:
        async with OpenAIEngine(model="m", base_url="https://api.example.com/v1", api_key_env="MY_KEY").session(Path()):
            pass

    with pytest.raises(EngineError, match="MY_KEY is not set"):
        asyncio.run(go())


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"error": {"message": f"Incorrect API key provided: {KEY}"}}, status=401),
        Answer({"error": {"message": "x" * 175 + KEY}}, status=400),  # cut off in the middle of the key
        Answer(f"<p>{KEY}</p>".encode(), status=503),
        Answer(KEY.encode()),
        Answer({"error": {"message": KEY}}),
        Answer(completion("4", KEY)),
        Answer(completion("4")),
        streamed("4"),
        Answer(pieces=[b"data: " + KEY.encode() + b"\n\n"]),
        Answer(pieces=[b'data: {"error": {"message": "' + KEY.encode() + b'"}}\n\n']),
        streamed("4", finish_reason=KEY),
        Answer(b"", status=301, headers={"Location": f"http://there/?{KEY}"}),
    ],
)
def test_a_key_is_in_no_error_and_no_log(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    shown = ""
    with FakeChatServer(answer) as server:
        try:
            shown = repr(ask(server, max_retries=0))
        except EngineError as error:
            shown = f"{error}{error.__cause__}"
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    printed = capfd.readouterr()
    assert "Using selector" in caplog.text  # the logs are being looked at: asyncio's own first line
    assert KEY[:12] not in shown + caplog.text + printed.out + printed.err


@pytest.mark.parametrize(
    "url", ["https://me:secret@host/v1", "https://host/v1?key=secret", "localhost:8000/v1", "ftp://h"]
)
def test_an_address_that_cannot_be_used_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(RecipeError) as caught:
        OpenAIEngine(model="m", base_url=url)
    assert "secret" not in str(caught.value)


def test_the_same_model_elsewhere_is_the_same_teacher() -> None:
    here = OpenAIEngine(model="m", base_url="http://127.0.0.1:8000/v1")
    assert here.identity == OpenAIEngine(model="m").identity == "m"
