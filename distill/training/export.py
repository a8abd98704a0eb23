"""A trained student as a folder that a server takes as it is: one set of weights, however it was trained.

An adapter is merged into its base in float32, and the merge is looked at: logits of adapter and of merged weights on
what was taught, side by side. A merge that went wrong loads without a word and answers nonsense (peft 2368,
LLaMA-Factory 5930).
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from distill import environment, plugins
from distill.errors import TrainingError
from distill.training import adapters

WEIGHTS = ("model*.safetensors*", "adapter_*", "training_log.jsonl", "config.json")
"""What is not copied from the student's folder: weights are written anew, and the log is the run's."""
LARGEST = 1e-2
"""Difference of two logits that rounding in float32 does not explain."""
NUM_TOKENS = 512
"""Of each text that is looked at."""


class Exported(NamedTuple):
    """What was written, and how near it is to what was trained."""

    folder: Path
    is_merged: bool
    logit_difference: float | None
    """The largest between the adapter on its base and the merged weights, both float32; None if nothing was merged."""
    saved_kl: float | None
    """The largest KL divergence, in nats, of the folder's next-token distributions from those of what was trained: the
    base in the precision of training, 4-bit for QLoRA, with the adapter."""

    def __str__(self) -> str:
        if not self.is_merged:
            return f"{self.folder}: the student's weights as they were trained; nothing was there to merge"
        return (
            f"{self.folder}: the adapter is merged; largest difference of a logit {self.logit_difference:.1e} in "
            f"float32, largest KL divergence of the saved weights from the trained ones {self.saved_kl:.1e} nats"
        )


def export(student: Path, target: Path, texts: Sequence[str], *, dtype: str = "bfloat16") -> Exported:
    """Write the student as merged weights, with tokenizer, chat template, generation config and trace format.

    Args:
        student: A folder that training made.
        target: Made; must not exist.
        texts: What adapter and merged weights are compared on.
        dtype: Of the merged weights.

    Raises:
        TrainingError: If the target exists, the base cannot be loaded, or the merged weights differ from the adapter.
    """
    environment.quiet_libraries()
    if target.exists():
        raise TrainingError(f"{target} exists already: remove it, or give another folder with --to")
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    if not (student / "adapter_config.json").is_file():
        shutil.copytree(student, partial, ignore=shutil.ignore_patterns("training_log.jsonl"))
        partial.rename(target)
        return Exported(target, False, None, None)
    shutil.copytree(student, partial, ignore=shutil.ignore_patterns(*WEIGHTS))
    difference, divergence = _merge(student, partial, texts, dtype)
    partial.rename(target)
    return Exported(target, True, difference, divergence)


def push(folder: Path, repository: str, *, public: bool) -> str:
    """Upload a folder to the Hub; a repository that does not exist is made, private unless told otherwise.

    Returns:
        Where it is, as the end of a sentence.

    Raises:
        TrainingError: If the Hub refuses.
    """
    hub = plugins.need("huggingface_hub", "--push", "train")
    api = hub.HfApi()
    try:
        name = api.create_repo(repository, private=not public, exist_ok=True).repo_id
        api.upload_folder(folder_path=str(folder), repo_id=name, commit_message="Upload a student made with distill")
    except Exception as error:  # the library's errors have no common parent but this
        raise TrainingError(
            f"the Hub does not take {folder} as {repository!r}: {str(error).splitlines()[0]:.300}. The folder is "
            f"written; log in with `hf auth login`, then upload it with `hf upload {repository} {folder}`"
        ) from None
    return f"; uploaded to {name}"


def _merge(student: Path, partial: Path, texts: Sequence[str], dtype: str) -> tuple[float, float]:
    torch = plugins.need("torch", "export", "train")
    transformers = plugins.need("transformers", "export", "train")
    tokenizer = transformers.AutoTokenizer.from_pretrained(student)
    batches = [tokenizer(text, add_special_tokens=False)["input_ids"][:NUM_TOKENS] for text in texts]
    trained = _distributions(_with_adapter(student, len(tokenizer), as_trained=True), batches)
    model = _with_adapter(student, len(tokenizer))
    apart = _logits(model, batches)
    merged = model.merge_and_unload(safe_merge=True)
    difference = max(
        ((one - other).abs().max().item() for one, other in zip(apart, _logits(merged, batches), strict=True)),
        default=0.0,
    )
    if difference > LARGEST:
        raise TrainingError(
            f"the merged weights differ from the adapter on its base: the largest difference of a logit is "
            f"{difference:.2g}. Nothing was written; serve the adapter itself: {student}"
        )
    merged.to(getattr(torch, dtype)).save_pretrained(partial)
    served = transformers.AutoModelForCausalLM.from_pretrained(partial, dtype=dtype)
    pairs = zip(trained, _distributions(served, batches), strict=True)
    divergence = max(
        (torch.nn.functional.kl_div(other, one, reduction="none", log_target=True).sum(-1).max().item())
        for one, other in pairs
    )
    return difference, divergence


def _with_adapter(student: Path, num_tokens: int, *, as_trained: bool = False) -> Any:
    peft = plugins.need("peft", "export", "train")
    torch = plugins.need("torch", "export", "train")
    import transformers

    base_name = json.loads((student / "adapter_config.json").read_text())["base_model_name_or_path"]
    facts: dict[str, Any] = json.loads((student / "training.json").read_text())
    options: dict[str, Any] = {"dtype": torch.float32}
    if as_trained:
        options["dtype"] = torch.bfloat16
        if facts["method"] == "qlora":
            options |= adapters.loading(facts["quantization"])
    try:
        base: Any = transformers.AutoModelForCausalLM.from_pretrained(base_name, **options)
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"cannot load the base {base_name!r} that the adapter in {student} needs: "
            f"{str(error).splitlines()[0]:.300}. Is it where it was in training?"
        ) from error
    if num_tokens > base.get_input_embeddings().num_embeddings:
        base.resize_token_embeddings(num_tokens)
    return peft.PeftModel.from_pretrained(base, student).eval()


def _logits(model: Any, batches: Sequence[Sequence[int]]) -> list[Any]:
    import torch

    with torch.no_grad():
        return [model(torch.tensor([list(ids)], device=model.device)).logits[0].float().cpu() for ids in batches]


def _distributions(model: Any, batches: Sequence[Sequence[int]]) -> list[Any]:
    return [logits.log_softmax(-1) for logits in _logits(model, batches)]
