"""The gate on loops: what it drops, what merely looks like a loop, and what it says of it."""

import random
import string
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distill.selectors.repetition import repeated, repetition
from tests.selectors.replies import reply

# ruff: noqa: RUF001  (typographic apostrophes, and the commas of Chinese)

NOUNS = "sum root angle factor case bound area graph prime term side limit slope move digit square".split()


def prose(length: int, seed: int = 0) -> str:
    """Sentences that say something new, as far as chance can."""
    rng = random.Random(seed)
    words = NOUNS + ["".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(600)]
    sentences = (" ".join(rng.choices(words, k=rng.randint(5, 14))).capitalize() + ". " for _ in range(length // 30))
    return "".join(sentences)[:length]


def fibonacci(last: int) -> str:
    numbers = [0, 1]
    while len(numbers) <= last:
        numbers.append(numbers[-1] + numbers[-2])
    return "\n".join(
        f"F({n}) = F({n - 1}) + F({n - 2}) = {numbers[n - 1]} + {numbers[n - 2]} = {numbers[n]}" for n in range(2, last)
    )


def truth_table(names: str, values: tuple[str, str]) -> str:
    rows = [
        [values[row >> place & 1] for place in reversed(range(len(names)))] + [values[row.bit_count() % 2]]
        for row in range(2 ** len(names))
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [[*names, "odd?"], *rows])


def cases(count: int) -> str:
    return "\n".join(f"n = {n}: {n}^2 + {n} + 41 = {n * n + n + 41}, which we check for factors." for n in range(count))


def moves(count: int) -> str:
    return "\n\n".join(
        f"n={n}: Alice moves to n={n - 1} or n={n - 4}. Both are winning positions for Bob. So, n={n} is lost."
        for n in range(5, count)
    )


FUNCTION = """def count_paths(grid):
    rows, columns = len(grid), len(grid[0])
    paths = [[0] * columns for _ in range(rows)]
    paths[0][0] = 1 - grid[0][0]
    for row in range(rows):
        for column in range(columns):
            if grid[row][column] == 1:
                paths[row][column] = 0
                continue
            if row > 0:
                paths[row][column] += paths[row - 1][column]
            if column > 0:
                paths[row][column] += paths[row][column - 1]
    return paths[rows - 1][columns - 1]
"""
MATRIX = (
    "\\begin{array}{ccc}\n" + "\n".join(f"{i} & {i * i % 17} & {i**3 % 19} \\\\" for i in range(60)) + "\n\\end{array}"
)
CHECK = prose(1500, seed=9)

BENIGN = {
    "prose": prose(30_000),
    "an empty text": "",
    "a Fibonacci listing": fibonacci(90),
    "a truth table of letters": truth_table("pqrstu", ("T", "F")),
    "a truth table of words": truth_table("pqrst", ("True", "False")),
    "a list of cases": cases(60),
    "positions of a game": moves(25),
    "code, shown three times": (prose(900) + "\n```python\n" + FUNCTION + "```\n") * 2 + prose(600) + FUNCTION,
    "a check that is made twice": prose(3000) + CHECK + "Let me verify that once more. " + CHECK + prose(500),
    "a check that is made three times": "".join(prose(2000, seed=n) + CHECK for n in range(3)),
    "a LaTeX array": MATRIX,
    "the digits of a fraction": prose(500) + "1/7 = 0." + "142857" * 100 + prose(500),
    "a third": prose(500) + "1/3 = 0." + "3" * 700,
    "a rule of dashes": prose(500) + "\n" + "-" * 600 + "\n" + prose(500),
    "assertions": "\n".join(f"assert collatz({n}) == {n * 7919 % 113}" for n in range(90)),
    "a grid of zeros": "[" + ",\n ".join(str([0] * 15) for _ in range(15)) + "]",
    "primes": ", ".join(str(n) for n in range(2, 3000) if all(n % d for d in range(2, int(n**0.5) + 1))),
    "a verdict on each of ten cases": "\n".join(
        f"For n = {n}, it is {n * n % 7}:\nwhich is not a prime." for n in range(10)
    ),
    "a turn of phrase": "\n".join(
        prose(2000, seed=n).replace(". ", "\n") + "\nWait, let me think about it again." for n in range(20)
    ),
}


@pytest.mark.parametrize("text", BENIGN.values(), ids=BENIGN)
def test_what_looks_like_a_loop_passes(text: str):
    assert repeated(text) is None


LOOPS = {
    "a sentence": "Wait, let me check the sum again. " * 100,
    "a paragraph": prose(700, seed=3) * 8,
    "a long passage": prose(2500, seed=4) * 6,
    "two sentences in turn": "Maybe the root is negative. But the area cannot be negative. " * 60,
    "lines in any order": "\n".join(random.Random(5).choices(prose(400, seed=6).split(". "), k=300)),
    "a counter": "".join(f"Now consider subproblem {n}: find the decay time and box the answer. " for n in range(200)),
    "a counter in words that change": "".join(
        f"The position with {n} tokens is a losing position, as the player can only leave {n - 1} or {n - 4}. "
        for n in range(100)
    ),
    "a list that never ends": "\n\n".join(
        f"Step {n}: We repeat the same process for the next digit." for n in range(200)
    ),
    "small changes of words": "".join(
        f"Alternatively, perhaps I should look at the {random.Random(n).choice(NOUNS)} again, as it may matter here. "
        for n in range(120)
    ),
    "Chinese": "等一下，让我再检查一遍这个计算。" * 150,
    "Japanese lines": "\n".join(["もう一度計算を確認しましょう、答えは同じです。"] * 30),
    "one character": "a" * 6000,
    "blanks": "x" + " " * 6000 + "y",
    "a third without end": "0." + "3" * 6000,
    "an empty box": "\\boxed{}. " * 700,
    "an equation": "\\frac{x}{x} + \\frac{y}{y} = 1 \\implies " * 80,
    "a table row": "| True | False | True | 17 |\n" * 250,
    "a line that is said between others": "\n".join(
        f"For n = {n} we get {n * n * 31 % 97}:\nwhich is not a prime number." for n in range(16)
    ),
    "emoji": "🙂" * 6000,
    "a short word": "the " * 60,
    "items with numbers of their own": "\n".join(f"{n}. Eastern long-beaked echidna" for n in range(30)),
    "a short line": "\n\n".join(["\\boxed{(x-1)e^x + C}"] * 25),
}


@pytest.mark.parametrize("text", LOOPS.values(), ids=LOOPS)
@pytest.mark.parametrize("before", ["", prose(4000, seed=7)], ids=["at once", "after a while"])
@pytest.mark.parametrize("after", ["", prose(3000, seed=8)], ids=["to the end", "and out of it"])
def test_loops_are_dropped(before: str, text: str, after: str):
    found = repeated(before + text + after)
    assert found is not None
    assert found.times >= 4
    assert found.begins >= 0


def test_of_a_loop_that_a_text_ends_in_less_is_enough():
    loop = "Wait, let me check the sum again. " * 30
    assert repeated(prose(3000, seed=1) + loop) is not None
    assert repeated(prose(3000, seed=1) + loop + prose(3000, seed=2)) is None


@pytest.mark.parametrize(
    "text",
    [
        "It prints:\n\n```\n" + "Hello, World!\n" * 80 + "```",
        "It prints:\n\n```\n" + "Hello, World!\n" * 30 + "```\n\nSo much for that.",
        "It prints Hello, World! many times:\n\n```\n" + "Hello, World!\n" * 30 + "```\n\nDone.",
        "It prints:\n\n~~~\n" + "Hello, World!\n" * 30 + "~~~\n\nDone.",
        "It prints:\n\n" + "    Hello, World!\n" * 30 + "\nDone.",
        "It prints:\n```\n" + "red " * 60 + "\n```\nDone.",
        "It prints:\n~~~\n" + "red " * 60 + "\n~~~\nDone.",
        "It prints " + "False " * 60 + "and ends.",
        "".join(f"I check this again:\n{n}\n" for n in range(11)),
        "The throws: " + "\n".join(f"{n}. heads" for n in range(30)),
        "\n".join(f"{n} bottles of beer on the wall, {n} bottles of beer. Take one down." for n in range(30, 10, -1)),
        str([{"id": n, "name": f"user{n}", "active": True, "roles": ["member"]} for n in range(30)]),
    ],
    ids=[
        "the output of a program",
        "some output",
        "said before",
        "tildes",
        "indented",
        "pixels",
        "pixels between tildes",
        "values",
        "lines between",
        "throws",
        "verses",
        "data",
    ],
)
def test_what_a_problem_wants_repeated_may_end_an_answer(text: str):
    assert repeated(prose(500) + text) is None


def test_the_detail_says_what_how_often_and_where():
    drop = repetition()(reply(prose(500) + "Wait, is that right? " * 300, "4"), None)
    assert drop is not None
    assert drop.reason == "repeats itself"
    assert drop.detail == "'Wait, is that right? ' 300 times from character 500 of the thought"


def test_a_draft_that_is_copied_into_the_answer_is_no_loop():
    assert repetition()(reply(prose(6000), prose(6000)), None) is None


def test_the_answer_is_looked_at_too():
    drop = repetition()(reply("So.", "It is 4. I hope it is correct. " * 200), None)
    assert drop is not None
    assert drop.detail.endswith("of the answer")


def test_options_move_the_bounds():
    text = "\n".join(["which is not a prime number."] * 13)
    assert repeated(text) is not None
    assert repeated(text, same_lines=14) is None
    assert repeated(text, same_lines=0) is None
    sentence = "Wait, let me check the sum again. " * 100
    assert repeated(sentence, verbatim=8000, near=8000) is None


@given(st.text(), st.integers(1, 60))
@example("\ud800", 5000)
def test_no_text_breaks_it(unit: str, times: int):
    repeated(unit * times)
    repeated(unit * times, verbatim=1, near=1, same_lines=1)


@given(st.text(min_size=1, max_size=300), st.integers(0, 3000))
def test_a_unit_many_times_is_always_seen(unit: str, num_before: int):
    times = max(9000 // len(unit), 16)
    assert repeated(prose(num_before) + unit * times) is not None


@given(st.integers(0, 10**6), st.integers(0, 40_000))
def test_prose_without_repeats_is_never_dropped(seed: int, length: int):
    assert repeated(prose(length, seed)) is None


def test_it_is_linear():
    def seconds(text: str) -> float:
        times: list[float] = []
        for _ in range(3):
            started = time.perf_counter()
            repeated(text)
            times.append(time.perf_counter() - started)
        return min(times)

    assert seconds(prose(400_000)) < 30 * seconds(prose(40_000)) + 0.05
    assert seconds("ab" * 500_000) < 2
    assert seconds("```\n" + ("red " * 45 + "b ") * 5_000) < 2
