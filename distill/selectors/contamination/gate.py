"""The step of the filter: a trace whose problem is in a benchmark does not teach."""

import hashlib
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

from distill.errors import DataError, PluginError, RecipeError, did_you_mean
from distill.selectors import Candidate, Context, Drop, Gate
from distill.selectors.contamination.index import Index
from distill.selectors.contamination.items import METHODS, Item, Match, Method, Options, Vectors
from distill.selectors.contamination.text import shortened

REMEMBERED = 20_000
"""Problems whose match is remembered: most have several traces, and not always near each other."""


def decontaminate(
    *,
    suites: str | Sequence[str] | None = None,
    files: str | Sequence[str] = (),
    column: str = "problem",
    methods: str | Sequence[str] = METHODS,
    ngram: int = 13,
    boilerplate: float = 0.5,
    masked: float = 0.9,
    fuzzy: float = 0.8,
    contained: float = 0.85,
    paraphrase: float = 0.43,
    embed: str | None = None,
    cosine: float = 0.9,
) -> Gate:
    """Drop traces of problems that are in a benchmark, by default the suites that the recipe's own eval measures.

    Args:
        suites: Which of those suites, by name; None takes them all.
        files: Other benchmarks, as JSON lines.
        column: What holds the text in them.
        methods: Which look; see `Options` and ``docs/decontamination.md``, also for the thresholds.
        ngram: Words in a row that two texts may not share.
        boilerplate: N-grams that more than this share of a suite's items hold are not counted.
        masked: Similarity of texts with numbers and variables masked.
        fuzzy: Similarity of texts.
        contained: Share of one text that stands in the other.
        paraphrase: Weighted overlap of words and numbers.
        embed: ``package.module:callable``, from a list of texts to vectors.
        cosine: Of two vectors.

    Raises:
        RecipeError: If an option cannot be meant.
    """
    thresholds = {
        "boilerplate": boilerplate,
        "masked": masked,
        "fuzzy": fuzzy,
        "contained": contained,
        "paraphrase": paraphrase,
        "cosine": cosine,
    }
    chosen, wanted, paths = _several(methods), None if suites is None else _several(suites), _several(files)
    _check(chosen, ngram, thresholds)
    options = Options(methods=cast(tuple[Method, ...], chosen), ngram=ngram, embed=_embedder(embed), **thresholds)
    index: Index | None = None
    seen: dict[bytes, Match | None] = {}  # by digest, because prompts can be long

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        nonlocal index
        if index is None:  # once for each process, when its first trace comes
            index = Index([*_suite_items(context, wanted, bool(paths)), *_file_items(paths, column)], options)
        prompt = candidate.problem.prompt
        digest = hashlib.blake2b(prompt.encode(errors="surrogatepass"), digest_size=16).digest()
        if digest not in seen:
            if len(seen) >= REMEMBERED:
                seen.clear()
            seen[digest] = index.match(prompt)
        found = seen[digest]
        return None if found is None else _drop(found, prompt)

    return gate


def _several(named: str | Sequence[str]) -> tuple[str, ...]:
    """One name is a list of one."""
    return (named,) if isinstance(named, str) else tuple(named)


def _drop(match: Match, prompt: str) -> Drop:
    shared = f": {match.matched!r}" if match.matched else ""
    pair = f"theirs: {shortened(match.text)!r}; ours: {shortened(prompt)!r}"
    return Drop(f"in the benchmark {match.suite}: {match.method}", f"{match.item}, {match.score:.2f}{shared}; {pair}")


def _check(methods: Sequence[str], ngram: int, shares: dict[str, float]) -> None:
    for method in methods:
        if method == "embedding":
            raise RecipeError("decontaminate: the method embedding is asked for by embed: package.module:callable")
        if method not in METHODS:
            hint = did_you_mean(method, METHODS)
            raise RecipeError(f"decontaminate: no method named {method!r}.{hint} Known: {', '.join(METHODS)}")
    if type(ngram) is not int or ngram < 2:
        raise RecipeError(f"decontaminate: ngram is {ngram!r}; it is a number of words, at least 2: take 8, 10 or 13")
    for name, share in shares.items():
        if type(share) not in (int, float) or not 0 < share <= 1:
            raise RecipeError(f"decontaminate: {name} is {share!r}; it is a share, above 0 and at most 1")


def _embedder(name: str | None) -> Callable[[list[str]], Vectors] | None:
    if name is None:
        return None
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"decontaminate: cannot load embed {name!r} (package.module:callable): {error}") from error


def _suite_items(context: Context, suites: Sequence[str] | None, has_files: bool) -> list[Item]:
    items = [Item(suite, problem.id, problem.prompt) for suite, problem in context.eval_problems()]
    known = sorted({item.suite for item in items})
    for name in suites or ():
        if name not in known:
            raise RecipeError(
                f"decontaminate: the recipe's eval has no suite named {name!r}.{did_you_mean(name, known)} "
                f"It has: {', '.join(known) or 'none'}. Other benchmarks go into files"
            )
    if not items and not has_files:
        raise RecipeError(
            "decontaminate has nothing to compare with: the recipe's eval names no suites. Name some there, "
            "give benchmarks as files, or leave the step out"
        )
    return items if suites is None else [item for item in items if item.suite in suites]


def _file_items(files: Sequence[str], column: str) -> Iterator[Item]:
    for name in files:
        path = Path(name).expanduser()
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"decontaminate: cannot read {path}: {error}") from error
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield Item(path.stem, str(number), _text_of(line, column, f"{path}, line {number}"))


def _text_of(line: str, column: str, place: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(f"{place}: not an object with columns")
    text: object = row.get(column)
    if not isinstance(text, str):
        raise DataError(f"{place}: the column {column!r} is {text!r}; it must hold text. There are: {', '.join(row)}")
    return text
