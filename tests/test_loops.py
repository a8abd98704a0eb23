"""Endless loops are seen while they stream, and text that only looks like one is left alone."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from distill.loops import LONGEST_UNIT, LOOK_EVERY, NUM_REPEATS, REASON, SURE_AFTER, LoopWatch, looping

WORDS = ["so", "the", "answer", "is", "wait", "check", "again", "but", "maybe", "four", "Zahl", "\u90a3\u4e48", "\n\n"]
LINE = "Wait, let me check this once more.\n"
ZEROS = "0" * 3000


def prose(num_characters: int, seed: int = 0) -> str:
    """Words in random order."""
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(num_characters))[:num_characters]


def cut_at(pieces: list[str]) -> int | None:
    """After how many characters a watch that is fed these pieces wants the reply cut."""
    watch, num_fed = LoopWatch(), 0
    for piece in pieces:
        num_fed += len(piece)
        if watch.feed(piece) is not None:
            return num_fed
    return None


@pytest.mark.parametrize("num_before", [0, 1, 700, 30_000])
@pytest.mark.parametrize("unit", [61, 511, 512, 513, 1500, LONGEST_UNIT])
def test_a_loop_of_words_is_cut_soon(unit: int, num_before: int):
    head = prose(num_before, seed=1)
    loop = looping(head + "#" + ("@" + prose(unit - 1)) * (30_000 // unit))
    assert loop is not None
    assert (loop.begins, loop.unit) == (num_before + 1, unit)
    sure = num_before + 1 + max(SURE_AFTER, NUM_REPEATS * unit)
    assert sure <= loop.sure_at < sure + LOOK_EVERY


@pytest.mark.parametrize(
    "unit", ["-", "ab", "\\quad ", "\u6240\u4ee5", "\U0001f600", "| 0 ", "No, wait. ", "\\boxed{}. "]
)
def test_a_loop_of_short_units_is_cut(unit: str):
    loop = looping("The sum is 42!" + unit * 6000)
    assert loop is not None
    assert (loop.begins, loop.unit) == (14, len(unit))
    assert loop.sure_at <= 14 + 4096 + LOOK_EVERY


COUNTING = "\n".join(f"Case {n}: {n} is not a square, so {n} is out." for n in range(1000))
PASSING = {
    "counting up": COUNTING,
    "a table": "| n | square |\n|---|---|\n" + "\n".join(f"| {n} | {n * n} |" for n in range(2000)),
    "an empty table": "| name | sum | mean |\n" + "|      |     |      |\n" * 100,
    "rules": ("=" * 120 + "\n" + prose(300) + "\n" + "-" * 120 + "\n") * 3 + prose(500),
    "a big number": f"10^3000 = 1{ZEROS}, and 10^3001 = 1{ZEROS}0.",
    "a periodic decimal": "1/7 = 0." + "142857" * 500,
    "blank lines": "\n" * 3000 + "So it is 4.",
    "a grid of words": "sieve = [\n" + ("    [" + "False, " * 20 + "],\n") * 25 + "]",
    "repeated items": "- buy some more bread\n" * 60 + prose(500),
    "repeated code": "total += weights[index]\n" * 60 + prose(500),
    "steps said twice": prose(4000) * 2 + "done",
    "code shown three times": prose(4 * LOOK_EVERY) * 3,
    "a refrain": "".join(prose(100, seed) + LINE * 20 for seed in range(50)),
    "cases in the same words": "".join(f"If x = {n % 7}, then {LINE * 3}So {n} fails.\n" for n in range(300)),
    "a loop it left": prose(600) + LINE * 40 + prose(600),
    "random letters": "".join(random.Random(0).choices("ab", k=50_000)),
    "random words": prose(50_000),
    "nothing": "",
}


@pytest.mark.parametrize("name", PASSING)
def test_what_is_no_loop_is_left_alone(name: str):
    assert looping(PASSING[name]) is None


def test_a_loop_with_one_stray_character_begins_after_it():
    loop = looping(LINE * 30 + "!" + LINE * 200)
    assert loop is not None
    assert loop.begins == len(LINE) * 30 + 1


def test_a_loop_inside_of_a_longer_loop_is_one_loop():
    # The end of a unit looks like a loop of its own, which is too short
    unit = prose(100) + "." + LINE * 45
    loop = looping("#" + unit * 10)
    assert loop is not None
    assert (loop.begins, loop.unit) == (1, len(unit))


def test_a_reason_is_given_from_then_on():
    watch = LoopWatch()
    reasons = [watch.feed(LINE) for _ in range(200)]
    first = reasons.index(REASON)
    assert reasons == [None] * first + [REASON] * (200 - first)


TEXTS = st.builds(
    lambda head, unit, repeated, tail: head + (unit * (repeated // len(unit) + 1))[:repeated] + tail,
    st.text(max_size=300),
    st.text(min_size=1, max_size=30) | st.integers(1, 5000).map(prose),
    st.sampled_from([0, 2000, 3000, 6000, 20_000]),
    st.text(max_size=300),
)


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, sizes=st.lists(st.integers(0, 3000), min_size=1, max_size=20).filter(any))
@example(text=LINE * 300, sizes=[1])
@example(text=LINE * 300, sizes=[511, 513])
def test_the_pieces_do_not_matter(text: str, sizes: list[int]):
    pieces: list[str] = []
    start = 0
    while start < len(text):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[start : start + size])
        start += size
    loop = looping(text)
    ends = [sum(map(len, pieces[: n + 1])) for n in range(len(pieces))] if loop else []
    assert cut_at(pieces) == (next(end for end in ends if end >= loop.sure_at) if loop else None)


@settings(max_examples=40, deadline=None)
@given(text=TEXTS)
def test_what_is_called_a_loop_repeats_itself(text: str):
    loop = looping(text)
    if loop is None:
        return
    seen = text[loop.begins : loop.sure_at]
    assert len(seen) >= max(SURE_AFTER, NUM_REPEATS * loop.unit)
    assert seen[loop.unit :] == seen[: -loop.unit]
    assert not loop.begins or text[loop.begins - 1] != text[loop.begins - 1 + loop.unit]


@settings(max_examples=60, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from("ab."), st.integers(1, 2000)), min_size=1, max_size=4),
    more=st.integers(0, 3),
)
def test_every_loop_of_runs_is_found_in_time(runs: list[tuple[str, int]], more: int):
    # Each run looks like a loop of its own, which is too short
    unit = "".join(character * length for character, length in runs)[:LONGEST_UNIT]
    latest = 1 + max(NUM_REPEATS * len(unit), 4096) + LOOK_EVERY
    loop = looping("#" + unit * (latest // len(unit) + 1 + more))
    assert loop is not None
    assert loop.sure_at < latest


def test_memory_stays_flat():
    watch = LoopWatch()
    for number in range(20_000):
        watch.feed(f"Case {number}: no.\n")
    held = sum(len(str(value)) for value in vars(watch).values())
    assert held < 6 * LONGEST_UNIT
