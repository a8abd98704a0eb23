"""The command `distill chat`: talk to one model of a run in the terminal."""

from __future__ import annotations

import contextlib
import importlib
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from distill.commands.options import DEFAULT_RUNS, RunsOption, SetOption, run_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distill.recipe import ModelRole
    from distill.stages.chat import Said, Talk

EPILOG = (
    "Examples: 'distill chat quickstart'. "
    "'distill chat quickstart --model teacher --set generate.sampling.temperature=0'. "
    "'distill chat runs/mine \"How many primes are below 100?\" --set eval.sampling.max_tokens=4096'"
)


def chat(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's folder, or its name in --runs.")],
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Ask only this; otherwise each line of the input.")
    ] = None,
    runs: RunsOption = DEFAULT_RUNS,
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="student, base or teacher.")] = "student",
    history: Annotated[
        bool, typer.Option("--history", help="Ask each question after the earlier ones and their answers.")
    ] = False,
    overrides: SetOption = None,
) -> None:
    """Ask a run's student, its base or its teacher, and see thought and answer as they come.

    The model runs in the engine, and with the sampling, that the recipe's eval has; the teacher in its own. Ctrl-C
    stops a reply, Ctrl-D ends the talk. Nothing is written into the run but the log of a server.
    """
    import asyncio
    from typing import cast, get_args

    from distill.errors import RecipeError
    from distill.recipe import ModelRole
    from distill.stages.chat import open_talk

    roles: tuple[str, ...] = get_args(ModelRole)
    if model not in roles:
        raise RecipeError(f"--model {model!r} is not known; choose {', '.join(roles)}")
    talk = open_talk(run_dir(run, runs), cast("ModelRole", model), overrides or [])
    is_typed = question is None and sys.stdin.isatty()
    _introduce(talk, is_typed)
    questions = _typed() if is_typed else _piped() if question is None else iter([question])
    asyncio.run(_hold(talk, map(_checked, questions), keeps_history=history, is_typed=is_typed))


async def _hold(talk: Talk, questions: Iterator[str], *, keeps_history: bool, is_typed: bool) -> None:
    from distill import progress
    from distill.reporting.screen import Screen
    from distill.reporting.text import printable
    from distill.stages.chat import talk as held

    screen = Screen()
    async for said in held(talk, questions, screen.show, keeps_history=keeps_history, goes_on=is_typed):
        screen.end()
        progress.say(printable(_ended(said)))


def _introduce(talk: Talk, is_typed: bool) -> None:
    from distill import progress
    from distill.reporting.text import printable

    asked, form = talk.contestant, talk.contestant.trace_format.name
    end = "; Ctrl-D ends the talk" if is_typed else ""
    progress.say(f"chat: {asked.name}, by {asked.engine_name}, in the form {form!r}{end}")
    if is_typed and talk.example:
        progress.say(f"chat: this run asked in this form, and its student knows no other:\n{printable(talk.example)}")


def _typed() -> Iterator[str]:
    """What the user types, until Ctrl-D or Ctrl-C."""
    with contextlib.suppress(ImportError):
        importlib.import_module("readline")  # gives input() its history and its keys
    while True:
        try:
            line = input("\n> ").strip()
        except (EOFError, KeyboardInterrupt):
            print()
            return
        if line:
            yield line


def _piped() -> Iterator[str]:
    for line in sys.stdin:
        if line.strip():
            yield line.strip()


def _checked(question: str) -> str:
    from distill.errors import RecipeError

    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise RecipeError(f"the question {question!r:.60} is not UTF-8: {error.reason}. Save or send it so") from None
    return question


def _ended(said: Said) -> str:
    if said.error:
        return f"chat: no reply: {said.error}"
    if said.completion is None:
        return f"chat: stopped after {said.seconds:.1f} s"
    completion = said.completion
    ends = {"stop": "ended", "length": "cut at its limit of tokens"}
    how = ends.get(completion.finish_reason, completion.finish_reason)
    form = f"; {said.reply.malformed}" if said.reply.malformed else ""
    return f"chat: {how} after {completion.completion_tokens:,} tokens, {said.seconds:.1f} s{form}"
