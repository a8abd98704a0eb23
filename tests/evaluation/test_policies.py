"""Budget forcing and beam search: against a scripted model, and on the tiny one."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from distill.engines import Completion, Request
from distill.errors import EngineError, RecipeError
from distill.evaluation.beam import Search
from distill.evaluation.forcing import Forcing
from distill.evaluation.policy import PolicyEngine
from distill.evaluation.scorers import Length
from distill.formats import named_format
from distill.recipe import Sampling
from distill.sampling.sampler import read_reply
from distill.sections import BeamSearch, BudgetForcing, Use

Model = Callable[[str], str]
"""From what the reply holds so far to how the model would go on, to its own end."""


class Scripted:
    """A model of one token a character, that a function writes."""

    identity = "scripted"

    def __init__(self, model: Model, *, knows_stop: bool = True) -> None:
        self.model, self.knows_stop = model, knows_stop
        self.asked: list[Request] = []

    @contextlib.asynccontextmanager
    async def session(self, logs_dir: Path) -> AsyncGenerator["Scripted"]:
        yield self

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        whole = self.model(request.prefill)
        text, stopped_by = whole, None
        for stop in request.stop if self.knows_stop else ():
            if stop in whole:
                text, stopped_by = whole.partition(stop)[0], stop
        limit = request.sampling.max_tokens
        if len(text) + len(stopped_by or "") > limit:
            return Completion(text=whole[:limit], finish_reason="length", prompt_tokens=5, completion_tokens=limit)
        tokens = len(text) + len(stopped_by or "")
        return Completion(text=text, stopped_by=stopped_by, prompt_tokens=5, completion_tokens=tokens)


def request(prefill: str = "", max_tokens: int = 100) -> Request:
    return Request(
        messages=[{"role": "user", "content": "?"}], sampling=Sampling(temperature=0, max_tokens=max_tokens), seed=1,
        prefill=prefill, metadata={"problem_id": "p", "sample": 0, "reference": "secret"},
    )  # fmt: skip


def asked(engine: Any, what: Request) -> Completion:
    async def go() -> Completion:
        async with engine.session(Path()) as session:
            return await session.complete(what)

    return asyncio.run(go())


def thinker(said: str) -> str:
    """Thinks `aaa bbb ccc`, then answers 42; after each Wait it thinks `ddd`."""
    if "</think>" in said:
        return "42"
    if said.endswith("Wait"):
        return " ddd\n</think>\n\n42"
    script = "<think>\naaa bbb ccc\n</think>\n\n42"
    return script.removeprefix(said) if script.startswith(said) else "ccc\n</think>\n\n42"


def forced(section: BudgetForcing, form: str = "think", knows_stop: bool = True, **options: Any) -> Completion:
    engine = PolicyEngine(Scripted(thinker, knows_stop=knows_stop), Forcing(section, named_format(form)))
    return asked(engine, request(**options))


@pytest.mark.parametrize("knows_stop", [True, False])
def test_a_budget_that_is_not_reached_changes_nothing(knows_stop: bool) -> None:
    done = forced(BudgetForcing(max_tokens_thinking=80), knows_stop=knows_stop)
    assert done.text == thinker("")
    assert done.metadata["forced_end"] is False
    reply = read_reply(named_format("think"), done)
    assert (reply.thinking, reply.answer, reply.malformed) == ("aaa bbb ccc", "42", None)


def test_the_maximum_ends_the_thought_and_asks_for_the_answer() -> None:
    done = forced(BudgetForcing(max_tokens_thinking=7, final_answer="Final Answer: "))
    assert done.text == "<think>\naaa bbb\n</think>\n\nFinal Answer: 42"
    assert done.metadata == {"thinking_tokens": 7, "forced_end": True, "ignored_ends": 0}
    assert done.completion_tokens == 7 + 2  # what we append is not the model's
    none = forced(BudgetForcing(max_tokens_thinking=0))
    assert none.text == "<think>\n\n</think>\n\n42" or none.text == "<think>\n</think>\n\n42"
    assert read_reply(named_format("think"), none).answer == "42"


def test_the_minimum_suppresses_the_end_so_many_times() -> None:
    done = forced(BudgetForcing(max_tokens_thinking=90, thinking_n_ignore=2))
    assert done.text == "<think>\naaa bbb ccc\nWait ddd\nWait ddd\n</think>\n\n42"
    assert done.metadata["ignored_ends"] == 2
    both = forced(BudgetForcing(max_tokens_thinking=24, thinking_n_ignore=9, thinking_n_ignore_str="Wait"))
    assert both.metadata["forced_end"] is True
    assert both.metadata["thinking_tokens"] == 24
    assert read_reply(named_format("think"), both).answer == "42"


def test_each_form_is_forced_in_its_own_marks() -> None:
    harness = forced(BudgetForcing(max_tokens_thinking=7), form="think-forced", prefill="<think>\n")
    assert harness.text == "aaa bbb\n</think>\n\n42"
    template = PolicyEngine(
        Scripted(lambda said: "42" if "</think>" in said else "aaa bbb ccc\n</think>\n\n42"[len(said) :]),
        Forcing(BudgetForcing(max_tokens_thinking=3), named_format("think-open")),
    )
    assert asked(template, request()).text == "aaa\n</think>\n\n42"
    with pytest.raises(RecipeError, match="'plain' has none"):
        Forcing(BudgetForcing(max_tokens_thinking=3), named_format("plain"))


def test_a_budget_without_room_for_an_answer_and_a_server_that_parts_thoughts_are_refused() -> None:
    with pytest.raises(RecipeError, match="max_tokens_thinking is 100 and max_tokens is 100"):
        forced(BudgetForcing(max_tokens_thinking=100))

    class Parting(Scripted):
        async def complete(self, request: Request) -> Completion:
            return Completion(text="42", reasoning="hm")

    engine = PolicyEngine(Parting(thinker), Forcing(BudgetForcing(max_tokens_thinking=9), named_format("think")))
    with pytest.raises(EngineError, match="reasoning parser"):
        asked(engine, request())


def test_policies_are_part_of_a_models_identity() -> None:
    one, two = (
        PolicyEngine(
            Scripted(thinker), Forcing(BudgetForcing(max_tokens_thinking=9, thinking_n_ignore=n), named_format("think"))
        )
        for n in (0, 1)
    )
    assert len({one.identity, two.identity, "scripted"}) == 3


def test_a_search_keeps_what_the_scorer_likes_and_never_shows_it_the_reference() -> None:
    seen: list[Any] = []

    class Digits(Scripted):
        async def complete(self, request: Request) -> Completion:
            self.asked.append(request)
            steps = request.prefill.count(".")
            if steps == 3:
                return Completion(text="end", completion_tokens=1)
            return Completion(text=str(request.seed % 10), stopped_by=".", completion_tokens=2)

    class Sum:
        def __call__(self, problem: Any, text: str) -> float:
            seen.append(problem)
            return sum(int(char) for char in text if char.isdigit())

    engine = Digits(thinker)
    section = BeamSearch(scorer=Use(use="x"), beams=2, width=3, step=".", max_steps=10)
    done = asked(PolicyEngine(engine, Search(section, Sum(), named_format("plain"))), request())
    assert done.finish_reason == "stop"
    assert done.text.endswith(".end")
    first = max(one.seed % 10 for one in engine.asked[:3])
    assert done.text.startswith(f"{first}.")  # the greatest digit of the three first tries wins, here
    assert done.completion_tokens == sum(1 if one.prefill.count(".") == 3 else 2 for one in engine.asked)
    assert all(problem.reference is None and "secret" not in str(problem.metadata) for problem in seen)


def test_a_search_that_ends_nowhere_is_truncated() -> None:
    class Endless(Scripted):
        async def complete(self, request: Request) -> Completion:
            return Completion(text="x", stopped_by=".", completion_tokens=2)

    section = BeamSearch(scorer=Use(use="length"), beams=1, width=1, step=".", max_steps=3)
    done = asked(PolicyEngine(Endless(thinker), Search(section, Length(), named_format("plain"))), request())
    assert (done.text, done.finish_reason) == ("x.x.x.", "length")


@pytest.mark.slow
def test_forcing_beyond_all_thoughts_leaves_the_tiny_models_greedy_replies_as_they_are(tmp_path: Path) -> None:
    from distill.engines.transformers import TransformersEngine
    from distill.sources.countdown import CountdownSource

    problems = list(CountdownSource(count=3, split="heldout", largest=99, prompt="{numbers} -> {target}"))
    engine, form = TransformersEngine(model="tiny-teacher", device="cpu"), named_format("think")

    async def replies(how: Any, max_tokens: int) -> list[Completion]:
        async with how.session(tmp_path) as session:
            return await asyncio.gather(
                *(
                    session.complete(
                        Request(
                            messages=form.messages(problem.prompt), seed=0,
                            sampling=Sampling(temperature=0, max_tokens=max_tokens),
                        )
                    )
                    for problem in problems
                )
            )  # fmt: skip

    plain = asyncio.run(replies(engine, 240))
    loose = asyncio.run(replies(PolicyEngine(engine, Forcing(BudgetForcing(max_tokens_thinking=220), form)), 240))
    for free, forced_reply in zip(plain, loose, strict=True):
        if free.finish_reason == "stop":
            assert forced_reply.text == free.text
    tight = asyncio.run(replies(PolicyEngine(engine, Forcing(BudgetForcing(max_tokens_thinking=40), form)), 240))
    for reply in tight:
        assert read_reply(form, reply).answer
        assert reply.metadata["thinking_tokens"] <= 40  # type: ignore[operator]
