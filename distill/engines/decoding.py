"""Sampled decoding of one left-padded batch, where each reply has a seed of its own and leaves the batch when it ends.

`transformers.generate` keeps finished rows until the longest is done and draws all rows from one generator, so a reply
would depend on who else was in its batch. Here the same seed gives the same draws in any batch (the probabilities
themselves still move in the last bits with the batch's shape). Logit warpers and cache are transformers' own.

Suffixes: `_BT` batch by tokens, `_BV` batch by vocabulary, `_B` one value for each row.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from distill.engines import Completion
from distill.recipe import Sampling
from distill.types import FinishReason

COMPACT_AT = 0.9
"""The batch is compacted when so small a share of its rows still runs: copying the cache is not free."""


class Finished(NamedTuple):
    """A reply that ended, and its row in the batch as it was given."""

    row: int
    completion: Completion


def decode(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    seeds: Sequence[int],
    is_wanted: Callable[[int], bool] = lambda row: True,
) -> Iterator[Finished]:
    """Decode a reply to each prompt, yielding each as it ends.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer, padding on the left.
        prompts: Rendered chat prompts, special tokens included.
        sampling: For all of them.
        seeds: One for each prompt.
        is_wanted: Asked now and then; a row that is not wanted any more is left.
    """
    import torch
    from transformers import DynamicCache

    encoded = tokenizer(list(prompts), return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
    lengths = encoded["attention_mask"].sum(1).tolist()
    ends = end_tokens(model, tokenizer)
    ends_E = torch.tensor(sorted(ends), device=model.device)
    warp = _warper(sampling)
    draws = [torch.Generator().manual_seed(seed % 2**63) for seed in seeds]
    tokens: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))
    input_BT, mask_BT = encoded["input_ids"], encoded["attention_mask"]
    position_BT = (mask_BT.cumsum(1) - 1).clamp(min=0)
    cache = DynamicCache(config=model.config)

    def finish(row: int, reason: FinishReason) -> Finished:
        text = tokenizer.decode(tokens[row], skip_special_tokens=True)
        completion = Completion(
            text=text, finish_reason=reason, prompt_tokens=lengths[row], completion_tokens=len(tokens[row])
        )
        return Finished(row, completion)

    for step in range(sampling.max_tokens):
        with torch.inference_mode():
            output = model(
                input_ids=input_BT,
                attention_mask=mask_BT,
                position_ids=position_BT,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            next_B = _draw(
                warp,
                output.logits[:, -1].float(),
                [draws[row if row >= 0 else -1 - row] for row in rows],
                sampling.temperature,
            )
        ended_B = torch.isin(next_B, ends_E)
        for row, token in zip(rows, next_B.tolist(), strict=True):
            if row >= 0:
                tokens[row].append(token)
        for index, ended in enumerate(ended_B.tolist()):
            if ended and rows[index] >= 0:
                yield finish(rows[index], "stop")
                rows[index] = -1 - rows[index]  # done; it stays in the batch until the next compaction
        if step % 16 == 15:
            rows = [row if row < 0 or is_wanted(row) else -1 - row for row in rows]
        running = [index for index, row in enumerate(rows) if row >= 0]
        if not running:
            return
        mask_BT = torch.cat([mask_BT, mask_BT.new_ones(len(rows), 1)], dim=1)
        input_BT, position_BT = next_B[:, None], position_BT[:, -1:] + 1
        if len(running) <= COMPACT_AT * len(rows):
            keep_B = torch.tensor(running, device=model.device)
            cache.batch_select_indices(keep_B)
            rows = [rows[index] for index in running]
            input_BT, mask_BT, position_BT = input_BT[keep_B], mask_BT[keep_B], position_BT[keep_B]
    for row in rows:
        if row >= 0:
            yield finish(row, "length")


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The ids that end a reply: the generation config's, else the tokenizer's."""
    configured = model.generation_config.eos_token_id
    if configured is None:
        configured = tokenizer.eos_token_id
    return set(configured) if isinstance(configured, list) else {configured}


def _warper(sampling: Sampling) -> Any:
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    warpers = LogitsProcessorList()
    if sampling.temperature not in (0.0, 1.0):
        warpers.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p > 0:
        warpers.append(MinPLogitsWarper(sampling.min_p))
    return warpers


def _draw(warp: Any, logits_BV: Any, draws: Sequence[Any], temperature: float) -> Any:
    """The next token of each row: the likeliest at temperature 0, else by its own generator, through the CDF."""
    import torch

    if temperature == 0:
        return logits_BV.argmax(-1)
    cumulative_BV = warp(None, logits_BV).softmax(-1).cumsum(-1)
    uniform_B = torch.cat([torch.rand(1, generator=draw) for draw in draws]).to(logits_BV.device)
    # The last cumulative value can round below 1: scale the draw so that it always falls inside.
    chosen_B = torch.searchsorted(cumulative_BV, (uniform_B * cumulative_BV[:, -1])[:, None]).squeeze(-1)
    return chosen_B.clamp(max=logits_BV.shape[-1] - 1)
