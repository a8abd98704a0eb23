"""chat: questions to one model of a run, each on its own, and its reply while it comes."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from distill.engines import Completion, Request, Session
from distill.errors import EngineError, RunError
from distill.evaluation.suites import load_suite
from distill.formats import Reply, TraceFormat
from distill.recipe import Eval, ModelRole, Samples, load
from distill.reporting.scores import read_scores
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
    """What became of a question."""

    reply: Reply
    """As far as it came."""
    completion: Completion | None
    """None if there is none: the user stopped it, or it failed."""
    seconds: float
    error: EngineError | None = None
    """Why it failed."""


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
        role: Which of its models. The base is asked in the form that it scored best in, or the first that eval has.
        overrides: ``key=value`` items for the run's recipe.

    Raises:
        RunError: If there is no such run, or no such model in it.
        RecipeError: If an override cannot be meant.
    """
    if not (run_dir / "recipe.yaml").is_file():
        raise RunError(f"{run_dir} is no run: it holds no recipe.yaml. Give a run's folder, or its name in --runs")
    run = Run(run_dir, load(run_dir / "recipe.yaml", overrides))
    section = run.recipe.eval or Eval(suites=[SUITE])
    forms = list(contestants(run, section.model_copy(update={"models": [role]})))
    if not forms:
        raise RunError(f"{run_dir} has no base to talk to: its recipe trains no model that was there before")
    measured = next(iter(read_scores(run_dir, section.suites).values()), {})
    found = max(forms, key=lambda form: measured[form.name].pass_at_1 if form.name in measured else -1.0)
    if role == "teacher":
        sampling = run.recipe.generate.sampling
    else:
        _, sampling = load_suite(section.suites[0]).asking(section.samples, section.sampling)
    plan = Plan(trace_format=found.trace_format, samples=Samples(), sampling=sampling, seed=run.recipe.seed)
    example = next(iter(run.problems), None)
    return Talk(found, plan, run.logs_dir, example and example.prompt)


async def talk(
    talk: Talk, questions: Iterable[str], show: Show, *, keeps_history: bool = False, goes_on: bool = False
) -> AsyncGenerator[Said, None]:
    """Ask each question when it comes, and give what became of it.

    Args:
        talk: Of `open_talk`.
        questions: One after another.
        show: Told the thought and the answer so far, again and again while they come, and once when they are whole.
        keeps_history: Whether each question is asked after those before it and their answers. Their thoughts are left
            out, as the chat templates of reasoning models do.
        goes_on: Whether Ctrl-C and an error end one reply only, as a person at a keyboard wants it.

    Raises:
        EngineError: If the model cannot be had; or fails, unless `goes_on`.
        KeyboardInterrupt: After Ctrl-C, unless `goes_on`; after SIGTERM.
    """
    history: list[Message] = []
    async with talk.contestant.engine.session(talk.logs_dir) as session:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where no reply is in hand, Ctrl-C is the caller's
        for number, question in enumerate(questions):
            request = talk.plan.request(Problem(id="chat", prompt=question, verifier="", reference=""), number)
            system, asked = request.messages[:-1], request.messages[-1]
            request = msgspec.structs.replace(request, messages=[*system, *history, asked])
            said = await _ask(session, request, talk.plan.trace_format, show)
            if said.error and not goes_on:
                raise said.error
            if said.completion is None and not said.error and not goes_on:
                raise KeyboardInterrupt
            if keeps_history and said.completion and said.reply.answer:
                history += [asked, Message(role="assistant", content=said.reply.answer)]
            yield said


async def _ask(session: Session, request: Request, trace_format: TraceFormat, show: Show) -> Said:
    reply, started = Reply("", "", None), time.monotonic()

    def hear(text: str, reasoning: str) -> None:
        nonlocal reply
        if task.done() or task.cancelling():
            return  # what an engine had under way when it was stopped
        apart = Reply(reasoning.strip(), text.strip(), None)
        reply = apart if reasoning else trace_format.parse_part(trace_format.prefill + text)
        show(reply.thinking, reply.answer)

    task = asyncio.ensure_future(session.complete(msgspec.structs.replace(request, on_text=hear)))
    with _stopping(task):
        try:
            completion = await task
        except asyncio.CancelledError:
            return Said(reply, None, time.monotonic() - started)
        except EngineError as error:
            return Said(reply, None, time.monotonic() - started, error)
    whole = read_reply(trace_format, completion)
    show(whole.thinking, whole.answer)
    return Said(whole, completion, time.monotonic() - started)


@contextlib.contextmanager
def _stopping(task: asyncio.Future[Completion]) -> Generator[None]:
    """Let Ctrl-C cancel a reply, and SIGTERM end the talk with it."""
    loop, before, ended = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM), False

    def end() -> None:
        nonlocal ended
        ended = True
        task.cancel()

    loop.add_signal_handler(signal.SIGINT, task.cancel)
    loop.add_signal_handler(signal.SIGTERM, end)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
        if ended:
            raise KeyboardInterrupt
