"""The gates on shape: what a format calls malformed, marks that stand where text should be, answers that break off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.formats import FORMATS, named_format
from distill.selectors.structure import cut_off, left_open, stray_mark, structure
from tests.selectors.replies import reply


def parsed(text: str, name: str):
    found = named_format(name).parse(text)
    return reply(found.thinking, found.answer, malformed=found.malformed)


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("<think>\nTwo.\n</think>\n\n4", "think", None),
        ("Two.\n</think>\n\n4", "think-open", None),
        ("Two.\n</think>\n\n4", "think", "the thought is not opened"),
        ("<think>\nTwo and two", "think", "the thought is not closed"),
        ("It is 4.", "think", "the thought is not closed"),
        ("It is 4.", "think-open", "the thought is not closed"),
        ("It is 4.", "plain", None),
        ("", "plain", "no answer"),
        ("<think>\nTwo.\n</think>\n\n**Final Answer**", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\nThe answer is:", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n$$ $$", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n\u200b", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n...", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n>", "think", None),
        ("<think>\nTwo.\n</think>\n\n[]", "think", None),
        ("<think>\nTwo.\n</think>\n\n) } ]", "think", None),
        ("<think>\nTwo.\n</think>\n\n$\\{\\}$", "think", None),
        ("<think>\nTwo.\n</think>\n\n.", "think", None),
        ("<think>\nTwo.\n</think>\n\n`*`", "think", None),
        ("<think>\nTwo.\n</think>\n\nSolution", "think", None),
        ("<think>\nTwo.\n</think>\n\n```python\n```", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n**Answer:**", "think", "no answer after the thought"),
        ("<think>\nTwo.\n</think>\n\n∅", "think", None),
        ("Two.\n<function=sum>{}</function>\n</think>\n\n4", "think-open", "a stray mark"),
        ("<think>\nTwo.\n</think>\n\n", "think", "no answer after the thought"),
        ("Two.\n</think>\nNo.\n</think>\n4", "think-open", "more than one thought"),
        ("Two.\n</think>\n\n4<|im_end|>", "think-open", "a stray mark"),
        ("<think>\nTwo.\n</think>\n\n4", "plain", "a stray mark"),
        ("<|begin_of_thought|>\n\nTwo.\n</think>\n\n<|end_of_thought|>\n\n4", "sky-t1", "a stray mark"),
        ('Two.\n<tool_call>\n{"name": "python"}\n</tool_call>\n</think>\n\n4', "think-open", "a stray mark"),
    ],
)
def test_structure_asks_for_the_shape_of_the_format(text: str, name: str, reason: str | None):
    drop = structure()(parsed(text, name), None)
    assert (drop and drop.reason) == reason


def test_the_detail_says_which_mark_and_where():
    drop = structure()(reply("Two.", "It is 4.<|im_end|>"), None)
    assert drop == ("a stray mark", "'<|im_end|>' at character 8 of the answer")


@pytest.mark.parametrize("mark", sorted({mark.strip() for known in FORMATS.values() for mark in known.marks}))
def test_marks_of_every_known_format_are_stray(mark: str):
    assert stray_mark(f"so it is 4. {mark} And 5.")


@pytest.mark.parametrize(
    "text",
    [
        "x<|im_start|>assistant",
        "x<|endoftext|>",
        "x<|eot_id|>",
        "x<|start_header_id|>",
        "<｜end▁of▁sentence｜>",  # noqa: RUF001
        "<｜Assistant｜>",  # noqa: RUF001
        "<|channel|>final<|message|>4",
        "◁think▷",
        "<end_of_turn>",
        "4</s>",
        "[INST] x [/INST]",
        "<tool_response>",
        "<thinking>",
    ],
)
def test_marks_of_other_models_are_stray(text: str):
    assert stray_mark(text)


@pytest.mark.parametrize(
    "text",
    [
        "if a < b and |x|> 3, or <|x|> = 0",
        "<x|y>, <psi|H|psi>",
        "vector<int> v; cout << x; a[INSTANCE]",
        "H<sub>2</sub>O and <b>bold</b> <s>struck</s> <answer>4</answer>",
        "I think> so",
        "List<Thought> thoughts",
        "",
    ],
)
def test_other_brackets_are_not(text: str):
    assert stray_mark(text) is None


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (r"It is \boxed{\frac{1}{2", "a box"),
        (r"It is \boxed{\{1, 2\}", "a box"),
        ("So:\n```python\ndef f(x):\n    return x", "a code block"),
        ("So:\n~~~~\n```\nx\n```", "a code block"),
        ("So\n\\[\nx = 4 +", "a formula"),
        (r"\begin{aligned} x &= 4 \\[4pt] y &=", "the environment 'aligned'"),
        (r"It is \boxed{\{1, 2\}}.", None),
        ("So:\n```python\nprint(4)\n```\nDone.", None),
        ("def f(x):\n    return x\n```\n", None),
        ("So:\n````\n```\nx\n```\n````", None),
        (r"\[ x = 4 \\[4pt] \] and \[ y \]", None),
        (r"\begin{aligned} x \end{aligned}", None),
        (r"on the interval [0, 1), {x", None),
        (r"so \(x = 4", "a formula"),
        (r"\(x\) and \(y\)", None),
        (r"Escape the bracket as \( in the regex.", None),
        (r"In sed, use s/\(foo/bar/.", None),
        (r"It costs $\$$12.50, or \$$5$.", None),
        ("```python\nre.compile(r'\\(')\n```", None),
        ("", None),
    ],
)
def test_what_an_answer_leaves_open(text: str, what: str | None):
    assert left_open(text) == what
    drop = cut_off()(reply("Two.", text), None)
    assert drop == (("the answer breaks off", f"in {what}") if what else None)


@given(st.text(alphabet="<>|[]{}\\`~$ \nbeginboxedthinkINST_▁｜/") | st.text())  # noqa: RUF001
def test_no_text_breaks_them(text: str):
    stray_mark(text)
    left_open(text)
