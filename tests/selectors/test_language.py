"""The gate on mixed languages: what slips, and what is only text about foreign words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.selectors.language import language, slip
from tests.selectors.replies import reply

# ruff: noqa: RUF001  (signs of every script are what these tests are about)

ENGLISH = "How many tadpoles are left in the pond?"
CHINESE = "五加七等于多少？"
GERMAN = "Was ist die Summe von 5 und 7, und warum ist das nicht gleich 13?"

SLIPS = {
    "Chinese": ("So x = 5. 我们需要检查一下这个结果 and then we go on.", "我们需要检查一下这个结果"),
    "Chinese with digits inside": ("It is \\(6 + 7 = 13\\).然后，它又加了2个 more frogs.", "然后，它又加了2个"),
    "Chinese words, here and there": ("The total is 因此 5, and 所以 we have 7.", "因此"),
    "Chinese brackets do not hide a long passage": ("Now (" + "我们需要检查一下这个结果" * 6 + ") go on.", None),
    "Japanese": ("Then we add them. これは正しいです。 So 7.", "これは正しいです"),
    "Korean": ("Now 그러므로 답은 칠입니다 so seven.", "그러므로 답은 칠입니다"),
    "Russian": ("Then 5. Таким образом, ответ равен пяти. So 5.", "Таким образом, ответ равен пяти"),
    "Arabic": ("ok then الجواب هو خمسة so five", "الجواب هو خمسة"),
    "Thai": ("Then we have ดังนั้นคำตอบคือห้า so five", None),
    "Hindi": ("Then we have इसलिए उत्तर पाँच है so five", None),
    "Greek prose": ("Then άρα έχουμε ότι το άθροισμα είναι δώδεκα so", None),
    "German": ("First.\nAlso müssen wir die Summe von 5 und 7 mit dem Wert auf der Seite vergleichen.\nSo.", None),
    "French": ("First.\nNous avons donc que la somme est égale à douze pour cette équation avec deux.\n", None),
    "Spanish": ("First.\nEntonces tenemos que la suma de los números es igual a doce para este problema.\n", None),
    "Portuguese": ("First.\nEntão temos que a soma dos números é igual a doze para este problema com mais.\n", None),
    "Italian": ("First.\nQuindi abbiamo che la somma dei numeri è uguale a dodici per questo problema.\n", None),
    "Dutch": ("First.\nDus we hebben dat de som van het getal niet gelijk is aan twaalf en dit ook.\n", None),
}


@pytest.mark.parametrize(("text", "passage"), SLIPS.values(), ids=SLIPS)
def test_a_slip_is_found_and_shown(text: str, passage: str | None):
    found = slip(text, ENGLISH)
    assert found is not None
    assert passage is None or found.text == passage
    assert text[found.begins :].startswith(found.text)


def test_a_chinese_problem_that_slips_into_japanese_is_seen():
    assert slip("まず面積を計算します。次に答えを出します。", "求三角形的面积") is not None
    assert slip("约翰・史密斯有五个苹果。", "约翰有几个苹果？") is None


def test_letters_of_an_alphabet_count_half_over_all_of_a_text():
    assert slip("I am אני בטוח here.", ENGLISH) is not None, "seven letters in two words"
    assert slip("I am אני בטו here.", ENGLISH) is None


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Translate into Russian: the cat sleeps.", "So it is: Кошка спит на тёплом подоконнике."),
        ("What is the plural of the Arabic word kitab?", "kitab is كتاب and its broken plural كتب of course"),
        ("Which novel is it? Give the Russian title too.", "It begins so: В начале июля, в чрезвычайно жаркое время."),
        ("What is the difference between は and が?", "Contrast: 肉は食べますが、魚は食べません with it."),
        (
            "How do I say 'I am lost' in French?",
            "Then.\nJe suis perdu et je ne sais pas où nous sommes avec les autres.\n",
        ),
    ],
)
def test_a_language_that_the_problem_is_about_is_at_home(prompt: str, text: str):
    assert slip(text, prompt) is None
    assert slip(text, ENGLISH) is not None


@pytest.mark.parametrize(
    "prompt",
    [
        "Use the Chinese remainder theorem in words.",
        "A Chinese and a Japanese student share 5 apples. Who has more?",
        "A Chinese lab accelerates particles to 0.9c. Find gamma.",
        "What is the plural of ox? A Chinese farmer has 5 oxen.",
        "In Chinese class there are 30 students; each learns 12 verbs.",
    ],
)
def test_a_name_alone_brings_no_language_home(prompt: str):
    assert slip("So x = 5. 我们需要检查一下这个结果 and then we go on.", prompt) is not None


MENTIONS = {
    "quoted": 'The phrase "随后他看到" means that he then saw.',
    "in Chinese quotes": "It is the proverb 「三人行必有我師」 of Confucius.",
    "in brackets": "This is the game of Go (围棋), played on a board.",
    "with how it is spoken": "So the sign for zero is 零 (líng), which does not help.",
    "introduced as a word": "The Russian word Кси is Xi; the Japanese name is さくら then.",
    "a title": "It was in the title of the book of 820, الكتاب المختصر, then.",
    "one sign": "Perhaps the user typed 三 there by accident.",
    "letters of mathematics": "Let αβγδ = 4, ΔABC ~ ΔDEF, ∠αβγ, 5 μm, 3 kΩ, πr²h, φ(n), ζ(2), Ξ(s), x ∈ ℝ, ℵ₀, 𝑥², Å.",
    "a group of one letter": "The group Ш(E) is finite, Ш(E) again, and so is Ш(F).",
    "names": "Poincaré, Erdős, Gödel, Łukasiewicz, Nguyễn, Hölder; a naïve café.",
    "a quoted sentence": 'He said "Je ne sais pas ce que nous avons fait pour cette équation avec les nombres" then.',
    "variables": "Let a e i o u be as in de la. Do come also, plus le un es, a = e = o, per man and die.\n" * 5,
    "equations": "Therefore, h is -3, k is 2, a is 12, b is 5, e is 7, o is 9, y is 2, i is 3.\n" * 5,
    "emoji and signs": "Done ✓ → 🙂 — “so” … × ÷ ≈",
}


@pytest.mark.parametrize("text", MENTIONS.values(), ids=MENTIONS)
def test_text_about_foreign_words_passes(text: str):
    assert slip(text, ENGLISH) is None


def test_the_language_of_the_problem_is_at_home():
    assert slip("我们需要计算这个总和。首先,五加七等于十二。", CHINESE) is None
    assert (
        slip("The question asks for the sum, 总和, of both numbers, which we add: 五加七 is 5 + 7 = 12.", CHINESE)
        is None
    )
    assert slip("Wir müssen also die Summe von 5 und 7 mit dem Wert auf der Seite vergleichen.", GERMAN) is None
    assert slip("So we need the sum of both of the numbers, and that is all.", GERMAN) is None


def test_a_third_language_is_not():
    assert slip("我们需要计算这个总和. Таким образом, ответ равен двенадцати.", CHINESE) is not None
    assert slip("Nous avons donc que la somme est égale à douze pour cette équation avec deux.", GERMAN) is not None


def test_english_inside_a_chinese_thought_is_a_slip():
    thought = "我们需要计算这个总和。\n" * 6 + "So we need to find the sum of all of the numbers in the list.\n"
    found = slip(thought, CHINESE)
    assert found is not None
    assert found.text.startswith("So we need")


def test_too_much_of_what_is_talked_about_is_too_much():
    text = "It says " + ", ".join(f"«正确的答案是{number}»" for number in "一二三四五六") + "."
    assert slip(text, ENGLISH) is not None
    assert slip(text, ENGLISH, max_share=1.0) is None


def test_the_detail_shows_the_passage_and_the_options_move_the_bound():
    seen = reply("So 6. 随后我们 go on.", "6", prompt=ENGLISH)
    drop = language()(seen, None)
    assert drop == ("mixes languages", "'随后我们' at character 6 of the thought")
    assert language(max_letters=4)(seen, None) is None
    assert language()(reply("So 6.", "它是六个。", prompt=ENGLISH), None).detail.endswith("of the answer")


@given(st.text(), st.text())
def test_no_text_breaks_it(text: str, prompt: str):
    slip(text, prompt)


@given(st.text(alphabet=st.characters(max_codepoint=0x7F)))
def test_signs_and_letters_of_ascii_alone_are_no_slip(text: str):
    assert slip(" ".join(text), ENGLISH) is None
