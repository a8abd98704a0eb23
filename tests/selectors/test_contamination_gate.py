"""The step `decontaminate`: which benchmarks it reads, what it says of a match, and how it refuses what cannot be."""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from distill.errors import DataError, DistillError, PluginError, RecipeError
from distill.plugins import build
from distill.selectors import Context, Gate
from distill.sources.countdown import CountdownSource
from distill.types import Problem
from tests.conftest import Distill
from tests.selectors.replies import reply

KITE = (
    "Rosalind flies 3 kites on lines of 45, 60 and 85 metres. How much line does she wind up if she lands all of them?"
)
CHESS = "On how many squares of an 11 by 13 board can a lone camel (a leaper of one and three) not be stopped at all?"
SUITES = {"wind": [KITE], "boards": [CHESS, "Place 7 camels."]}


def context(suites: dict[str, list[str]]) -> Context:
    def problems() -> Iterable[tuple[str, Problem]]:
        for suite, prompts in suites.items():
            for number, prompt in enumerate(prompts):
                yield suite, Problem(id=f"id{number}", prompt=prompt, verifier="math")

    return Context(count_tokens=lambda trace: 1, seed="0", scratch=Path(), eval_problems=problems)


def decontaminate(**options: Any) -> Gate:
    return build("selectors", "decontaminate", options)


def dropped(prompt: str, world: dict[str, list[str]] = SUITES, **options: Any) -> str | None:
    drop = decontaminate(**options)(reply("", "", prompt), context(world))
    return None if drop is None else f"{drop.reason}; {drop.detail}"


def test_the_suites_of_the_recipe_are_what_it_looks_in():
    said = dropped(f"Think. {KITE}")
    assert said is not None
    assert said.startswith("in the benchmark wind: ngram; id0, 1.00: 'rosalind flies 3 kites on lines of 45, 60")
    assert f"theirs: {KITE!r}; ours: 'Think. Rosalind" in said
    assert dropped(CHESS) is not None
    assert dropped("Place 7 camels.") is not None
    assert dropped("How long is a line of 45 metres?") is None


def test_suites_can_be_chosen():
    assert dropped(CHESS, suites="wind") is None
    assert dropped(CHESS, suites=["wind", "boards"]) is not None
    assert dropped(KITE, suites="wind") is not None


def test_a_problem_is_compared_once_however_many_traces_it_has(monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []
    monkeypatch.setattr("distill.selectors.contamination.gate.Index.match", lambda self, text: asked.append(text))
    gate = decontaminate()
    for prompt in (KITE, CHESS, KITE, KITE, CHESS):
        gate(reply("", "", prompt), context(SUITES))
    assert asked == [KITE, CHESS]


def test_files_are_benchmarks_too(tmp_path: Path):
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(["", json.dumps({"question": KITE, "n": 1})]), encoding="utf-8")
    said = dropped(KITE.upper(), {}, files=[str(path)], column="question")
    assert said is not None
    assert said.startswith("in the benchmark own: exact; 2, 1.00")
    assert dropped(CHESS, files=str(path), column="question") is not None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"own.jsonl, line 1: not JSON"),
        ("[]", r"own.jsonl, line 1: not an object"),
        ('{"text": "a", "n": 1}', r"line 1: the column 'problem' is None; it must hold text. There are: text, n"),
        ('{"problem": 3}', r"the column 'problem' is 3"),
    ],
)
def test_a_row_that_holds_no_text_is_named(tmp_path: Path, line: str, said: str):
    path = tmp_path / "own.jsonl"
    path.write_text(line)
    with pytest.raises(DataError, match=said):
        dropped(KITE, {}, files=[str(path)])


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"methods": ["fuzy"]}, RecipeError, r"no method named 'fuzy'. Did you mean 'fuzzy'\?"),
        ({"methods": "exakt"}, RecipeError, r"no method named 'exakt'"),
        ({"methods": ["embedding"]}, RecipeError, r"asked for by embed"),
        ({"ngram": 1}, RecipeError, r"ngram is 1; it is a number of words, at least 2"),
        ({"ngram": "8"}, RecipeError, r"ngram is '8'"),
        ({"fuzzy": 80}, RecipeError, r"fuzzy is 80; it is a share"),
        ({"paraphrase": "high"}, RecipeError, r"paraphrase is 'high'"),
        ({"suites": ["winds"]}, RecipeError, r"no suite named 'winds'. Did you mean 'wind'\? It has: boards, wind"),
        ({"files": ["absent.jsonl"]}, DataError, r"cannot read absent.jsonl"),
        ({"embed": "nowhere.at_all:embed"}, PluginError, r"cannot load embed 'nowhere.at_all:embed'"),
        ({"embed": "json"}, PluginError, r"package.module:callable"),
        ({"n_gram": 8}, PluginError, r"has no option 'n_gram'. Did you mean 'ngram'"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], error: type[DistillError], said: str):
    with pytest.raises(error, match=said):
        dropped(KITE, **options)


def test_a_recipe_without_suites_is_told_so():
    with pytest.raises(RecipeError, match=r"nothing to compare with: the recipe's eval names no suites"):
        dropped(KITE, {})


def vowels(texts: list[str]) -> Sequence[Sequence[float]]:
    """An embedding of somebody's own: how often each vowel comes."""
    return [[float(text.lower().count(vowel)) for vowel in "aeiou"] for text in texts]


def test_a_model_of_ones_own_can_look_too():
    options = {"embed": f"{__name__}:vowels", "methods": ["exact"], "cosine": 0.999}
    scrambled = "".join(sorted(KITE))
    said = dropped(scrambled, **options)
    assert said is not None
    assert said.startswith("in the benchmark wind: embedding; id0, 1.00; theirs:")
    assert dropped("u u u", **options) is None


def test_an_embedding_that_gives_no_vectors_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules[__name__], "vowels", lambda texts: [1.0] * len(texts))
    with pytest.raises(PluginError, match=r"embed gave an array of shape \(3,\) for 3 texts"):
        dropped(KITE, embed=f"{__name__}:vowels")


@pytest.mark.parametrize("prompt", ["{numbers} -> {target}", None], ids=["bare", "the source's own words"])
def test_of_countdown_only_what_is_repeated_is_dropped(prompt: str | None):
    worded = {"prompt": prompt} if prompt else {}
    heldout = CountdownSource(split="heldout", count=400, largest=99, seed=2024, **worded)
    suite = [problem.prompt for problem in heldout]
    train = [problem.prompt for problem in CountdownSource(count=300, largest=99, **worded)]
    gate, known = decontaminate(ngram=8), context({"countdown": suite})
    assert [text for text in train if gate(reply("", "", text), known)] == [text for text in train if text in suite]
    repeated = gate(reply("", "", suite[7]), known)
    assert repeated is not None
    assert repeated.reason == "in the benchmark countdown: exact"


def test_the_step_stands_in_a_recipe_and_its_pairs_can_be_listed(distill: Distill, tmp_path: Path):
    own = tmp_path / "own.jsonl"
    recipe = tmp_path / "clean.yaml"
    recipe.write_text(
        "name: clean\n"
        "generate:\n"
        '  sources: [{use: countdown, count: 20, largest: 99, prompt: "{numbers} -> {target}"}]\n'
        "  teacher: {engine: solver}\n"
        f"filter: {{select: [correct, {{use: decontaminate, files: {own}, column: prompt}}]}}\n"
        "train: {student: tiny-base}\n"
        "eval: {suites: [countdown-tiny], models: [base]}\n"
    )
    distill("generate", recipe)
    problems = (tmp_path / "runs/clean/problems.jsonl").read_text().splitlines()
    own.write_text("\n".join(problems[:3]))
    distill("filter", recipe)
    decisions = [json.loads(line) for line in (tmp_path / "runs/clean/decisions.jsonl").read_text().splitlines()]
    taken = [decision for decision in decisions if decision["step"] == "decontaminate"]
    assert len(taken) == 3
    assert {decision["reason"] for decision in taken} == {"in the benchmark own: exact"}
    listed = distill("filter", recipe, "--explain", "decontaminate").stdout
    assert "decontaminate: 3 traces dropped, 3 findings" in listed
    assert all(json.loads(problem)["prompt"] in listed for problem in problems[:3])
