"""What is chosen and what is warned of, each with its reason."""

from array import array
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from families import FAMILIES, tokenizer_of

from distill.formats import named_format
from distill.recipe import Train
from distill.training.advisor import advice, outdone
from distill.training.choices import Machine, attention, choices, frozen_dtype, processor_has_bf16
from distill.training.rendering import Chat, Row

CPU, H100, T4 = Machine(False, True, False), Machine(True, True, True), Machine(True, False, False)
OLD_CPU = Machine(False, False, False)


def chosen(machine: Machine, method: Any = "full", **sft: Any) -> dict[str, Any]:
    return {c.option: c.value for c in choices(Train(student="tiny-base", method=method, sft=sft), machine)}


def test_each_machine_gets_what_it_can_do():
    assert chosen(CPU) == {"use_cpu": True, "bf16": True, "gradient_checkpointing": False}
    assert chosen(OLD_CPU) == {"use_cpu": True, "bf16": False, "gradient_checkpointing": False}
    assert chosen(H100) == {"bf16": True, "gradient_checkpointing": True, "padding_free": True}
    assert chosen(T4) == {"bf16": False, "fp16": True, "gradient_checkpointing": True}
    assert chosen(T4, "qlora")["optim"] == "paged_adamw_8bit"
    assert (attention(H100), attention(CPU)) == ("flash_attention_2", "sdpa")


def test_a_frozen_base_is_held_in_what_the_machine_multiplies():
    assert [frozen_dtype(machine) for machine in (CPU, OLD_CPU, H100, T4)] == [
        "bfloat16", "float32", "bfloat16", "float16"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "has_bf16"),
    [("fpu avx512f avx512_vnni", False), ("fpu avx512f avx512_bf16", True), ("amx_bf16 amx_tile", True), (None, False)],
)
def test_a_processor_says_whether_it_has_bfloat16(flags: str | None, has_bf16: bool, tmp_path: Path):
    if flags is not None:
        (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    assert processor_has_bf16(tmp_path / "cpuinfo") == has_bf16


def test_what_the_recipe_sets_is_not_chosen():
    assert chosen(H100, padding_free=False, bf16=False) == {"gradient_checkpointing": True}
    assert "padding_free" not in chosen(H100, packing=True)


def rows(*lengths: int) -> list[Row]:
    return [Row("p", ["t"], array("i", [1] * length), 10) for length in lengths]


def warnings(family: str, num_parameters: float, context: int, *lengths: int) -> list[str]:
    chat = Chat(tokenizer_of(FAMILIES[family]), named_format(FAMILIES[family].trace_format))
    config: Any = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=context))
    return list(advice(chat, config, int(num_parameters), rows(*lengths)))


def test_nothing_is_said_where_nothing_is_wrong():
    assert warnings("qwen2.5-base", 7.6e9, 32768, 1000, 9000) == []


def test_a_context_that_is_too_short_is_told_with_the_way_to_raise_it():
    (said,) = warnings("qwen2.5-base", 7.6e9, 4096, 1000, 9000)
    assert "1 of 2 examples are longer than the student's context of 4,096 tokens" in said
    assert "rope_theta" in said


def test_a_small_student_of_long_thoughts_is_warned_of():
    (said,) = warnings("qwen2.5-base", 1.5e9, 32768, 9000, 9100)
    assert "1.5B parameters" in said


@pytest.mark.parametrize("family", ["qwen3", "r1-distill"])
def test_a_student_that_thinks_already_is_warned_of(family: str):
    (said,) = warnings(family, 8e9, 32768, 1000)
    assert "may reason already" in said


def test_an_adapter_that_leaves_the_marks_untrained_is_warned_of():
    chat = Chat(tokenizer_of(FAMILIES["qwen3"]), named_format("think"))
    config: Any = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=9000))
    said = [list(advice(chat, config, 8 * 10**9, rows(1000), lora)) for lora in (None, {}, {"modules_to_save": ["x"]})]
    assert [len(each) for each in said] == [1, 2, 1]
    assert "<think> and </think> are tokens of their own" in said[1][-1]


def test_a_base_as_good_as_its_teacher_is_warned_of():
    assert outdone("math500", 0.4, 0.7) is None
    assert "right in 80.0% of the problems and the teacher in 70.0%" in (outdone("math500", 0.8, 0.7) or "")
