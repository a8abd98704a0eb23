"""The worker, on processors that accelerate takes for GPUs: it shards over those alone, and torch shards over any."""

import sys
from typing import Any

from distill.training import worker


def shard_over_processors() -> None:
    from accelerate import state
    from accelerate.utils import DistributedType

    initialise = state.PartialState.__init__

    def as_gpus(self: Any, *args: Any, **kwargs: Any) -> None:
        initialise(self, *args, **kwargs)
        if self.distributed_type == DistributedType.MULTI_CPU:
            self.distributed_type = DistributedType.MULTI_GPU

    state.PartialState.__init__ = as_gpus  # type: ignore[method-assign]


if __name__ == "__main__":
    shard_over_processors()
    sys.exit(worker.main())
