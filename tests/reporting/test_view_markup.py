"""What a model wrote, on its way to the page: formulas and code are set, and nothing else happens."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from distill.reporting.view import formulas, listings, markup
from distill.reporting.view.formulas import ELEMENTS, is_harmless, mathml
from distill.reporting.view.markup import as_written, clipped, rendered

PIECES = (
    "$", "$$", "\\(", "\\)", "\\[", "\\]", "`", "```", "```python\n", "\n```\n", "\\boxed{", "{", "}", "\\begin{align}",
    "\\end{align}", "\n\n", " x ", "\\frac", "^", "_", "&", "\\\\", "<script>", "\\text{<b>}", "\\left(", "\\href{j:x}",
    "\u202e", "\x1b[31m", "é", "5", "\\sqrt[", "]", "\\color{red}", "\\operatorname{a}",
)  # fmt: skip


def nodes_of(found: list[Any]) -> Iterator[list[Any]]:
    for node in found:
        if not isinstance(node, str):
            yield node
            yield from nodes_of(node[2:])


def text_of(found: list[Any]) -> str:
    return "".join(node if isinstance(node, str) else text_of(node[2:]) for node in found)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("is $x^2$ so", [str, "math", str]),
        (r"\(a\) and \[b\]", ["math", str, "math"]),
        ("$$\\frac{1}{2}$$", ["math"]),
        (r"so \boxed{\frac{1}{2}}.", [str, "math", str]),
        ("\\begin{align}a&=b\\\\c&=d\\end{align}", ["math"]),
        ("use `len(x)` here", [str, "code", str]),
        ("```python\nx = 1\n```\ndone", ["pre", str]),
        ("```\nunclosed", ["pre"]),
        ("it costs $5 and $6", [str]),
        ("from $5 to $10 it is", [str]),
        ("a $ b", [str]),
        ("\\$5 + x$", [str]),
        ("$a\n\nb$", [str]),
        ("\\[a\n\nb\\]", [str]),
        ("\\[ never closed", [str]),
        ("\\boxed{ never closed", [str]),
        ("$x^$", [str]),  # not LaTeX
        ("", []),
    ],
)
def test_formulas_and_code_are_found(text: str, tags: list[object]) -> None:
    assert [str if isinstance(node, str) else node[0] for node in rendered(text)] == tags


def test_a_display_formula_is_a_block_and_keeps_its_source() -> None:
    (inline,), (block,) = rendered("$x$"), rendered("$$x$$")
    assert (inline[1]["display"], block[1]["display"]) == ("inline", "block")
    assert inline[1]["title"] == "x"


def test_a_text_that_holds_nothing_special_is_left_as_it_is() -> None:
    text = "Let me check: 2 * 3 = 6 {ok} [1] <think> & so on\n\ttabbed"
    assert rendered(text) == [text]
    assert as_written("$x$ `y`") == ["$x$ `y`"]


@pytest.mark.parametrize(
    "latex",
    [
        r"\text{<script>alert(1)</script>}",
        r"\href{javascript:alert(1)}{x}",
        r"\class{x}{y}",
        r"\style{position:fixed}{y}",
        r"\color{red}{x}",
        r"\unicode{x3c}",
        r"<img src=x onerror=alert(1)>",
        r"\text{&lt;b&gt;}",
        r"\hspace{9999em}",
        r"\rule{999em}{999em}",
        r"\mathrm{</math><script>}",
    ],
)
def test_hostile_formulas_become_text_and_harmless_attributes(latex: str) -> None:
    (node,) = rendered(f"${latex}$")
    for tag, attributes, *_ in nodes_of([node] if not isinstance(node, str) else []):
        assert tag in ELEMENTS
        for name, value in attributes.items():
            assert name == "title" or (name, value) == ("class", "boxed") or is_harmless(name, value)
        assert not {"href", "style", "onerror", "mathcolor", "src"} & set(attributes)
    assert "9999" not in json.dumps([n[1] for n in nodes_of([node])]).replace(json.dumps(latex), "")


def test_what_latex2mathml_would_write_unescaped_stays_text() -> None:
    from latex2mathml.converter import convert

    latex = r"\text{<script>alert(1)</script>}"
    assert "<script>" in convert(latex)  # the reason for walking its tree
    (node,) = rendered(f"${latex}$")
    assert text_of([node]) == "<script>alert(1)</script>"
    assert {tag for tag, *_ in nodes_of([node])} == {"math", "mrow", "mtext"}


@pytest.mark.parametrize(
    ("name", "value", "is_good"),
    [
        ("display", "block", True),
        ("columnalign", "left right", True),
        ("width", "2em", True),
        ("width", "9999em", False),
        ("width", "-0.2em", True),
        ("style", "color:red", False),
        ("href", "x", False),
        ("mathvariant", "url(x)", False),
        ("minsize", "2.047em", True),
    ],
)
def test_attributes_are_of_a_list_and_small(name: str, value: str, is_good: bool) -> None:
    assert is_harmless(name, value) is is_good


def test_control_and_direction_characters_are_made_visible_everywhere() -> None:
    for text in ("\x1b[2J", "$\u202ex$", "`\u202e`", "```python\n\u202e = 1\n```", "```text\n\x07\n```"):
        found = text_of(rendered(text))
        assert not set(found) & {"\x1b", "\u202e", "\x07"}
        assert "\u241b" in found or "<U+202E>" in found or "\u2407" in found


def test_code_is_coloured_in_languages_of_our_list_only() -> None:
    listing = listings.coloured("def f():\n    return 'a'  # why", "Python")
    assert text_of([listing]) == "def f():\n    return 'a'  # why"
    assert {attributes.get("class") for _, attributes, *_ in nodes_of([listing])} == {
        "code", "tok-keyword", "tok-name", "tok-string", "tok-comment",
    }  # fmt: skip
    assert listings.coloured("x = 1", "brainfuck") == ["pre", {"class": "code"}, "x = 1"]
    assert len(listings.coloured("x = 1\n" * listings.LONGEST, "python")) == 3


def test_hostile_texts_take_no_time_and_lose_nothing() -> None:
    started = time.process_time()
    for text in (
        "\\[" * 100_000, "$" * 200_000, "`" * 200_000, "```\n" * 50_000, "\\boxed{" * 30_000, "\\begin{align}" * 20_000,
        "{" * 200_000, "$x$" * 60_000, "\\(" * 50_000 + "\\)" * 50_000,
    ):  # fmt: skip
        found = rendered(text)
        assert sum(1 for node in nodes_of(found) if node[0] == "math") <= formulas.MOST
    for latex in ("{" * 1400, "x^{" * 400 + "}" * 400, "\\frac" * 250, "\\left(" * 200, "\\sqrt[" * 200, "&" * 1000):
        mathml(latex, "inline")
    assert time.process_time() - started < 5


def test_any_mixture_gives_a_tree_that_json_can_carry() -> None:
    rng = random.Random(0)
    for _ in range(400):
        text = "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 40)))
        found = rendered(text)
        assert json.loads(json.dumps(found)) == found
        assert {tag for tag, *_ in nodes_of(found)} <= ELEMENTS | {"code", "pre", "span"}
        assert not {"menclose"} & {tag for tag, *_ in nodes_of(found)}


def test_a_text_of_megabytes_is_shown_by_its_ends() -> None:
    text = clipped("a" * 5_000_000)
    assert len(text) < markup.SHOWN_CHARACTERS + 100
    assert "[... 4,600,000 characters left out ...]" in text
