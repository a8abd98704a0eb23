"""What a command would do: the prompts as they are asked, and how much of everything, before anything is spent."""

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from rich.markup import escape

from distill import assets, environment
from distill.errors import DataError, MissingExtraError, TrainingError
from distill.evaluation.paired import detectable_sentence
from distill.evaluation.suites import load_suite
from distill.formats import TraceFormat
from distill.ledger import Ledger
from distill.recipe import Eval, Recipe, Stage, Teacher
from distill.run import read_manifest
from distill.sampling.pulse import expected_replies
from distill.stages import amounts
from distill.stages.adopt import plan_of_adoption
from distill.stages.generate import problems_of
from distill.types import Message, Problem

CHARACTERS_PER_TOKEN = 4
"""Of English text, about; where the tokenizer is not here to count."""
PROMPT_TOKENS = 200
"""Of a prompt that cannot be read: about as much as a question of a competition with its directive."""
MEASURED = 2_000
"""Prompts that are rendered and counted, evenly spread; more would not change the mean."""


class Rented(NamedTuple):
    """What training is to be planned for."""

    gpu: str | None = None
    """A name in `distill.training.gpus`; that of the recipe's route, or a few usual ones, if None."""
    num_gpus: int | None = None
    """As many as the recipe has processes if None."""


ONE_OF_EACH = Rented()


def show_plan(
    recipe: Recipe,
    stages: list[Stage],
    limit: int | None,
    run_dir: Path,
    console: Console,
    rented: Rented = ONE_OF_EACH,
) -> None:
    """Print the plan of these stages; `run_dir` is the run that the command would work in."""
    environment.leave_out_the_hub_if_unreachable()
    printers: dict[Stage, Callable[[], list[str]]] = {
        "generate": lambda: _generate(recipe, limit, run_dir),
        "filter": lambda: _filter(recipe),
        "train": lambda: _train(recipe, run_dir, rented),
        "eval": lambda: _eval(recipe, limit),
    }
    for stage in stages:
        console.print(f"[bold]{stage}[/bold]")
        for line in printers[stage]():
            console.print(f"  {escape(line)}", highlight=False)


def _generate(recipe: Recipe, limit: int | None, run_dir: Path) -> list[str]:
    section = recipe.generate
    if section.adopt:
        return plan_of_adoption(recipe, limit)
    try:
        problems = list({problem.id: problem for problem in problems_of(recipe, limit)}.values())
    except DataError as error:
        return unread(recipe, limit, error)
    samples, teacher = section.samples, recipe.teacher
    reader = PromptReader(teacher, recipe.teacher_format)
    lines = [
        f"{len(problems)} problems, {samples.min} to {samples.max} samples each, until {samples.until_correct} correct",
        f"teacher: {teacher.engine} {teacher.model or ''}".rstrip(),
        *estimate(recipe, problems, reader, measured_in(run_dir)),
    ]
    for problem in problems[:2]:
        lines += ["", f"problem {problem.id}, as the teacher reads it:", *reader.shown(problem).splitlines()]
    return lines


def unread(recipe: Recipe, limit: int | None, error: DataError) -> list[str]:
    """The plan of a recipe whose problems cannot be read now, by what their cards say."""
    section, route = recipe.generate, recipe.route
    sizes = [(use.options.get("limit"), amounts.size_of(use)) for use in section.sources]
    known = [min(size.rows, most or size.rows) for most, size in sizes if size]
    lines = [f"the problems cannot be read now: {first_of(error)}"]
    if len(known) < len(sizes):
        return lines
    count, samples = min(sum(known), limit or sum(known)), section.samples
    lines.append(f"{count:,} problems by their cards, {samples.min} to {samples.max} samples each")
    prompt, most = PROMPT_TOKENS, section.sampling.max_tokens
    lines.append(f"at most {_cost(recipe, count * samples.max, prompt, most)}: every reply at its limit")
    if route and route.tokens:
        expected = _cost(recipe, count * samples.min, prompt, max(route.tokens - prompt, 1))
        lines.append(f"at least {expected}: one round, replies as long as the source's")
    return lines


def first_of(error: DataError) -> str:
    """The first sentence of an error: a plan that goes on without a set needs no way out."""
    return str(error).partition(". ")[0]


class PromptReader:
    """Renders prompts as the teacher's chat template does, and counts them with its tokenizer, where both are here.

    Args:
        teacher: The recipe's. Its tokenizer is that of its model's folder, or the one its option `tokenizer` names.
        trace_format: What the teacher is asked in.
    """

    def __init__(self, teacher: Teacher, trace_format: TraceFormat) -> None:
        self._format = trace_format
        self._tokenizer = _tokenizer_of(teacher)

    @property
    def is_exact(self) -> bool:
        """Whether counts are the tokenizer's."""
        return self._tokenizer is not None

    def shown(self, problem: Problem) -> str:
        """The prompt's text; role by role where the template is not here."""
        messages: Sequence[Message] = self._format.messages(problem.prompt)
        if self._tokenizer is None:
            return "\n".join([f"{message['role']}: {message['content']}" for message in messages])
        rendered: str = self._tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return rendered + self._format.prefill

    def count(self, problem: Problem) -> int:
        """Tokens of the prompt."""
        text = self.shown(problem)
        if self._tokenizer is None:
            return -(-len(text) // CHARACTERS_PER_TOKEN)
        return len(self._tokenizer(text, add_special_tokens=False)["input_ids"])


def _tokenizer_of(teacher: Teacher) -> Any:
    name = teacher.tokenizer or assets.model_path(teacher.model or "")
    if environment.installed("transformers") is None or not (Path(name) / "tokenizer.json").is_file():
        return None
    environment.quiet_libraries()
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(name)
    return tokenizer if tokenizer.chat_template else None


class Measured(NamedTuple):
    """What the replies of a run so far were like."""

    completion_tokens: float
    """Of a reply, on average."""
    correct: float
    """Share of replies."""
    replies: int
    seconds_per_reply: float


def measured_in(run_dir: Path) -> Measured | None:
    """What a run's manifest says of its replies; None if there are none."""
    if not (run_dir / "manifest.json").exists():
        return None
    record: dict[str, Any] = read_manifest(run_dir)["stages"].get("generate", {})
    ledger = msgspec.convert(record.get("ledger", {}), Ledger)
    if not ledger.replies or not ledger.judged:
        return None
    return Measured(
        ledger.completion_tokens / ledger.replies,
        ledger.correct / ledger.judged,
        ledger.replies,
        record["seconds"] / ledger.replies,
    )


def estimate(recipe: Recipe, problems: Sequence[Problem], reader: PromptReader, measured: Measured | None) -> list[str]:
    """Tokens, money and time: at most, and, if a run has replies already, what those let expect."""
    section, count = recipe.generate, len(problems)
    if not count:
        return []
    step = max(count // MEASURED, 1)
    prompt = fmean(reader.count(problem) for problem in problems[::step])
    how = "by the teacher's tokenizer" if reader.is_exact else f"at {CHARACTERS_PER_TOKEN} characters a token"
    most = count * section.samples.max
    lines = [
        f"a prompt has {prompt:,.0f} tokens on average ({how})",
        f"at most {_cost(recipe, most, prompt, section.sampling.max_tokens)}: every reply at its limit",
    ]
    if measured is None:
        return [*lines, "for an expected figure, try a few first (--limit 50), then ask again"]
    samples = section.samples
    replies = count * max(samples.min, expected_replies(measured.correct, samples.until_correct, samples.max))
    seconds = replies * measured.seconds_per_reply
    expected = _cost(recipe, replies, prompt, measured.completion_tokens)
    return [
        *lines,
        f"expected {expected}, {seconds / 3600:,.1f} h at the speed so far: {measured.replies:,} replies of this run "
        f"have {measured.completion_tokens:,.0f} tokens on average, {100 * measured.correct:.0f} % are correct",
    ]


def _cost(recipe: Recipe, replies: float, prompt: float, completion: float) -> str:
    price = recipe.teacher.price
    tokens = f"{replies:,.0f} replies, {replies * prompt:,.0f} + {replies * completion:,.0f} tokens"
    if price is None:
        return tokens
    return f"{tokens}, ${price.dollars(round(replies * prompt), 0, round(replies * completion)):,.2f}"


def _filter(recipe: Recipe) -> list[str]:
    steps = [f"{use.use} {use.options or ''}".rstrip() for use in recipe.filter.select]
    return [*steps, f"build: {recipe.filter.build.use}, format {recipe.student_format.name}"]


def _train(recipe: Recipe, run_dir: Path, rented: Rented) -> list[str]:
    if recipe.train is None:
        return ["nothing: the recipe has no section train"]
    from distill.stages.forecast import forecast, job_of
    from distill.stages.published import against

    options = [f"{key}: {value}" for key, value in recipe.train.sft.items()]
    lines = [f"student: {recipe.train.student}", f"method: {recipe.train.method}", *options]
    try:
        lines += forecast(recipe, run_dir, rented.gpu, rented.num_gpus)
        compared = against(recipe, job_of(recipe, run_dir)) if recipe.route and recipe.route.hours else None
        return [*lines, *([str(compared)] if compared else [])]
    except (MissingExtraError, TrainingError) as error:
        return [*lines, f"what it would take is not known: {error}"]


def _eval(recipe: Recipe, limit: int | None) -> list[str]:
    if recipe.eval is None:
        return ["nothing: the recipe has no section eval"]
    return plan_of_suites(recipe.eval, ", ".join(recipe.eval.models), limit)


def plan_of_suites(section: Eval, models: str, limit: int | None) -> list[str]:
    """What measuring would do: how often each suite is asked, what it can show, and what others measured there."""
    lines: list[str] = []
    for suite in map(load_suite, section.suites):
        try:
            problems = list(islice(suite.problems(), limit))
        except DataError as error:
            count = amounts.told_by_cards(suite.sources)
            lines.append(f"{suite.name}: {count}; it cannot be read now: {first_of(error)}")
            continue
        samples, sampling = suite.asking(section.samples, section.sampling)
        most = len(problems) * samples * sampling.max_tokens
        lines += [
            f"{suite.name}: {len(problems)} problems x {samples} samples of {models}, temperature "
            f"{sampling.temperature:g}, at most {most:,} tokens each",
            f"  {detectable_sentence(len(problems), samples)}",
        ]
        lines += [
            f"  published: {known.model} {known.score:g} % {known.metric} ({known.harness}; {known.source})"
            for known in suite.published
        ]
    return lines
