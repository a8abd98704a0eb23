"""A model behind a vLLM server that starts and ends with the session.

The server has an environment of its own (its pins never meet the trainer's), listens on the loopback interface alone,
and wants a key that is drawn anew for each session.
"""

import contextlib
import math
import secrets
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from distill import assets
from distill.engines import Completion, Request
from distill.engines.endpoint import Endpoint, Server
from distill.engines.identity import template_digest, weights_digest
from distill.engines.managed import HOST, ManagedServer, free_port
from distill.engines.restarts import KeptServer, kept
from distill.engines.vllm_command import Launcher, find_launcher, server_command, server_environment, version_of

STREAM_INTERVAL = 128
"""Tokens between two pieces of a streamed reply: with a piece for each token, the server is busy with the pieces. About
as many as `LoopWatch` waits for between two looks."""
PARALLEL = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Flags whose product is the number of GPUs."""


class VLLMEngine:
    """A model that vLLM serves from here.

    Args:
        model: A folder, a hub id, or a model that ships with distill.
        args: The server's own flags by their own names: ``{max_model_len: 16384, tensor_parallel_size: 8}``. Unless
            they say otherwise, `generation_config` is `vllm`: sampling is what the recipe says, and the model's own
            defaults do not fill in. vLLM's CPU build runs with `dtype: bfloat16`, `enforce_eager` and whole prompts.
        command: Starts the server; see `vllm_command.find_launcher` for its forms, and for where vLLM is looked for
            without it.
        startup_timeout: Seconds until the server must be healthy.
        max_restarts: How many times in one session the server is started again after it ended by itself. What it was
            at work on is asked again.
        timeout: Seconds that one try of a request may take.
        max_retries: Further tries of a request; a restart is none of them.
        extra_body: Further keys of each request, by the server's own names.
    """

    budgets_thinking = True
    """`thinking_token_budget` is passed on. The server wants a `reasoning_parser` in `args` for it, and says so."""

    def __init__(
        self,
        *,
        model: str,
        args: dict[str, Any] | None = None,
        command: str | list[str] | None = None,
        startup_timeout: float = 600.0,
        max_restarts: int = 3,
        timeout: float = 600.0,
        max_retries: int = 3,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        self.model = assets.model_path(model)
        self.args, self.command, self.startup_timeout = args or {}, command, startup_timeout
        self.max_restarts = max_restarts
        self.timeout, self.max_retries, self.extra_body = timeout, max_retries, extra_body or {}
        folder, revision = Path(self.model), self._flag("revision") or "main"
        self.identity = weights_digest(folder) if folder.is_dir() else f"{self.model}@{revision}"

    @property
    def num_gpus(self) -> int:
        """GPUs that the server takes, by its flags; 0 where it runs on a CPU.

        Raises:
            EngineError: If there is no vLLM here.
        """
        if find_launcher(self.command).is_cpu_build or self._flag("device") == "cpu":
            return 0
        return math.prod(int(self._flag(name) or 1) for name in PARALLEL)

    def stamp(self) -> dict[str, Any]:
        """What a reply depends on besides the model.

        Raises:
            EngineError: If there is no vLLM here.
        """
        launcher = find_launcher(self.command)
        automatic = "bfloat16" if launcher.is_cpu_build else "auto"
        return {
            "version": version_of(launcher),
            "dtype": self._flag("dtype") or automatic,
            "device": "cpu" if launcher.is_cpu_build else self._flag("device") or "auto",
            "parallelism": {name: int(self._flag(name) or 1) for name in PARALLEL},
            "args": {key: value for key, value in self.args.items() if key.replace("-", "_") not in PARALLEL},
            "template": template_digest(Path(self.model)),
        }

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ManagedSession", None]:
        """Start the server, wait until it is healthy, and end it. What it prints goes to `vllm.log`.

        Raises:
            EngineError: If there is no vLLM here, or its server does not become healthy.
            RecipeError: If `args` sets the model or the address.
        """
        launcher, port, key = find_launcher(self.command), free_port(), secrets.token_hex(16)
        command = server_command(launcher, model=self.model, host=HOST, port=port, args=self.args)
        log_path, env = logs_dir / "vllm.log", server_environment(launcher, key)
        held = kept(
            lambda: ManagedServer(command, port=port, log_path=log_path, secret=key, env=env),
            log_path=log_path,
            startup_timeout=self.startup_timeout,
            max_restarts=self.max_restarts,
        )
        async with held as server, self._endpoint(launcher, port, key).connected() as client:
            yield ManagedSession(server, client)

    def _endpoint(self, launcher: Launcher, port: int, key: str) -> Endpoint:
        # A flag of the server would be the least that a request can ask for.
        sets_interval = launcher.is_vllm and self._flag("stream_interval") is None
        defaults = {"stream_interval": STREAM_INTERVAL} if sets_interval else {}
        return Endpoint(
            url=f"http://{HOST}:{port}/v1",
            model=self._served_name(),
            key=key,
            key_name="VLLM_API_KEY",
            timeout=self.timeout,
            max_retries=self.max_retries,
            extra_body={**defaults, **self.extra_body},
            constraint="structured_outputs",
        )

    def _served_name(self) -> str:
        name: str | list[str] = self._flag("served_model_name") or self.model
        return name if isinstance(name, str) else name[0]

    def _flag(self, name: str) -> Any:
        """What `args` says of a flag, written with underscores or with dashes; None if nothing."""
        return self.args.get(name, self.args.get(name.replace("_", "-")))


class ManagedSession:
    """A server of ours that is up."""

    def __init__(self, kept: KeptServer, server: Server) -> None:
        self.kept, self.server = kept, server

    @property
    def managed(self) -> ManagedServer:
        """The server that runs now; another one after a restart."""
        return self.kept.server

    async def complete(self, request: Request) -> Completion:
        """One reply, from the server that runs now or, if that dies, from the next.

        Raises:
            EngineError: If no reply can be had; says so if that is because the server has ended.
        """
        return await self.kept.outlived(lambda: self.server.complete(request))
