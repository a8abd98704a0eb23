"""Training: the right tokens in the loss, nothing cut silently, a saved student that reads as it was taught."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.errors import RecipeError, TrainingError
from distill.formats import named_format
from distill.recipe import Scratch, Train
from distill.training import lengths
from distill.training.adapters import lora_config
from distill.training.buckets import BucketSampler
from distill.training.byte_tokenizer import byte_tokenizer, count_bytes
from distill.training.rendering import Chat
from distill.training.sft import last_checkpoint, sft_config, train_sft
from distill.training.student import load_student, save_student, token_counter
from distill.types import Example, Trace

THINK = named_format("think")
SCRATCH = Scratch(
    tokenizer="bytes",
    config={
        "model_type": "qwen2", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 512,
    },
)  # fmt: skip


def example(prompt: str, reply: str) -> Example:
    return Example(
        prompt=[{"role": "user", "content": prompt}],
        completion=[{"role": "assistant", "content": reply}],
        problem_id="p",
        trace_ids=["t"],
    )


EXAMPLES = [example(f"{n} {n} -> {2 * n}", f"<think>\n{n}+{n}={2 * n}\n</think>\n\n{n}+{n}") for n in range(1, 41)]


@given(lengths=st.lists(st.integers(min_value=1, max_value=500), max_size=300), batch_size=st.integers(1, 20))
def test_an_epoch_visits_every_example_once_and_again_in_the_same_order(lengths: list[int], batch_size: int):
    sampler = BucketSampler(lengths, batch_size, seed=3)
    first = list(sampler)
    assert sorted(first) == list(range(len(lengths)))
    assert list(sampler) == first
    assert len(sampler) == len(first)


def test_epochs_differ_and_batches_are_of_like_length():
    lengths = [(index * 37) % 400 + 10 for index in range(2000)]
    sampler = BucketSampler(lengths, 10, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    batches = [[lengths[i] for i in first[start : start + 10]] for start in range(0, 2000, 10)]
    padded, real = sum(max(batch) * len(batch) for batch in batches), sum(lengths)
    assert padded / real < 1.12
    averages = [sum(batch) / len(batch) for batch in batches]
    falls = sum(a > b for a, b in pairwise(averages))
    assert 0.35 < falls / (len(averages) - 1) < 0.65, "the batches should come in random order of length"


@given(text=st.text(max_size=200))
def test_the_byte_tokenizer_reads_back_any_normalised_text(text: str):
    import unicodedata

    tokenizer = byte_tokenizer()
    text = unicodedata.normalize("NFC", text)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert len(ids) == count_bytes(text)


@pytest.mark.slow
def test_a_training_that_was_killed_after_its_last_step_takes_no_further_one(tmp_path: Path):
    import torch

    sft = {"max_steps": 7, "save_steps": 7, "logging_steps": 1, "bf16": False, "per_device_train_batch_size": 4}
    train = Train(student=SCRATCH, method="full", sft=sft, save_dtype="float32")
    first, again = (
        train_sft(load_student(train, THINK, 0), EXAMPLES, train, tmp_path / "checkpoints", tmp_path / name, 0)
        for name in ("first", "again")
    )
    assert last_checkpoint(tmp_path / "checkpoints") == tmp_path / "checkpoints/checkpoint-7"
    assert first.facts["steps"] == again.facts["steps"] == 7
    assert [entry["loss"] for entry in again.log] == [entry["loss"] for entry in first.log]
    weights = again.student.model.state_dict()
    for name, expected in first.student.model.state_dict().items():
        assert torch.equal(weights[name], expected), name


def test_lengths_are_counted_as_the_trainer_counts_them():
    tokenizer = byte_tokenizer()
    trace = Trace(id="t", problem_id="p", sample=0, teacher="x", thinking="5+3=8", answer="(5+3)", finish_reason="stop")
    reply = named_format("think").render(trace.thinking, trace.answer)
    expected = len(tokenizer(reply + "<|im_end|>", add_special_tokens=False)["input_ids"])
    assert token_counter(SCRATCH, named_format("think"))(trace) == expected
    assert token_counter("tiny-base", named_format("think"))(trace) == expected


def test_examples_that_are_too_long_are_left_out_and_listed(tmp_path: Path):
    chat = Chat(byte_tokenizer(), THINK)
    rows = [chat.row(each) for each in [*EXAMPLES, example("1 1 -> 2", "x" * 300)]]
    kept, too_long = lengths.fitting(rows, 200)
    assert (len(kept), len(too_long)) == (40, 1)
    assert lengths.fitting(rows, None) == (rows, [])
    path = tmp_path / "logs/too_long.jsonl"
    lengths.write_too_long(too_long, path)
    listed = json.loads(path.read_text())
    assert listed == {"problem_id": "p", "trace_ids": ["t"], "tokens": len(rows[-1].input_ids)}
    lengths.write_too_long([], path)
    assert not path.exists()


@given(sizes=st.lists(st.integers(min_value=1, max_value=200_000), max_size=50))
def test_the_table_says_what_each_limit_keeps(sizes: list[int]):
    table = lengths.shares(sizes)
    for share in table:
        fits = [size for size in sizes if size <= share.max_length]
        assert share.kept == len(fits) / len(sizes)
        assert share.tokens == sum(fits) / sum(sizes)
    assert not sizes or max(sizes) > 131_072 or table[-1].kept == 1
    assert len(lengths.table(sizes).splitlines()) == len(table) + 2


@pytest.mark.slow
def test_the_loss_covers_the_reply_and_its_end_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import trl

    seen: list[dict[str, Any]] = []
    real_loss = trl.SFTTrainer.compute_loss

    def spy(self: Any, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append({key: value.clone() for key, value in inputs.items() if hasattr(value, "clone")})
        return real_loss(self, model, inputs, *args, **kwargs)

    monkeypatch.setattr(trl.SFTTrainer, "compute_loss", spy)
    train = Train(student=SCRATCH, sft={"max_steps": 2, "per_device_train_batch_size": 8, "max_length": 128})
    student = load_student(train, THINK, 0)
    train_sft(student, EXAMPLES, train, tmp_path / "checkpoints", tmp_path / "logs", 0)
    assert len(seen) == 2
    texts = {example.completion[0]["content"] + "<|im_end|>" for example in EXAMPLES}
    for batch in seen:
        for ids, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            taught = student.tokenizer.decode(ids[labels != -100])
            assert taught in texts
            assert "-> " in student.tokenizer.decode(ids[labels == -100])


def test_library_options_keep_the_librarys_names_and_their_mistakes_are_named(tmp_path: Path):
    config = sft_config(Train(student=SCRATCH, sft={"learning_rate": 3e-4, "packing": False}), tmp_path, 5)
    assert (config.learning_rate, config.seed, config.max_length) == (3e-4, 5, 32768)
    assert sft_config(Train(student=SCRATCH, method="lora"), tmp_path, 0).learning_rate == 1e-4
    with pytest.raises(
        RecipeError, match=r"train\.sft\.max_lenght is not an option of SFTConfig\. Did you mean 'max_length'"
    ):
        sft_config(Train(student=SCRATCH, sft={"max_lenght": 3}), tmp_path, 0)
    with pytest.raises(RecipeError, match=r"train\.lora\.rank is not an option of LoraConfig"):
        lora_config(Train(student=SCRATCH, lora={"rank": 3}))
    with pytest.raises(RecipeError, match=r"train\.sft is refused by SFTConfig"):
        sft_config(Train(student=SCRATCH, sft={"lr_scheduler_type": "sideways"}), tmp_path, 0)


def test_students_that_cannot_be_loaded_say_what_to_give():
    with pytest.raises(TrainingError, match=r"cannot load the student 'no/such/folder'.*tiny-base"):
        load_student(Train(student="no/such/folder"), THINK, 0)
    with pytest.raises(TrainingError, match=r"train\.student\.config is not a model's"):
        load_student(Train(student=Scratch(tokenizer="bytes", config={"model_type": "qwen99"})), THINK, 0)


def test_only_a_whole_checkpoint_is_gone_on_from(tmp_path: Path):
    assert last_checkpoint(tmp_path) is None
    for step, state in ((10, "{}"), (20, "{}"), (30, '{"torn'), (40, None)):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        if state is not None:
            (folder / "trainer_state.json").write_text(state)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-20"


def test_a_tokenizer_that_reads_otherwise_after_saving_is_refused(tmp_path: Path):
    from transformers import PreTrainedTokenizerFast

    train = Train(student=SCRATCH)
    student = load_student(train, THINK, 0)
    # A qwen2 folder is loaded as Qwen2Tokenizer, whatever pieced the text in training: here, nothing did.
    from tokenizers import Tokenizer, models

    words = Tokenizer(models.WordLevel({"<|pad|>": 0, "<|im_end|>": 1, "?": 2}, unk_token="?"))
    foreign = PreTrainedTokenizerFast(
        tokenizer_object=words, eos_token="<|im_end|>", pad_token="<|pad|>", unk_token="?"
    )
    foreign.chat_template = student.tokenizer.chat_template
    with pytest.raises(TrainingError, match="reads text in another way than in training"):
        save_student(tmp_path / "bad", student._replace(tokenizer=foreign, chat=Chat(foreign, THINK)), train)
    save_student(tmp_path / "good", student, train)
    saved = json.loads((tmp_path / "good/generation_config.json").read_text())
    assert saved["eos_token_id"] == student.tokenizer.eos_token_id != saved["pad_token_id"]
    assert json.loads((tmp_path / "good/trace_format.json").read_text())["name"] == "think"
