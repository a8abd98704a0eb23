"""A server that rewrites what it is sent, well or badly, as the problem's first word says; and a run that asks it."""

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from distill.recipe import Recipe
from distill.run import open_run
from distill.stages.filter import filter_traces
from distill.stages.generate import generate
from tests.engines.fake_chat_server import Answer, Asked, FakeChatServer, completion

THOUGHT = """\
I need 12 * 13 + 4.

12 * 13 = 146.

Wait, let me check that: 12 * 10 = 120 and 12 * 3 = 36, so it is 156. The 146 was a mistake.

Alternatively, 13 * 12 = 130 + 26 = 156.

So 156 + 4 = 160."""
ANSWER = r"The result is $\boxed{160}$."

GOOD = """\
What I need is 12 * 13 + 4.

First, 12 * 13 = 146.

Wait, let me check that once more: 12 * 10 = 120 and 12 * 3 = 36. So it is 156, and the 146 was a mistake.

Alternatively, I can go by 13 * 12 = 130 + 26 = 156, which agrees.

Therefore 156 + 4 = 160."""
SOLUTION = r"Multiply, then add: 12 * 13 = 156 and 156 + 4 = 160. The result is $\boxed{160}$."


def mark_in(asked: Asked) -> str:
    found = re.search(r"\[THOUGHT ([0-9a-f]{12})\]", asked.body["messages"][0]["content"])
    assert found
    return found[1]


def word_in(asked: Asked) -> str:
    """The first word of the problem that is asked about."""
    found = re.search(r"<<<PROBLEM \w+\n(\S+)", asked.body["messages"][1]["content"])
    assert found
    return found[1]


def written(asked: Asked, thought: str = GOOD, solution: str = SOLUTION, finish_reason: str = "stop") -> Answer:
    mark = mark_in(asked)
    text = f"[THOUGHT {mark}]\n{thought}\n[SOLUTION {mark}]\n{solution}\n[END {mark}]"
    return Answer(completion(text, finish_reason))


def make_run(
    folder: Path,
    words: Sequence[str],
    server: FakeChatServer,
    *,
    thought: Callable[[str], str] = lambda word: THOUGHT,
    form: str = "think",
    **options: Any,
) -> Path:
    """Adopt one trace for each word, and write down a recipe that has them rewritten."""
    rows = [
        {
            "question": f"{word} What is 12 * 13 + 4?",
            "thought": thought(word),
            "answer": ANSWER,
            "ref": "160",
        }
        for word in words
    ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    engine = {"engine": "openai", "model": "m", "base_url": server.url, "stream": False, "max_retries": 0}
    engine |= {"price": {"input": 1.0, "output": 2.0}}
    recipe = {
        "name": "rewritten",
        "generate": {
            "adopt": [
                {
                    "use": "jsonl",
                    "path": str(folder / "rows.jsonl"),
                    "prompt_column": "question",
                    "reference_column": "ref",
                    "verifier": "math",
                    "traces": {"model": "t", "thinking": "thought", "answer": "answer"},
                }
            ],
            "format": form,
        },
        "filter": {"select": ["correct"], "workers": 1, "build": {"use": "rewrite", "engine": engine, **options}},
    }
    path = folder / "rewritten.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


class Taught:
    """What a run teaches, by the first words of its problems."""

    def __init__(self, directory: Path) -> None:
        self.dir = directory
        lines = [json.loads(line) for line in (directory / "train.jsonl").read_text().splitlines()]
        self.text = {line["prompt"][-1]["content"].split()[0]: line["completion"][0]["content"] for line in lines}
        manifest = json.loads((directory / "manifest.json").read_text())
        self.tallies = Counter[str](manifest["stages"]["filter"]["built"])
        self.ledger: dict[str, Any] = manifest["stages"]["filter"].get("ledger", {})


def filtered(path: Path, *, is_new: bool = True) -> Taught:
    """Run generate and filter in this process."""
    recipe = Recipe.model_validate(yaml.safe_load(path.read_text()))
    with open_run(recipe, path.parent / "runs") as run:
        if is_new:
            generate(run)
        else:
            run.restart("filter")
        filter_traces(run)
        return Taught(run.dir)
