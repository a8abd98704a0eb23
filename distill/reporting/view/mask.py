"""What of an example is in the loss, token by token as the student reads it; or by message, without its tokenizer.

The tokenizer is the trained student's if there is one, else that of the recipe's base, read from this machine only.
Loading it takes seconds, so it is loaded beside, and the page asks again.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.reporting.view.markup import as_written, visible
from distill.types import Example

if TYPE_CHECKING:
    from distill.training.rendering import Chat

MOST_TOKENS = 60_000
LONGEST_PIECE = 8
"""Tokens that may make one character."""


class Students:
    """The tokenizers of runs, loaded when the first example of each is opened.

    Args:
        runs: Run folders by name.
    """

    def __init__(self, runs: Mapping[str, Path]) -> None:
        self.runs = runs
        self._known: dict[str, Chat | str | None] = {}
        self._lock = threading.Lock()

    def mask(self, run: str, example: Example) -> dict[str, Any]:
        """The example as the student reads it, what is in the loss apart from what is not."""
        chat = self._chat(run)
        if chat is None or isinstance(chat, str):
            return by_message(example, chat)
        try:
            return by_token(chat, example)
        except Exception as error:  # a template is the student's own program, and may refuse a conversation
            return by_message(example, f"its template cannot render this example: {visible(str(error))[:300]}")

    def _chat(self, run: str) -> "Chat | str | None":
        with self._lock:
            if run not in self._known:
                self._known[run] = None
                # Not a daemon: the end of the interpreter would abort it inside of what it loads
                threading.Thread(target=self._load, args=(run,)).start()
            return self._known[run]

    def _load(self, run: str) -> None:
        try:
            self._known[run] = load_chat(self.runs[run])
        except Exception as error:  # whatever a tokenizer's files hold, the page can do without
            self._known[run] = visible(str(error).split("\n")[0][:300]) or type(error).__name__


def load_chat(run_dir: Path) -> "Chat":
    """A run's student as it is talked to, without its weights.

    Raises:
        DistillError: If there is none, or it cannot be loaded.
    """
    from distill import environment, plugins
    from distill.formats import FORMAT_FILE, taught_format
    from distill.training import contract
    from distill.training.rendering import Chat
    from distill.training.student import tokenizer_of
    from distill.training.templates import give_template

    plugins.need("transformers", "showing the student's tokens", "train")
    environment.quiet_libraries()
    student = run_dir / "student"
    if (student / FORMAT_FILE).exists():
        return Chat(tokenizer_of(str(student)), taught_format(student))
    recipe, train = _train_section(run_dir)
    tokenizer = tokenizer_of(train.student)
    give_template(tokenizer, train.sft)
    chat = Chat(tokenizer, recipe.student_format)
    contract.mended(tokenizer, chat, None)
    return chat


def _train_section(run_dir: Path) -> Any:
    from distill.errors import RunError
    from distill.recipe import load

    recipe = load(run_dir / "recipe.yaml", [])
    if recipe.train is None:
        raise RunError("the recipe has no section train, so there is no student")
    return recipe, recipe.train


def by_message(example: Example, why: str | None) -> dict[str, Any]:
    """The example's messages; those of the completion are in the loss, but for characters that it masks.

    Args:
        example: What is taught.
        why: Why there are no tokens; None if they are on their way.
    """
    parts = [(message, False) for message in example.prompt] + [(message, True) for message in example.completion]
    return {
        "state": "loading" if why is None else "messages",
        "why": why or "",
        "masked": sum(end - start for start, end in example.masked),
        "messages": [
            {"role": message["role"], "in_loss": in_loss, "body": as_written(message["content"])}
            for message, in_loss in parts
        ],
    }


def by_token(chat: "Chat", example: Example) -> dict[str, Any]:
    """The example's tokens."""
    row = chat.row(example)
    shown = max(row.num_prompt, MOST_TOKENS)
    return {
        "state": "tokens",
        "num_tokens": len(row.input_ids),
        "loss_tokens": row.num_taught,
        "left_out": max(0, len(row.input_ids) - shown),
        "stretches": [
            {"in_loss": is_taught, "pieces": pieces(chat, list(row.input_ids[start : min(end, shown)]))}
            for is_taught, start, end in row.stretches()
            if start < shown
        ],
    }


def pieces(chat: "Chat", ids: Sequence[int]) -> list[list[Any]]:
    """Tokens as text, each with how many tokens it is, and whether it is a special one.

    Tokens that are only together a character stand together. Each is read behind the one before it, because some
    tokenizers drop the space that a text begins with.
    """
    found: list[list[Any]] = []
    start = 0
    while start < len(ids):
        before = list(ids[max(0, start - 1) : start])
        left = chat.text(before) if before else ""
        stop = start + 1
        text = chat.text([*before, *ids[start:stop]])
        while "\ufffd" in text[len(left) :] and stop < min(len(ids), start + LONGEST_PIECE):
            stop += 1
            text = chat.text([*before, *ids[start:stop]])
        found.append([visible(text[len(left) :]), stop - start, int(ids[start] in chat.special_ids)])
        start = stop
    return found
