"""What a step will need: the estimate against what TRL's own trainer takes, and the words when it is too much."""

import importlib.util
from array import array
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from distill.errors import TrainingError
from distill.training import memory
from distill.training.gpus import GPUS, hours, multiplied_weights, training_flops
from distill.training.memory import ROOM, Method, Peak, Step, largest_length, peak
from distill.training.preflight import longest_batch, preflight
from distill.training.rendering import Row
from tests.conftest import thorough

BENCHMARK_PATH = Path(__file__).parents[2] / "benchmarks" / "memory.py"
GIB = 1 << 30


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("memory_benchmark", BENCHMARK_PATH)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tiny_config(**changes: Any) -> Any:
    import transformers

    shape = {
        "hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 500, "max_position_embeddings": 65536,
    }  # fmt: skip
    return transformers.AutoConfig.for_model("qwen2", **{**shape, **changes})


@pytest.mark.parametrize(
    "step",
    [
        Step(gradient_checkpointing=False),
        Step(),
        Step(gradient_accumulation_steps=2),
        Step(method="lora", lora={"r": 8}, gradient_checkpointing=False),
        Step(method="lora", lora={"r": 8}),
        Step(batch_size=2, attn="eager"),
    ],
    ids=["full", "checkpointed", "accumulating", "lora", "lora checkpointed", "eager"],
)
def test_the_estimate_is_what_the_trainer_takes(benchmark: ModuleType, step: Step):
    estimate = peak(tiny_config(), step, 384, kernels="cpu").total
    assert estimate == pytest.approx(benchmark.measured(tiny_config(), step, 384), rel=0.05)


@pytest.mark.slow
def test_the_estimate_holds_on_every_shape_of_the_benchmark(benchmark: ModuleType):
    """Each shape and step once, on few tokens: `benchmarks/memory.py` itself takes the lengths that need minutes."""
    pytest.importorskip("bitsandbytes")
    different = list({(name, str(step)): (name, step) for name, step, _ in benchmark.ON_CPU}.values())
    for name, step in thorough(different, different[1::2]):
        config = benchmark.shape(name)
        estimate = peak(config, step, 512, kernels="cpu").total
        assert estimate == pytest.approx(benchmark.measured(config, step, 512), rel=0.1), (name, step)


def test_weights_gradients_and_states_are_counted_in_their_precision():
    num = sum(p.numel() for p in _model().parameters())
    full = peak(tiny_config(), Step(), 128)
    assert full.gradients == 4 * num
    assert full.weights == pytest.approx(4 * num, rel=0.01)
    assert full.optimizer == pytest.approx(8 * num, rel=0.01)
    methods: tuple[Method, ...] = ("lora", "qlora")
    lora, qlora = (peak(tiny_config(), Step(method=method, lora={"r": 4}), 128) for method in methods)
    assert qlora.gradients == lora.gradients / 2, "the adapter of a 4-bit base is bfloat16, else float32"
    assert qlora.weights < lora.weights < full.weights


def _model() -> Any:
    import torch
    import transformers

    with torch.device("meta"):
        return transformers.AutoModelForCausalLM.from_config(tiny_config())


def test_attention_on_a_gpu_never_holds_the_square_of_scores_unless_it_is_eager_or_rows_are_padded():
    def growth(step: Step) -> float:
        """How much more 16,384 more tokens take than 8,192 did: 2 if the peak is linear, 4 if it is a square."""
        near, middle, far = (peak(tiny_config(), step, length).total for length in (8192, 16384, 32768))
        return (far - middle) / (middle - near)

    assert growth(Step()) == pytest.approx(2, rel=0.01)
    assert growth(Step(batch_size=2, attn="flash_attention_2")) == pytest.approx(2, rel=0.01)
    assert growth(Step(batch_size=2)) > 3
    assert growth(Step(attn="eager")) > 3


def test_gpus_share_what_is_sharded_and_copy_what_is_not():
    alone, copied, shared = (
        peak(tiny_config(), Step(num_gpus=num_gpus, sharded=sharded), 128)
        for num_gpus, sharded in ((1, False), (4, False), (4, True))
    )
    assert copied == alone._replace(gradients=2 * alone.gradients)
    assert shared.optimizer == alone.optimizer // 4
    assert alone.weights / 4 < shared.weights < alone.weights


@pytest.mark.slow
@pytest.mark.parametrize("step", [Step(), Step(batch_size=2), Step(method="qlora", gradient_checkpointing=False)])
def test_the_largest_length_fits_and_a_little_more_does_not(step: Step):
    found = largest_length(tiny_config(), GIB // 2, step)
    assert peak(tiny_config(), step, found).total <= ROOM * GIB / 2
    assert peak(tiny_config(), step, int(found * 1.05)).total > ROOM * GIB / 2


def test_nothing_fits_into_nothing():
    assert largest_length(tiny_config(), 1000, Step()) == 0


def test_an_optimizer_that_is_not_known_is_named():
    with pytest.raises(ValueError, match="adafactor"):
        peak(tiny_config(), Step(optim="adafactor"), 128)


def test_a_7b_on_32k_tokens_is_estimated_in_seconds_and_fits_where_it_is_known_to(benchmark: ModuleType):
    found = peak(benchmark.shape("Qwen2.5-7B"), Step(method="lora"), 32768)
    assert isinstance(found, Peak)
    assert 30 * GIB < found.total < 40 * GIB


def test_a_token_costs_six_operations_for_each_weight_and_eight_with_checkpointing(benchmark: ModuleType):
    config = benchmark.shape("Qwen2.5-7B")
    weights = multiplied_weights(config)
    assert weights == pytest.approx(7.07e9, rel=0.01), "7.62B without the embedding"
    cases: list[tuple[Method, bool, int]] = [
        ("full", False, 6),
        ("full", True, 8),
        ("lora", False, 4),
        ("lora", True, 6),
    ]
    for method, checkpointing, factor in cases:
        flops = training_flops(config, 1, length=0, method=method, gradient_checkpointing=checkpointing)
        assert flops == factor * weights
    attention = training_flops(config, 1, length=1000, gradient_checkpointing=False) - 6 * weights
    assert attention == 6 * 28 * 28 * 128 * 1000


def test_hours_shrink_with_gpus_and_an_unknown_gpu_is_named():
    config = tiny_config()
    one, eight = (hours(config, 10**9, "H100", count, length=4096) for count in (1, 8))
    assert one == pytest.approx(8 * eight)
    assert one == training_flops(config, 10**9, length=4096) / (GPUS["H100"].tflops * 1e12 * 0.4 * 3600)
    with pytest.raises(ValueError, match="H900"):
        hours(config, 1, "H900", length=1)


def row(length: int) -> Row:
    return Row("p", ("t",), array("i", [5] * length), 1)


class OutOfMemory:
    """A model that fits nowhere."""

    training = True

    def __init__(self) -> None:
        import torch

        self.config = tiny_config()
        self.config._attn_implementation = "sdpa"
        self.device = torch.device("cpu")

    def parameters(self) -> list[Any]:
        return []

    def train(self, mode: bool = True) -> None: ...

    def zero_grad(self, set_to_none: bool) -> None: ...

    def gradient_checkpointing_enable(self, **options: Any) -> None:
        import torch

        raise torch.cuda.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU of one GiB, as far as preflight asks."""
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (GIB, GIB))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 12345)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)


def stub_trainer() -> Any:
    args = SimpleNamespace(
        per_device_train_batch_size=2, gradient_accumulation_steps=4, gradient_checkpointing=True, world_size=1,
        gradient_checkpointing_kwargs=None, optim="adamw_torch_fused", packing=False,
    )  # fmt: skip
    return SimpleNamespace(model=OutOfMemory(), args=args, is_fsdp_enabled=False, is_deepspeed_enabled=False)


@pytest.mark.usefixtures("gpu")
def test_what_does_not_fit_is_refused_with_the_length_that_would_and_the_ways_out():
    with pytest.raises(TrainingError) as caught:
        preflight(stub_trainer(), [row(10), row(60000), row(20)])
    message = str(caught.value)
    assert "2 rows of 60,000 tokens" in message
    assert "1 GiB" in message
    assert "by the estimate up to" in message
    assert "per_device_train_batch_size: 1 with gradient_accumulation_steps: 8" in message
    assert "train.method: lora" in message
    assert "train.sft.max_length: " in message
    assert "gradient_checkpointing: true" not in message, "it is on already"


def test_without_a_gpu_nothing_is_said():
    assert preflight(stub_trainer(), [row(10)]) is None


def test_the_longest_batch_has_the_longest_rows():
    batch = longest_batch(stub_trainer(), [row(10), row(30), row(20)])
    assert [len(example["input_ids"]) for example in batch] == [30, 20]


@pytest.mark.parametrize("method", ["full", "lora"])
def test_the_longest_batch_leaves_no_trace(
    benchmark: ModuleType, tmp_path: Path, request: pytest.FixtureRequest, method: Method
):
    import torch

    step = Step(method=method, gradient_accumulation_steps=2)
    trainer = benchmark.make_trainer(tiny_config(), step, 64, str(tmp_path))
    weights = {name: tensor.clone() for name, tensor in trainer.model.state_dict().items()}
    metrics, random_state = str(trainer._metrics), torch.get_rng_state()
    request.getfixturevalue("gpu")
    found = preflight(trainer, [row(64), row(8)])
    assert found == (64, 1, 12345, GIB)
    assert all(parameter.grad is None for parameter in trainer.model.parameters())
    assert all(torch.equal(tensor, weights[name]) for name, tensor in trainer.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    assert str(trainer._metrics) == metrics


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        Step(num_gpus=4, sharded=True, gradient_accumulation_steps=2),
        Step(method="qlora", batch_size=2),
    ],
    ids=lambda step: step.method,
)
def test_many_layers_are_reckoned_from_few(step: Step) -> None:
    deep = tiny_config(num_hidden_layers=14)
    assert peak(deep, step, 512) == pytest.approx(memory._peak(deep, step, 512, "cuda"), rel=1e-3)


def test_what_is_offloaded_takes_no_memory_of_the_gpu_but_a_layer() -> None:
    config = tiny_config()
    here = peak(config, Step(num_gpus=4, sharded=True), 128)
    away = peak(config, Step(num_gpus=4, sharded=True, offloaded=True), 128)
    assert away.optimizer == 0 < here.optimizer
    assert 0 < away.weights < here.weights
    assert away.activations == here.activations
