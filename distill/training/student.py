"""The student: its weights and tokenizer before training, and the folder that holds it afterwards."""

from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from distill import assets, environment, plugins, progress
from distill.errors import ContractError, TrainingError
from distill.formats import FORMAT_FILE, TraceFormat
from distill.recipe import Scratch, Train
from distill.training import adapters, contract
from distill.training.byte_tokenizer import count_bytes
from distill.training.choices import attention, frozen_dtype, this_machine
from distill.training.rendering import Chat
from distill.training.templates import give_template
from distill.types import Trace


class Student(NamedTuple):
    """A model of transformers, its tokenizer, and how it is talked to."""

    model: Any
    tokenizer: Any
    chat: Chat


def load_student(train: Train, trace_format: TraceFormat, seed: int) -> Student:
    """The student as it is before training, ready to be talked to in the trace format.

    Weights that are trained are float32 (training autocasts); those under an adapter are bfloat16, or 4-bit for QLoRA.

    Raises:
        TrainingError: If it cannot be loaded, or its template does not render.
        MissingExtraError: If transformers is not installed.
    """
    environment.quiet_libraries()
    transformers = plugins.need("transformers", "training", "train")
    plugins.need("trl", "training", "train")
    chat = load_chat(train, trace_format)
    if isinstance(train.student, Scratch):
        if train.method != "full":
            raise TrainingError(f"method {train.method} needs a student that has learned something; this one is fresh")
        transformers.set_seed(seed)
        model = _fresh(train.student, chat.tokenizer)
    else:
        model = _loaded(train, train.student)
    num_known = model.get_input_embeddings().num_embeddings
    if len(chat.tokenizer) > num_known and chat.tokenizer.get_added_vocab():
        model.resize_token_embeddings(len(chat.tokenizer))
    for sentence in contract.mended(chat.tokenizer, chat, model.generation_config):
        progress.say(f"train: {sentence}")
    return Student(model, chat.tokenizer, chat)


def load_chat(train: Train, trace_format: TraceFormat) -> Chat:
    """The student's tokenizer with a chat template, without its weights.

    Raises:
        TrainingError: If it cannot be loaded, or its template does not render a conversation of one turn.
    """
    from jinja2 import TemplateError

    environment.quiet_libraries()
    plugins.need("transformers", "training", "train")
    tokenizer = tokenizer_of(train.student)
    for sentence in give_template(tokenizer, train.sft):
        progress.say(f"train: {sentence}")
    try:
        chat = Chat(tokenizer, trace_format)
    except (TemplateError, TypeError, ValueError) as error:
        raise ContractError(
            f"template: the chat template of {train.student!r} cannot render a question and its reply: {error}. "
            f"Give another with train.sft.chat_template_path"
        ) from error
    for sentence in contract.mended(tokenizer, chat, None):
        progress.say(f"train: {sentence}")
    return chat


def _loaded(train: Train, student: str) -> Any:
    import transformers

    machine = this_machine()
    options: dict[str, Any] = {
        "dtype": "float32" if train.method == "full" else frozen_dtype(machine),
        "attn_implementation": attention(machine),
    }
    if train.method == "qlora":
        options |= adapters.loading(train.quantization)
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(assets.model_path(student), **options)
    except (OSError, ValueError) as error:
        raise not_loaded(student, error) from error


def not_loaded(student: str, error: Exception) -> TrainingError:
    """The error of a student of which something cannot be read."""
    return TrainingError(
        f"cannot load the student {student!r}: {str(error).splitlines()[0]:.300}. Give a folder, a hub id (with "
        f"network), or a model that ships with distill: tiny-base"
    )


def _fresh(scratch: Scratch, tokenizer: Any) -> Any:
    import transformers

    known = {
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    try:
        config = transformers.AutoConfig.for_model(**known, bos_token_id=None, **scratch.config)
    except (TypeError, ValueError, KeyError) as error:
        raise TrainingError(f"train.student.config is not a model's: {error}") from error
    return transformers.AutoModelForCausalLM.from_config(config)


def tokenizer_of(student: str | Scratch) -> Any:
    """The student's tokenizer.

    Raises:
        TrainingError: If it cannot be loaded.
    """
    import transformers

    if isinstance(student, Scratch) and student.tokenizer == "bytes":
        from distill.training.byte_tokenizer import byte_tokenizer

        return byte_tokenizer()
    name = student.tokenizer if isinstance(student, Scratch) else student
    try:
        return transformers.AutoTokenizer.from_pretrained(assets.model_path(name))
    except (OSError, ValueError) as error:
        raise not_loaded(name, error) from error


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
        # The fast form keeps no offsets, and takes a list
        return len(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0]) + 1

    return count


def save_student(folder: Path, student: Student, train: Train) -> None:
    """Write all that is needed to ask the student as it was taught.

    Args:
        folder: New; the weights (or the adapter), tokenizer, chat template, `generation_config.json` and
            `trace_format.json` go there.
        student: Trained.
        train: The section of the recipe that trained it.

    Raises:
        ContractError: If what is loaded from the folder would read or stop in another way.
    """
    model, tokenizer, chat = student
    trace_format = chat.trace_format
    if train.method == "full":
        model = model.to(getattr(plugins.need("torch", "training", "train"), train.save_dtype))
    model.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)  # an adapter's own save leaves it out
    tokenizer.save_pretrained(folder)
    _check_saved_tokenizer(folder, tokenizer, trace_format)
    (folder / FORMAT_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(trace_format)) + b"\n")


def _check_saved_tokenizer(folder: Path, tokenizer: Any, trace_format: TraceFormat) -> None:
    """What is loaded from the folder must read text as training did; transformers may load it as another class."""
    import transformers

    saved = Chat(transformers.AutoTokenizer.from_pretrained(folder), trace_format)
    chat = Chat(tokenizer, trace_format)
    question = trace_format.messages("What is 7*3?\n")
    if saved.prompt_text(question) != chat.prompt_text(question) or saved.ending != chat.ending:
        raise ContractError(f"the chat template saved in {folder} renders a question in another way than in training")
    text = chat.prompt_text(question) + trace_format.render("7*3=21:  a  thought\n\twith spaces", "21")
    if saved.ids(text) != chat.ids(text):
        raise ContractError(
            f"the tokenizer saved in {folder} reads text in another way than in training: transformers loads it as "
            f"{type(saved.tokenizer).__name__}, and it was a {type(tokenizer).__name__}. Use one of the model's class"
        )
    contract.refuse([*contract.stop_findings(saved, transformers.GenerationConfig.from_pretrained(folder))])
