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
from tests.engines.fake_chat_server import DONE, USAGE, Answer, FakeChatServer, event, streamed

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


class Keyboard:
    """A chat at a terminal of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.fd, terminal = pty.openpty()
        self.process = subprocess.Popen(
            command("chat", "small", "--model", "teacher", *arguments),
            cwd=folder,
            env=quiet_environment() | {"TERM": "dumb"},
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)

    def __enter__(self) -> "Keyboard":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        os.close(self.fd)

    def type(self, text: str) -> None:
        self.see("> ")
        os.write(self.fd, text.encode())

    def see(self, text: str) -> str:
        """All that is shown until a text is."""
        seen, end = b"", time.monotonic() + 60
        while text.encode() not in seen:
            assert time.monotonic() < end, seen
            seen += os.read(self.fd, 1)
        return seen.decode()


@pytest.mark.usefixtures("run")
def test_at_a_keyboard_ctrl_c_stops_a_reply_and_ctrl_d_the_talk(tmp_path: Path):
    with Keyboard(tmp_path, "--set", "generate.sampling={temperature: 0, max_tokens: 100000}") as keyboard:
        keyboard.type("1 2 3 4 5 6 7 8 9 -> 1000000\n")
        keyboard.see("thinking")
        keyboard.process.send_signal(signal.SIGINT)
        keyboard.see("chat: stopped after")
        keyboard.type(f"{QUESTION}\n")
        assert "begins anew" not in keyboard.see("chat: ended after"), "nothing of the reply that was stopped"
        keyboard.type("\x04")
        assert keyboard.process.wait(30) == 0


@pytest.mark.usefixtures("run")
def test_sigterm_ends_the_talk_with_its_reply(tmp_path: Path):
    with Keyboard(tmp_path, "--set", "generate.sampling.max_tokens=100000") as keyboard:
        keyboard.type("1 2 3 4 5 6 7 8 9 -> 1000000\n")
        keyboard.see("thinking")
        keyboard.process.terminate()
        assert keyboard.process.wait(30) == 130


def test_a_question_that_fails_ends_the_talk_only_where_nobody_types(run: Path, tmp_path: Path, distill: Distill):
    refused = Answer({"error": {"message": "too long \x1b[31m"}}, status=400)
    with FakeChatServer(refused, streamed("Four", ".")) as server:
        served(run, server)
        with Keyboard(tmp_path) as keyboard:
            keyboard.type("what?\n")
            assert "too long \N{SYMBOL FOR ESCAPE}[31m" in keyboard.see("chat: no reply") + keyboard.see("\n")
            keyboard.type("2 + 2?\n")
            assert "Four." in keyboard.see("chat: ended after")
        server.answers = [refused]
        done = distill("chat", "small", "what?", "--model", "teacher", check=2)
        assert "error: " in done.stderr
        assert "\x1b" not in done.stderr


def test_a_thought_that_comes_apart_is_shown_once_and_is_not_sent_back(run: Path, distill: Distill):
    thought = [event(reasoning_content=piece) for piece in ("\n", "Let me ", "think.", "\n")]
    answer = [event(content=piece) for piece in ("\n\n", "The answer ", "is 42.", "\n")]
    reply = Answer(pieces=[*thought, *answer, event(finish_reason="stop"), event(usage=USAGE), DONE])
    with FakeChatServer(reply) as server:
        served(run, server)
        done = distill("chat", "small", "--model", "teacher", "--history", input="one?\ntwo?\n")
    assert done.stdout == "thinking\nLet me think.\nanswer\nThe answer is 42.\n" * 2
    assert [message["content"] for message in server.asked[1].body["messages"]] == ["one?", "The answer is 42.", "two?"]


def test_a_question_that_is_no_text_is_refused(run: Path, distill: Distill):
    done = distill("chat", run, "a\udcff b", "--model", "teacher", check=2)
    assert "is not UTF-8" in done.stderr


def served(run: Path, server: FakeChatServer) -> None:
    teacher = f"{{engine: openai, model: m, base_url: '{server.url}', max_retries: 0}}"
    (run / "recipe.yaml").write_text(SOLVER_RECIPE.replace("{engine: solver, slips: 0.1}", teacher))


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
