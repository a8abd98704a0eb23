"""A recipe in words: what each stage does, step by step, where that was published, and in what ours departs from it.

What a step does is said by the first paragraph of its own docstring, so that the words cannot lag behind the code.
"""

import inspect
from collections.abc import Iterator
from typing import Any

from distill import assets, plugins
from distill.errors import DistillError
from distill.recipe import Eval, Generate, Recipe, Samples, Train
from distill.route import Departure, Route
from distill.sections import Options, Use
from distill.sources import card as cards


def told(recipe: Recipe) -> Iterator[str]:
    """Lines of Markdown."""
    yield f"# {recipe.name}"
    yield from ("", recipe.description.strip())
    if recipe.route:
        yield from _origin(recipe.route)
    yield from ("", "## generate", *_generate(recipe.generate))
    yield from ("", "## filter", *_filter(recipe))
    if recipe.train:
        yield from ("", "## train", *_train(recipe.train))
    if recipe.eval:
        yield from ("", "## eval", *_eval(recipe.eval))
    if recipe.route:
        yield from _published(recipe.route)


def _origin(route: Route) -> Iterator[str]:
    forms = {"replay": "their traces, our training", "remake": "our teacher and our filter, their road"}
    yield from ("", f"Form: {route.form} ({forms[route.form]}). Sources:", "")
    yield from (f"- {address}" for address in route.source)


def _generate(section: Generate) -> Iterator[str]:
    yield ""
    for use in section.adopt:
        yield f"- Take traces that others made: {_set(use)}. Our verifiers judge them; nobody is asked."
    for use in section.sources:
        yield f"- Take problems: {_set(use)}."
    if teacher := section.teacher:
        yield (
            f"- Ask {teacher.model or 'a program'} through engine {teacher.engine}, {_times(section.samples)}, at "
            f"temperature {section.sampling.temperature:g}, top_p {section.sampling.top_p:g}, for "
            f"{section.sampling.max_tokens:,} tokens at most."
        )
    if judge := section.verify.judge:
        yield f"- Have {judge.model} judge what no rule can."
    yield f"- The trace format is {section.format}."


def _times(samples: Samples) -> str:
    if samples.min == samples.max:
        return "once a problem" if samples.max == 1 else f"{samples.max} times a problem"
    return f"{samples.min} to {samples.max} times a problem, until {samples.until_correct} correct"


def _set(use: Use) -> str:
    card = use.options.get("card")
    rest = _options({key: value for key, value in use.options.items() if key != "card"})
    if use.use != "hub" or not isinstance(card, str):
        return f"{use.use}{rest}"
    try:
        found = cards.load(assets.find("datasets", card))
    except DistillError:
        return f"card {card}{rest}"
    writer = f", written by {found.traces.model}" if found.traces else ""
    return f"card {card}, {found.path}{writer}, licence {found.licence}{rest}"


def _filter(recipe: Recipe) -> Iterator[str]:
    yield ""
    for number, step in enumerate(recipe.filter.select, 1):
        yield f"{number}. `{step.use}`{_options(step.options)}: {_first_paragraph('selectors', step.use)}"
    build = recipe.filter.build
    yield from (
        "",
        f"What is taught: `{build.use}`{_options(build.options)}: {_first_paragraph('builders', build.use)}",
    )
    if pairs := recipe.filter.pairs:
        yield f"Pairs: `{pairs.use}`{_options(pairs.options)}: {_first_paragraph('pairs', pairs.use)}"
    yield f"It is written in the trace format {recipe.student_format.name}."


def _first_paragraph(kind: plugins.Kind, name: str) -> str:
    try:
        text = inspect.getdoc(plugins.resolve(kind, name)) or ""
    except DistillError as error:
        return f"cannot be loaded here: {error}"
    return " ".join(text.split("\n\n")[0].split())


def _options(options: Options) -> str:
    return f" ({', '.join(f'{key}: {_value(value)}' for key, value in options.items())})" if options else ""


def _value(value: object) -> str:
    if isinstance(value, dict):
        pairs: dict[str, Any] = value
        return ", ".join(f"{key} {_value(item)}" for key, item in pairs.items())
    if isinstance(value, list):
        items: list[Any] = value
        return "; ".join(map(_value, items))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _train(train: Train) -> Iterator[str]:
    methods = {"full": "all weights", "lora": "an adapter (LoRA)", "qlora": "an adapter on a 4-bit base (QLoRA)"}
    student = train.student if isinstance(train.student, str) else f"a new {train.student.config.get('model_type')}"
    yield from ("", f"- Teach {student}: {methods[train.method]}.")
    if train.system_prompt:
        yield f"- It is taught, and later asked, with the system prompt: {' '.join(train.system_prompt.split())}"
    processes = (train.launch and train.launch.num_processes) or 1
    if train.launch:
        yield f"- {processes} processes share the work by {train.launch.config}."
    sft = train.sft
    rows = sft.get("per_device_train_batch_size"), sft.get("gradient_accumulation_steps", 1)
    if isinstance(rows[0], int) and isinstance(rows[1], int):
        yield f"- {rows[0] * rows[1] * processes:,} rows a step ({rows[0]} x {rows[1]} x {processes} processes)."
    yield from (f"- `sft.{key}`: {_value(value)}" for key, value in sft.items())
    yield from (f"- `lora.{key}`: {_value(value)}" for key, value in train.lora.items())


def _eval(section: Eval) -> Iterator[str]:
    yield from ("", f"- Measure {', '.join(section.models)} on {', '.join(section.suites)}.")


def _published(route: Route) -> Iterator[str]:
    if route.departures:
        yield from ("", "## Departures", "", "| key | theirs | ours | why |", "|---|---|---|---|")
        yield from (_departure(departure) for departure in route.departures)
    if route.expected:
        yield from ("", "## Published scores", "", "| suite | metric | score | harness |", "|---|---|--:|---|")
        yield from (
            f"| {suite} | {found.metric} | {found.score:g} | {_cell(found.harness)} |"
            for suite, found in route.expected.items()
        )
    hardware = f"{route.hardware.count} x {route.hardware.gpu}" if route.hardware else "not published"
    hours = "not published" if route.hours is None else f"{route.hours:g} h"
    dollars = "not published" if route.dollars is None else f"${route.dollars:,.0f}"
    yield from ("", f"Hardware: {hardware}. Training: {hours}. Its cost: {dollars}.")
    if route.notes:
        yield from ("", " ".join(route.notes.split()))


def _departure(departure: Departure) -> str:
    theirs, ours = ("not said" if value is None else _value(value) for value in (departure.theirs, departure.ours))
    return f"| `{departure.key}` | {_cell(theirs)} | {_cell(ours)} | {_cell(departure.why)} |"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def table(recipes: list[Recipe]) -> Iterator[str]:
    """All that follow a published road, as a table of Markdown."""
    yield "| recipe | form | student | data | hardware | hours | cost | published scores | departures | source |"
    yield "|---|---|---|---|---|--:|--:|---|--:|---|"
    for recipe in recipes:
        if recipe.route:
            yield _row(recipe, recipe.route)


def _row(recipe: Recipe, route: Route) -> str:
    student = recipe.train.student if recipe.train else ""
    scores = [
        f"{suite} {route.expected[suite].score:g}"
        for suite in ("aime24", "math500", "countdown")
        if suite in route.expected
    ]
    cells = [
        f"`{recipe.name}`",
        route.form,
        (student if isinstance(student, str) else f"a new {student.config.get('model_type')}")
        + ("" if recipe.train is None or recipe.train.method == "full" else f", {recipe.train.method}"),
        ", ".join(str(use.options.get("card", use.use)) for use in (recipe.generate.adopt or recipe.generate.sources)),
        f"{route.hardware.count} x {route.hardware.gpu}" if route.hardware else "",
        "" if route.hours is None else f"{route.hours:g}",
        "" if route.dollars is None else f"${route.dollars:,.0f}",
        ", ".join(scores),
        str(len(route.departures)),
        f"[{_named(route.source[0])}]({route.source[0]})",
    ]
    return f"| {' | '.join(cells)} |"


def _named(address: str) -> str:
    place = address.removeprefix("https://").split("/tree/")[0]
    return f"arXiv {place.rpartition('/')[2]}" if place.startswith("arxiv.org") else place.removeprefix("github.com/")
