"""Several examples in one row, none of which sees another.

Whether a model keeps them apart hangs on its attention, its masks and one flag (`use_cache`), and a model that does
not learns nonsense without a word. So packing is proven on the student itself before the first step, and refused where
the proof fails.
"""

from typing import Any

from distill.errors import TrainingError

LEAK = 1e-3
"""Of what a change does in its own document; what it may do in the next, by rounding alone."""
SHOWN = 24
"""Tokens of each of the two documents."""


def prove_isolation(trainer: Any) -> None:
    """Change a document, and see that the one packed behind it does not notice.

    Args:
        trainer: A trl.SFTTrainer that packs, before its first step.

    Raises:
        TrainingError: If the second document's logits move.
    """
    leak = leakage(trainer.model, trainer.data_collator)
    if leak > LEAK:
        attention = trainer.model.config._attn_implementation
        raise TrainingError(
            f"packing is refused: with the attention {attention!r} an example sees the one packed before it (a change "
            f"there moves its logits {leak:.2g} times as much as the changed example's own). Set train.sft.packing: "
            f"false; batches of like length need little padding anyway"
        )


def leakage(model: Any, collate: Any) -> float:
    """How much a change in one document moves the logits of the next, beside how much it moves its own.

    Args:
        model: A causal language model of transformers.
        collate: From a list of packed rows (`input_ids`, `labels`, `seq_lengths`) to the model's inputs.
    """
    import torch

    vocabulary = model.get_input_embeddings().num_embeddings
    first = [index * 7 % vocabulary for index in range(1, SHOWN + 1)]
    second = [index * 11 % vocabulary for index in range(1, SHOWN + 1)]
    changed = [(id + 1) % vocabulary for id in first]

    def logits(ids: list[int]) -> Any:
        batch = collate([{"input_ids": ids, "labels": ids, "seq_lengths": [SHOWN, SHOWN]}])
        inputs = {
            key: value.to(model.device) if hasattr(value, "to") else value
            for key, value in batch.items()
            if key != "labels"
        }
        return model(**inputs, use_cache=False).logits[0].float()

    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            moved = (logits(first + second) - logits(changed + second)).abs()
    finally:
        model.train(was_training)
    return (moved[SHOWN:].max() / moved[:SHOWN].max().clamp(min=1e-12)).item()
