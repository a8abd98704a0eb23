"""A model behind a vLLM server that starts and ends with the session.

The server has an environment of its own (its pins never meet the trainer's), listens on the loopback interface alone,
and wants a key that is drawn anew for each session.
"""

import contextlib
import secrets
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any

from distill import assets
from distill.engines import Completion, Request
from distill.engines.endpoint import Endpoint, Server
from distill.engines.identity import weights_digest
from distill.engines.managed import HOST, ManagedServer, free_port, running
from distill.engines.vllm_command import find_launcher, server_command, server_environment
from distill.errors import EngineError


class VLLMEngine:
    """A model that vLLM serves from here.

    Args:
        model: A folder, a hub id, or a model that ships with distill.
        args: The server's own flags by their own names: ``{max_model_len: 16384, tensor_parallel_size: 8}``. Unless
            they say otherwise, `generation_config` is `vllm`: sampling is what the recipe says, and the model's own
            defaults do not fill in. vLLM's CPU build runs with `dtype: bfloat16` and `enforce_eager`.
        command: Starts the server; see `vllm_command.find_launcher` for its forms, and for where vLLM is looked for
            without it.
        startup_timeout: Seconds until the server must be healthy.
        timeout: Seconds that one try of a request may take.
        max_retries: Further tries of a request.
        extra_body: Further keys of each request, by the server's own names.
    """

    def __init__(
        self,
        *,
        model: str,
        args: dict[str, Any] | None = None,
        command: str | list[str] | None = None,
        startup_timeout: float = 600.0,
        timeout: float = 600.0,
        max_retries: int = 3,
        extra_body: dict[str, Any] | None = None,
    ) -> None:
        self.model = assets.model_path(model)
        self.args, self.command, self.startup_timeout = args or {}, command, startup_timeout
        self.timeout, self.max_retries, self.extra_body = timeout, max_retries, extra_body or {}
        folder = Path(self.model)
        revision = self.args.get("revision") or "main"
        self.identity = weights_digest(folder) if folder.is_dir() else f"{self.model}@{revision}"

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["ManagedSession", None]:
        """Start the server, wait until it is healthy, and end it. What it prints goes to `vllm.log`.

        Raises:
            EngineError: If there is no vLLM here, or its server does not become healthy.
            RecipeError: If `args` sets the model or the address.
        """
        launcher, port, key = find_launcher(self.command), free_port(), secrets.token_hex(16)
        started = running(
            server_command(launcher, model=self.model, host=HOST, port=port, args=self.args),
            port=port,
            log_path=logs_dir / "vllm.log",
            secret=key,
            env=server_environment(launcher, key),
            startup_timeout=self.startup_timeout,
        )
        async with started as managed, self._endpoint(port, key).connected() as server:
            yield ManagedSession(managed, server)

    def _endpoint(self, port: int, key: str) -> Endpoint:
        return Endpoint(
            url=f"http://{HOST}:{port}/v1",
            model=_served_name(self.args, self.model),
            key=key,
            key_name="VLLM_API_KEY",
            timeout=self.timeout,
            max_retries=self.max_retries,
            extra_body=self.extra_body,
            constraint="structured_outputs",
        )


class ManagedSession:
    """A server of ours that is up."""

    def __init__(self, managed: ManagedServer, server: Server) -> None:
        self.managed, self.server = managed, server

    def chat_prompt(self, request: Request) -> str | None:
        """Only the server knows its chat template."""
        return None

    async def complete(self, request: Request) -> Completion:
        """One reply.

        Raises:
            EngineError: If no reply can be had; says so if that is because the server has ended.
        """
        self.managed.check_alive()
        try:
            return await self.server.complete(request)
        except EngineError:
            self.managed.check_alive()
            raise


def _served_name(args: dict[str, Any], model: str) -> str:
    name: str | Sequence[str] = args.get("served_model_name") or model
    return name if isinstance(name, str) else name[0]
