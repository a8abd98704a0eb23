"""What a run took, stage by stage and in all: requests, tokens, GPU hours, dollars, and the price of a kept trace."""

from collections.abc import Mapping
from typing import Any

import msgspec

from distill.judging import Ledger as JudgeLedger
from distill.ledger import Ledger
from distill.recipe import Price
from distill.reporting.structure import CostFacts, CostRow, FilterFacts, TrainFacts


def cost_facts(
    stages: Mapping[str, Mapping[str, Any]],
    recipe: Mapping[str, Any],
    judge: JudgeLedger | None,
    filtered: FilterFacts | None,
    trained: TrainFacts | None,
) -> CostFacts | None:
    """The ledgers of a run as rows; None if nothing was asked yet.

    Args:
        stages: The manifest's records.
        recipe: The resolved recipe, for its prices.
        judge: What the judge took, if one was asked.
        filtered: For the number of kept traces.
        trained: Training has no tokens to pay for, only time.
    """
    ledgers = {
        stage: msgspec.convert(stages[stage]["ledger"], Ledger)
        for stage in ("generate", "filter", "eval")
        if "ledger" in stages.get(stage, {})
    }
    if not ledgers:
        return None
    gpu_hour: float = recipe.get("gpu_hour") or 0.0
    if judge and judge["asked"]:
        ledgers["judge"] = _of_judge(judge, recipe)
    if trained and "gpu_seconds" in stages.get("train", {}):
        ledgers["train"] = Ledger(gpu_seconds=stages["train"]["gpu_seconds"])
    rows = {stage: _row(ledger, gpu_hour) for stage, ledger in ledgers.items()}
    generated = rows.get("generate")
    kept = filtered["funnel"][-1]["left"] if filtered and filtered["funnel"] else 0
    return CostFacts(
        stages=rows,
        total=_row(Ledger.total(ledgers.values()), gpu_hour),
        kept=kept,
        dollars_per_kept=generated["dollars"] / kept if kept and generated and generated["dollars"] else None,
        tokens_per_kept=generated["completion_tokens"] / kept if kept and generated else None,
    )


def _of_judge(judge: JudgeLedger, recipe: Mapping[str, Any]) -> Ledger:
    asked: Mapping[str, Any] = ((recipe.get("generate") or {}).get("verify") or {}).get("judge") or {}
    price = Price.model_validate(asked.get("price") or {})
    return Ledger(
        requests=judge["requests"],
        prompt_tokens=judge["prompt_tokens"],
        completion_tokens=judge["completion_tokens"],
        token_dollars=price.dollars(judge["prompt_tokens"], 0, judge["completion_tokens"]),
    )


def _row(ledger: Ledger, gpu_hour: float) -> CostRow:
    return CostRow(
        requests=ledger.requests,
        retries=ledger.retries,
        cancelled=ledger.cancelled,
        prompt_tokens=ledger.prompt_tokens,
        cached_tokens=ledger.cached_tokens,
        completion_tokens=ledger.completion_tokens,
        wasted_tokens=ledger.wasted_tokens,
        gpu_hours=round(ledger.gpu_seconds / 3600, 4),
        dollars=round(ledger.dollars(gpu_hour), 6),
    )
