"""The gates on shape: what a format calls malformed, marks that stand where text should be, answers that break off."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.formats import FORMATS, named_format
from distill.selectors.structure import cut_off, left_open, says_nothing, stray_mark, structure
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
        (r"The roots are $$x_1 = 2, \quad x_2 = 2 - \sqrt{", "a command of a formula"),
        ("It is so:\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | fo", "a table"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |", None),
        ("a | b\n--|--\n1 | 2\n|3 | 4", None),
        ("Here is the regular expression that you asked for:", "a sentence"),
        ("It is concave\n- down on $(e^{-3/2},", "a command of a formula"),
        ("The next integers of the list that we look for are 7 and 9,", "a sentence"),
        ("答案如下：", "a sentence"),  # noqa: RUF001
        ("Best regards,", None),
        ("name,age,city\nJohn,25,", None),
        ("The system drive is C:", None),
        ("Nice :smile:", None),
        ("Die Funktion nimmt wie immer eine Liste von ganzen Zahlen an", None),
        ("brown dog fox jumps lazy over quick the", None),
        ("So:\n|a| = |b|\n|b| = |c|\n|a| = 3", None),
        ("| a | b |\n|---|---|\n| 3 | 4 | (see note)", None),
        ("**Final answer:**", "a sentence"),
        ("The first was the system of alliances, which drew in the", "a sentence"),
        ("No two are friends, so they are strangers. Then", "a sentence"),
        ("Here it is:\n\n```python\nprint(4)\n```", None),
        ("It is what it is made of", None),
        ("The missing word is the", None),
        ("The gate that is true if either input is true is OR", None),
        ("The ratio is 4:3", None),
        ("The set is {1, 2, 3}", None),
        ("", None),
    ],
)
def test_what_an_answer_leaves_open(text: str, what: str | None):
    assert left_open(text) == what
    drop = cut_off()(reply("Two.", text), None)
    assert drop == (("the answer breaks off", f"in {what}") if what else None)


@pytest.mark.parametrize(
    "text",
    [
        "### Solution\n\n### Step 1\n\n### Answer",
        "Okay.\n\n---",
        "Let me know if you have any other questions! I'm happy to help.",
        "Sure! Let me know if you have any questions.",
        "**Final Answer:**",
        "## Solution\n\n## Step 2:",
    ],
)
def test_headings_and_courtesy_are_no_answer(text: str):
    assert says_nothing(text)
    drop = structure()(reply("Two.", text), None)
    assert drop is not None
    assert drop.reason == "no answer after the thought"


@pytest.mark.parametrize(
    "text",
    [
        "### 12",
        "Okay, 12.",
        "Sure! It is 12. Let me know if you have questions.",
        "#.#.\n.#.#",
        "[]",
        "### Paris",
        "### Answer\n\n12",
        "### Answer: 12",
        "## Final Answer: 42",
        "## Answer\n$$42$$",
        "## Solution\n\n$-5$",
        "### Answer\n\n∅",
        "OK",
        "Of course.",
        "I hope this helps: 12",
        "Happy to help!",
    ],
)
def test_what_is_beside_courtesy_is_an_answer(text: str):
    assert not says_nothing(text)
    assert structure()(reply("Two.", text), None) is None


def test_a_place_for_the_answer_that_nobody_filled_in():
    for text in ("The term is [insert answer here].", "**[Your final answer]**"):
        drop = structure()(reply("39.", text), None)
        assert drop is not None
        assert drop.reason == "an empty place for the answer"
    asked = "Answer in the form: Answer: [your answer]"
    assert structure()(reply("39.", "Answer: [your answer] 39", asked), None) is None
    for text in (
        "See [the answer above](#x): 39.",
        "Dear [Name], 39 it is.",
        "a[value] = 39",
        "[Final answer: 42]",
        "[The answer is 42]",
        "See [your answer][1].",
        "A[Add value] --> B[Write result to file]",
    ):
        assert structure()(reply("39.", text), None) is None


@given(st.text(alphabet="<>|[]{}\\`~$ \nbeginboxedthinkINST_▁｜/") | st.text())  # noqa: RUF001
def test_no_text_breaks_them(text: str):
    stray_mark(text)
    left_open(text)
    says_nothing(text)


@pytest.mark.parametrize(
    "unit", ["3", "a", "a}", "\\aa{", "|", "#", " ", "\n", "\u200b", "\u00a0", ".", "[insert ", "a,", "Sure! ", "### "]
)
def test_long_texts_are_looked_at_in_no_time(unit: str):
    text = "The value is 0." + unit * 50_000
    started = time.perf_counter()
    left_open(text)
    says_nothing(text)
    says_nothing(unit * 50_000)
    structure()(reply("Two.", text), None)
    assert time.perf_counter() - started < 5
