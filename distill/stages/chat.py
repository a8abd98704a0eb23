"""chat: questions to one model of a run, each on its own, and its reply while it comes."""

import asyncio
import signal
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from distill.engines import Completion, Request, Session
from distill.errors import RunError
from distill.evaluation.suites import load_suite
from distill.formats import Reply, TraceFormat
from distill.recipe import Eval, ModelRole, Samples, load
from distill.run import Run
from distill.sampling import Plan
from distill.sampling.sampler import read_reply
from distill.stages.evaluate import contestants
from distill.stages.measure import Contestant
from distill.types import Message, Problem

SUITE = "countdown-tiny"
"""Whose sampling a recipe without an eval section is taken to mean."""

Show = Callable[[str, str], None]
"""Told the thought and the answer so far."""


class Said(NamedTuple):
    """A reply that came to its end, or was stopped."""

    reply: Reply
    completion: Completion | None
    """None if the user stopped it."""
    seconds: float


class Talk(NamedTuple):
    """Who is asked, and how."""

    contestant: Contestant
    plan: Plan
    logs_dir: Path
    example: str | None
    """A question as the run asked it: a student knows no other form."""


def open_talk(run_dir: Path, role: ModelRole, overrides: list[str]) -> Talk:
    """Look up one of a run's models, and the sampling that the run's eval had.

    Args:
        run_dir: A run's folder.
        role: Which of its models. The base is asked in the first of the forms that eval asks it in.
        overrides: ``key=value`` items for the run's recipe.

    Raises:
        RunError: If there is no such run, or no such model in it.
        RecipeError: If an override cannot be meant.
    """
    if not (run_dir / "recipe.yaml").is_file():
        raise RunError(f"{run_dir} is no run: it holds no recipe.yaml. Give a run's folder, or its name in --runs")
    run = Run(run_dir, load(run_dir / "recipe.yaml", overrides))
    section = run.recipe.eval or Eval(suites=[SUITE])
    found = next(contestants(run, section.model_copy(update={"models": [role]})), None)
    if found is None:
        raise RunError(f"{run_dir} has no base to talk to: its recipe trains no model that was there before")
    if role == "teacher":
        sampling = run.recipe.generate.sampling
    else:
        _, sampling = load_suite(section.suites[0]).asking(section.samples, section.sampling)
    plan = Plan(trace_format=found.trace_format, samples=Samples(), sampling=sampling, seed=run.recipe.seed)
    example = next(iter(run.problems), None)
    return Talk(found, plan, run.logs_dir, example and example.prompt)


async def talk(
    talk: Talk, questions: Iterable[str], show: Show, *, keeps_history: bool = False
) -> AsyncGenerator[Said, None]:
    """Ask each question when it comes, and give what became of it. Ctrl-C stops a reply, and not the talk.

    Args:
        talk: Of `open_talk`.
        questions: One after another.
        show: Told the thought and the answer so far, again and again while they come, and once when they are whole.
        keeps_history: Whether each question is asked after those before it and their answers. Their thoughts are left
            out, as the chat templates of reasoning models do.

    Raises:
        EngineError: If the model cannot be had, or fails.
    """
    history: list[Message] = []
    async with talk.contestant.engine.session(talk.logs_dir) as session:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where no reply is in hand, Ctrl-C is the caller's
        for number, question in enumerate(questions):
            request = talk.plan.request(Problem(id="chat", prompt=question, verifier="", reference=""), number)
            system, asked = request.messages[:-1], request.messages[-1]
            request = msgspec.structs.replace(request, messages=[*system, *history, asked])
            said = await _ask(session, request, talk.plan.trace_format, show)
            if keeps_history and said.completion:
                history += [asked, Message(role="assistant", content=said.reply.answer)]
            yield said


async def _ask(session: Session, request: Request, trace_format: TraceFormat, show: Show) -> Said:
    reply, completion = Reply("", "", None), None

    def hear(text: str, reasoning: str) -> None:
        nonlocal reply
        reply = Reply(reasoning, text, None) if reasoning else trace_format.parse_part(trace_format.prefill + text)
        show(reply.thinking, reply.answer)

    started = time.monotonic()
    task = asyncio.ensure_future(session.complete(msgspec.structs.replace(request, on_text=hear)))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        completion = await task
        reply = read_reply(trace_format, completion)
        show(reply.thinking, reply.answer)
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    return Said(reply, completion, time.monotonic() - started)
