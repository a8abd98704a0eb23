"""The card of a dataset that a run made: its rows, which step of the filter took what, who wrote it, the recipe.

The front matter is what the Hub reads (github.com/huggingface/hub-docs, datasetcard.md).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from distill import assets
from distill.errors import DistillError
from distill.recipe import Recipe
from distill.reporting.card import without_secrets
from distill.reporting.markdown import fenced, inline
from distill.run import WHERE
from distill.sources import card as cards

SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
"""The Hub's size categories, by what their sets are smaller than."""
TRACES = {"sharegpt": "messages: conversations, system: system", "messages": "messages: messages"}
"""How `generate.adopt` reads the rows again, by form."""
_COMPLETIONS = "`prompt` and `completion`: messages, in TRL's prompt-completion form; the loss is on the completion."
_MASKED = (
    " `masked`: characters of the completion, from and to, that are not to be in the loss, such as the errors of a "
    "journey."
)
UNMASKED = "what some examples mask cannot be said in this form, and would be taught from it"
COLUMNS = {
    "jsonl": _COMPLETIONS,
    "parquet": _COMPLETIONS,
    "sharegpt": "`system`, and `conversations` of `from` (human, gpt) and `value`: ShareGPT's form.",
    "messages": "`messages` of `role` and `content`.",
}


PAIR_COLUMNS = (
    "`prompt`, `chosen` and `rejected`: messages, in TRL's preference form, for DPO and SimPO. `kind` says what sets "
    "the two apart; `chosen_tokens` and `rejected_tokens` count the student's tokens."
)


@dataclass
class Shape:
    """What was written."""

    form: str
    file: str
    noun: str = "examples"
    """What a row is: ``examples`` or ``pairs``."""
    rows: int = 0
    problems: int = 0
    verifiers: Counter[str] = field(default_factory=Counter[str])
    domains: Counter[str] = field(default_factory=Counter[str])
    is_masked: bool = False
    """Whether any example masks a part of its completion."""

    @property
    def has_masks(self) -> bool:
        """Whether the rows have the column `masked`: forms of conversations have no place for it."""
        return self.is_masked and self.form not in TRACES

    @property
    def columns(self) -> str:
        """What the rows' own columns are, in words."""
        if self.noun == "pairs":
            return PAIR_COLUMNS
        if not self.is_masked:
            return COLUMNS[self.form]
        return COLUMNS[self.form] + (_MASKED if self.has_masks else f" Caution: {UNMASKED}.")


def card(recipe: Recipe, manifest: Mapping[str, Any], shape: Shape, licence: str | None, repository: str | None) -> str:
    """The text of the card.

    Args:
        recipe: The run's.
        manifest: The run's.
        shape: What was written.
        licence: By the Hub's name; left open if not given.
        repository: Where it will lie on the Hub, if anywhere.
    """
    is_paired = shape.noun == "pairs"
    ids = "chosen_id`, `rejected_id" if is_paired else "trace_ids"
    parts = [
        f"---\n{_front_matter(recipe, shape, licence)}---",
        f"# {inline(recipe.name)}",
        inline(recipe.description.strip()),
        f"{shape.rows:,} {shape.noun} of {shape.problems:,} problems, made with distill: traces of a teacher, judged, "
        f"filtered, and written as a student is taught them. Domains: {_counted(shape.domains)}. Verifiers: "
        f"{_counted(shape.verifiers)}.",
        "## Rows",
        f"{shape.columns} A reply is in the trace format `{recipe.student_format.name}`. Besides: `problem_id` "
        f"and `{ids}` (digests, the same in every run), `source`, `domain`, `verifier`, and `reference`, the "
        f"accepted answer, where there is one.",
        _loading(recipe, shape, repository),
        "## Which step took what",
        *_funnel(manifest),
        "## Who wrote it",
        *_origins(recipe, manifest),
        "## Recipe",
        fenced(yaml.safe_dump(shareable(recipe), sort_keys=False, allow_unicode=True).rstrip(), "yaml"),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(recipe: Recipe, shape: Shape, licence: str | None) -> str:
    metadata: dict[str, Any] = {"license": licence} if licence else {}
    metadata |= {
        "pretty_name": recipe.name,
        "task_categories": ["text-generation"],
        "tags": ["distill", "reasoning", "distillation"],
        "size_categories": [next((name for size, name in SIZES if shape.rows < size), "n>10M")],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": shape.file}]}],
    }
    return yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{inline(name)} {count:,}" for name, count in counter.most_common(20)) or "none"


def _loading(recipe: Recipe, shape: Shape, repository: str | None) -> str:
    loader = "parquet" if shape.form == "parquet" else "json"
    call = f'"{repository}"' if repository else f'"{loader}", data_files="{shape.file}"'
    python = f'from datasets import load_dataset\n\n{shape.noun} = load_dataset({call}, split="train")'
    if shape.form not in TRACES:
        return fenced(python, "python")
    adopting = (
        f"generate:\n  adopt:\n    - {{use: jsonl, path: {shape.file}, reference_column: reference, verifier: "
        f"{next(iter(shape.verifiers), 'exact')},\n       traces: {{model: {recipe.name}, {TRACES[shape.form]}, "
        f"format: {recipe.student_format.name}}}}}"
    )
    return f"{fenced(python, 'python')}\n\nAs traces of another run of distill:\n\n{fenced(adopting, 'yaml')}"


def _funnel(manifest: Mapping[str, Any]) -> Iterator[str]:
    stages: Mapping[str, Any] = manifest.get("stages", {})
    funnel: list[dict[str, Any]] = stages.get("filter", {}).get("funnel", [])
    if not funnel:
        yield "The run does not say."
        return
    lines = ["| step | dropped | left | most frequent reasons |", "|---|--:|--:|---|"]
    for step in funnel:
        reasons = Counter[str](step["reasons"]).most_common(3)
        said = ", ".join(f"{inline(reason)} ({count:,})" for reason, count in reasons)
        lines.append(f"| {inline(step['step'])} | {step['dropped']:,} | {step['left']:,} | {said} |")
    yield "\n".join(lines)


def _origins(recipe: Recipe, manifest: Mapping[str, Any]) -> Iterator[str]:
    teacher = recipe.generate.teacher
    if teacher:
        yield (
            f"Teacher: {inline(name_of(teacher.model or teacher.engine))}, asked through `{teacher.engine}`. Its "
            f"licence, and its provider's terms, say what may be taught from what it wrote."
        )
    lines = ["| set | revision | traces by | licence |", "|---|---|---|---|"]
    commits: Mapping[str, str] = manifest.get("stages", {}).get("generate", {}).get("revisions", {})
    for use in (*recipe.generate.sources, *recipe.generate.adopt):
        lines.append(_origin(use.options, use.use, commits, is_adopted=not teacher))
    yield "\n".join(lines)
    yield "The licences and terms of the sets, and of the models that wrote them, come with the rows."


def _origin(options: Mapping[str, Any], use: str, commits: Mapping[str, str], *, is_adopted: bool) -> str:
    traces: Mapping[str, Any] = options.get("traces") or {}
    cells = [str(options.get("path") or use), "", str(traces.get("model", "")), "not stated"]
    cells[0] = name_of(cells[0])
    try:
        known = cards.load(assets.find("datasets", options["card"])) if "card" in options else None
    except DistillError:  # a card of the user's own that is not here any more
        known = None
    if known:
        model = known.traces.model if known.traces else ""
        revision = options.get("revision") or known.revision
        path = str(options.get("path") or known.path)
        cells = [name_of(path), commits.get(f"{path}@{revision}", revision), model, known.licence]
    if not is_adopted:
        cells[2] = "the teacher"
    return f"| {' | '.join(map(inline, cells))} |"


def shareable(recipe: Recipe) -> dict[str, Any]:
    """The recipe without secrets, and without where its work was done."""
    data: dict[str, Any] = without_secrets(recipe.model_dump(mode="json", exclude_defaults=True))
    generate: dict[str, Any] = data.get("generate", {})
    for block in (generate.get("teacher"), generate.get("verify", {}).get("judge"), data.get("eval", {}).get("engine")):
        for key in WHERE:
            if block:
                block.pop(key, None)
    return _without_folders(data)


def _without_folders(data: Any) -> Any:
    match data:
        case dict():
            return {key: _without_folders(value) for key, value in data.items()}  # pyright: ignore[reportUnknownVariableType]
        case list():
            return [_without_folders(item) for item in data]  # pyright: ignore[reportUnknownVariableType]
        case str():
            return name_of(data)
        case _:
            return data


def name_of(text: str) -> str:
    """A path without the folders of the machine that it is on; any other text as it is."""
    return Path(text).name if "\n" not in text and Path(text).is_absolute() else text
