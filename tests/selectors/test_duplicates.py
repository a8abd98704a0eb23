"""What counts as a copy of a problem or of a trace, which row stays, and that no order of arrival changes it."""

import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.errors import RecipeError
from distill.recipe import Recipe
from distill.run import open_run
from distill.selectors import Candidate, Context, Measured, Ruling
from distill.selectors.duplicates import Dedup
from distill.selectors.duplicates.text import answer_key, constants, tokens
from distill.stages.filter import filter_traces
from distill.types import Problem, Trace, Verdict
from tests.conftest import Distill, lines

STORY = (
    "A farmer in the north of the country keeps {0} brown cows and {1} white goats on a field behind the old house. "
    "Every morning each of the cows gives a bucket of milk, and each of the goats gives half a bucket. After he has "
    "sold {2} buckets on the market of the nearest town, how many buckets of milk does the farmer have left for the "
    "cheese that he makes in the evening with his daughter?"
)
TINY_ZERO = (
    "Using the numbers {numbers}, create an equation that equals {target}. You can use basic arithmetic operations "
    "and each number can only be used once. Show your work in think tags. And return the final answer in answer tags, "
    "for example a sum or a product of some of the numbers."
)


class Row(NamedTuple):
    """A trace: its problem, and what a test says of both."""

    problem: str
    prompt: str
    text: str = "so it is"
    reference: str | None = None
    extracted: str | None = None
    metadata: dict[str, Any] | None = None


def candidates(rows: Sequence[Row]) -> list[Candidate]:
    return [
        Candidate(
            problem=Problem(
                id=row.problem,
                prompt=row.prompt,
                verifier="exact",
                reference=row.reference,
                metadata=row.metadata or {},
            ),
            trace=Trace(
                id=f"{row.problem}-t-{number}",
                problem_id=row.problem,
                sample=number,
                teacher="t",
                thinking=row.text,
                answer="",
                finish_reason="stop",
            ),
            verdict=Verdict(trace_id=f"{row.problem}-t-{number}", outcome="correct", extracted=row.extracted),
        )
        for number, row in enumerate(rows)
    ]


def dropped(rows: Sequence[Row], **options: Any) -> dict[str, str]:
    """The detail of each trace that is dropped."""
    found = candidates(rows)
    with tempfile.TemporaryDirectory() as folder:
        context = Context(count_tokens=lambda _: 1, seed="0", scratch=Path(folder))
        choice = Dedup(**options)
        measured = [
            Measured(number, one.trace.id, one.problem.id, choice.measure(one, context))
            for number, one in enumerate(found)
        ]
        measured.sort(key=lambda one: (*one.values[:4], one.trace_id))  # type: ignore[arg-type]
        rulings: list[Ruling] = list(choice.choose(iter(measured), context))
        assert not list(Path(folder).iterdir())
    assert sorted(ruling.row for ruling in rulings) == list(range(len(rows)))
    return {found[ruling.row].trace.id: ruling.drop.detail for ruling in rulings if ruling.drop}


def are_copies(one: str, other: str, **options: Any) -> bool:
    return bool(dropped([Row("a", one), Row("b", other)], **options))


# -- what counts --


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 3 + 5?", "what  is 3+5"),
        ("Find $x$ if $\\frac{1}{2}x = 1{,}000$.", "**Find** x if \\dfrac12 x = 1000"),
        ("12. Find the sum of the digits of 7.50.", "Problem 3: find the sum of the digits of 7.5 (5 points)"),
        ("Is 2 × 3 ≤ x² − ½?", "is 2 \\times 3 \\leq x^{2} - 1/2 ?"),  # noqa: RUF001
        ("Three hens", "3 hens"),
        ("如果小明有３个苹果？", "如果小明有3个苹果"),  # noqa: RUF001
        ("كم ٣ + ٤", "كم 3 + 4"),
        ("Caf\u00e9", "CAFE\u0301"),
    ],
)
def test_notation_makes_no_other_problem(one: str, other: str):
    assert tokens(one) == tokens(other)
    assert are_copies(one, other, near=None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 12 + 7?", "What is 12 - 7?"),
        ("What is (3+5)*2?", "What is 3+(5*2)?"),
        ("What is 5²?", "What is 52?"),
        ("What is 1½ + 1?", "What is 11/2 + 1?"),
        ("Find $3\\frac{1}{2}$", "Find $\\frac{31}{2}$"),
        ("Find 1{,}5", "Find 15"),
        ("Find f'(3).", "Find f(3)."),
        ("Find 5!", "Find 5"),
        ("Compute\n12\n+ 30", "Compute\n12\n- 30"),
        ("Find -4", "Find 4"),
        ("Find .5", "Find 5"),
        ("🍎 + 🍌 = 10, 🍎 = 4", "🍎 + 🍎 = 10, 🍌 = 4"),
        ("Compute 2**3", "Compute 2*3"),
        ("3 5 7 -> 22", "3 5 8 -> 22"),
        ("3 5 7 -> 22", "22 5 7 -> 3"),
    ],
)
def test_a_number_or_a_sign_makes_another_problem(one: str, other: str):
    assert tokens(one) != tokens(other)
    assert not are_copies(one, other)
    # also in a text so long that the rest is the same
    assert constants(tokens(one)) != constants(tokens(other))
    assert not are_copies(f"{STORY} {one}", f"{STORY} {other}")


def test_a_word_more_or_another_makes_a_near_copy():
    story = STORY.format(12, 7, 4)
    for changed in (
        story.replace("northern", "southern").replace("brown", "black"),
        f"{story} Explain.",
        story.replace("with his daughter", "with his son"),
        story.replace("7", "seven").replace("white goats", "white and grey goats"),
    ):
        found = dropped([Row("a", story), Row("b", changed)])
        assert len(found) == 1
        assert re.fullmatch(r"near copy of [ab], similarity 0\.[89]\d", *found.values())
        assert not dropped([Row("a", story), Row("b", changed)], near=None)


def test_families_of_one_template_survive():
    rng = random.Random(0)
    swapped = {STORY.format(*rng.sample(range(2, 60), 3)) for _ in range(200)}
    countdown = {
        TINY_ZERO.format(numbers=rng.sample(range(1, 30), 3), target=rng.randrange(10, 99)) for _ in range(200)
    }
    short = {"{} {} {} -> {}".format(*rng.sample(range(1, 30), 4)) for _ in range(200)}
    rows = [Row(f"p{number:03}", prompt) for number, prompt in enumerate(sorted(swapped | countdown | short))]
    assert len(rows) > 590
    assert not dropped(rows)
    assert not dropped([Row("a", STORY.format(5, 3, 4)), Row("b", STORY.format(3, 5, 4))])


def test_near_problems_with_different_answers_are_two():
    largest, smallest = (STORY.format(12, 7, 4) + f" Find the {word} number." for word in ("largest", "smallest"))
    assert are_copies(largest, smallest)
    assert not dropped([Row("a", largest, reference="12"), Row("b", smallest, reference="-12")])
    assert dropped([Row("a", largest, reference="$x = 12$"), Row("b", smallest, reference="12 buckets")])
    assert dropped([Row("a", largest, reference="12"), Row("b", smallest)])
    assert dropped([Row("a", largest, reference="1"), Row("b", largest, reference="2")])  # the same text


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [("18", "$18", True), ("x = -5", "-5", True), ("-5", "5", False), ("(A)", "a", True), ("yes", "no", False)],
)
def test_answers_are_compared_by_their_numbers(one: str, other: str, same: bool):
    assert (answer_key(one) == answer_key(other)) is same
    assert answer_key(None) is answer_key("") is answer_key("word " * 50) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("What is it?", "What is it now?", False),
        ("What is it", "what is it?", True),
        ("x", "X.", True),
        ("x", "y", False),
        ("", "", True),
        ("???", "!!!", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_prompts_shorter_than_a_shingle(one: str, other: str, same: bool):
    assert are_copies(one, other, ngram=5) is same
    assert are_copies(one, other) is same


def test_options_that_the_prompt_leaves_out_tell_problems_apart():
    one, other = ({"options": {"A": "red", "B": name}} for name in ("blue", "green"))
    asked = "Which of these is a primary colour of light?"
    assert not dropped([Row("a", asked, metadata=one), Row("b", asked, metadata=other)])
    assert dropped([Row("a", asked, metadata=one), Row("b", asked, metadata=one)])


# -- which stays --


def test_siblings_stay_or_go_together():
    story = STORY.format(12, 7, 4)
    rows = [
        Row("a", story),
        Row("b", f"{story} Explain."),
        Row("a", story),
        Row("b", f"{story} Explain."),
        Row("c", "?"),
    ]
    said = dropped(rows)
    assert said.keys() == {"a-t-0", "a-t-2"}
    assert len(set(said.values())) == 1
    assert said["a-t-0"].startswith("near copy of b, similarity 0.9")
    assert dropped(rows, prefer="shortest").keys() == {"b-t-1", "b-t-3"}


def test_of_equal_problems_the_one_with_a_reference_stays():
    assert dropped([Row("a", "What?"), Row("b", "what", reference="5")]) == {"a-t-0": "copy of b"}
    assert dropped([Row("b", "What?"), Row("a", "what")]) == {"b-t-0": "copy of a"}


def test_a_copy_of_a_dropped_problem_names_the_one_that_stays():
    story = STORY.format(12, 7, 4)
    said = dropped([Row("a", story), Row("b", story.upper()), Row("c", f"{story} Explain.")])
    assert len(said) == 2
    assert all(detail.startswith("near copy of c, similarity") for detail in said.values())


def test_what_is_near_only_to_a_dropped_one_stays():
    words = [f"word{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(80)]
    chain = [" ".join(["other"] * n + words[n:] + ["tail"] * (6 - n // 3)) for n in (0, 3, 6)]
    rows = [Row(name, text) for name, text in zip("abc", chain, strict=True)]
    said = dropped(rows)
    assert all("near copy of" in detail for detail in said.values())
    kept = {"a", "b", "c"} - {trace_id[0] for trace_id in said}
    assert {detail.split()[3].rstrip(",") for detail in said.values()} <= kept


# -- traces --


def words(count: int, start: int = 0) -> str:
    return " ".join(
        f"then {chr(97 + n % 26)}{'xyz'[n % 3]} gives thought about {n}" for n in range(start, start + count)
    )


def test_near_traces_are_dropped_also_within_a_problem():
    rows = [Row("a", "p", words(80)), Row("a", "p", words(80) + " and so on"), Row("b", "q", words(80).upper())]
    assert dropped(rows, of="trace").keys() == {"a-t-0", "b-t-2"}
    assert dropped(rows, of="trace", near=None) == {"b-t-2": "copy of a-t-0"}
    assert not dropped(rows[:2])


def test_traces_of_a_template_and_with_other_answers_are_none():
    long = words(150)
    swapped = re.sub(r"\b[1-9]\d\b", lambda found: str(int(found[0]) + 100), long)
    filler = "we look at this from one side and from the other and find that nothing has changed in it so we go on. "
    sparse = [filler * 2 + " ".join(f"{filler} {chr(97 + n)} step {n * by}." for n in range(1, 12)) for by in (7, 11)]
    assert not dropped([Row("a", "p", long), Row("b", "q", swapped)], of="trace")
    assert not dropped([Row("a", "p", sparse[0]), Row("b", "q", sparse[1])], of="trace")
    end = long + " hence"
    assert dropped([Row("a", "p", long), Row("a", "p", end)], of="trace")
    assert not dropped([Row("a", "p", long, extracted="4"), Row("a", "p", end, extracted="5")], of="trace")


def test_a_short_reply_to_two_problems_is_no_duplicate():
    rows = [Row("a", "p", "So it is 5."), Row("b", "q", "So it is 5."), Row("b", "q", "so it is 5")]
    assert dropped(rows, of="trace") == {"b-t-2": "copy of b-t-1"}


# -- any order, any text --

few = settings(max_examples=10, deadline=None)
WORDS = st.sampled_from("how many red blue hens are there if 3 5 7 + - of each".split())
PROMPTS = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=12)


@st.composite
def heaps(draw: st.DrawFn) -> list[Row]:
    """Problems, their copies equal and near, some asked several times."""
    prompts = draw(st.lists(PROMPTS, min_size=1, max_size=8))
    stories = [STORY.format(a, b, 4) for a, b in draw(st.lists(st.tuples(st.integers(1, 2), st.integers(1, 2))))]
    copies = [
        text.replace(*draw(st.sampled_from([("brown", "black"), ("old", "new"), ("the", "THE"), ("town", "big town")])))
        for text in stories
    ]
    return [
        Row(f"p{number}", text, text * 3)
        for number, text in enumerate([*prompts, *stories, *copies])
        for _ in range(draw(st.integers(1, 2)))
    ]


@pytest.mark.parametrize("options", [{}, {"near": None}, {"of": "trace"}, {"near": 0.3, "prefer": "shortest"}], ids=str)
@given(heap=heaps(), order=st.integers(0, 1000))
@few
def test_order_is_nothing_equal_texts_leave_one_and_what_is_named_stays(
    options: dict[str, Any], heap: list[Row], order: int
):
    found, again = (filtered(heap, {"use": "dedup", **options}, order=order) for order in (0, order))
    assert found == again
    assert len(found) == len(heap)
    stays = {trace_id for trace_id, detail in found.items() if detail is None}
    named = stays | {trace_id.partition("-")[0] for trace_id in stays}
    for detail in filter(None, found.values()):
        assert re.fullmatch(r"(near )?copy of (\S+?)(, similarity (0\.\d\d|1\.00))?", detail)
        assert re.findall(r"of ([^\s,]+)", detail)[0] in named
    texts = [tuple(tokens(heap[int(trace_id.rpartition("-")[2])].prompt)) for trace_id in stays]
    if options.get("of") != "trace":
        kept_problems = {trace_id.partition("-")[0] for trace_id in stays}
        assert len(kept_problems) == len(set(texts))


def filtered(rows: Sequence[Row], step: dict[str, Any], order: int) -> dict[str, str | None]:
    """What the whole filter says of each trace, whatever order they came in: None if it stays."""
    recipe = Recipe.model_validate(
        {
            "name": "copies",
            "generate": {"sources": [{"use": "countdown", "count": 1}], "teacher": {"engine": "solver"}},
            "filter": {"select": [step], "workers": 1},
        }
    )
    arrival = candidates(rows)
    random.Random(order).shuffle(arrival)
    with tempfile.TemporaryDirectory() as folder, open_run(recipe, Path(folder)) as run:
        run.problems.write_all({one.problem.id: one.problem for one in arrival}.values())
        run.traces.write_all(one.trace for one in arrival)
        run.verdicts.write_all(one.verdict for one in reversed(arrival))
        filter_traces(run)
        return {found.trace_id: None if found.kept else found.detail for found in run.decisions}


# -- the step in a run --


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"of": "problems"}, "Did you mean 'problem'"),
        ({"near": 0}, "a similarity above 0"),
        ({"near": "0.8"}, "a similarity above 0"),
        ({"ngram": 0}, "at least one token"),
        ({"prefer": "long"}, "Choose one of longest, shortest"),
    ],
    ids=str,
)
def test_options_that_cannot_be_meant(options: dict[str, Any], said: str):
    with pytest.raises(RecipeError, match=said):
        Dedup(**options)


def test_a_run_is_deduplicated_and_says_so(distill: Distill, recipe_path: Path, tmp_path: Path):
    distill("generate", recipe_path)
    run = tmp_path / "runs/small"
    problems = lines(run / "problems.jsonl")
    first, second = (re.search(r'"prompt":"([^"]*)"', line) for line in problems[:2])
    assert first
    assert second
    changed = problems[1].replace(second[1], first[1].upper())
    (run / "problems.jsonl").write_text("\n".join([problems[0], changed, *problems[2:]]) + "\n")
    distill("filter", recipe_path, "--set", 'filter.select=["dedup"]')
    said = [line for line in lines(run / "decisions.jsonl") if "copy of another problem" in line]
    assert said
    assert all('"step":"dedup"' in line for line in said)
    listed = distill("filter", recipe_path, "--set", 'filter.select=["dedup"]', "--explain", "dedup").stdout
    assert "copy of another problem" in listed
