"""Sampled decoding of one left-padded batch, where each reply has a seed of its own and leaves the batch when it ends.

`transformers.generate` keeps finished rows until the longest is done and draws all rows from one generator, so a reply
would depend on who else was in its batch. Here the same seed gives the same draws in any batch (the probabilities
themselves still move in the last bits with the batch's shape). Logit warpers and cache are transformers' own.

Suffixes: `_BT` batch by tokens, `_BV` batch by vocabulary, `_B` one value for each row, `_E` end tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from distill.engines import Completion
from distill.recipe import Sampling
from distill.types import FinishReason

COMPACT_AT = 0.9
"""The batch is compacted when so small a share of its rows still runs: copying the cache is not free."""
ASK_EVERY = 16
"""Tokens between two looks at which rows are still wanted."""


class Finished(NamedTuple):
    """A reply that ended, and its row in the batch as it was given."""

    row: int
    completion: Completion


class _Row:
    """One reply in the making."""

    __slots__ = ("draw", "index", "is_running", "limit", "prompt_tokens", "tokens")

    def __init__(self, index: int, prompt_tokens: int, draw: Any, limit: int) -> None:
        self.index, self.prompt_tokens, self.draw, self.limit = index, prompt_tokens, draw, limit
        self.tokens: list[int] = []
        self.is_running = True


def decode(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    sampling: Sampling,
    *,
    seeds: Sequence[int],
    limits: Sequence[int] = (),
    stop: Sequence[str] = (),
    is_wanted: Callable[[int], bool] = lambda row: True,
    on_text: Callable[[int, str], None] | None = None,
) -> Iterator[Finished]:
    """Decode a reply to each prompt, yielding each as it ends.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer, padding on the left.
        prompts: Rendered chat prompts, special tokens included.
        sampling: For all of them.
        seeds: One for each prompt.
        limits: Tokens that each reply may take at most; `sampling.max_tokens` for all if not given.
        stop: Texts before which a reply ends.
        is_wanted: Asked now and then; a row that is not wanted any more is left, and not yielded.
        on_text: Told after each token what each running row's text is so far.
    """
    limits = limits or [sampling.max_tokens] * len(prompts)
    batch = _Batch(model, tokenizer, prompts, sampling, seeds, limits, Stops(tokenizer, stop))
    for count in range(1, max(limits, default=0) + 1):
        yield from batch.step()
        if on_text:
            batch.tell(on_text)
        if count % ASK_EVERY == 0:
            batch.leave(is_wanted)
        if not batch.compact():
            return


class Stops:
    """Texts that end a reply.

    The last tokens are looked at only when the newest may have ended one of the texts: decoding costs more than a step
    of a small model.
    """

    def __init__(self, tokenizer: Any, texts: Sequence[str]) -> None:
        self._tokenizer, self._texts = tokenizer, [text for text in texts if text]
        self._longest = max((len(text.encode()) for text in self._texts), default=0)
        self._may_end: dict[int, bool] = {}

    def found(self, tokens: Sequence[int]) -> str | None:
        """The text that the newest token has completed."""
        if not self._texts or not self._ends(tokens[-1]):
            return None
        # a token is at least a byte, so that so many hold the text, and some before it keep whole characters together
        tail = self._tokenizer.decode(tokens[-self._longest - 8 :], skip_special_tokens=True)
        newest = self._tokenizer.decode(tokens[-1:], skip_special_tokens=True)
        reach = len(newest) + max(len(text) for text in self._texts)
        return next((text for text in self._texts if text in tail[-reach:]), None)

    def _ends(self, token: int) -> bool:
        if token not in self._may_end:
            piece = self._tokenizer.decode([token], skip_special_tokens=True)
            self._may_end[token] = any(text[-1] in piece for text in self._texts)
        return self._may_end[token]


class _Batch:
    """The rows that still run, and the tensors that go with them."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        prompts: Sequence[str],
        sampling: Sampling,
        seeds: Sequence[int],
        limits: Sequence[int],
        stops: Stops,
    ) -> None:
        import torch
        from transformers import DynamicCache

        encoded = tokenizer(list(prompts), return_tensors="pt", padding=True, add_special_tokens=False).to(model.device)
        self.model, self.tokenizer, self.temperature = model, tokenizer, sampling.temperature
        self.warp, self.stops = warpers(sampling), stops
        self.ends_E = torch.tensor(sorted(end_tokens(model, tokenizer)), device=model.device)
        self.input_BT, self.mask_BT = encoded["input_ids"], encoded["attention_mask"]
        self.position_BT = (self.mask_BT.cumsum(1) - 1).clamp(min=0)
        self.cache = DynamicCache(config=model.config)
        lengths = self.mask_BT.sum(1).tolist()
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.rows = [_Row(i, *row) for i, row in enumerate(zip(lengths, draws, limits, strict=True))]

    def step(self) -> Iterator[Finished]:
        """One more token for every row; yields those that it ends."""
        import torch

        with torch.inference_mode():
            output = self.model(
                input_ids=self.input_BT,
                attention_mask=self.mask_BT,
                position_ids=self.position_BT,
                past_key_values=self.cache,
                use_cache=True,
                logits_to_keep=1,
            )
            next_B = self._draw(output.logits[:, -1].float())
        ended_B = torch.isin(next_B, self.ends_E).tolist()
        for row, token, ended in zip(self.rows, next_B.tolist(), ended_B, strict=True):
            if row.is_running:
                row.tokens.append(token)
                stopped_by = None if ended else self.stops.found(row.tokens)
                if ended or stopped_by or len(row.tokens) == row.limit:
                    row.is_running = False
                    yield self._finished(row, "stop" if ended or stopped_by else "length", stopped_by)
        self.mask_BT = torch.cat([self.mask_BT, self.mask_BT.new_ones(len(self.rows), 1)], dim=1)
        self.input_BT, self.position_BT = next_B[:, None], self.position_BT[:, -1:] + 1

    def _draw(self, logits_BV: Any) -> Any:
        """The next token of each row: the likeliest at temperature 0, else by its own generator, through the CDF."""
        import torch

        if self.temperature == 0:
            return logits_BV.argmax(-1)
        cumulative_BV = self.warp(None, logits_BV).softmax(-1).cumsum(-1)
        uniform_B = torch.cat([torch.rand(1, generator=row.draw) for row in self.rows]).to(logits_BV.device)
        # The last cumulative value can round below 1: scale the draw so that it always falls inside.
        chosen_B = torch.searchsorted(cumulative_BV, (uniform_B * cumulative_BV[:, -1])[:, None]).squeeze(-1)
        return chosen_B.clamp(max=logits_BV.shape[-1] - 1)

    def tell(self, on_text: Callable[[int, str], None]) -> None:
        """Show what the running rows say so far."""
        for row in self.rows:
            if row.is_running:
                on_text(row.index, self.tokenizer.decode(row.tokens, skip_special_tokens=True))

    def leave(self, is_wanted: Callable[[int], bool]) -> None:
        """Stop the rows that nobody waits for any more."""
        for row in self.rows:
            row.is_running = row.is_running and is_wanted(row.index)

    def compact(self) -> bool:
        """Drop finished rows once there are enough of them; False if no row runs any more."""
        import torch

        running = [place for place, row in enumerate(self.rows) if row.is_running]
        if running and len(running) <= COMPACT_AT * len(self.rows):
            keep_B = torch.tensor(running, device=self.input_BT.device)
            self.cache.batch_select_indices(keep_B)
            self.rows = [self.rows[place] for place in running]
            self.input_BT, self.mask_BT = self.input_BT[keep_B], self.mask_BT[keep_B]
            self.position_BT = self.position_BT[keep_B]
        return bool(running)

    def _finished(self, row: _Row, reason: FinishReason, stopped_by: str | None) -> Finished:
        text = self.tokenizer.decode(row.tokens, skip_special_tokens=True)
        if stopped_by:
            text = text[: text.rindex(stopped_by)]
        completion = Completion(
            text=text,
            finish_reason=reason,
            stopped_by=stopped_by,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=len(row.tokens),
        )
        return Finished(row.index, completion)


def end_tokens(model: Any, tokenizer: Any) -> set[int]:
    """The ids that end a reply: the generation config's, else the tokenizer's."""
    configured = model.generation_config.eos_token_id
    if configured is None:
        configured = tokenizer.eos_token_id
    return set(configured) if isinstance(configured, list) else {configured}


def warpers(sampling: Sampling) -> Any:
    """The logit warpers of transformers for these settings, in the order that `generate` applies them."""
    from transformers import (
        LogitsProcessorList,
        MinPLogitsWarper,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    chosen = LogitsProcessorList()
    if sampling.temperature not in (0.0, 1.0):
        chosen.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_k:
        chosen.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        chosen.append(TopPLogitsWarper(sampling.top_p))
    if sampling.min_p > 0:
        chosen.append(MinPLogitsWarper(sampling.min_p))
    return chosen
