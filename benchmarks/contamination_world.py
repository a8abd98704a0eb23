"""A synthetic world for `benchmarks/contamination.py`: five suites, fresh problems, and problems taken from them."""

import itertools
import random
from dataclasses import dataclass
from typing import NamedTuple

SUITES = {"aime24": 30, "aime25": 30, "math500": 500, "gpqa": 198, "lcb": 1000}
PLANTED = 200
"""Problems of each kind of plant."""
_ONSETS = "b c d f g h j k l m n p r s t v w z br cl dr fl gr pl pr st tr sh ch th".split()
_NUCLEI = "a e i o u ai ea oo ou".split()
_CODAS = ["", "n", "r", "s", "t", "l", "m", "ck", "nd", "rt", "st"]
_SMALL = (
    "the of a and to in is that for with on are be at as it by from this which each if has have or an not its than "
    "how many much when then there all one two find what number total so every between least most given such let"
).split()
_STOCK = (
    "Find the number of ordered pairs of positive integers such that",
    "How many more does each of them have than the others in total?",
    "Express your answer as a common fraction in simplest form.",
    "What is the remainder when the result is divided by",
    "You are given an array of integers and have to return",
    "Which of the following statements about the system is correct?",
)


class Made(NamedTuple):
    """A problem, and how it came to be: taken from a suite in some way, or fresh."""

    text: str
    planted: str


@dataclass
class World:
    """Problems to check and suites to check them against."""

    problems: list[Made]
    suites: dict[str, list[str]]


class Writer:
    """Writes texts whose words are as unevenly frequent as those of a language (Zipf), with numbers and names."""

    def __init__(self, rng: random.Random, num_words: int = 12_000) -> None:
        self.rng = rng
        syllables = ["".join(parts) for parts in itertools.product(_ONSETS, _NUCLEI, _CODAS)]
        made: dict[str, None] = {}
        while len(made) < num_words:
            made["".join(rng.choices(syllables, k=rng.choice((1, 2, 2, 3))))] = None
        self.words = list(made)
        self._cumulative = list(itertools.accumulate(1 / (rank + 30) for rank in range(num_words)))

    def content(self, count: int) -> list[str]:
        """Words that carry meaning."""
        return self.rng.choices(self.words, cum_weights=self._cumulative, k=count)

    def sentence(self) -> str:
        """Half of its words small ones, some numbers, now and then a name."""
        size = self.rng.randint(7, 16)
        content = iter(self.content(size))
        words: list[str] = []
        for _ in range(size):
            drawn = self.rng.random()
            if drawn < 0.45:
                words.append(self.rng.choice(_SMALL))
            elif drawn < 0.53:
                words.append(str(self.rng.choice((self.rng.randint(2, 12), self.rng.randint(13, 2000)))))
            else:
                word = next(content)
                words.append(word.capitalize() if drawn > 0.95 else word)
        return " ".join(words).capitalize() + "."

    def text(self, least: int = 20, most: int = 200) -> str:
        """A problem of so many words, with a stock phrase in every tenth."""
        wanted, parts, size = self.rng.randint(least, most), [], 0
        if self.rng.random() < 0.1:
            parts.append(self.rng.choice(_STOCK))
        while size < wanted:
            parts.append(self.sentence())
            size = sum(len(part.split()) for part in parts)
        return " ".join(" ".join(parts).split()[:wanted])

    def reworded(self, text: str) -> str:
        """Sentences in another order, a fifth of the words replaced, names and numbers kept."""
        sentences = text.split(". ")
        self.rng.shuffle(sentences)
        words = ". ".join(sentences).split()
        return " ".join(
            self.content(1)[0] if word.islower() and self.rng.random() < 0.2 else word
            for word in itertools.chain.from_iterable(
                sorted(words[start : start + 6], key=lambda _: self.rng.random()) for start in range(0, len(words), 6)
            )
        )

    def renumbered(self, text: str) -> str:
        """Every number another."""
        return " ".join(str(int(word) + self.rng.randint(1, 9)) if word.isdigit() else word for word in text.split())


def make_world(num_problems: int, seed: int = 0) -> World:
    """Five suites, a tenth of whose items are short, and problems: most of them fresh, some taken from the suites."""
    rng = random.Random(seed)
    writer = Writer(rng)
    suites = {
        suite: [writer.text(5, 7) if rng.random() < 0.1 else writer.text() for _ in range(size)]
        for suite, size in SUITES.items()
    }
    items = list(itertools.chain.from_iterable(suites.values()))
    short = [item for item in items if len(item.split()) < 8]
    long = [item for item in items if len(item.split()) >= 20]
    numbered = [item for item in long if any(word.isdigit() for word in item.split())]
    made = [Made(rng.choice(long), "copied") for _ in range(PLANTED)]
    made += [Made(rng.choice(long).upper().replace(" ", " \n"), "recased") for _ in range(PLANTED)]
    made += [Made(writer.renumbered(rng.choice(numbered)), "numbers swapped") for _ in range(PLANTED)]
    made += [Made(writer.reworded(rng.choice(long)), "reworded") for _ in range(PLANTED)]
    made += [
        Made(f"{writer.text(20, 60)} {rng.choice(long)} {writer.sentence()}", "inside a longer text")
        for _ in range(PLANTED)
    ]
    made += [Made(rng.choice(short), "short, copied") for _ in range(PLANTED)]
    made += [Made(writer.text(), "fresh") for _ in range(max(0, num_problems - len(made)))]
    rng.shuffle(made)
    return World(made[:num_problems], suites)
