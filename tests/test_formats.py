"""Trace formats: what is rendered is parsed back, and what is broken is named."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from distill.errors import DataError, RecipeError
from distill.formats import FORMATS, Reply, TraceFormat, convert, named_format

MARKED = [name for name in FORMATS if FORMATS[name].open]
MARKS = sorted({mark for known in FORMATS.values() for mark in known.marks})
LABELS = ["Answer:", "Answer: ", "\n", " "]
# Text as models write it, with the marks and labels of all formats strewn in
TEXTS = st.lists(st.one_of(st.text(max_size=12), st.sampled_from(MARKS), st.sampled_from(LABELS)), max_size=5).map(
    "".join
)
PAIRS = [(one, other) for one in FORMATS for other in FORMATS]


@pytest.mark.parametrize("name", MARKED)
@given(thinking=st.text(), answer=st.text(min_size=1))
def test_rendered_replies_parse_back(name: str, thinking: str, answer: str):
    trace_format = FORMATS[name]
    marks = [trace_format.open, trace_format.close, trace_format.answer_open, trace_format.answer_close]
    thinking, answer = thinking.strip(), answer.strip()
    assume(answer)
    assume(not any(mark.strip() in text for mark in marks if mark.strip() for text in (thinking, answer)))
    assert trace_format.parse(trace_format.render(thinking, answer)) == Reply(thinking, answer, None)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(thinking=TEXTS, answer=TEXTS)
def test_a_round_trip_between_any_two_formats_is_the_identity(source: str, target: str, thinking: str, answer: str):
    """Also where the text holds marks: then it is converted as it is, or refused, and never changed."""
    one, other = FORMATS[source], FORMATS[target]
    thinking, answer = (thinking if one.open else "").strip(), answer.strip()
    assume(answer)
    assume(one.holds(thinking, answer))
    text = one.render(thinking, answer)
    if not other.holds(thinking, answer):
        with pytest.raises(DataError, match=f"holds a mark of the trace format '{target}'"):
            convert(text, one, other)
        return
    there = convert(text, one, other)
    if not other.open:
        assert there == "\n\n".join(part for part in (thinking, answer) if part)
        return
    assert other.parse(there) == Reply(thinking, answer, None)
    assert convert(there, other, one) == text


@pytest.mark.parametrize("name", list(FORMATS))
@given(thinking=TEXTS, answer=TEXTS)
def test_only_a_formats_own_marks_are_in_its_way(name: str, thinking: str, answer: str):
    own = [mark.strip() for mark in FORMATS[name].marks]
    assume(not any(mark in part for mark in own for part in (thinking, answer)))
    assert FORMATS[name].holds(thinking, answer)


@pytest.mark.parametrize(
    ("source", "target", "text", "converted"),
    [
        ("think", "s1", "<think>\na\n</think>\n\nb", "<|im_start|>think\na\n<|im_start|>answer\nAnswer: b"),
        ("s1", "think", "<|im_start|>think\na\n<|im_start|>answer\nAnswer: b", "<think>\na\n</think>\n\nb"),
        ("s1", "think", "<|im_start|>think\na\n<|im_start|>answer\nb", "<think>\na\n</think>\n\nb"),
        ("think", "plain", "<think>\na\n</think>\n\nb", "a\n\nb"),
        ("plain", "think", "a\n\nb", "<think>\n\n</think>\n\na\n\nb"),
        (
            "think",
            "sky-t1",
            "<think>\n</s> <|im_start|>\n</think>\n\nb",
            "<|begin_of_thought|>\n\n</s> <|im_start|>\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nb\n\n"
            "<|end_of_solution|>",
        ),
    ],
)
def test_a_reply_is_converted(source: str, target: str, text: str, converted: str):
    assert convert(text, FORMATS[source], FORMATS[target]) == converted


def test_what_is_no_reply_is_not_converted():
    with pytest.raises(DataError, match="is no reply in the trace format 'think': the thought is not closed"):
        convert("<think>\na", FORMATS["think"], FORMATS["s1"])


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


@pytest.mark.parametrize("name", list(FORMATS))
@given(thinking=st.text(max_size=30), answer=st.text(min_size=1, max_size=30))
def test_a_reply_that_is_still_coming_only_grows(name: str, thinking: str, answer: str):
    trace_format = FORMATS[name]
    thinking, answer = (thinking if trace_format.open else "").strip(), answer.strip()
    assume(answer and "\ufffd" not in thinking + answer)
    assume(trace_format.holds(thinking, answer))
    assume(not answer.startswith(trace_format.answer_label.strip() or "\0"))
    text = trace_format.render(thinking, answer)
    last = Reply("", "", None)
    for end in range(len(text) + 1):
        part = trace_format.parse_part(text[:end])
        assert part.thinking.startswith(last.thinking), text[:end]
        assert part.answer.startswith(last.answer), text[:end]
        last = part
    assert thinking == last.thinking
    assert answer.startswith(last.answer)
    assert len(answer) - len(last.answer) < max([1, *(len(mark.strip()) for mark in trace_format.marks)])
