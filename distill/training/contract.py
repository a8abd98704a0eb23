"""What must hold before the first step, or training teaches something else than what will be asked.

Most "my model is garbage" is text that changes meaning between teacher, file, template, loss and server: thoughts that
a template strips, an end-of-turn outside the loss, a pad token that is the end-of-turn, two BOS. Each is a rule here.
`Chat` and `mended` make most of them hold by themselves; what they cannot mend is named with the first row, the text
around it and the way out.

    template      the chat template renders a conversation of one turn
    end_of_turn   it ends a reply with one special token, which the loss covers
    pad           the end-of-turn is not the pad token
    stop          generation_config stops on the end-of-turn
    vocabulary    the model has a row for each token
    bos           a text begins with one BOS at most
    opening       who opens the thought in the template opens it in the trace format
    prefill       a thought that we open reaches the server as training has it
    marks         the marks of the trace format survive a server that skips special tokens
    thinking      a reply reads back byte for byte
    prefix        the prompt's tokens are those that a server makes of it
    special       no reply holds the text of a special token
    masked        what an example masks has tokens of its own, which can be left out of the loss
    shape         each reply has the trace format's shape: one closed thought, an answer after it
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from distill import progress
from distill.errors import ContractError
from distill.training.rendering import Chat, Row
from distill.types import Example, Message

CONTEXT = 40
"""Characters shown on both sides of a fault."""
PADS = ("<|pad|>", "<pad>", "<|finetune_right_pad_id|>", "<|fim_pad|>", "<|endoftext|>", "<|end_of_text|>", "<unk>")
"""Pad tokens by preference, for tokenizers that have none, or one that ends turns. s1 takes Qwen's `<|fim_pad|>`."""


class Finding(NamedTuple):
    """A rule that does not hold."""

    rule: str
    what: str
    mend: str
    is_fatal: bool = True

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}. {self.mend}"


def mended(tokenizer: Any, chat: Chat, generation_config: Any | None) -> list[str]:
    """Mend what can be mended without a choice of the user: pad token and stop tokens.

    Args:
        tokenizer: Changed in place.
        chat: Of that tokenizer.
        generation_config: Of the model, changed in place; None to leave it.

    Returns:
        What was changed, a sentence each.
    """
    said: list[str] = []
    end = chat.end_of_turn
    if end is None:
        return said
    if tokenizer.pad_token_id is None or tokenizer.pad_token_id == end:
        known = tokenizer.get_vocab()
        pad = next((token for token in PADS if token in known and known[token] != end), PADS[0])
        said.append(f"pad token {tokenizer.pad_token!r} became {pad!r}, so that padding never is the end-of-turn")
        tokenizer.add_special_tokens({"pad_token": pad})
    if generation_config is not None:
        stops = _stops(generation_config)
        if end not in stops:
            shown = tokenizer.convert_ids_to_tokens(end)
            said.append(f"generation_config stopped on {stops or 'nothing'}, and now on {shown!r} ({end}) too")
        others = [stop for stop in stops if stop != end]
        generation_config.eos_token_id = [end, *others] if others else end
        generation_config.pad_token_id = tokenizer.pad_token_id
    return said


def hold(chat: Chat, examples: Iterable[Example], *, num_embeddings: int, generation_config: Any) -> list[Row]:
    """The rows of the examples, if every rule holds.

    Args:
        chat: The student's.
        examples: What is to be taught.
        num_embeddings: Rows of the model's embedding.
        generation_config: The model's.

    Raises:
        ContractError: If a rule does not hold, with the first row that breaks it.
    """
    findings = [*chat_findings(chat, num_embeddings), *stop_findings(chat, generation_config)]
    refuse(findings)
    rows: list[Row] = []
    first: dict[str, Finding] = {}
    broken: Counter[str] = Counter()
    for number, example in enumerate(examples, 1):
        row = chat.row(example)
        for finding in row_findings(chat, example, row):
            broken[finding.rule] += 1
            place = f"row {number} (problem {row.problem_id}, trace {', '.join(row.trace_ids)})"
            first.setdefault(finding.rule, finding._replace(what=f"{place}: {finding.what}"))
        rows.append(row)
    refuse(
        [
            finding._replace(what=f"{broken[rule]} of {len(rows)} rows, the first is {finding.what}")
            for rule, finding in first.items()
        ]
    )
    return rows


def refuse(findings: Sequence[Finding]) -> None:
    """Raise what is fatal, and say the rest.

    Raises:
        ContractError: If anything is.
    """
    for finding in findings:
        if not finding.is_fatal:
            progress.say(f"train: {finding}")
    if fatal := [finding for finding in findings if finding.is_fatal]:
        lines = "\n".join(f"- {finding}" for finding in fatal)
        raise ContractError(f"the student would be taught something else than it will be asked:\n{lines}")


def chat_findings(chat: Chat, num_embeddings: int) -> Iterator[Finding]:
    """What is wrong with tokenizer, template and trace format, whatever the data."""
    tokenizer, end = chat.tokenizer, chat.end_of_turn
    if end is None:
        yield Finding(
            "end_of_turn",
            "the chat template puts no special token behind a reply, so the student would never learn to stop",
            "Give a template that ends turns: train.sft.chat_template_path",
        )
    elif tokenizer.pad_token_id in (None, end):
        yield Finding(
            "pad",
            f"the pad token is {tokenizer.pad_token!r}, a reply ends with {tokenizer.convert_ids_to_tokens(end)!r}; "
            "what is padding is left out of attention and, in other trainers, out of the loss",
            f"Give the tokenizer another pad token, such as {PADS[0]}",
        )
    if len(tokenizer) > num_embeddings:
        yield Finding(
            "vocabulary",
            f"the tokenizer has {len(tokenizer)} tokens, the model {num_embeddings}",
            "Use the model's own tokenizer, or resize the model's embedding",
        )
    yield from _opening_findings(chat)
    yield from _mark_findings(chat)


def _opening_findings(chat: Chat) -> Iterator[Finding]:
    trace_format = chat.trace_format
    opening = trace_format.open
    if not opening:
        return
    question: list[Message] = [{"role": "user", "content": "?"}]
    prompt = chat.tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    is_open = prompt.rstrip().endswith(opening.strip())
    shown = f"the prompt ends with {prompt[-CONTEXT:]!r}"
    if is_open and trace_format.opened_by != "template":
        yield Finding(
            "opening",
            f"{shown}: the template opens the thought, and in the trace format {trace_format.name!r} the "
            f"{trace_format.opened_by} opens it again",
            "Set train.format: think-open",
        )
    elif trace_format.opened_by == "template" and not prompt.endswith(opening):
        yield Finding(
            "opening",
            f"{shown}, and the trace format {trace_format.name!r} has the template write {opening!r} there",
            "Set train.format: think, in which the student opens the thought itself"
            if not is_open
            else f"Let the template end with {opening!r}, line ends and all",
        )
    elif trace_format.opened_by == "harness":
        begun = [*question, {"role": "assistant", "content": opening}]
        served = chat.tokenizer.apply_chat_template(begun, tokenize=False, continue_final_message=True)
        if served != prompt + opening:
            yield Finding(
                "prefill",
                f"a reply that begins with {opening!r} reaches the server as {served[len(prompt) :]!r}",
                "The template changes it. Set train.format: think, in which the student opens the thought itself",
            )


def _mark_findings(chat: Chat) -> Iterator[Finding]:
    for mark in chat.trace_format.marks:
        ids = chat.ids(mark)
        if mark.strip() and chat.text(ids, as_served=True).strip() != mark.strip():
            yield Finding(
                "marks",
                f"{mark.strip()!r} has special tokens, which servers leave out of what they send",
                "Ask such a student with skip_special_tokens: false, or use the trace format `think`",
                is_fatal=False,
            )


def stop_findings(chat: Chat, generation_config: Any) -> Iterator[Finding]:
    """Whether generation ends where a reply ends."""
    end, stops = chat.end_of_turn, _stops(generation_config)
    if end is not None and end not in stops:
        yield Finding(
            "stop",
            f"generation_config stops on {stops or 'nothing'}, and a reply ends with "
            f"{chat.tokenizer.convert_ids_to_tokens(end)!r} ({end}): the student would go on for ever",
            f"Set eos_token_id in generation_config.json to {end}",
        )


def row_findings(chat: Chat, example: Example, row: Row) -> Iterator[Finding]:
    """What is wrong with one example."""
    reply, written = chat.reply_text(example), example.completion[0]["content"]
    prompt_ids = list(row.input_ids[: row.num_prompt])
    bos = chat.tokenizer.bos_token_id
    if bos is not None and prompt_ids[:2] == [bos, bos]:
        yield Finding(
            "bos",
            f"the text begins with two {chat.tokenizer.bos_token!r}",
            "The template writes one more than it should: mend it, or give another with train.sft.chat_template_path",
        )
    if not chat.trace_format.prefill:
        served = chat.tokenizer.apply_chat_template(
            list(example.prompt), tokenize=True, return_dict=True, add_generation_prompt=True
        )["input_ids"]
        if list(served) != prompt_ids:
            yield Finding(
                "prefix",
                f"a server would read {len(served)} tokens for the prompt, and training has {len(prompt_ids)}",
                "The tokenizer adds tokens of its own to a rendered text",
            )
    if chat.begun and not written.startswith(chat.begun):
        yield Finding(
            "shape",
            f"the reply does not begin with {chat.begun!r}, which stands in the prompt already: {written[:CONTEXT]!r}",
            f"Build the examples in the trace format {chat.trace_format.name!r}: run the stage filter again",
        )
    elif defect := chat.trace_format.parse(written).malformed:
        yield Finding(
            "shape",
            f"{defect}: {written[:CONTEXT]!r} ... {written[-CONTEXT:]!r}",
            "Keep the step `structure` in filter.select",
        )
    yield from _reply_findings(chat, reply, row)
    yield from _masked_findings(chat, written, example.masked, row)


def _reply_findings(chat: Chat, reply: str, row: Row) -> Iterator[Finding]:
    taught = row.completion_ids[: len(row.completion_ids) - len(chat.ending)]
    if list(row.completion_ids[len(taught) :]) != chat.ending:
        yield Finding("end_of_turn", f"the reply ends with {chat.text(row.completion_ids[-3:])!r}", "This is a defect")
    read = chat.text(taught)
    if read != reply:
        place = next(
            (i for i, (one, other) in enumerate(zip(read, reply, strict=False)) if one != other),
            min(len(read), len(reply)),
        )
        yield Finding(
            "thinking",
            f"{around(reply, place)} reads back as {around(read, place)}",
            "The tokenizer changes text: use the model's own, or drop these rows in filter",
        )
    for place, id in enumerate(taught):
        if id in chat.foreign_ids:
            token = chat.tokenizer.convert_ids_to_tokens(id)
            yield Finding(
                "special",
                f"{around(chat.text(taught), len(chat.text(taught[:place])))} holds {token!r}, which the tokenizer "
                "reads as a special token",
                "Drop these rows in filter: the teacher wrote another model's marks",
            )
            return


def _masked_findings(chat: Chat, written: str, masked: Sequence[tuple[int, int]], row: Row) -> Iterator[Finding]:
    for (start, end), tokens in itertools.zip_longest(masked, row.masked):
        text = written[start:end] if 0 <= start < end <= len(written) else ""
        if text and tokens and text.strip() in chat.text(row.input_ids[slice(*tokens)]):
            continue
        yield Finding(
            "masked",
            f"characters {start} to {end} are to be left out of the loss, but no tokens hold {text[:CONTEXT]!r}",
            "Take a fast tokenizer, which knows the place of each token, or build the examples without `masked`"
            if text
            else f"The builder that masked them is wrong: they are none of the reply's {len(written)}",
        )
        return


def around(text: str, place: int) -> str:
    """A piece of a text, with what stands around a place."""
    start, end = max(place - CONTEXT, 0), place + CONTEXT
    return f"{'...' if start else ''}{text[start:end]!r}{'...' if end < len(text) else ''}"


def _stops(generation_config: Any) -> list[int]:
    stops: int | list[int] | None = generation_config.eos_token_id
    return [] if stops is None else [stops] if isinstance(stops, int) else list(stops)


def summary(chat: Chat, rows: Sequence[Row]) -> Mapping[str, Any]:
    """What holds, for the student's `training.json`."""
    taught = sum(row.num_taught for row in rows)
    return {
        "end_of_turn": chat.tokenizer.convert_ids_to_tokens(chat.end_of_turn),
        "pad": chat.tokenizer.pad_token,
        "trace_format": chat.trace_format.name,
        "share_in_loss": round(taught / max(sum(len(row.input_ids) for row in rows), 1), 4),
    }
