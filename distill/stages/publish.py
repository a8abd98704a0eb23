"""publish: the examples of a run, or its pairs, as a dataset that others can load, with a card that says how it came.

    train.jsonl or train.parquet     a row for each example, or pair
    README.md                        the dataset's card

Memory does not grow with the examples.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from distill import plugins, progress
from distill import recipe as recipes
from distill.errors import RunError
from distill.journal import Journal, storage_errors
from distill.run import num_lines, read_manifest
from distill.stages.data_card import UNMASKED, Shape, card, name_of
from distill.types import Example, Pair, Problem

BATCH = 1_000
"""Rows that are written to Parquet at once."""
LINE_ENDS = {ord(end): f"\\u{ord(end):04x}" for end in "\x85\u2028\u2029"}
"""What some readers take for the end of a line, and how JSON writes it in text."""

Row = dict[str, Any]


class Form(NamedTuple):
    """How an example, or a pair, becomes a row."""

    row: Callable[[Any], Row]
    """Its own columns; those of its origin are the same in every form."""
    file: str


def _prompt_completion(example: Example) -> Row:
    return {"prompt": list(example.prompt), "completion": list(example.completion)}


def _messages(example: Example) -> Row:
    return {"messages": [*example.prompt, *example.completion]}


def _sharegpt(example: Example) -> Row:
    speakers = {"user": "human", "assistant": "gpt"}
    turns = [*example.prompt, *example.completion]
    return {
        "system": "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system"),
        "conversations": [
            {"from": speakers[turn["role"]], "value": turn["content"]} for turn in turns if turn["role"] in speakers
        ],
    }


def _preference(pair: Pair) -> Row:
    sides = {name: list(getattr(pair, name)) for name in ("prompt", "chosen", "rejected")}
    return sides | {name: getattr(pair, name) for name in PAIR_TEXTS + PAIR_COUNTS}


PAIR_TEXTS = ("kind", "chosen_id", "rejected_id")
PAIR_COUNTS = ("chosen_tokens", "rejected_tokens")
PAIR_FORMS: dict[str, Form] = {
    "jsonl": Form(_preference, "train.jsonl"),
    "parquet": Form(_preference, "train.parquet"),
}
FORMS: dict[str, Form] = {
    "jsonl": Form(_prompt_completion, "train.jsonl"),
    "parquet": Form(_prompt_completion, "train.parquet"),
    "sharegpt": Form(_sharegpt, "train.jsonl"),
    "messages": Form(_messages, "train.jsonl"),
}


def publish(
    directory: Path,
    name: str,
    to: Path | None = None,
    *,
    pairs: bool = False,
    licence: str | None = None,
    push: str | None = None,
    public: bool = False,
) -> str:
    """Write a run's examples, or its pairs, as a dataset; upload it if told so.

    Args:
        directory: The run's.
        name: One of `FORMS`; of `PAIR_FORMS` for pairs.
        to: Made; must not exist. A folder in the run if not given.
        pairs: Write the preference pairs that `filter.pairs` asked for, not the examples.
        licence: What the card says the rows may be used under, by the Hub's name: ``apache-2.0``.
        push: The Hub's repository to upload to; made private if it does not exist.
        public: Whether it may be public.

    Returns:
        What was written, in a sentence.

    Raises:
        RunError: If there is no such form, the run is not filtered, the folder exists, or the Hub refuses.
    """
    forms, noun = (PAIR_FORMS, "pairs") if pairs else (FORMS, "examples")
    if name not in forms:
        raise RunError(
            f"--data {name!r} is not a form of {'pairs' if pairs else 'data'}; choose one of {', '.join(forms)}"
        )
    form, target = forms[name], to or directory / f"{'pairs' if pairs else 'data'}-{name}"
    records = Journal(directory / "pairs.jsonl", Pair) if pairs else Journal(directory / "train.jsonl", Example)
    if not records.path.exists():
        before = " with a recipe that has `filter.pairs`" if pairs else ""
        raise RunError(f"{records.path} does not exist yet: run `distill filter`{before} first")
    if target.exists():
        raise RunError(f"{target} exists already: remove it, or give another folder with --to")
    recipe, partial = recipes.load(directory / "recipe.yaml"), target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with storage_errors(target), _originals(directory / "problems.jsonl") as problem_of:
        partial.mkdir(parents=True)
        is_masked = not pairs and any(example.masked for example in Journal(records.path, Example))
        shape = Shape(name, form.file, noun, is_masked=is_masked)
        rows = _rows(records, form, problem_of, shape, num_lines(records.path))
        if name == "parquet":
            _write_parquet(rows, partial / shape.file, shape)
        else:
            _write_jsonl(rows, partial / shape.file)
        text = card(recipe, read_manifest(directory), shape, licence, push)
        (partial / "README.md").write_text(text, encoding="utf-8")
        partial.rename(target)
    said = f"{target}: {shape.rows:,} {noun} of {shape.problems:,} problems as {name}, with a card (README.md)"
    if shape.is_masked and not shape.has_masks:
        said += f"; {UNMASKED}"
    return said + (_push(target, push, public=public) if push else "")


def _rows(
    records: Iterable[Example | Pair], form: Form, problem_of: Callable[[str], Problem], shape: Shape, total: int
) -> Iterator[Row]:
    """The rows; what they are counts itself on the way."""
    seen = _Distinct()
    with contextlib.closing(seen), progress.track("export", total) as tracker:
        for record in records:
            problem = problem_of(record.problem_id)
            shape.rows += 1
            shape.problems += seen.add(problem.id)
            shape.verifiers[problem.verifier] += 1
            shape.domains[problem.domain or "unstated"] += 1
            tracker.advance()
            own: Row = {} if isinstance(record, Pair) else {"trace_ids": record.trace_ids}
            if isinstance(record, Example) and shape.has_masks:
                own["masked"] = [list(span) for span in record.masked]
            yield {
                **form.row(record),
                "problem_id": problem.id,
                **own,
                "source": name_of(problem.source),
                "domain": problem.domain,
                "verifier": problem.verifier,
                "reference": problem.reference,
            }


class _Distinct:
    """Counts what is new, on disk."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # a file that goes with it
        self._db.execute("CREATE TABLE seen (key TEXT PRIMARY KEY) WITHOUT ROWID")

    def add(self, key: str) -> bool:
        return self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (key,)).rowcount == 1

    def close(self) -> None:
        self._db.close()


@contextlib.contextmanager
def _originals(path: Path) -> Generator[Callable[[str], Problem]]:
    """Looks up problems by their id: where each line begins is kept in a file that goes with the command."""
    problems = Journal(path, Problem)
    with contextlib.closing(sqlite3.connect("")) as places:
        places.execute("CREATE TABLE places (id TEXT PRIMARY KEY, start INTEGER NOT NULL) WITHOUT ROWID")
        places.executemany(
            "INSERT OR IGNORE INTO places VALUES (?, ?)",
            ((entry.record.id, entry.start) for entry in problems.since(0)),
        )

        def problem_of(problem_id: str) -> Problem:
            found = places.execute("SELECT start FROM places WHERE id = ?", (problem_id,)).fetchone()
            if found is None:
                raise RunError(f"{path} lacks the problem {problem_id} of an example: run `distill filter` again")
            return problems.at(found[0])

        yield problem_of


def _write_jsonl(rows: Iterable[Row], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False).translate(LINE_ENDS) + "\n")


def _write_parquet(rows: Iterable[Row], path: Path, shape: Shape) -> None:
    arrow: Any = plugins.need("pyarrow", "--data parquet", "hub")
    parquet: Any = plugins.need("pyarrow.parquet", "--data parquet", "hub")
    text, messages = arrow.string(), arrow.list_(arrow.struct([("role", arrow.string()), ("content", arrow.string())]))
    own = (
        [("chosen", messages), ("rejected", messages), *((name, text) for name in PAIR_TEXTS)]
        + [(name, arrow.int64()) for name in PAIR_COUNTS]
        if shape.noun == "pairs"
        else [("completion", messages), ("trace_ids", arrow.list_(text))]
    )
    if shape.has_masks:
        own.append(("masked", arrow.list_(arrow.list_(arrow.int64()))))
    origin = [(name, text) for name in ("problem_id", "source", "domain", "verifier", "reference")]
    schema = arrow.schema([("prompt", messages), *own, *origin])
    found = iter(rows)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for first in found:
            batch = [first, *islice(found, BATCH - 1)]
            writer.write_table(arrow.Table.from_pylist(batch, schema=schema))


def _push(folder: Path, repository: str, *, public: bool) -> str:
    """Upload the folder.

    Returns:
        Where it is, as the end of a sentence.
    """
    hub = plugins.need("huggingface_hub", "--push", "hub")
    api = hub.HfApi()
    by_hand = f"hf upload {repository} {folder} --repo-type dataset"
    try:
        name = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True).repo_id
        is_private = bool(api.repo_info(name, repo_type="dataset").private)
        if is_private or public:
            api.upload_folder(
                folder_path=str(folder),
                repo_id=name,
                repo_type="dataset",
                commit_message="Upload a dataset made with distill",
            )
    except Exception as error:  # the library's errors have no common parent but this
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(
            f"the Hub does not take {folder} as {repository!r}: {said:.300}. The folder is written; log in with "
            f"`hf auth login`, then upload it with `{by_hand}`"
        ) from None
    if not (is_private or public):
        raise RunError(
            f"{name} is there already and is public, so nothing was uploaded. The folder is written: if everybody may "
            f"read it, upload it with `{by_hand}`; else give another name with --push. (--public says so beforehand)"
        )
    return f"; uploaded to {name}, which is {'private' if is_private else 'public'}"
