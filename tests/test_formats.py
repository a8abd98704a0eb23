"""Trace formats: what is rendered is parsed back, and what is broken is named."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from distill.errors import RecipeError
from distill.formats import FORMATS, Reply, TraceFormat, named_format

MARKED = [name for name in FORMATS if FORMATS[name].open]


@pytest.mark.parametrize("name", MARKED)
@given(thinking=st.text(), answer=st.text(min_size=1))
def test_rendered_replies_parse_back(name: str, thinking: str, answer: str):
    trace_format = FORMATS[name]
    marks = [trace_format.open, trace_format.close, trace_format.answer_open, trace_format.answer_close]
    thinking, answer = thinking.strip(), answer.strip()
    assume(answer)
    assume(not any(mark.strip() in text for mark in marks if mark.strip() for text in (thinking, answer)))
    assert trace_format.parse(trace_format.render(thinking, answer)) == Reply(thinking, answer, None)


@given(text=st.text())
@pytest.mark.parametrize("name", list(FORMATS))
def test_no_text_makes_the_parser_fail(name: str, text: str):
    FORMATS[name].parse(text)


@pytest.mark.parametrize(
    ("name", "text", "reply"),
    [
        ("think", "<think>\na\n</think>\n\nb", Reply("a", "b", None)),
        ("think", "<think>a</think>b", Reply("a", "b", None)),
        ("think", "a\n</think>\n\nb", Reply("a", "b", "the thought is not opened")),
        ("think-open", "a\n</think>\n\nb", Reply("a", "b", None)),
        ("think-open", "<think>a\n</think>\n\nb", Reply("a", "b", None)),
        ("think", "<think>\na \\boxed{3}", Reply("a \\boxed{3}", "", "the thought is not closed")),
        ("think", "<think>a</think><think>b</think>c", Reply("a", "<think>b</think>c", "more than one thought")),
        ("think", "Well. <think>a</think>c", Reply("a", "c", "text before the thought")),
        ("think", "<think>a</think>\n", Reply("a", "", "no answer after the thought")),
        ("think", "", Reply("", "", "the thought is not closed")),
        ("plain", " 42 ", Reply("", "42", None)),
        ("plain", " ", Reply("", "", "no answer")),
    ],
)
def test_a_reply_is_taken_apart(name: str, text: str, reply: Reply):
    assert FORMATS[name].parse(text) == reply


def test_a_system_prompt_comes_first():
    trace_format = TraceFormat(name="mine", system_prompt="Think.")
    assert trace_format.messages("1+1?") == [
        {"role": "system", "content": "Think."},
        {"role": "user", "content": "1+1?"},
    ]
    assert named_format("think").messages("1+1?") == [{"role": "user", "content": "1+1?"}]


def test_only_the_harness_prefills():
    assert named_format("think-forced").prefill == "<think>\n"
    assert named_format("think-open").prefill == named_format("think").prefill == ""


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(RecipeError, match=r"'thinking'; choose one of think, think-open"):
        named_format("thinking")
