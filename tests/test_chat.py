"""`distill chat`: questions by pipe, argument and keyboard; what comes is shown as it comes, and can be stopped."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest
from rich.console import Console

from distill.reporting.screen import Screen
from tests.conftest import SOLVER_RECIPE, TRAIN_SECTIONS, Distill, command, quiet_environment

QUESTION = "4 5 3 -> 35"
RECIPE = SOLVER_RECIPE.replace("{engine: solver, slips: 0.1}", "{engine: transformers, model: tiny-teacher}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that was only begun: its teacher can be asked."""
    folder = tmp_path / "runs/small"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(RECIPE + TRAIN_SECTIONS)
    return folder


def test_each_line_of_the_input_is_a_question(run: Path, distill: Distill):
    greedy = ["--model", "teacher", "--set", "generate.sampling.temperature=0"]
    done = distill("chat", "small", *greedy, input=f"{QUESTION}\n\n{QUESTION}\n")
    first, _, second = done.stdout.rpartition("thinking\n")
    assert first == "thinking\n" + second
    assert "\nanswer\n" in second
    assert done.stderr.count("chat: ended after") == 2
    alone = distill("chat", run, QUESTION, *greedy)
    assert alone.stdout == first
    assert not [path.name for path in run.iterdir() if path.name not in ("recipe.yaml", "logs")]


def test_history_comes_before_the_next_question_without_its_thought(run: Path, distill: Distill):
    greedy = [
        "--model",
        "teacher",
        "--set",
        "generate.sampling.temperature=0",
        "--set",
        "generate.sampling.max_tokens=8",
    ]
    done = distill("chat", "small", *greedy, "--history", input=f"{QUESTION}\n{QUESTION}\n")
    first, _, second = done.stdout.rpartition("thinking\n")
    assert first != "thinking\n" + second, "the same question after another is another question"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing is no run: it holds no recipe.yaml"),
        (["small"], "student"),
        (["small", "--model", "oracle"], "--model 'oracle' is not known; choose base, student, teacher"),
        (["small", "--model", "base"], "has no base to talk to"),
        (["small", "--set", "eval.tempo=1"], "unknown key 'eval.tempo'"),
    ],
)
@pytest.mark.usefixtures("run")
def test_a_mistake_is_said(distill: Distill, arguments: list[str], said: str):
    done = distill("chat", *arguments, check=2, input=QUESTION)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("run")
def test_at_a_keyboard_ctrl_c_stops_a_reply_and_ctrl_d_the_talk(tmp_path: Path):
    keyboard, terminal = pty.openpty()
    long = ["--set", "generate.sampling.max_tokens=100000", "--set", "generate.teacher.device=cpu"]
    process = subprocess.Popen(
        command("chat", "small", "--model", "teacher", *long),
        cwd=tmp_path,
        env=quiet_environment() | {"TERM": "dumb"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        wait_for(keyboard, "> ")
        os.write(keyboard, b"1 2 3 4 5 6 7 8 9 -> 1000000\n")
        wait_for(keyboard, "thinking")
        process.send_signal(signal.SIGINT)
        wait_for(keyboard, "chat: stopped after")
        wait_for(keyboard, "> ")
        os.write(keyboard, f"{QUESTION}\n".encode())
        wait_for(keyboard, "chat: ended after")
        wait_for(keyboard, "> ")
        os.write(keyboard, b"\x04")
        assert process.wait(30) == 0
    finally:
        process.kill()
        os.close(keyboard)


def wait_for(keyboard: int, text: str) -> None:
    seen, end = "", time.monotonic() + 60
    while text not in seen:
        assert time.monotonic() < end, seen
        seen += os.read(keyboard, 4096).decode(errors="replace")


def test_nothing_that_a_model_writes_drives_the_terminal(capsys: pytest.CaptureFixture[str]):
    screen = Screen(Console(highlight=False, force_terminal=False))
    screen.show("[red]a\x1b[2J", "")
    screen.show("[red]a\x1b[2Jb", "\x9b31m\u202e[/red]")
    screen.end()
    assert capsys.readouterr().out == "thinking\n[red]a␛[2Jb\nanswer\n<U+009B>31m<U+202E>[/red]\n"


def test_a_reply_that_begins_anew_is_not_mixed_with_the_first(capsys: pytest.CaptureFixture[str]):
    screen = Screen(Console(highlight=False))
    for thought in ("one", "one two", "o", "other"):
        screen.show(thought, "")
    screen.end()
    assert capsys.readouterr().out == "thinking\none two\n(begins anew)\nthinking\nother\n"
