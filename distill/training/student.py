"""The student: its weights and tokenizer before training, and the folder that holds it afterwards."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill import assets, environment, plugins
from distill.errors import TrainingError
from distill.formats import TraceFormat
from distill.recipe import Recipe, Scratch, Train
from distill.training.byte_tokenizer import count_bytes
from distill.types import Trace


class Student(NamedTuple):
    """A model of transformers and its tokenizer."""

    model: Any
    tokenizer: Any


def load_student(train: Train, seed: int) -> Student:
    """The student as it is before training, in float32: training keeps master weights and autocasts.

    Raises:
        TrainingError: If it cannot be loaded, or its tokenizer has no chat template.
        MissingExtraError: If transformers is not installed.
    """
    environment.quiet_libraries()
    transformers = plugins.need("transformers", "training", "train")
    plugins.need("trl", "training", "train")
    if isinstance(train.student, Scratch):
        transformers.set_seed(seed)
        return _fresh(train.student)
    path = assets.model_path(train.student)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        model = transformers.AutoModelForCausalLM.from_pretrained(path, dtype="float32")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"cannot load the student {train.student!r}: {str(error).splitlines()[0]:.300}. Give a folder, a hub id "
            f"(with network), or a model that ships with distill: tiny-base"
        ) from error
    if tokenizer.chat_template is None:
        raise TrainingError(
            f"the student {train.student!r} has no chat template; give its folder a chat_template.jinja"
        )
    return Student(model, tokenizer)


def _fresh(scratch: Scratch) -> Student:
    import transformers

    tokenizer = tokenizer_of(scratch)
    known = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    try:
        config = transformers.AutoConfig.for_model(**known, bos_token_id=None, **scratch.config)
    except (TypeError, ValueError, KeyError) as error:
        raise TrainingError(f"train.student.config is not a model's: {error}") from error
    return Student(transformers.AutoModelForCausalLM.from_config(config), tokenizer)


def tokenizer_of(student: str | Scratch) -> Any:
    """The student's tokenizer."""
    import transformers

    if isinstance(student, Scratch) and student.tokenizer == "bytes":
        from distill.training.byte_tokenizer import byte_tokenizer

        return byte_tokenizer()
    name = student.tokenizer if isinstance(student, Scratch) else student
    return transformers.AutoTokenizer.from_pretrained(assets.model_path(name))


def token_counter(student: str | Scratch | None, trace_format: TraceFormat) -> Any:
    """A function from a trace to the length of its reply in the student's tokens.

    It reads `tokenizer.json` with the `tokenizers` package alone, so that filtering needs no torch. Without a student
    (a recipe that only generates), the teacher's own count stands in.
    """
    if student is None:
        return lambda trace: trace.completion_tokens  # pyright: ignore[reportUnknownLambdaType]
    if isinstance(student, Scratch) and student.tokenizer == "bytes":
        return lambda trace: count_bytes(trace_format.render(trace.thinking, trace.answer)) + 1  # pyright: ignore[reportUnknownLambdaType]
    import tokenizers

    name = assets.model_path(student.tokenizer if isinstance(student, Scratch) else student)
    file = Path(name) / "tokenizer.json"
    try:
        tokenizer = (
            tokenizers.Tokenizer.from_file(str(file)) if file.is_file() else tokenizers.Tokenizer.from_pretrained(name)
        )
    except Exception as error:  # the library raises a bare Exception for all that can go wrong
        raise TrainingError(f"cannot read the student's tokenizer from {name!r}: {error}") from error

    def count(trace: Trace) -> int:
        text = trace_format.render(trace.thinking, trace.answer)
        return len(tokenizer.encode(text, add_special_tokens=False).ids) + 1

    return count


def save_student(
    folder: Path, student: Student, trace_format: TraceFormat, recipe: Recipe, facts: dict[str, Any]
) -> None:
    """Write all that is needed to ask the student as it was taught.

    Args:
        folder: New; the weights (or the adapter), tokenizer, chat template, `generation_config.json`,
            `trace_format.json` and a model card go there.
        student: Trained.
        trace_format: What it was taught in.
        recipe: What trained it.
        facts: For the model card.
    """
    model, tokenizer = student
    end = tokenizer.eos_token_id
    model.generation_config.eos_token_id = end
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    if recipe.train and recipe.train.method == "full":
        model = model.to(getattr(plugins.need("torch", "training", "train"), recipe.train.save_dtype))
    model.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)  # an adapter's own save leaves it out
    tokenizer.save_pretrained(folder)
    _check_saved_tokenizer(folder, tokenizer, trace_format)
    (folder / "trace_format.json").write_bytes(msgspec.json.format(msgspec.json.encode(trace_format)) + b"\n")
    (folder / "README.md").write_text(_card(recipe, trace_format, facts), encoding="utf-8")


def _check_saved_tokenizer(folder: Path, tokenizer: Any, trace_format: TraceFormat) -> None:
    """What is loaded from the folder must read text as training did; transformers may load it as another class."""
    import transformers

    reply = trace_format.render("7*3=21:  a  thought\n\twith spaces", "21")
    messages = [*trace_format.messages("What is 7*3?\n"), {"role": "assistant", "content": reply}]
    text = tokenizer.apply_chat_template(messages, tokenize=False)
    saved = transformers.AutoTokenizer.from_pretrained(folder)
    if saved.apply_chat_template(messages, tokenize=False) != text:
        raise TrainingError(
            f"the chat template saved in {folder} renders a conversation in another way than in training"
        )
    if saved(text, add_special_tokens=False)["input_ids"] != tokenizer(text, add_special_tokens=False)["input_ids"]:
        raise TrainingError(
            f"the tokenizer saved in {folder} reads text in another way than in training: transformers loads it as "
            f"{type(saved).__name__}, and it was a {type(tokenizer).__name__}. Use one of the model's own class."
        )


def _card(recipe: Recipe, trace_format: TraceFormat, facts: dict[str, Any]) -> str:
    assert recipe.train is not None
    student = recipe.train.student
    base = student if isinstance(student, str) else f"a fresh {student.config.get('model_type', 'model')}"
    return (
        f"---\nlibrary_name: transformers\ntags: [distill, reasoning]\n---\n# {recipe.name}\n\n"
        f"{recipe.description.strip()}\n\n"
        f"Made by `distill run {recipe.name}`: {recipe.train.method} fine-tuning of {base} on {facts['examples']} "
        f"examples, {facts['steps']} steps.\n\n"
        f"It answers in the trace format `{trace_format.name}` (`trace_format.json`), asked with its chat template.\n\n"
        f"```json\n{json.dumps(facts, indent=2)}\n```\n"
    )
