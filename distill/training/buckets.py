"""Batches of like length, in random order: little padding, and no drift from long examples to short ones.

`train_sampling_strategy="group_by_length"` of transformers also saves the padding, but runs from the longest to the
shortest example again and again, and a small model drifts with it.
"""

import random
from collections.abc import Iterator, Sequence

POOL_BATCHES = 16
"""Examples are shuffled over all the data, then sorted within pools of so many batches."""


class BucketSampler:
    """Gives the indices of an epoch; the order depends on seed and epoch alone, so that training can resume.

    Args:
        lengths: Tokens of each example.
        batch_size: Examples that are padded together.
        seed: Of the order.
        num_blank: Rows behind the examples that teach nothing; they come last.
    """

    def __init__(self, lengths: Sequence[int], batch_size: int, seed: int, num_blank: int = 0) -> None:
        self.lengths, self.batch_size, self.seed, self.num_blank = lengths, batch_size, seed, num_blank
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the data loader before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Rows in an epoch: all of them."""
        return len(self.lengths) + self.num_blank

    def __iter__(self) -> Iterator[int]:
        """Every index once."""
        rng = random.Random(f"{self.seed}-{self.epoch}")
        order = list(range(len(self.lengths)))
        rng.shuffle(order)
        pool_size = POOL_BATCHES * self.batch_size
        pools = [
            sorted(order[i : i + pool_size], key=self.lengths.__getitem__) for i in range(0, len(order), pool_size)
        ]
        indices = [index for pool in pools for index in pool]
        batches = [indices[i : i + self.batch_size] for i in range(0, len(indices), self.batch_size)]
        last = [batches.pop()] if batches and len(batches[-1]) < self.batch_size else []  # a short batch stays last
        rng.shuffle(batches)
        for batch in [*batches, *last]:
            yield from batch
        yield from range(len(self.lengths), len(self))
