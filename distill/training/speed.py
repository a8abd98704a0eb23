"""How much of its GPUs' peak a training reaches, by how they share the student. Figures of others, and one guess.

Each share is work over time, from runs whose hours, GPUs and data are published (docs/routes.md lists them, and what
each says of the others); the work is counted by `distill.training.gpus.training_flops`, recomputation included. Nothing
was measured by us on a GPU.
"""

from typing import NamedTuple


class Reached(NamedTuple):
    """A share of the peak."""

    share: float
    source: str


WHOLE = Reached(0.40, "between 0.3 and 0.5 is usual for dense models on one machine")
SHARDED = Reached(0.25, "s1-32B: FSDP, 16 GPUs")
OFFLOADED = Reached(0.117, "Sky-T1-32B and Bespoke-Stratos-7B and -32B: ZeRO-3 with offload, 8 GPUs")
OFFLOADED_APART = Reached(0.064, "OpenThinker-7B and -32B: ZeRO-3 with offload, 32 GPUs on four machines")


def reached(launch: str, num_machines: int) -> Reached:
    """The share that others reached.

    Args:
        launch: How the student is shared: a name in `distill/training/launch`, or a path.
        num_machines: Over which it is.
    """
    if launch == "zero3-offload":
        return OFFLOADED if num_machines == 1 else OFFLOADED_APART
    return WHOLE if launch == "ddp" else SHARDED
