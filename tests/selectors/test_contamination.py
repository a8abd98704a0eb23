"""The index of benchmark texts: what each method finds, what merely looks like a copy, and what it has to bear."""

import random
import string
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.selectors.contamination import METHODS, Index, Item, Match, Options
from distill.selectors.contamination.entry import Overlap, Text
from distill.selectors.contamination.text import anchors, head, key, language, masked, tokens
from distill.selectors.contamination.weights import Weights

FERRY = (
    "A ferry carries 48 bicycles and 17 vans across the Limfjord each morning. On Thursdays Oddvar lets 9 more vans on "
    "board and turns 12 bicycles away. How many vehicles cross the fjord on a Thursday morning?"
)
POLYNOMIAL = (
    "Let $P(x)$ be a monic polynomial of degree 5 whose roots are all real, and suppose that $P(2) = 0$ while the sum "
    "of its roots is 31. Find the largest value that the product of the other four roots can take."
)
LIBRARY = (
    "Write a function overdue_fines that takes a list of loans, each a tuple of borrower and days late, and returns a "
    "dictionary from borrower to the fine in cents, where the first 3 days are free and each further day costs 25."
)
SHORT = "Evaluate $\\binom{137}{2} - 4096$."
SUITE = [
    Item("sums", "ferry", FERRY),
    Item("sums", "polynomial", POLYNOMIAL),
    Item("code", "library", LIBRARY),
    Item("sums", "short", SHORT),
    Item("sums", "bakery", "Philippa bakes 14 trays of 36 scones and sells all but 55. How many scones did she sell?"),
]
FRESH = [
    "A tram has 48 seats and 17 of them are taken. How many people can still sit down?",
    "Let $Q(x)$ be a polynomial with integer coefficients such that $Q(0) = 7$. Prove that it has no root at 3.",
    "Write a function that takes a list of numbers and returns the largest gap between two neighbours.",
    "How many vehicles does a garage with 12 bays hold?",
    'def longest(words):\n    """Return the longest word in the given list."""',
    "",
    " \n",
    "?",
    "2",
]


def found(text: str, **options: object) -> Match | None:
    return Index(SUITE, Options(**options)).match(text)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("text", "item", "method"),
    [
        (FERRY, "ferry", "exact"),
        (FERRY.upper().replace(" ", " \n "), "ferry", "exact"),
        (POLYNOMIAL.replace("$", "").replace("P(x)", "P\\left(x\\right)"), "polynomial", "exact"),
        ("evaluate \\(\\binom{137}{2}-4096\\)", "short", "exact"),
        (SHORT.rstrip("."), "short", "exact"),
        (f"Solve this with care. {FERRY} Put the number into a box.", "ferry", "ngram"),
        (f"Answer with a number alone:\n\n{SHORT} Show your work.", "short", "ngram"),
        (FERRY.translate(str.maketrans("14789", "25136")), "ferry", "masked"),
        (FERRY.replace("bicycles", "bikes").replace("Limfjord", "sound").replace("board", "deck"), "ferry", "fuzzy"),
        (
            "In the morning a ferry over the Limfjord takes 17 vans and 48 bicycles; but if it is Thursday, 12 "
            "bicycles are turned away by Oddvar, who lets 9 vans more come on board. How many vehicles are on it then?",
            "ferry",
            "paraphrase",
        ),
        (
            "Implement overdue_fines(loans): every loan is a (borrower, days late) tuple. Charge 25 cents for each day "
            "after 3 free ones. The result is a dictionary of fines, by borrower.",
            "library",
            "paraphrase",
        ),
        (
            "每天早上,一艘渡轮载着48辆自行车和17辆面包车穿过Limfjord。星期四Oddvar让另外9辆面包车上船,并拒绝12辆自行车。"
            "星期四早上有多少辆车过海?",
            "ferry",
            "translation",
        ),
    ],
)  # fmt: skip
def test_each_method_finds_what_it_is_for(text: str, item: str, method: str):
    match = found(text)
    assert match is not None
    assert (match.item, match.method) == (item, method)
    assert 0 < match.score <= 1
    assert match.matched


@pytest.mark.parametrize("text", FRESH)
def test_what_only_sounds_alike_is_kept(text: str):
    assert found(text) is None


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_not_asked_does_not_answer(method: str):
    others = tuple(name for name in METHODS if name != method)
    texts = [FERRY, f"Now: {FERRY} Box it.", FERRY.replace("48", "52"), FERRY.replace("ferry carries", "boat takes")]
    assert all(match is None or match.method != method for match in (found(text, methods=others) for text in texts))


def test_numbers_of_a_short_stock_question_are_not_a_match():
    index = Index([Item("s", "0", "What is the sum of 12 and 30?"), *SUITE])
    assert index.match("What is the sum of 14 and 52?") is None
    assert index.match("what is the sum of 12 and 30") is not None


@pytest.mark.parametrize("ngram", [8, 10, 13])
def test_the_row_of_words_is_as_long_as_the_recipe_says(ngram: int):
    row = FERRY.split()[5 : 5 + ngram]
    before, after = "Someone told me once that".split(), "and nothing else was said".split()
    options = {"methods": ("ngram",), "ngram": ngram}
    match = found(" ".join([*before, *row, *after]), **options)
    assert match is not None
    assert match.matched == " ".join(row).lower()
    assert found(" ".join([*before, *row[:-1], *after]), **options) is None


def test_what_half_of_a_suite_says_is_form_and_not_counted():
    rule = "Answer the question below and write only the letter of the choice that is right on a line of its own."
    asked = ["Where do storks from Denmark spend winter?", "Who tuned the harpsichord of Rameau?"]
    asked += ["Which moon of Neptune moves backwards?", "What do lichens of the tundra feed?"]
    index = Index([Item("quiz", str(place), f"{rule} {text}") for place, text in enumerate(asked)])
    assert index.match(f"{rule} What is the capital of Burkina Faso?") is None
    match = index.match(f"{asked[2]} Think first.")
    assert match is not None
    assert match.item == "2"


def test_a_form_that_a_program_filled_in_matches_only_as_a_whole():
    template = (
        "Using the numbers {}, write a sum, difference, product or quotient that equals {}. Use each number once."
    )
    filled = [template.format([n, n + 3, 2 * n + 1], 3 * n) for n in range(10, 30)]
    index = Index([*(Item("countdown", str(n), text) for n, text in enumerate(filled)), *SUITE], Options(ngram=8))
    assert index.match(template.format([11, 12, 13], 40)) is None
    assert index.match(template.format([10, 13, 21], 31)) is None
    match = index.match(filled[4].lower())
    assert match is not None
    assert (match.method, match.item) == ("exact", "4")


def test_two_forms_in_one_suite_are_both_forms():
    templates = ["Make {} out of the numbers {} by adding, subtracting, multiplying or dividing them, each once only."]
    templates += [
        "Here are some numbers: {1}. Combine all of them, in any order and with any signs, so that {0} is left."
    ]
    filled = [Item("s", f"{n}", templates[n % 2].format(n + 40, [n, n + 5, n + 9])) for n in range(40)]
    index = Index(filled, Options(ngram=8))
    assert all(index.match(template.format(41, [3, 77, 12])) is None for template in templates)


def test_numbers_in_words_are_numbers():
    assert tokens("Thirty-four geese, a dozen eggs and Seventy-one.") == tokens("34 geese, a 12 eggs and 71.")
    assert masked("thirty-four geese and a dozen") == masked("34 geese and a 12")
    assert "#30" in tokens("the thirty-fourth goose")
    assert tokens("thirty-\u017fix") == tokens("thirty-six")
    assert masked("thirty-\u017fix") == ("#", "-", "\u017fix")  # a long s is no s to a comparison of letters


TRANSLATED = {
    "Spanish, of ASCII alone": (
        "Un ferry lleva por el Limfjord 48 bicicletas y 17 furgonetas cada tarde. Los jueves el marinero Oddvar deja "
        "subir otras 9 furgonetas y rechaza 12 bicicletas. Di la suma de los coches que cruzan el fiordo los jueves."
    ),
    "German": (
        "Jeden Morgen bringt eine Fähre 48 Fahrräder und 17 Lieferwagen über den Limfjord. Am Donnerstag lässt der "
        "Matrose 9 weitere Lieferwagen an Bord und weist 12 Fahrräder ab. Wie viele Fahrzeuge sind es dann?"
    ),
}


@pytest.mark.parametrize("text", TRANSLATED.values(), ids=TRANSLATED.keys())
def test_a_translation_within_latin_letters_is_found_by_what_it_keeps(text: str):
    match = found(text)
    assert match is not None
    assert (match.item, match.method) == ("ferry", "translation")
    assert found(text.translate(str.maketrans("14789", "25136"))) is None
    assert Index([Item("s", "0", text)]).match(FERRY.replace("ferry", "boat")) is not None


def test_a_translation_of_a_test_keeps_its_code():
    item = Item("code", "0", "Write a function that gives the price of a basket. assert price_of(['fig', 'nut']) == 74")
    text = "Escribe una función que devuelve el precio de una cesta de la compra. assert price_of(['fig', 'nut']) == 74"
    match = Index([item, *SUITE]).match(text)
    assert match is not None
    assert match.item == "0"


def test_two_texts_of_one_language_are_no_translation():
    others = ["On Oddvar's farm in the Limfjord 48 hens of 17 months lay 9 eggs for 12 guests. How many are there?"]
    others += ["Find the sum of the numbers 48, 17, 9 and 12, and then the product of these and of their squares."]
    assert all(found(text, methods=("translation",)) is None for text in others)


def test_the_letter_of_a_choice_is_no_english_word():
    quiz = "Was ist die größte Insel der Ostsee?\nA Rügen\nB Seeland\nC Gotland\nD Öland"
    assert language(quiz) == "latin"
    assert anchors(quiz) == frozenset()
    assert language("What is the largest island in the Baltic?\nA. Rügen\nB. Seeland\nC. Gotland") == "en"
    assert (
        language("def swap(pair: tuple[int, int]) -> tuple[int, int]:\n# 交换两个元素的位置并返回新的元组") == "other"
    )
    assert language("x = 3; y = 4") == ""


def test_a_text_with_other_numbers_is_not_nearly_the_same():
    renumbered = FERRY.translate(str.maketrans("14789", "25136"))
    assert found(renumbered, methods=("fuzzy",)) is None
    assert found(renumbered, methods=("masked",)) is not None
    assert found(FERRY.replace("across", "over"), methods=("fuzzy",)) is not None
    assert found(renumbered.replace("Thursdays", "Thursdays at 6"), methods=("masked",)) is None


def test_numbers_speak_for_a_paraphrase_and_against_it():
    weights = Weights(())

    def said(item: str, text: str) -> float:
        overlap = Overlap.of(Text.of(item, weights), Text.of(text, weights), weights)
        return overlap.paraphrase - replace(overlap, of_many_numbers=0.0).paraphrase

    item = "Gudrun knits 16 mittens from 7 balls of wool and gives 5 of them to her niece. How many are left?"
    text = "From {} balls of wool Gudrun makes {} mittens, of which her niece gets {}. How many are left to Gudrun?"
    assert said(item, text.format(7, 16, "five")) > 0
    assert said(item, text.format(8, 24, 9)) < 0
    assert said(item, text.format("some", "several", "a few")) == 0
    assert said(item.replace("7", "a few"), text.format("a few", 24, 9)) == 0
    assert said(f"{item}\n>>> mittens(16, 7)", text.format(8, 24, 9)) == 0


def test_a_short_item_whose_words_lie_scattered_in_a_long_text_is_not_in_it():
    index = Index([*SUITE, Item("s", "zebu", "Do zebus outrun okapis uphill?")])
    rng = random.Random(0)
    filler = ["".join(rng.choices(string.ascii_lowercase, k=7)) for _ in range(120)]
    for place, word in zip((10, 50, 90), ("zebus", "okapi", "uphill"), strict=True):
        filler[place] = word
    assert index.match(" ".join(filler)) is None
    match = index.match("Uphill, do zebus outrun an okapi?")
    assert match is not None
    assert match.item == "zebu"


def test_a_blank_between_digits_is_a_sign():
    assert key("3 57 -> 22") != key("35 7 -> 22")
    assert key("x = 3,  y=4.") == key("X=3, y = 4")
    assert Index([Item("s", "0", "3 57 -> 22")]).match("35 7 -> 22") is None


pieces = [
    "\\displaystyle",
    "\\left(",
    "\\leftarrow",
    "\\dfrac",
    "$",
    "\\,",
    " ",
    "7",
    "1 2",
    ".",
    "a",
    "Straße",
    "e\u0301",
    "ﬁ",
]


@given(st.lists(st.sampled_from(pieces), max_size=60).map("".join))
@settings(max_examples=300, deadline=None)
def test_a_head_is_the_beginning_of_its_key(text: str):
    assert key(text).startswith(head(text))


def test_every_item_that_is_near_is_named_once():
    index = Index(SUITE)
    matches = index.matches(f"{FERRY}\n\n{LIBRARY}")
    assert sorted(match.item for match in matches) == ["ferry", "library"]


words = st.text(st.sampled_from(string.ascii_letters + string.digits + "$\\{}.,-+=éß中文"), min_size=1, max_size=8)
texts = st.lists(words, min_size=1, max_size=40).map(" ".join)


@given(items=st.lists(texts, min_size=1, max_size=8), place=st.integers(0, 7), ngram=st.integers(2, 13))
@settings(max_examples=60, deadline=None)
def test_a_copy_is_always_found(items: list[str], place: int, ngram: int):
    index = Index([Item("s", str(number), text) for number, text in enumerate(items)], Options(ngram=ngram))
    copy = items[place % len(items)]
    for text in (copy, f"  {copy}\n"):
        match = index.match(text)
        assert match is not None
        assert match.method == "exact"
        assert key(items[int(match.item)]) == key(copy)


@given(items=st.lists(texts, min_size=1, max_size=8), text=texts, ngram=st.integers(2, 9))
@settings(max_examples=60, deadline=None)
def test_rows_of_words_are_those_of_the_plain_rule(items: list[str], text: str, ngram: int):
    index = Index(
        [Item("s", "0", item) for item in [*items, text[: len(text) // 2]]], Options(ngram=ngram, boilerplate=1)
    )

    def rows(of: str) -> set[tuple[str, ...]]:
        split = of.lower().split()
        return {tuple(split[start : start + ngram]) for start in range(len(split) - ngram + 1)}

    shared = any(
        rows(text) & rows(item.text) for item, is_form in zip(index.items, index._is_form, strict=True) if not is_form
    )
    assert not shared or index.match(text) is not None


@given(order=st.randoms(use_true_random=False), text=texts)
@settings(max_examples=25, deadline=None)
def test_the_order_of_items_decides_nothing(order: random.Random, text: str):
    shuffled = list(SUITE)
    order.shuffle(shuffled)
    for asked in (text, FERRY.replace("48", "52"), f"{POLYNOMIAL} Box it.", " ".join(reversed(LIBRARY.split()))):
        one, other = Index(SUITE).match(asked), Index(shuffled).match(asked)
        assert (one and (one.item, one.method, one.score)) == (other and (other.item, other.method, other.score))


@given(st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_can_be_an_item_and_a_question(text: str):
    index = Index([*SUITE, Item("any", "0", text)])
    match = index.match(text)
    assert match is not None or not key(text)
    assert index.match(f"{text} {text}") is None or key(text)


@pytest.mark.parametrize(
    "text",
    [
        "1," * 100_000,
        "aB" * 100_000,
        "$" * 200_000,
        "\\left" * 40_000,
        "e" + "\u0301" * 100_000,
        "中" * 100_000,
        "\ud800 lone surrogates" * 5_000,
        "\0" * 100_000,
        FERRY.replace("a", "e") * 1_000,
    ],
    ids=["numbers", "humps", "dollars", "commands", "accents", "no blanks", "surrogates", "nulls", "long and near"],
)
def test_hostile_texts_take_time_in_proportion(text: str):
    index = Index([*SUITE, Item("any", "0", text[: len(text) // 2])])
    started = time.process_time()
    index.match(text)
    assert time.process_time() - started < 5


def test_an_index_of_nothing_matches_nothing():
    assert Index([]).match(FERRY) is None
    assert Index([Item("s", "0", ""), Item("s", "1", " \u200b ")]).match("\u200b") is None
