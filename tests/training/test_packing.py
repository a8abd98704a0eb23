"""Packing: what a packed batch teaches is what its examples teach alone, through the trainer's own path."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distill.errors import TrainingError
from distill.formats import named_format
from distill.recipe import Scratch, Train
from distill.training.packing import LEAK, leakage, prove_isolation
from distill.training.rendering import Row
from distill.training.sft import make_trainer, sft_config
from distill.training.student import Student, load_student
from distill.types import Example

SCRATCH = Scratch(
    tokenizer="bytes",
    config={
        "model_type": "qwen2", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.2,
    },
)  # fmt: skip
TRAIN = Train(student=SCRATCH)
PACKED = {"packing": True, "max_length": 256, "bf16": False, "per_device_train_batch_size": 1}


def student() -> Student:
    return load_student(TRAIN, named_format("think"), 0)


def rows(of: Student, count: int = 12) -> list[Row]:
    return [
        of.chat.row(
            Example(
                prompt=[{"role": "user", "content": f"{n} and {n * n} -> {2 * n}"}],
                completion=[
                    {"role": "assistant", "content": f"<think>\n{'and so ' * (n % 5)}{n}\n</think>\n\n{n}+{n}"}
                ],
                problem_id=str(n),
                trace_ids=[str(n)],
                masked=[(8, 8 + n % 4)] if n % 4 else [],
            )
        )
        for n in range(1, count + 1)
    ]


def losses_and_gradients(trainer: Any, batches: list[list[dict[str, Any]]]) -> tuple[float, int, dict[str, Any]]:
    """The sum of the losses of all taught tokens, how many they are, and the gradients of that sum."""
    import torch

    trainer.model.zero_grad()
    total, taught = 0.0, 0
    for batch in batches:
        inputs = trainer.data_collator(batch)
        shifted = inputs["labels"][..., 1:]
        taught += int((shifted != -100).sum())
        loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=torch.tensor(1.0))
        loss.backward()
        total += loss.item()
    return total, taught, {name: p.grad.clone() for name, p in trainer.model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_packed_losses_and_gradients_are_those_of_the_examples_alone(attention: str, tmp_path: Path):
    import torch

    one, data = student(), rows(student())
    one.model.set_attn_implementation(attention)
    packed = make_trainer(one, data, TRAIN, sft_config(TRAIN.model_copy(update={"sft": PACKED}), tmp_path / "a", 0))
    assert 1 < len(packed.train_dataset) < len(data), "the rows must share blocks, and fill several"
    assert sum(len(block) for block in packed.train_dataset["input_ids"]) == sum(len(row.input_ids) for row in data)
    loss, taught, gradients = losses_and_gradients(packed, [[block] for block in packed.train_dataset])

    alone = TRAIN.model_copy(update={"sft": {**PACKED, "packing": False}})
    single = make_trainer(one, data, alone, sft_config(alone, tmp_path / "b", 0))
    loss_alone, taught_alone, gradients_alone = losses_and_gradients(single, [[row] for row in single.train_dataset])
    assert taught == taught_alone == sum(row.num_taught for row in data)
    assert taught < sum(len(row.completion_ids) for row in data), "some of it is masked"
    assert loss == pytest.approx(loss_alone, rel=1e-4)
    for name, gradient in gradients.items():
        assert torch.allclose(
            gradient, gradients_alone[name], rtol=1e-4, atol=1e-4 * gradients_alone[name].abs().max()
        ), name


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_the_proof_passes_where_documents_are_apart(attention: str, tmp_path: Path):
    one = student()
    one.model.set_attn_implementation(attention)
    packing = TRAIN.model_copy(update={"sft": PACKED})
    trainer = make_trainer(one, rows(one), packing, sft_config(packing, tmp_path, 0))
    assert leakage(trainer.model, trainer.data_collator) < LEAK


def with_a_mask_of_ones(collate: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    import torch

    def collated(rows: Any) -> dict[str, Any]:
        batch = collate(rows)
        return {**batch, "attention_mask": torch.ones_like(batch["input_ids"])}

    return collated


def without_positions(collate: Callable[[Any], dict[str, Any]]) -> Callable[[Any], dict[str, Any]]:
    return lambda rows: {key: value for key, value in collate(rows).items() if key in ("input_ids", "labels")}


@pytest.mark.parametrize("fault", [with_a_mask_of_ones, without_positions])
def test_packing_is_refused_where_a_document_sees_the_one_before(fault: Any, tmp_path: Path):
    one = student()
    packing = TRAIN.model_copy(update={"sft": PACKED})
    trainer = make_trainer(one, rows(one), packing, sft_config(packing, tmp_path, 0))
    trainer.data_collator = fault(trainer.data_collator)
    with pytest.raises(TrainingError, match=r"packing is refused: with the attention 'sdpa' an example sees the one"):
        prove_isolation(trainer)
