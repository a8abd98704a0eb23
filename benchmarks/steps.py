"""When each step of a training ended, what it had read until then, and the most memory that its process had.

Needs transformers and nothing of ours, so that a peer's environment can load it.
"""

import time
from pathlib import Path
from typing import Any

import torch  # noqa: TID253  nothing here works without them
import transformers  # noqa: TID253


class Steps(transformers.TrainerCallback):
    """A callback for any trainer of transformers whose config has `include_num_input_tokens_seen: non_padding`."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.tokens: list[int] = []
        """Read until the end of each step, without padding."""
        self.before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note what the process had before its first step; on a GPU that is the model, which counts."""
        self.before = 0.0 if torch.cuda.is_available() else peak_memory()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Note when it was, once the GPU has caught up."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())
        self.tokens.append(int(state.num_input_tokens_seen))

    def taken(self) -> dict[str, Any]:
        """What the steps after the first tenth took, one at least."""
        skipped = max(len(self.ends) // 10, 1)
        return {
            "steps": len(self.ends),
            "tokens": self.tokens[-1],
            "seconds": self.ends[-1] - self.ends[skipped - 1],
            "timed_tokens": self.tokens[-1] - self.tokens[skipped - 1],
            "memory": peak_memory() - self.before,
        }


def peak_memory() -> float:
    """The most that this process had so far, in MiB: resident on a processor, allocated on a GPU."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024
