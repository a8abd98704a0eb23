"""Thoughts that slip into another language: a foreign script, or whole lines in a foreign tongue.

Foreign is what the problem itself is not written in. Mathematics is at home everywhere: Greek letters, single letters
of any alphabet, units, double-struck sets. Text *about* foreign words is not a slip: what stands in quotes or brackets,
is introduced as a word, a name or a translation, or is followed by how it is spoken. Not seen: a single foreign word in
the problem's own script, and lines of fewer than eight words.
"""

# ruff: noqa: RUF001, RUF002  (signs of every script are what this module is about)

import re
from collections.abc import Iterator
from typing import NamedTuple

from distill.selectors import Candidate, Context, Drop, Gate

REASON = "mixes languages"
SHOWN = 60
"""Characters of the passage that a detail shows."""
CUE_REACH = 60
"""Characters before a passage in which a word such as `means` makes it text about that passage."""
LONGEST_MENTION = 60
"""Letters. What is longer is a passage, even in quotes."""
SHORTEST_SHARE = 24
"""Letters. Fewer are no share of anything: a short answer may be one quoted word."""
NUM_WORDS_OF_LINE = 8
SHARE_OF_FUNCTION_WORDS = 0.3
"""Of the words of a line, above which it is in that language: running prose has 35 to 55 in 100."""

# Dense scripts say with a sign what an alphabet says with a few letters.
_DENSE = {
    "Han": "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "kana": "\u3041-\u30ff",
    "Hangul": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7af",
}
_ALPHABETS = {
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Cyrillic": "\u0400-\u052f",
    "Armenian": "\u0531-\u058f",
    "Hebrew": "\u0590-\u05ff",
    "Arabic": "\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff",
    "an Indian script": "\u0900-\u0dff",
    "Thai": "\u0e00-\u0e7f",
    "Lao": "\u0e80-\u0eff",
    "Tibetan": "\u0f00-\u0fff",
    "Burmese": "\u1000-\u109f",
    "Georgian": "\u10a0-\u10ff",
    "Ethiopic": "\u1200-\u137f",
    "Khmer": "\u1780-\u17ff",
}
_SCRIPTS = {name: re.compile(f"[{letters}]") for name, letters in {**_DENSE, **_ALPHABETS}.items()}
_DENSE_LETTER = re.compile(f"[{''.join(_DENSE.values())}]")
_RUN = re.compile(f"[{''.join(_DENSE.values())}]+|[{''.join(_ALPHABETS.values())}]{{2,}}")
_ASCII = re.compile(r"[\x00-\x7f]+")
_KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa]")
_GREEK_RUN = re.compile("[\u0370-\u03ff\u1f00-\u1fff]+")
_GAP = re.compile(r"[^\n\w]*\d{0,6}[^\n\w]*")
_MAX_GAP = 8
"""Characters between two runs of one passage: blanks, digits, punctuation."""

_OPENING = "\"'`“‘«‹„「『《〈（【([{<*_"
_CLOSING = "\"'`”’»›“」』》〉）】)]}>*_"
_CUE = re.compile(
    r"\b(?:words?|titles? (?:of|is|was)|characters?|letters?|symbols?|signs?|strings?|terms?|phrases?|names?|named|"
    r"called|means?|meaning|translat\w+|pronounce\w*|written|writes?|spell\w*|says|saying|reads?|unicode|alphabet|script|"
    r"language|kanji|hanzi|pinyin|kana|hangul|Chinese|Japanese|Korean|Russian|Greek|Hebrew|Arabic|Hindi|Thai|Cyrillic)\b",
    re.IGNORECASE,
)
_SPOKEN = re.compile(r"\s*(?:\(\s*['\"“‘]?[a-zA-ZÀ-ɏ]|(?:means|is the (?:word|character|letter))\b|=\s*['\"“])")

_SPOKEN_IN = {
    "Chinese": ("Han",),
    "Mandarin": ("Han",),
    "Cantonese": ("Han",),
    "Japanese": ("kana",),
    "Korean": ("Hangul", "Han"),
    "Russian": ("Cyrillic",),
    "Ukrainian": ("Cyrillic",),
    "Bulgarian": ("Cyrillic",),
    "Serbian": ("Cyrillic",),
    "Greek": ("Greek",),
    "Hebrew": ("Hebrew",),
    "Arabic": ("Arabic",),
    "Persian": ("Arabic",),
    "Urdu": ("Arabic",),
    "Hindi": ("an Indian script",),
    "Sanskrit": ("an Indian script",),
    "Bengali": ("an Indian script",),
    "Tamil": ("an Indian script",),
    "Thai": ("Thai",),
    "Armenian": ("Armenian",),
    "Georgian": ("Georgian",),
}
_NAMES = "|".join([*_SPOKEN_IN, "German", "French", "Spanish", "Portuguese", "Italian", "Dutch"])
_NAMED = re.compile(rf"\b({_NAMES})\b", re.IGNORECASE)
_TRANSLATES = re.compile(rf"\btranslat\w*\b[^.?!]*\b(?:{_NAMES})\b", re.IGNORECASE)
_WANTED = re.compile(
    rf"\b(?:in|into|using) ({_NAMES})(?=\s*(?:[.,:;?!)\"']|please|and\b|or\b|$))|"
    rf"\b({_NAMES}) (?:words?|characters?|letters?|sentences?|phrases?|verbs?|nouns?|grammar|alphabet|language|"
    r"translations?|proverbs?|idioms?|poems?|haikus?|titles?|spellings?|originals?|equivalents?)\b",
    re.IGNORECASE,
)

_FUNCTION_WORDS = {
    "German": "der die das und ist nicht ein eine einen einem dem den des mit für auf wir sich auch wenn dann aber "
    "oder sind wird werden haben hat kann können muss müssen also ich es zu im von bei durch nach als noch nur zum zur",
    "French": "le la les des est et une un dans que qui pour pas sur avec nous vous il elle sont être donc mais ou où "
    "cette ces au aux du plus par ce se ne je peut doit avons alors si soit",
    "Spanish": "el la los las es y una un en que por para con no se del al como más pero entonces son está este esta "
    "estos lo su si ya hay tiene tenemos debe podemos cuando también o",
    "Portuguese": "o os as é e uma um em que por para com não se do da dos das ao como mais mas então são está este "
    "esta isso seu sua já tem temos deve podemos quando também ou na no",
    "Italian": "il lo la gli le è e una un in che per con non si del della dei delle al come più ma allora sono questo "
    "questa quindi suo sua ha abbiamo deve possiamo quando anche o nel nella di da",
    "Dutch": "de het een en is niet van op te dat die met voor zijn we wij ook als dan maar of wordt worden heeft "
    "kan moet dus ik er naar door bij nog om aan uit deze dit",
    "English": "the of and to in is that it for as with was are be this by not or have from at which but we can so if "
    "there then has all an were their one would will when what i",
}
_LANGUAGES = {name: frozenset(words.split()) for name, words in _FUNCTION_WORDS.items()}
_OF_WORD = {
    word: tuple(name for name, words in _LANGUAGES.items() if word in words)
    for word in frozenset[str]().union(*_LANGUAGES.values())
}
_ALSO_ENGLISH = frozenset("also al come da dan de des die do es la le man no non op per plus se si un van".split())
_TELLING = frozenset(
    word
    for words in (words for name, words in _LANGUAGES.items() if name != "English")
    for word in words - _LANGUAGES["English"] - _ALSO_ENGLISH
    if len(word) > 1  # a letter is a variable
)
NUM_TELLING = 3
"""Different words in a line that only a language other than English has."""
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|`[^`\n]*`|\*[^*\n]*\*")
_WORD = re.compile(r"[^\W\d_]+")


class Passage(NamedTuple):
    """Something foreign in a text."""

    begins: int
    text: str
    letters: float
    """Of the foreign script; those of an alphabet count half."""
    is_mention: bool
    """Whether the text is about it."""


def language(*, max_letters: int = 3, max_share: float = 0.2) -> Gate:
    """Keep traces whose thought and answer stay in the languages of their problem, or in English.

    Args:
        max_letters: Signs of a foreign Chinese, Japanese or Korean script that may stand free in the text; of an
            alphabet twice as many letters.
        max_share: Of all letters, how many may be of a foreign script even where the text is about them.
    """

    def gate(candidate: Candidate, context: Context) -> Drop | None:
        trace = candidate.trace
        for part, text in (("thought", trace.thinking), ("answer", trace.answer)):
            if found := slip(text, candidate.problem.prompt, max_letters, max_share):
                shown = found.text if len(found.text) <= SHOWN else found.text[: SHOWN - 3] + "..."
                return Drop(REASON, f"{shown!r} at character {found.begins} of the {part}")
        return None

    return gate


def slip(text: str, prompt: str, max_letters: int = 3, max_share: float = 0.2) -> Passage | None:
    """The first passage of a text in a language that its problem is not written in. The options are the gate's.

    Example:
        >>> slip("So 11 + 6 = 17. 随后，他看到 2 of them.", "How many are left?").text
        '随后，他看到'
        >>> slip('The character for zero is "零" (ling).', "How many are left?") is None
        True
    """
    # Of a text in English little is left, and the searches below are slow
    beyond = "" if text.isascii() else _ASCII.sub(" ", text)
    if _RUN.search(beyond):
        passages = list(_foreign_script(text, prompt))
        free = [passage for passage in passages if not passage.is_mention]
        if sum(passage.letters for passage in free) > max_letters:
            return max(free, key=lambda passage: passage.letters)
        num_letters = sum(passage.letters for passage in passages)
        if num_letters > SHORTEST_SHARE and num_letters > max_share * sum(map(str.isalpha, text)):
            return max(passages, key=lambda passage: passage.letters)
    is_dense = 4 * len(_DENSE_LETTER.findall(beyond)) > len(text) - len(beyond)
    return _foreign_line(text, prompt, is_dense)


def _foreign_script(text: str, prompt: str) -> Iterator[Passage]:
    home = {name for name, letter in _SCRIPTS.items() if not prompt.isascii() and letter.search(prompt)}
    home.update(*(_SPOKEN_IN.get(name, ()) for name in _asked_for(prompt)))
    if "kana" in home:  # Japanese is written in both
        home.add("Han")
    begins = ends = -1
    for run in _RUN.finditer(text):
        if _is_at_home(run[0], home):
            continue
        if ends >= 0 and run.start() - ends <= _MAX_GAP and _GAP.fullmatch(text, ends, run.start()):
            ends = run.end()
            continue
        if ends >= 0:
            yield _passage(text, begins, ends)
        begins, ends = run.span()
    if ends >= 0:
        yield _passage(text, begins, ends)


def _is_at_home(run: str, home: set[str]) -> bool:
    if _GREEK_RUN.fullmatch(run):
        # Products of variables are short and bear no accents
        return "Greek" in home or len(run) < 4 or not re.search("[ά-ώἀ-῾]", run)
    if _KANA.search(run):  # signs of Chinese stand in Japanese too, but not the other way round
        return "kana" in home
    return any(_SCRIPTS[name].search(run) for name in home)


def _asked_for(prompt: str) -> set[str]:
    """The languages that a problem is about, or wants to be answered in."""
    if _TRANSLATES.search(prompt):
        return {found.capitalize() for found in _NAMED.findall(prompt)}
    return {name.capitalize() for found in _WANTED.findall(prompt) for name in found if name}


def _passage(text: str, begins: int, ends: int) -> Passage:
    passage = text[begins:ends]
    num_dense = len(_DENSE_LETTER.findall(passage))
    letters = num_dense + (sum(map(str.isalpha, passage)) - num_dense) / 2
    is_mention = letters <= LONGEST_MENTION and _is_mention(text, begins, ends)
    return Passage(begins, passage, letters, is_mention)


def _is_mention(text: str, begins: int, ends: int) -> bool:
    before, after = text[max(begins - CUE_REACH, 0) : begins], text[ends : ends + CUE_REACH]
    opened, closed = before.rstrip("\\ ~")[-1:], after.lstrip("\\ ~.,!?。，！？")[:1]
    if opened and closed and opened in _OPENING and closed in _CLOSING:
        return True
    # A cue in the sentence before is of no avail
    sentence = re.split(r"[.!?]\s|\n\n", before)[-1]
    return bool(_CUE.search(sentence) or _SPOKEN.match(after))


def _foreign_line(text: str, prompt: str, is_dense: bool) -> Passage | None:
    if not is_dense and sum(map(_TELLING.__contains__, text.lower().split())) < NUM_TELLING:
        return None
    home = set[str]() if is_dense else {"English"}
    home |= _asked_for(prompt)
    home |= {name for name in _LANGUAGES if _share(prompt, name) > SHARE_OF_FUNCTION_WORDS / 2}
    position = 0
    for line in text.splitlines(keepends=True):
        found = _tongue(line)
        if found is not None and found not in home:
            return Passage(position, line.strip(), len(line), False)
        position += len(line)
    return None


def _share(text: str, name: str) -> float:
    words = _WORD.findall(_QUOTED.sub(" ", text.lower()))
    return sum(map(_LANGUAGES[name].__contains__, words)) / len(words) if words else 0.0


def _tongue(line: str) -> str | None:
    """The language that a line is in, if it is long enough to tell."""
    if line.count(" ") + 1 < NUM_WORDS_OF_LINE:
        return None
    words = [word for word in _WORD.findall(_QUOTED.sub(" ", line.lower())) if word.isascii() or len(word) > 1]
    if len(words) < NUM_WORDS_OF_LINE:
        return None
    counts = dict.fromkeys(_LANGUAGES, 0)
    for word in words:
        for name in _OF_WORD.get(word, ()):
            counts[name] += 1
    name = max(counts, key=lambda name: counts[name])
    if counts[name] / len(words) <= SHARE_OF_FUNCTION_WORDS:
        return None
    is_sure = name == "English" or len(_TELLING & _LANGUAGES[name] & set(words)) >= NUM_TELLING
    return name if is_sure else None
