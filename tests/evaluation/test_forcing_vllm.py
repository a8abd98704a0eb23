"""Forced budgets through real vLLM: the tokens are those of transformers at temperature 0."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from distill.assets import PACKAGE
from distill.engines import Completion, Request
from distill.engines.transformers import TransformersEngine
from distill.engines.vllm import VLLMEngine
from distill.engines.vllm_command import COMMAND_ENV
from distill.evaluation.forcing import Forcing
from distill.evaluation.policy import PolicyEngine
from distill.formats import named_format
from distill.recipe import Sampling
from distill.sampling.sampler import read_reply
from distill.sections import BudgetForcing
from distill.sources.countdown import CountdownSource

VLLM_PYTHON = PACKAGE.parent / ".venv-vllm" / "bin" / "python"
FORM = named_format("think")
BUDGETS = [BudgetForcing(max_tokens_thinking=50), BudgetForcing(max_tokens_thinking=200, thinking_n_ignore=1)]


def forced(engine: Any, folder: Path) -> list[Completion]:
    """Every problem under every budget, in one session."""
    problems = list(CountdownSource(count=4, split="heldout", largest=99, prompt="{numbers} -> {target}"))

    async def go() -> list[Completion]:
        async with engine.session(folder) as session:
            return await asyncio.gather(
                *(
                    Forcing(budget, FORM).complete(
                        session,
                        Request(
                            messages=FORM.messages(problem.prompt), seed=0,
                            sampling=Sampling(temperature=0, max_tokens=budget.max_tokens_thinking + 40),
                        ),
                    )
                    for budget in BUDGETS
                    for problem in problems
                )
            )  # fmt: skip

    return asyncio.run(go())


@pytest.mark.vllm
@pytest.mark.skipif(not VLLM_PYTHON.exists(), reason="no .venv-vllm; make setup-vllm makes it")
def test_vllm_and_transformers_force_the_same_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COMMAND_ENV, str(VLLM_PYTHON))
    args = {"dtype": "float32", "max_model_len": 512}
    served = forced(VLLMEngine(model="tiny-teacher", args=args, startup_timeout=300), tmp_path)
    here = forced(TransformersEngine(model="tiny-teacher", device="cpu", dtype="float32"), tmp_path)
    assert [(one.text, one.completion_tokens, one.metadata) for one in served] == [
        (one.text, one.completion_tokens, one.metadata) for one in here
    ]
    assert all(read_reply(FORM, one).answer for one in here)


def test_a_policys_engine_says_what_its_engine_says() -> None:
    engine = TransformersEngine(model="tiny-teacher", device="cpu")
    wrapped = PolicyEngine(engine, Forcing(BUDGETS[0], FORM))
    assert wrapped.stamp() == engine.stamp()
    assert wrapped.identity.startswith(engine.identity)
