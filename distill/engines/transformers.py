"""A model in this process, by transformers: for small models, and for machines without a GPU.

Requests that wait together are answered together: a thread takes up to `batch_size` of them and decodes them as one
left-padded batch; replies that end leave the batch at once, so that the last long one does not hold up the rest. For
anything larger than a few hundred million parameters use the `vllm` engine: it batches continuously.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from distill import assets, environment, plugins
from distill.engines import Completion, Request
from distill.engines.identity import template_digest, weights_digest
from distill.errors import EngineError


class TransformersEngine:
    """A causal language model, loaded here.

    Args:
        model: A folder, a hub id, or a model that ships with distill.
        batch_size: Replies decoded together. On two cores and a model of a million parameters 128 is about the best:
            a larger batch's cache leaves the processor's own.
        dtype: Of the weights: `auto` takes bfloat16 on a GPU and float32 on a processor.
        device: As torch names it; `auto` takes the first GPU if there is one.
        revision: Of a hub id.
    """

    def __init__(
        self,
        *,
        model: str,
        batch_size: int = 128,
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        device: str = "auto",
        revision: str | None = None,
    ) -> None:
        self.model = assets.model_path(model)
        self.batch_size, self.dtype, self.device, self.revision = batch_size, dtype, device, revision
        folder = Path(self.model)
        self.num_gpus = 0 if device == "cpu" or not environment.gpus() else 1
        self.identity = weights_digest(folder) if folder.is_dir() else f"{self.model}@{revision or 'main'}"

    def stamp(self) -> dict[str, Any]:
        """What a reply depends on besides the model."""
        on_processor = self.device == "cpu" or (self.device == "auto" and not environment.gpus())
        automatic = "float32" if on_processor else "bfloat16"
        return {
            "version": f"transformers {environment.installed('transformers')}, torch {environment.installed('torch')}",
            "dtype": automatic if self.dtype == "auto" else self.dtype,
            "device": "cpu" if on_processor else self.device,
            "batch_size": self.batch_size,
            "parallelism": {},
            "template": template_digest(Path(self.model)),
        }

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["_Session"]:
        """Load the model, and free it afterwards."""
        loaded = await asyncio.to_thread(self._load)
        session = _Session(loaded, self.batch_size)
        try:
            yield session
        finally:
            await asyncio.to_thread(session.close)

    def _load(self) -> "_Loaded":
        environment.quiet_libraries()
        torch = plugins.need("torch", "engine 'transformers'", "train")
        transformers = plugins.need("transformers", "engine 'transformers'", "train")
        device = self.device if self.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        automatic = "float32" if device == "cpu" else "bfloat16"
        dtype = getattr(torch, automatic if self.dtype == "auto" else self.dtype)
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                self.model, revision=self.revision, padding_side="left"
            )
            model = load_model(self.model, dtype=dtype, revision=self.revision).to(device).eval()
            if device == "cpu":
                # torch's fused attention for processors is made for long queries: one token at a time, plain is faster
                model.set_attn_implementation("eager")
        except (OSError, ValueError) as error:
            raise EngineError(
                f"cannot load model {self.model!r}: {str(error).splitlines()[0]:.300}. Give a folder with weights and "
                f"tokenizer, a hub id (with network), or a model that ships with distill: tiny-teacher, tiny-base"
            ) from error
        if tokenizer.chat_template is None:
            raise EngineError(f"model {self.model!r} has no chat template; give its folder a chat_template.jinja")
        return _Loaded(model, tokenizer, device)


def load_model(path: str, *, dtype: Any, revision: str | None = None) -> Any:
    """A causal language model; a LoRA adapter's folder is loaded on top of the base it names."""
    import transformers

    if (Path(path) / "adapter_config.json").is_file():
        peft = plugins.need("peft", "a LoRA student", "train")
        return peft.AutoPeftModelForCausalLM.from_pretrained(path, dtype=dtype).merge_and_unload()
    return transformers.AutoModelForCausalLM.from_pretrained(path, dtype=dtype, revision=revision)


class _Loaded(NamedTuple):
    model: Any
    tokenizer: Any
    device: str


class _Waiting(NamedTuple):
    request: Request
    future: "asyncio.Future[Completion]"
    loop: asyncio.AbstractEventLoop


class _Session:
    """Collects what waits, and decodes it in a thread."""

    def __init__(self, loaded: _Loaded, batch_size: int) -> None:
        self._loaded, self._batch_size = loaded, batch_size
        self._waiting: list[_Waiting] = []
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="transformers-engine", daemon=True)
        self._thread.start()

    def _rendered(self, request: Request) -> str:
        """The prompt's text as the model sees it."""
        rendered: str = self._loaded.tokenizer.apply_chat_template(
            request.messages, tokenize=False, add_generation_prompt=True
        )
        return rendered + request.prefill

    async def complete(self, request: Request) -> Completion:
        """One reply; a request that is cancelled before its batch begins costs nothing."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.create_future(), loop)
        with self._changed:
            self._waiting.append(waiting)
            self._changed.notify()
        return await waiting.future

    def close(self) -> None:
        """End the thread after the batch in hand."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_batch():
            try:
                self._decode(batch)
            except Exception as error:  # the batch's callers must hear of it; the thread goes on
                for waiting in batch:
                    _resolve(waiting, EngineError(f"the model failed on a batch of {len(batch)}: {error}"))

    def _next_batch(self) -> list[_Waiting]:
        with self._changed:
            while not self._closed:
                self._waiting = [w for w in self._waiting if not w.future.cancelled()]
                if self._waiting:
                    # Callers arrive one by one: a short pause lets a full batch gather.
                    if len(self._waiting) < self._batch_size and self._changed.wait(timeout=0.02):
                        continue
                    like = _settings(self._waiting[0].request)
                    batch = [w for w in self._waiting if _settings(w.request) == like][: self._batch_size]
                    taken = {id(w) for w in batch}
                    self._waiting = [w for w in self._waiting if id(w) not in taken]
                    return batch
                self._changed.wait()
        return []

    def _decode(self, batch: list[_Waiting]) -> None:
        from distill.engines.decoding import decode

        prompts = [self._rendered(w.request) for w in batch]
        for done in decode(
            self._loaded.model,
            self._loaded.tokenizer,
            prompts,
            batch[0].request.sampling,
            seeds=[w.request.seed for w in batch],
            limits=[w.request.sampling.max_tokens for w in batch],
            stop=batch[0].request.stop,
            is_wanted=lambda row: not batch[row].future.cancelled(),
            on_text=_teller(batch) if any(w.request.on_text for w in batch) else None,
        ):
            _resolve(batch[done.row], done.completion)


def _settings(request: Request) -> tuple[object, ...]:
    """What replies of one batch must share; each has a limit of its own."""
    return request.stop, *(pair for pair in request.sampling if pair[0] != "max_tokens")


def _teller(batch: Sequence[_Waiting]) -> Callable[[int, str], None]:
    def tell(row: int, text: str) -> None:
        if on_text := batch[row].request.on_text:
            _in_loop(batch[row], on_text, text, "")

    return tell


def _resolve(waiting: _Waiting, outcome: Completion | Exception) -> None:
    def settle() -> None:
        if waiting.future.done():
            return
        if isinstance(outcome, Exception):
            waiting.future.set_exception(outcome)
        else:
            waiting.future.set_result(outcome)

    _in_loop(waiting, settle)


def _in_loop(waiting: _Waiting, call: Callable[..., None], *arguments: str) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is gone: nobody waits any more
        waiting.loop.call_soon_threadsafe(call, *arguments)
