"""One training step on fake tensors: every operation of the real model runs, on shapes alone, and nothing is allocated.

The step runs on a fake CPU, since fake CUDA tensors do not autocast without a GPU. Where the GPU's kernels need other
memory than the CPU's, they are replaced for the while by functions of the same inputs and outputs: attention (which
never holds the tokens x tokens matrix), and the tiles of TRL's fused head, which Triton works on in place.

The accounting is that of `torch.distributed._tools.mem_tracker`, which takes no frozen parameters, so no adapters.
"""

import contextlib
import weakref
from collections.abc import Callable, Generator
from typing import Any, Literal, NamedTuple
from unittest import mock

Kernels = Literal["cuda", "cpu"]
ATTENTION = "shapes_alone"


class Extents(NamedTuple):
    """What one step holds, in bytes."""

    weights: int
    gradients: int
    optimizer: int
    peak: int
    """The most that is alive at once, all of the above included."""


def live_bytes() -> Any:
    """A dispatch mode that counts the bytes of every storage that is alive: `now`, and the `peak` of it."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_iter

    class LiveBytes(TorchDispatchMode):
        now = 0
        peak = 0

        def __init__(self) -> None:
            super().__init__()
            self._seen: dict[int, weakref.ref[Any]] = {}

        def track(self, tensor: Any) -> None:
            storage = tensor.untyped_storage()
            key, size = id(storage), storage.nbytes()
            if key in self._seen:
                return

            def freed(_: Any) -> None:
                self.now -= size
                del self._seen[key]

            self._seen[key] = weakref.ref(storage, freed)
            self.now += size

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            outputs = func(*args, **(kwargs or {}))
            for output in tree_iter(outputs):
                if isinstance(output, torch.Tensor):
                    self.track(output)
            self.peak = max(self.peak, self.now)
            return outputs

    return LiveBytes()


def run_step(
    build: Callable[[], Any],
    make_optimizer: Callable[[list[Any]], Any],
    *,
    length: int,
    batch_size: int,
    is_padded: bool,
    accumulates: bool,
    caches_casts: bool,
    kernels: Kernels,
) -> Extents:
    """The extents of a step that is not the first, so that the optimizer has its states from the beginning.

    Args:
        build: Gives the model, ready to train; called where everything it makes is without storage.
        make_optimizer: From the trainable parameters to a torch optimizer.
        length: Tokens in each row.
        batch_size: Rows.
        is_padded: Whether the rows differ in length, so that attention gets a mask.
        accumulates: Whether gradients of an earlier micro-batch are there already.
        caches_casts: Whether bfloat16 copies of float32 weights stay until the forward pass ends, as autocast has it;
            sharded weights come in bfloat16, layer by layer.
        kernels: Whose kernels: those of the GPU that is asked about, or the CPU's, to compare with a measurement there.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.device("meta"):
        model = build()
    with FakeTensorMode(allow_non_fake_inputs=True), gpu_kernels(kernels):
        # Not built on fake tensors at once: modules that hold them cannot be moved, and peft moves its own.
        model.to_empty(device="cpu")
        model.tie_weights()
        live = live_bytes()
        for tensor in (*model.parameters(), *model.buffers()):
            live.track(tensor)
        weights = live.now
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        optimizer = make_optimizer(trained)
        with live:
            for parameter in trained:
                parameter.grad = torch.empty_like(parameter)
            gradients = live.now - weights
            optimizer.step()
            states = live.now - weights - gradients
            if not accumulates:
                optimizer.zero_grad()
            _forward_backward(model, torch.zeros(batch_size, length, dtype=torch.long), is_padded, caches_casts)
            optimizer.step()
    return Extents(weights, gradients, states, live.peak)


def _forward_backward(model: Any, ids: Any, is_padded: bool, caches_casts: bool) -> None:
    import torch

    mask = {"attention_mask": torch.ones_like(ids)} if is_padded else {}
    # As accelerate has it, autocast spans the forward pass.
    with torch.autocast("cpu", dtype=torch.bfloat16, cache_enabled=caches_casts):
        loss = _loss(model, ids, mask)
    loss.backward()


def _loss(model: Any, ids: Any, mask: dict[str, Any]) -> Any:
    if not hasattr(_causal_model(model), "has_fused_head"):
        return model(input_ids=ids, labels=ids, use_cache=False, **mask).loss
    outputs = model(input_ids=ids, labels=ids, use_cache=False, fused_lm_head=True, **mask)
    return -outputs.log_probs.sum() / ids.numel()


def _causal_model(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def add_fused_head(model: Any) -> None:
    """Give the model TRL's head, which never holds the logits of all tokens.

    TRL before 1.15 has another: there the step holds all logits, and the estimate is too high.
    """
    try:
        from trl.trainer.utils import add_fused_lm_head
    except ImportError:
        return
    add_fused_lm_head(model, outputs=("log_probs", "entropy", "is_top1"))
    model.has_fused_head = True


@contextlib.contextmanager
def gpu_kernels(kernels: Kernels) -> Generator[None]:
    """Have TRL's fused head take the memory that it takes on these kernels."""
    with contextlib.ExitStack() as stack:
        for patch in _patches() if kernels == "cuda" else ():
            stack.enter_context(patch)
        yield


def _patches() -> list[Any]:
    try:
        from trl.kernels import chunked_logprob
        from trl.trainer import utils
    except ImportError:
        return []

    class Compacted:
        """On a GPU the head is given a copy: the tokens that are in the loss, here all of them."""

        @staticmethod
        def apply(hidden: Any, *others: Any) -> Any:
            import torch

            every = torch.arange(hidden.shape[0])
            return chunked_logprob.ChunkedLogProbFunction.apply(hidden.index_select(0, every), *others)

    def in_place(*args: Any, **kwargs: Any) -> None:
        pass

    tiles = ("_forward_tile", "_backward_tile", "_addmm_fp32")
    return [
        *(mock.patch.object(chunked_logprob, name, in_place) for name in tiles),
        mock.patch.object(utils, "_ChunkedLogProbFunction", Compacted),
    ]


def register_attention(kernels: Kernels) -> str:
    """An attention of transformers with the memory of the kernels; gives its name."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.masking_utils import sdpa_mask

    def mask(*args: Any, attention_mask: Any = None, **kwargs: Any) -> Any:
        # transformers leaves the mask out where no row is padded, which it cannot see on fake tensors.
        return None if attention_mask is None else sdpa_mask(*args, attention_mask=attention_mask, **kwargs)

    AttentionMaskInterface.register(ATTENTION, mask)
    AttentionInterface.register(ATTENTION, _attention if kernels == "cuda" else sdpa_attention_forward)
    return ATTENTION


def _attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **kwargs: Any) -> tuple[Any, None]:
    import torch
    from transformers.integrations.sdpa_attention import repeat_kv

    if attention_mask is not None:
        # With a mask only the memory-efficient kernel is left: it takes a bias of the query's dtype, and whole heads.
        key, value = (repeat_kv(states, query.shape[1] // key.shape[1]) for states in (key, value))
        attention_mask = torch.where(attention_mask, query.new_zeros(()), query.new_zeros(()))
    return _flash().apply(query, key, value, attention_mask).transpose(1, 2), None


def _flash() -> Any:
    import torch

    class Flash(torch.autograd.Function):
        """Memory of flash attention: the output and a float32 for each row of the scores, saved with the inputs."""

        @staticmethod
        def forward(ctx: Any, query: Any, key: Any, value: Any, bias: Any) -> Any:
            batch, heads, length, _ = query.shape
            output = query.new_empty(batch, length, heads, value.shape[-1]).transpose(1, 2)
            logsumexp = query.new_empty((batch, heads, length), dtype=torch.float32)
            ctx.save_for_backward(query, key, value, bias, output, logsumexp)
            return output

        @staticmethod
        def backward(ctx: Any, *gradients: Any) -> Any:
            query, key, value, *_ = ctx.saved_tensors
            # The kernel sums the query's gradient in float32, and those of keys and values for each query head.
            summed = torch.empty_like(query, dtype=torch.float32)
            by_head = [torch.empty_like(query), torch.empty_like(query)] if key.shape[1] < query.shape[1] else []
            given = torch.empty_like(query), torch.empty_like(key), torch.empty_like(value), None
            del summed, by_head
            return given

    return Flash
