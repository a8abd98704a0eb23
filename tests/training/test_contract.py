"""The contract: for every family of students, each rule holds by itself or is named when its fault is planted."""

import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from families import FAMILIES, Family, template_text, tokenizer_of
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import ContractError, TrainingError
from distill.formats import TraceFormat, named_format
from distill.recipe import Train
from distill.training import contract
from distill.training.rendering import IGNORED, Chat
from distill.training.show import shown
from distill.training.student import load_chat
from distill.training.templates import give_template
from distill.types import Example

THOUGHT, ANSWER = "  7*3=21:\n\n\tso  it is\n\n\n21 é 三 </s\u200b> ", "The answer is \\boxed{21}."
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


class Config:
    """What the contract reads of a generation config."""

    def __init__(self, *stops: int) -> None:
        self.eos_token_id = list(stops)
        self.pad_token_id: int | None = None


def form_of(family: Family) -> TraceFormat:
    return named_format(family.trace_format)


def chat_of(family: Family, trace_format: TraceFormat | None = None, **options: Any) -> Chat:
    """As training has it: a template is given, the pad token is mended."""
    tokenizer = tokenizer_of(family, **options)
    give_template(tokenizer, {})
    chat = Chat(tokenizer, trace_format or form_of(family))
    contract.mended(tokenizer, chat, None)
    return chat


def example(reply: str, prompt: str = "What is 7*3?") -> Example:
    return Example(
        prompt=[{"role": "user", "content": prompt}],
        completion=[{"role": "assistant", "content": reply}],
        problem_id="p7",
        trace_ids=["t7"],
    )


def good(family: Family) -> Example:
    return example(form_of(family).render(THOUGHT, ANSWER))


def hold(chat: Chat, *examples: Example, stops: tuple[int, ...] | None = None, num_embeddings: int = 10_000) -> Any:
    config = Config(*((chat.end_of_turn or 0,) if stops is None else stops))
    return contract.hold(chat, examples, num_embeddings=num_embeddings, generation_config=config)


def broken(chat: Chat, *examples: Example, **options: Any) -> str:
    with pytest.raises(ContractError) as caught:
        hold(chat, *examples, **options)
    return str(caught.value)


@every_family
def test_the_thought_survives_and_the_loss_is_the_reply_with_its_end(family: Family):
    chat = chat_of(family)
    (row,) = hold(chat, good(family))
    taught = chat.text([id for id in row.labels if id != IGNORED])
    assert taught == good(family).completion[0]["content"].removeprefix(chat.begun) + family.end
    served = chat.tokenizer.apply_chat_template(
        good(family).prompt, add_generation_prompt=True, tokenize=True, return_dict=True
    )["input_ids"]
    assert list(row.input_ids[: len(served)]) == served
    assert chat.tokenizer.convert_ids_to_tokens(row.input_ids[-1]) == family.end
    assert chat.tokenizer.pad_token_id != chat.end_of_turn
    if family.bos:
        assert chat.text(row.input_ids).count(family.bos) == (0 if "<|im_end|>" in family.end else 1)


@every_family
@given(thought=st.text(min_size=1, max_size=60), answer=st.text(min_size=1, max_size=20))
def test_whatever_a_teacher_writes_is_read_back_or_refused(family: Family, thought: str, answer: str):
    chat = CHATS.get(family) or CHATS.setdefault(family, chat_of(family))
    written = chat.trace_format.render(thought, answer)
    try:
        (row,) = hold(chat, example(written))
    except ContractError as error:
        rules = set(re.findall(r"^- (\w+):", str(error), re.MULTILINE))
        assert rules <= {"shape", "special", "thinking"}
        assert "thinking" not in rules or any(0xD800 <= ord(sign) < 0xE000 for sign in written)
        return
    assert chat.text(row.completion_ids) == written.removeprefix(chat.begun) + family.end


CHATS: dict[Family, Chat] = {}


@pytest.mark.parametrize(
    "family", [family for family in FAMILIES.values() if family.training_template], ids=lambda family: family.template
)
def test_our_tokens_are_those_of_trls_training_template(family: Family):
    """The reference: TRL's template, patched for training, on the same conversation."""
    chat = chat_of(family)
    written = form_of(family).render(THOUGHT.strip(), ANSWER)
    (row,) = hold(chat, example(written))
    assert family.training_template
    rendered = chat.tokenizer.apply_chat_template(
        [*example(written).prompt, *example(written).completion],
        chat_template=template_text(family.training_template),
        tokenize=True,
        return_dict=True,
        return_assistant_tokens_mask=True,
    )
    ids = rendered["input_ids"]
    # Some templates write a line end after the last end-of-turn; nothing is generated there.
    assert list(row.input_ids) == ids[: len(row.input_ids)]
    assert chat.text(ids[len(row.input_ids) :]).strip() == ""
    masked = [id for id, is_in in zip(ids, rendered["assistant_masks"], strict=True) if is_in]
    assert chat.text(row.completion_ids) in chat.begun + chat.text(masked)


@every_family
@given(data=st.data())
def test_masked_characters_take_their_tokens_out_of_the_loss_and_no_others(family: Family, data: st.DataObject):
    chat = CHATS.get(family) or CHATS.setdefault(family, chat_of(family))
    plain = example(chat.trace_format.render("7*3 = 22 → nein: ½ é 学.\n\nSo 7*3 = 21, for sure", "21"))
    written = plain.completion[0]["content"]
    start = data.draw(st.integers(len(chat.begun), len(written) - 1))
    end = data.draw(st.integers(start + 1, len(written)))
    (row,), (whole,) = hold(chat, masked(plain, (start, end))), hold(chat, plain)
    assert row.input_ids == whole.input_ids
    first, last = row.masked[0]
    before, reply = start - len(chat.begun), row.completion_ids
    if written[start:end].strip() and last > first:
        first, last, until = first - row.num_prompt, last - row.num_prompt, end - len(chat.begun)
        assert len(chat.text(reply[:first]).rstrip("\ufffd")) <= before < len(chat.text(reply[: first + 1]))
        assert len(chat.text(reply[: last - 1]).rstrip("\ufffd")) < until <= len(chat.text(reply[:last]))
    left = [
        id if place < row.masked[0][0] or place >= row.masked[0][1] else IGNORED
        for place, id in enumerate(whole.labels)
    ]
    assert list(row.labels) == left
    assert row.num_taught == sum(label != IGNORED for label in left)


def masked(given: Example, *spans: tuple[int, int]) -> Example:
    return msgspec.structs.replace(given, masked=[*spans])


@pytest.mark.parametrize("span", [(9, 9), (14, 10), (25, 4000), (-3, 9)])
def test_a_span_that_is_none_of_the_reply_is_refused(span: tuple[int, int]):
    said = broken(chat_of(FAMILIES["qwen3"]), masked(good(FAMILIES["qwen3"]), span))
    assert f"characters {span[0]} to {span[1]}" in said
    assert "The builder that masked them is wrong" in said


def test_a_tokenizer_that_knows_no_places_cannot_mask(monkeypatch: pytest.MonkeyPatch):
    chat = chat_of(FAMILIES["qwen3"])
    monkeypatch.setattr(type(chat.tokenizer), "is_fast", False)
    said = broken(chat, good(FAMILIES["qwen3"]), masked(good(FAMILIES["qwen3"]), (8, 12)))
    assert "- masked: 1 of 2 rows, the first is row 2 (problem p7, trace t7): characters 8 to 12" in said
    assert "Take a fast tokenizer" in said


def test_what_is_masked_is_shown_between_what_is_taught():
    chat = chat_of(FAMILIES["qwen3"])
    written = chat.trace_format.render("7*3=22. No, 7*3=21.", "21")
    place = written.index("7*3=22.")
    (row,) = hold(chat, masked(example(written), (place, place + len("7*3=22."))))
    said = "".join(str(line) for line in shown(chat, row))
    assert "⟦<think>\n⟧7*3=22.⟦ No, 7*3=21.\n</think>" in said
    assert f"{len(row.completion_ids) - row.num_taught} masked, {row.num_taught} in the loss" in said


def no_end(family: Family) -> tuple[Chat, list[Example]]:
    chat = chat_of(family)
    chat.tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' + '" + ("<think>\n" if chat.begun else "") + "' }}{% endif %}"
    )
    return Chat(chat.tokenizer, chat.trace_format), [good(family)]


def pad_is_end(family: Family) -> tuple[Chat, list[Example]]:
    chat = chat_of(family)
    chat.tokenizer.pad_token = family.end
    return chat, [good(family)]


def small_model(family: Family) -> tuple[Chat, list[Example]]:
    return chat_of(family), [good(family)]


def two_bos(family: Family) -> tuple[Chat, list[Example]]:
    chat = chat_of(family)
    bos = family.bos or family.special[0]
    chat.tokenizer.bos_token = bos
    chat.tokenizer.chat_template = "{{ bos_token + bos_token }}" + chat.tokenizer.chat_template.replace(
        "bos_token", "''"
    ).replace("''_", "bos_token_")
    return chat, [good(family)]


def opened_twice(family: Family) -> tuple[Chat, list[Example]]:
    wrong = "think" if family.trace_format == "think-open" else "think-open"
    return chat_of(family, named_format(wrong)), [good(family)]


def tokenizer_that_normalises(family: Family) -> tuple[Chat, list[Example]]:
    from tokenizers import normalizers

    chat = chat_of(family, normalizer=normalizers.NFKC())
    return chat, [good(family), example(form_of(family).render("a half is ½ of it", "½"))]


def end_inside(family: Family) -> tuple[Chat, list[Example]]:
    reply = form_of(family).render(f"I stop here.{family.end}No, I go on.", "21")
    return chat_of(family), [good(family), example(reply)]


def no_close(family: Family) -> tuple[Chat, list[Example]]:
    return chat_of(family), [good(family), example(form_of(family).open + "7*3=21, and so on, and so on")]


def two_thoughts(family: Family) -> tuple[Chat, list[Example]]:
    written = form_of(family).render("one", "21")
    return chat_of(family), [good(family), example(written + written)]


def masked_beyond(family: Family) -> tuple[Chat, list[Example]]:
    return chat_of(family), [good(family), masked(good(family), (900, 903))]


FAULTS: dict[str, tuple[Callable[[Family], tuple[Chat, list[Example]]], dict[str, Any], tuple[str, ...]]] = {
    "end_of_turn": (no_end, {}, ("never learn to stop", "chat_template_path")),
    "pad": (pad_is_end, {}, ("another pad token",)),
    "stop": (small_model, {"stops": (3,)}, ("stops on [3]", "eos_token_id")),
    "vocabulary": (small_model, {"num_embeddings": 100}, ("the model 100",)),
    "bos": (two_bos, {}, ("begins with two", "1 of 1 rows, the first is row 1 (problem p7, trace t7)")),
    "opening": (opened_twice, {}, ("Set train.format: think",)),
    "thinking": (tokenizer_that_normalises, {}, ("a half is ½", "reads back as", "1 of 2 rows, the first is row 2")),
    "special": (end_inside, {}, ("I stop here.", "Drop these rows")),
    "masked": (masked_beyond, {}, ("characters 900 to 903", "builder that masked them is wrong", "row 2")),
    "shape": (no_close, {}, ("not closed", "row 2", "filter.select")),
}


@every_family
@pytest.mark.parametrize("rule", FAULTS)
def test_a_planted_fault_is_named(rule: str, family: Family):
    plant, options, words = FAULTS[rule]
    chat, examples = plant(family)
    said = broken(chat, *examples, **options)
    assert f"- {rule}: " in said
    for word in words:
        assert word in said


UNRENDERABLE = {
    "demands a turn that is not there": "{{ raise_exception('a system turn must come first') }}",
    "takes no turn of an assistant": "{% if messages[-1]['role'] != 'user' %}{{ raise_exception('ask') }}{% endif %}",
    "reads what no message has": "{% for m in messages %}{{ m['content']['text'] + m['thought'] }}{% endfor %}",
    "is no Jinja": "{% for m in messages %}{{ m['content'] }}",
}


@every_family
@pytest.mark.parametrize("fault", UNRENDERABLE)
def test_a_template_that_cannot_render_a_question_and_its_reply_is_named(fault: str, family: Family, tmp_path: Any):
    """The fault of rule `template`, as the command meets it: in a student's folder, or in a file of the recipe."""
    tokenizer = tokenizer_of(family)
    given = tmp_path / "mine.jinja"
    given.write_text(UNRENDERABLE[fault])
    tokenizer.save_pretrained(tmp_path / "whole")
    tokenizer.chat_template = UNRENDERABLE[fault]
    tokenizer.save_pretrained(tmp_path / "broken")
    for student, sft in ((tmp_path / "broken", {}), (tmp_path / "whole", {"chat_template_path": str(given)})):
        with pytest.raises(ContractError, match=r"^template: .* cannot render a question and its reply: ") as caught:
            load_chat(Train(student=str(student), sft=sft), form_of(family))
        assert str(student) in str(caught.value)
        assert "train.sft.chat_template_path" in str(caught.value)


@every_family
def test_two_thoughts_are_a_fault_of_shape(family: Family):
    chat, examples = two_thoughts(family)
    assert "more than one thought" in broken(chat, *examples)


@every_family
def test_a_server_that_reads_other_tokens_for_the_prompt_is_a_fault(family: Family, monkeypatch: pytest.MonkeyPatch):
    chat = chat_of(family)
    real = chat.tokenizer.apply_chat_template

    def other(*args: Any, tokenize: bool, **options: Any) -> Any:
        rendered = real(*args, tokenize=tokenize, **options)
        return {"input_ids": [5, *rendered["input_ids"]]} if tokenize else rendered

    monkeypatch.setattr(chat.tokenizer, "apply_chat_template", other)
    assert "- prefix: 1 of 1 rows" in broken(chat, good(family))


@pytest.mark.parametrize(
    ("name", "served"),
    [("llama-3", "<think>"), ("llama-3.2", "<think>"), ("qwen3", "<think>\\n\\n</think>\\n\\n<think>\\n")],
)
def test_a_prefill_that_the_template_changes_is_a_fault(name: str, served: str):
    chat = chat_of(FAMILIES[name], named_format("think-forced"))
    said = broken(chat, example(chat.trace_format.render("7*3=21", "21")))
    assert f"- prefill: a reply that begins with '<think>\\n' reaches the server as '{served}'" in said


@pytest.mark.parametrize("name", ["qwen2.5-base", "qwen2.5-instruct", "plain-base"])
def test_a_thought_that_we_open_is_prompt_and_not_loss(name: str):
    chat = chat_of(FAMILIES[name], named_format("think-forced"))
    (row,) = hold(chat, example(chat.trace_format.render("7*3=21", "21")))
    assert chat.text(row.input_ids[: row.num_prompt]).endswith("<think>\n")
    assert chat.text(row.completion_ids).startswith("7*3=21\n</think>")


def test_marks_that_servers_leave_out_are_told_of_and_not_fatal():
    chat = chat_of(FAMILIES["qwen2.5-instruct"], named_format("s1"))
    (finding, *_) = [finding for finding in contract.chat_findings(chat, 10_000) if finding.rule == "marks"]
    assert not finding.is_fatal
    assert "skip_special_tokens: false" in finding.mend
    assert hold(chat, example(chat.trace_format.render("7*3", "21")))


def test_what_can_be_mended_is_mended_and_said():
    tokenizer = tokenizer_of(FAMILIES["qwen2.5-base"])
    tokenizer.pad_token = "<|im_end|>"
    config = Config(tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    chat = Chat(tokenizer, named_format("think"))
    pad, stop = contract.mended(tokenizer, chat, config)
    assert "'<|im_end|>' became '<|fim_pad|>'" in pad
    assert "'<|im_end|>'" in stop
    end, endoftext = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert config.eos_token_id == [end, endoftext]
    assert contract.mended(tokenizer, chat, config) == []


def test_a_base_without_a_template_gets_one_that_its_tokens_suit():
    llama, plain = tokenizer_of(FAMILIES["llama-3-base"]), tokenizer_of(FAMILIES["plain-base"])
    before = len(llama), len(plain)
    assert "Llama 3 Instruct" in give_template(llama, {})[0]
    assert "ChatML, with the new tokens" in give_template(plain, {})[0]
    assert (len(llama), len(plain)) == (before[0], before[1] + 2)
    assert give_template(plain, {}) == []


def test_a_template_and_an_end_may_be_given(tmp_path: Any):
    path = tmp_path / "mine.jinja"
    path.write_text("{{ messages[0]['content'] }}")
    tokenizer = tokenizer_of(FAMILIES["qwen3"])
    give_template(tokenizer, {"chat_template_path": str(path), "eos_token": "<|endoftext|>"})
    assert (tokenizer.chat_template, tokenizer.eos_token) == ("{{ messages[0]['content'] }}", "<|endoftext|>")
    with pytest.raises(TrainingError, match=r"cannot read train\.sft\.chat_template_path"):
        give_template(tokenizer, {"chat_template_path": str(tmp_path / "none.jinja")})
    with pytest.raises(TrainingError, match="'<stop>' is not in the student's vocabulary"):
        give_template(tokenizer, {"eos_token": "<stop>"})
