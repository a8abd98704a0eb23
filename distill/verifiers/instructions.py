"""Does a reply keep to constraints that can be checked: how many words, which words, which form. No model is asked.

The idea is IFEval's (Zhou et al. 2023, arXiv:2311.07911); kinds, problems and checks are our own. A constraint is a
mapping with its ``kind`` and what it takes, in ``problem.metadata["constraints"]``:

    {"kind": "words", "max": 30}      {"kind": "avoid", "texts": ["very"]}      {"kind": "json", "keys": ["name"]}
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from distill.errors import DataError
from distill.types import Judgement, Problem
from distill.verifiers.extraction import MAX_SHOWN

MAX_READ = 50_000
"""Characters of a reply; a longer one keeps to nothing."""
FOREVER = 10**9

Options = Mapping[str, Any]
Check = Callable[[str, Options], str]
"""Gives what is wrong with a text; nothing if it keeps to the constraint."""

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")  # noqa: RUF001
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")
_BULLET = re.compile(r"^[-*] +\S")
_NUMBERED = re.compile(r"^(\d{1,4})[.)] +\S")
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)
_SLOT = re.compile(r"\[[^\[\]\n]{1,80}\]")


class InstructionsVerifier:
    """Judges a reply by its problem's constraints: it is correct if it keeps to every one."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge a reply; the reason names the first constraint that it breaks."""
        try:
            checks = read(problem.metadata.get("constraints"))
        except DataError as error:
            return Judgement(outcome="unverifiable", method="constraints", reason=str(error)[:MAX_SHOWN])
        text = answer.strip()
        if not text:
            return Judgement(outcome="incorrect", method="constraints", reason="no answer")
        shown = text[:MAX_SHOWN]
        if len(text) > MAX_READ:
            return Judgement(outcome="incorrect", extracted=shown, method="constraints", reason="too long to be read")
        for check, options in checks:
            if fault := check(text, options):
                return Judgement(outcome="incorrect", extracted=shown, method="constraints", reason=fault[:MAX_SHOWN])
        return Judgement(outcome="correct", extracted=shown, method="constraints")


def read(constraints: object) -> list[tuple[Check, Options]]:
    """The checks that constraints mean.

    Raises:
        DataError: If there is none, or one is of no known kind, or lacks what its kind takes.
    """
    if not isinstance(constraints, Sequence) or isinstance(constraints, str) or not constraints:
        raise DataError("the problem has no constraints: a list of mappings with their kind is needed")
    checks: list[tuple[Check, Options]] = []
    for constraint in cast(Sequence[Any], constraints):
        kind: Any = constraint.get("kind") if isinstance(constraint, Mapping) else None
        if kind not in KINDS:
            raise DataError(f"no constraint of kind {kind!r}; the kinds are {', '.join(KINDS)}")
        check, options = KINDS[kind], {k: v for k, v in cast(Options, constraint).items() if k != "kind"}
        try:
            check("probe", options)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(f"constraint {kind!r} cannot be read: {type(error).__name__}: {error}") from None
        checks.append((check, options))
    return checks


def _between(number: int, what: str, options: Options) -> str:
    low, high = int(options.get("min", 0)), int(options.get("max", FOREVER))
    if low <= number <= high:
        return ""
    wanted = f"at least {low}" if number < low else f"at most {high}"
    return f"has {number} {what}, not {wanted}"


def _counted(count: Callable[[str], int], what: str) -> Check:
    return lambda text, options: _between(count(text), what, options)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _sentences(text: str) -> int:
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    return len(ends) + bool(text[ends[-1] if ends else 0 :].strip())


def _numbered(text: str, options: Options) -> str:
    numbers = [int(found[1]) for line in _lines(text) if (found := _NUMBERED.match(line))]
    if numbers != list(range(1, len(numbers) + 1)):
        return "its list is not numbered from 1 on"
    return _between(len(numbers), "numbered points", options)


def _occurrences(text: str, wanted: str) -> int:
    # word borders only where the wanted text begins and ends with a word
    left = r"(?<![^\W_])" if wanted[:1].isalnum() else ""
    right = r"(?![^\W_])" if wanted[-1:].isalnum() else ""
    return len(re.findall(left + re.escape(wanted) + right, text, re.IGNORECASE))


def _include(text: str, options: Options) -> str:
    wanted = str(options["text"])
    return _between(_occurrences(text, wanted), f"times {wanted!r}", {"min": 1, **options})


def _avoid(text: str, options: Options) -> str:
    found = [unwanted for unwanted in options["texts"] if _occurrences(text, str(unwanted))]
    return f"has {found[0]!r}" if found else ""


def _starts(text: str, options: Options) -> str:
    return "" if text.startswith(str(options["text"])) else f"does not start with {options['text']!r}"


def _ends(text: str, options: Options) -> str:
    return "" if text.endswith(str(options["text"])) else f"does not end with {options['text']!r}"


def _case(text: str, options: Options) -> str:
    wanted = {"lower": text.lower(), "upper": text.upper()}[options["to"]]
    return "" if text == wanted else f"is not all {options['to']} case"


def _json(text: str, options: Options) -> str:
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return "is not JSON"
    if not isinstance(found, dict):
        return "is not a JSON object"
    keys, wanted = set(cast(dict[str, object], found)), set(options["keys"])
    return "" if keys == wanted else f"has the keys {', '.join(sorted(keys)) or 'none'}"


def _wrapped(text: str, options: Options) -> str:
    opening, closing = options["in"]
    is_wrapped = len(text) > len(opening) + len(closing) and text.startswith(opening) and text.endswith(closing)
    return "" if is_wrapped else f"is not wrapped in {opening}{closing}"


def _parts(text: str, options: Options) -> str:
    parts = re.split(rf"^{re.escape(str(options['by']))}\s*$", text, flags=re.MULTILINE)
    if any(not part.strip() for part in parts):
        return "has an empty part"
    return "" if len(parts) == options["count"] else f"has {len(parts)} parts, not {options['count']}"


def _acrostic(text: str, options: Options) -> str:
    initials = "".join(line[0] for line in _lines(text)).casefold()
    return "" if initials == str(options["word"]).casefold() else f"its lines begin with {initials!r:.40}"


KINDS: Mapping[str, Check] = {
    "words": _counted(lambda text: len(_WORD.findall(text)), "words"),
    "sentences": _counted(_sentences, "sentences"),
    "paragraphs": _counted(lambda text: len([p for p in re.split(r"\n\s*\n", text) if p.strip()]), "paragraphs"),
    "lines": _counted(lambda text: len(_lines(text)), "lines"),
    "bullets": _counted(lambda text: sum(bool(_BULLET.match(line)) for line in _lines(text)), "bullet points"),
    "digits": _counted(lambda text: sum(char.isdigit() for char in text), "digits"),
    "slots": _counted(lambda text: len(_SLOT.findall(text)), "slots in square brackets"),
    "numbered": _numbered,
    "include": _include,
    "avoid": _avoid,
    "starts": _starts,
    "ends": _ends,
    "case": _case,
    "json": _json,
    "wrapped": _wrapped,
    "parts": _parts,
    "acrostic": _acrostic,
}
