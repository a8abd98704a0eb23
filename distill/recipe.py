"""Recipe files: what is asked of a run, checked whole before any work is done.

A recipe is YAML with a name, a seed and four sections, one for each stage: generate, filter, train, eval. Our keys are
closed: a misspelt one is refused with the file, the line and the nearest good one. Blocks that belong to a library
(`sft`, `lora`, `args`) keep its names and are checked by its own classes.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from distill import extends, plugins, yaml12
from distill import overrides as overriding
from distill.errors import PluginError, RecipeError
from distill.formats import FORMATS, TraceFormat, named_format
from distill.mistakes import PartError, explained
from distill.route import Route
from distill.sections import BeamSearch, BudgetForcing, Options, PartUse, Section, Train, Use
from distill.sections import Launch as Launch
from distill.sections import Scratch as Scratch

Stage = Literal["generate", "filter", "train", "eval"]
STAGES: tuple[Stage, ...] = ("generate", "filter", "train", "eval")


def _short_samples(value: object) -> object:
    return {"min": value, "max": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Sampling(Section):
    """How tokens are drawn, by the names of vLLM's SamplingParams."""

    temperature: float = Field(default=1.0, ge=0)
    top_p: float = Field(default=1.0, gt=0, le=1)
    top_k: int = Field(default=0, ge=0)
    """0 considers all tokens."""
    min_p: float = Field(default=0.0, ge=0, le=1)
    max_tokens: int = Field(default=4096, gt=0)
    """Longest reply, thought included. A reply that reaches it is `finish_reason: length` and never teaches."""
    thinking_token_budget: int | None = Field(default=None, gt=0)
    """Tokens after which the server closes the thought itself, where it can: vLLM with a `reasoning_parser`."""


class Samples(Section):
    """How many replies each problem gets: `min` always, then more until enough are correct, `max` at most."""

    min: int = Field(default=1, ge=1)
    max: int = Field(default=1, ge=1)
    until_correct: int = Field(default=1, ge=1)
    """A problem with so many correct replies (and at least `min` in all) gets no more."""
    give_up_after: int | None = Field(default=None, ge=1)
    """A problem with so many replies and none of them correct is hopeless, and gets no more."""
    at_once: int = Field(default=1, ge=1)
    """Beyond `min`, replies to one problem that may be in flight together when no other problem waits; those that are
    still in flight when it has enough are cancelled. More than 1 fills slots that would idle at the end of a run."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min} and max is {self.max}; min may not be above max")
        return self


class Price(Section):
    """What a model's tokens cost, in US dollars for a million of them."""

    input: float = Field(default=0.0, ge=0)
    """Of prompts."""
    cached_input: float | None = Field(default=None, ge=0)
    """Of prompts that the server had in its cache; as `input` if not given."""
    output: float = Field(default=0.0, ge=0)
    """Of replies, thoughts included."""

    def dollars(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """What one reply costs."""
        cached = self.input if self.cached_input is None else self.cached_input
        fresh = prompt_tokens - cached_tokens
        return (self.input * fresh + cached * cached_tokens + self.output * completion_tokens) / 1e6


class Teacher(BaseModel):
    """Who answers: an engine, its model, and the engine's own options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    engine: str
    model: str | None = None
    """A hub id, a folder, or a model that ships with distill (`tiny-teacher`, `tiny-base`)."""
    price: Price | None = None
    tokenizer: str | None = None
    """Folder of the tokenizer that counts prompts for `--dry-run`, where the model itself is not here."""

    @property
    def options(self) -> Options:
        """What the engine's factory is called with: its own options, and the model if one is named."""
        model = {} if self.model is None else {"model": self.model}
        return {**model, **(self.model_extra or {})}


class Verify(Section):
    """How replies are judged."""

    timeout: float = Field(default=10.0, gt=0)
    """Seconds a verifier may take for one reply before its process is killed; some claim more for themselves."""
    workers: int = Field(default=1, ge=1)
    """Processes that judge."""
    options: dict[str, Options] = Field(default_factory=dict)
    """What verifiers are built with, by their names: ``code: {unsafe: true}``."""
    judge: Teacher | None = None
    """A model that is asked about what the verifier leaves undecided; nobody if not given."""


class Budget(Section):
    """What all of `generate` may take. When it is used up, the run stops cleanly; a larger one goes on."""

    tokens: int | None = Field(default=None, gt=0)
    """Prompts and replies together."""
    dollars: float | None = Field(default=None, gt=0)
    """By the prices that the recipe gives."""


class Generate(Section):
    """Problems, and who answers them: either `sources` and a `teacher`, or `adopt`."""

    sources: list[PartUse] = Field(default_factory=list[Use])
    """Where the problems come from."""
    teacher: Teacher | None = None
    adopt: list[PartUse] = Field(default_factory=list[Use])
    """Datasets whose traces, made elsewhere, are taken as if a teacher had written them; then nobody is asked."""
    format: str = "think"
    """The trace format the teacher answers in; of adopted traces, the one the student is taught."""
    system_prompt: str | None = None
    samples: Annotated[Samples, BeforeValidator(_short_samples)] = Samples()
    sampling: Sampling = Sampling()
    concurrency: int = Field(default=256, ge=1)
    """Requests in flight."""
    budget: Budget = Budget()
    cut_loops: bool = True
    """Cut a reply once it only repeats itself: `finish_reason: aborted`, which never teaches."""
    drain: float = Field(default=20.0, ge=0)
    """Seconds that Ctrl-C or SIGTERM leaves to the requests in flight; a second one ends them at once."""
    verify: Verify = Verify()

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if not self.adopt:
            for key in ("sources", "teacher"):
                if not getattr(self, key):
                    raise PartError(("generate", key), "is missing: give sources and a teacher, or adopt alone")
            return self
        for key, field in type(self).model_fields.items():
            if key not in ("adopt", "format", "verify") and getattr(self, key) != field.get_default(
                call_default_factory=True
            ):
                raise PartError(
                    ("generate", key), "means nothing beside adopt, which asks nobody: leave out one of the two"
                )
        return self


SELECT = ("structure", "correct", "repetition", "dedup")


class Filter(Section):
    """Which traces teach, and in what form."""

    select: list[PartUse] = Field(default_factory=lambda: [Use(use=name) for name in SELECT])
    """Steps, read from top to bottom. A dropped trace keeps the first reason that dropped it. Not given, they are
    structure, correct, repetition and dedup, with decontaminate before it in a recipe that measures something."""
    build: PartUse = Use(use="plain")
    pairs: PartUse | None = None
    """Pairs of traces, one to be preferred, written beside the examples to `pairs.jsonl`; none if not given."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that look at traces; one for each core if not given."""


ModelRole = Literal["base", "student", "teacher"]


class Eval(Section):
    """What is measured: every model on every suite, with one sampler and one verifier."""

    suites: list[str] = Field(min_length=1)
    """Names in eval/, or paths of your own."""
    models: list[ModelRole] = Field(default_factory=lambda: ["base", "student", "teacher"], min_length=1)
    base_formats: list[str] = Field(default_factory=lambda: ["think-forced", "plain"], min_length=1)
    """The forms the base is asked in. Its score is the best of them, so that the gain is not a gain in form."""
    samples: int | None = Field(default=None, ge=1)
    """Replies to each problem; what each suite says if not given."""
    sampling: Sampling | None = None
    """What each suite says if not given."""
    engine: Options = Field(default_factory=lambda: {"engine": "transformers"})
    """The engine that runs base and student, and its options."""
    concurrency: int = Field(default=256, ge=1)
    scorer: PartUse | None = None
    """Chooses one of the replies to a problem, for best-of-n."""
    budget_forcing: BudgetForcing | None = None
    beam_search: BeamSearch | None = None

    @model_validator(mode="after")
    def _draws(self) -> Self:
        if self.sampling is not None and self.sampling.temperature == 0 and (self.samples or 1) > 1:
            raise PartError(
                ("eval", "samples"),
                f"is {self.samples} at temperature 0, which gives the same reply each time: give 1, or a temperature",
            )
        if self.budget_forcing and self.beam_search:
            raise PartError(("eval", "beam_search"), "means nothing beside budget_forcing: leave out one of the two")
        for name, scorer in (("scorer", self.scorer), ("beam_search", self.beam_search and self.beam_search.scorer)):
            if scorer:
                _check_part(("eval", name), "scorers", scorer.use, scorer.options)
        return self


class Recipe(Section):
    """All that is asked of a run."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    description: str = ""
    seed: int = 0
    gpu_hour: float = Field(default=0.0, ge=0)
    """US dollars that an hour of one GPU costs here, for the ledger."""
    generate: Generate
    filter: Filter = Filter()
    train: Train | None = None
    eval: Eval | None = None
    route: Route | None = None
    """The published road that it follows; nothing that a run does hangs on it."""

    @model_validator(mode="before")
    @classmethod
    def _measures_whom_it_has(cls, data: Any) -> Any:
        match data:
            case {"generate": {"adopt": [_, *_]}, "eval": {**section}} if "models" not in section:
                return {**data, "eval": {**section, "models": ["base", "student"]}}
            case _:
                return data

    @model_validator(mode="before")
    @classmethod
    def _is_not_taught_what_it_measures(cls, data: Any) -> Any:
        match data:
            case {"eval": {"suites": [_, *_]}, "filter": {"select": _}}:
                return data
            case {"eval": {"suites": [_, *_]}} if isinstance(data.get("filter", {}), dict):
                return {
                    **data,
                    "filter": {**data.get("filter", {}), "select": [*SELECT[:-1], "decontaminate", SELECT[-1]]},
                }
            case _:
                return data

    @model_validator(mode="after")
    def _parts_exist(self) -> Self:
        for index, source in enumerate(self.generate.sources):
            _check_part(("generate", "sources", index), "sources", source.use, source.options)
        for index, adopter in enumerate(self.generate.adopt):
            _check_part(("generate", "adopt", index), "adopters", adopter.use, adopter.options)
        teacher, verify = self.generate.teacher, self.generate.verify
        if teacher:
            _check_part(("generate", "teacher"), "engines", teacher.engine, teacher.options)
        elif self.eval and "teacher" in self.eval.models:
            where = ("eval", "models", self.eval.models.index("teacher"))
            raise PartError(where, "'teacher' cannot be measured: the traces are adopted, and nobody is here to ask")
        for name, options in verify.options.items():
            _check_part(("generate", "verify", "options", name), "verifiers", name, options)
        if verify.judge:
            _check_part(("generate", "verify", "judge"), "engines", verify.judge.engine, verify.judge.options)
        for index, step in enumerate(self.filter.select):
            _check_part(("filter", "select", index), "selectors", step.use, step.options)
        _check_builder(("filter", "build"), self.filter.build)
        if self.filter.pairs:
            _check_part(("filter", "pairs"), "pairs", self.filter.pairs.use, self.filter.pairs.options)
        self._check_budget()
        for where, name in self._format_names():
            if name not in FORMATS:
                raise PartError(where, f"no trace format named {name!r}; choose one of {', '.join(FORMATS)}")
        return self

    def _check_budget(self) -> None:
        """A budget in dollars that nothing is counted against would never end a run."""
        teacher, budget = self.generate.teacher, self.generate.budget.dollars
        if budget is None or teacher is None:
            return
        if teacher.price is None and self.gpu_hour <= 0 and "'price'" not in repr(teacher.options):
            raise PartError(
                ("generate", "budget", "dollars"),
                f"{budget:g}, and nothing has a price: give generate.teacher.price or gpu_hour, or a budget in tokens",
            )

    def _format_names(self) -> list[tuple[tuple[str | int, ...], str]]:
        names: list[tuple[tuple[str | int, ...], str]] = [(("generate", "format"), self.generate.format)]
        if self.train and self.train.format:
            names.append((("train", "format"), self.train.format))
        if self.eval:
            names += [(("eval", "base_formats", i), name) for i, name in enumerate(self.eval.base_formats)]
        return names

    @property
    def teacher(self) -> Teacher:
        """Who is asked.

        Raises:
            RecipeError: If the traces are adopted, so that there is nobody.
        """
        if self.generate.teacher is None:
            raise RecipeError(f"recipe {self.name} adopts its traces (generate.adopt), so there is no teacher to ask")
        return self.generate.teacher

    @property
    def teacher_format(self) -> TraceFormat:
        """The form the teacher is asked in."""
        return _with_system_prompt(named_format(self.generate.format), self.generate.system_prompt)

    @property
    def student_format(self) -> TraceFormat:
        """The form the student is taught, and later asked in."""
        name = (self.train and self.train.format) or self.generate.format
        prompt = self.train.system_prompt if self.train else None
        return _with_system_prompt(named_format(name), prompt)

    def section(self, stage: Stage) -> dict[str, Any]:
        """A stage's own section, resolved, as plain data."""
        return self.model_dump(mode="json")[stage] or {}

    def to_yaml(self) -> str:
        """The resolved recipe; loading it gives an equal one."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _check_part(where: Sequence[str | int], kind: plugins.Kind, name: str, options: Options) -> None:
    try:
        plugins.check_options(kind, name, options)
    except PluginError as error:
        raise PartError(where, str(error)) from error


def _check_builder(where: Sequence[str | int], build: Use) -> None:
    """A builder, the engine that it asks, and the builder that it wraps, by what the built-in ones call them."""
    _check_part(where, "builders", build.use, build.options)
    match build.options.get("engine"):
        case {"engine": str(name), **options}:
            options = {key: value for key, value in options.items() if key not in ("price", "tokenizer")}
            _check_part((*where, "engine"), "engines", name, options)
        case _:
            pass
    inner = build.options.get("of")
    if isinstance(inner, str | dict):
        _check_builder((*where, "of"), Use.model_validate({"use": inner} if isinstance(inner, str) else inner))


def _with_system_prompt(trace_format: TraceFormat, system_prompt: str | None) -> TraceFormat:
    import msgspec

    return trace_format if system_prompt is None else msgspec.structs.replace(trace_format, system_prompt=system_prompt)


def load(
    path: Path, overrides: Sequence[str] = (), reshape: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> Recipe:
    """Read a recipe file and apply overrides.

    Args:
        path: A YAML file.
        overrides: ``a.b.c=value`` items; values are YAML, list items are addressed by their index.
        reshape: From the recipe's resolved data to that of another, which the overrides then apply to.

    Raises:
        RecipeError: If the file, or an override, says something that a recipe cannot mean.
    """
    node = extends.read(path)
    try:
        data: Any = yaml12.construct(node)
    except yaml.YAMLError as error:
        raise RecipeError(f"{path} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise RecipeError(
            f"{path}: a recipe is a mapping with name, generate, filter, train, eval; this is {data!r:.80}"
        )
    recipe_data: dict[str, Any] = data  # pyright: ignore[reportUnknownVariableType]
    try:
        if reshape is not None:
            recipe_data = reshape(Recipe.model_validate(recipe_data).model_dump(mode="json"))
        for override in overrides:
            overriding.apply(recipe_data, override)
        return Recipe.model_validate(recipe_data)
    except ValidationError as error:
        raise RecipeError(explained(error, Recipe, path, node, overrides)) from None


def digest(data: object, length: int = 16) -> str:
    """A stable digest of plain data: equal data gives equal digests on every machine."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:length]
