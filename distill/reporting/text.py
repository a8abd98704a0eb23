"""How numbers and foreign text are written, the same in every form of the report."""

import unicodedata
from collections.abc import Mapping

from distill.evaluation.metrics import Interval, percent, short_count
from distill.judging import Ledger
from distill.reporting.structure import (
    Comparison,
    CostFacts,
    CostRow,
    ExpectedFacts,
    Flip,
    Flips,
    GenerateFacts,
    ModelScores,
    Report,
    TrainFacts,
)

MOST_CHARACTERS = 120
"""Of a setting that is shown."""
ROLE_NAMES = {"student": "The student", "base": "the base", "teacher": "the teacher"}


def printable(text: object) -> str:
    """Text with every control and format character made visible, line ends and tabs apart.

    Escape sequences would drive a terminal; marks of writing direction would show text in another order than it has.
    """
    return "".join(_visible(character) for character in str(text).replace("\r\n", "\n"))


def _visible(character: str) -> str:
    code = ord(character)
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"<U+{code:04X}>"


def one_line(text: object) -> str:
    """Printable text on one line."""
    return " ".join(printable(text).split())


def listed(value: object) -> str:
    """Plain data as words: mappings and lists separated by commas."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {listed(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(listed(item) for item in value)
    return one_line(value)


def short_value(value: object) -> str:
    """A setting on one line, cut where it is long."""
    told = "none" if value is None else listed(value)
    return told if len(told) <= MOST_CHARACTERS else f"{told[: MOST_CHARACTERS - 3]}..."


def measured_cells(expected: ExpectedFacts) -> list[str]:
    """What was measured beside a published score: score, interval, and whether the two agree."""
    if expected["measured"] is None or expected["ci95"] is None:
        return ["not measured", "", ""]
    return [f"{expected['measured']:.1f}", interval(expected["ci95"]), "yes" if expected["agrees"] else "no"]


def interval(ci95: Interval) -> str:
    """An interval of shares as ``[56.4, 67.3]``, in percent."""
    return f"[{100 * ci95[0]:.1f}, {100 * ci95[1]:.1f}]"


def duration(seconds: float) -> str:
    """Seconds as ``48 s``, ``3 min 12 s`` or ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def p_value(p: float) -> str:
    """A p-value as ``p = 0.032`` or ``p < 0.001``."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def points(comparison: Comparison) -> str:
    """A difference as ``+41.0 points [34.2, 47.8], p < 0.001``."""
    difference = 100 * comparison["difference"]
    return f"{difference:+.1f} points {interval(comparison['ci95'])}, {p_value(comparison['p'])}"


def headline(report: Report) -> str:
    """The outcome in one sentence: what the student scores on the first suite, or how far the run is."""
    models = report["models"]
    if "student" not in models:
        return _progress(report)
    suite = next(iter(report["suites"]))
    sentence = f"The student solves {score(models['student'])} of {suite}"
    others = [f"{ROLE_NAMES[role]} {score(models[role])}" for role in ("base", "teacher") if role in models]
    return "; ".join([sentence, *others]) + "."


def _progress(report: Report) -> str:
    if report["suites"]:
        return "Measured, but not the student: there is nothing to compare yet."
    if report["train"]:
        return "The student is trained, and not measured yet."
    if report["filter"]:
        return "The traces are filtered, and no student is trained yet."
    return "The teacher was sampled, and nothing is filtered yet."


def score(scores: ModelScores) -> str:
    """A score with its interval: ``62.0 % [56.4, 67.3]``."""
    return f"{percent(scores['pass@1'])} {interval(scores['ci95'])}"


def settings(scores: ModelScores) -> str:
    """What else a score depends on."""
    asked = f"form {scores['format']}, prompts {scores['prompt_digest']}"
    return f"engine {scores['engine']}, {scores['identity']}, {asked}, {listed(scores['sampling'])}"


def comparison_sentences(comparisons: Mapping[str, Comparison]) -> list[str]:
    """Each comparison in a sentence."""
    sentences: list[str] = []
    for pair, comparison in comparisons.items():
        first, second = pair.split("-", 1)
        against = f"{ROLE_NAMES[first]} against {ROLE_NAMES[second]}"
        sentences.append(f"{against}: {points(comparison)} (paired t test, {comparison['problems']:,} problems).")
    return sentences


def flips_sentence(flips: Flips) -> str:
    """How many problems flipped either way."""
    return (
        f"The student solves {flips['gained']:,} problems that the base does not, and fails {flips['lost']:,} that the "
        f"base solves."
    )


def flip_parts(flip: Flip) -> list[tuple[str, str]]:
    """What is shown of a problem that flipped, part by part under its title; a part may be empty."""
    base, student = flip["base"], flip["student"]
    return [
        ("Problem", flip["prompt"]),
        ("Reference", flip["reference"]),
        ("The base thought", base["thinking"]),
        ("The base answered", base["answer"]),
        ("The student thought", student["thinking"]),
        ("The student answered", student["answer"]),
    ]


def generate_sentence(facts: GenerateFacts) -> str:
    """What the teacher did, and what it took."""
    parts = [f"{facts['traces']:,} traces of {facts['problems']:,} problems"]
    if facts["accepted"] is not None:
        parts.append(f"{percent(facts['accepted'])} correct")
    if facts["solved_problems"] is not None:
        parts.append(f"{percent(facts['solved_problems'])} of the problems solved at least once")
    kinds = ("unverifiable", "unjudged", "errors")
    parts += [f"{facts[kind]:,} {'failed requests' if kind == 'errors' else kind}" for kind in kinds if facts[kind]]
    if timeouts := facts["verify"]["timeouts"]:
        parts.append(f"{timeouts:,} verdicts cut off by the deadline")
    return f"{', '.join(parts)}; {_cost(facts)}{_judge_cost(facts['verify'])}."


def _judge_cost(ledger: Ledger) -> str:
    if not ledger["asked"]:
        return ""
    tokens = short_count(ledger["prompt_tokens"] + ledger["completion_tokens"])
    return f"; a judge was asked about {ledger['asked']:,} replies: {ledger['requests']:,} requests, {tokens} tokens"


def _cost(facts: GenerateFacts) -> str:
    tokens = facts["prompt_tokens"] + facts["completion_tokens"]
    spent = f"{short_count(tokens)} tokens ({short_count(facts['completion_tokens'])} of them generated)"
    if not facts["seconds"]:
        return spent
    rate = facts["completion_tokens"] / facts["seconds"]
    return f"{spent} in {duration(facts['seconds'])}, {short_count(rate)} generated a second"


def cost_cells(row: CostRow) -> list[str]:
    """A stage's costs as the cells of a table's row; `COST_TITLES` heads it."""
    counts = [f"{row[key]:,}" for key in ("requests", "retries", "cancelled")]
    tokens = [short_count(row[key]) for key in ("prompt_tokens", "cached_tokens", "completion_tokens", "wasted_tokens")]
    return [*counts, *tokens, f"{row['gpu_hours']:.2f}", dollars(row["dollars"]) if row["dollars"] else "-"]


COST_TITLES = ("requests", "retries", "cancelled", "prompt", "cached", "completion", "wasted", "GPU hours", "cost")


def dollars(amount: float) -> str:
    """Money: whole cents, or three digits where it is less."""
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:.3g}"


def kept_sentence(cost: CostFacts) -> str:
    """What a kept trace took; empty if none is kept."""
    if cost["tokens_per_kept"] is None:
        return ""
    price = "" if cost["dollars_per_kept"] is None else f" and {dollars(cost['dollars_per_kept'])}"
    return f"A kept trace took {short_count(cost['tokens_per_kept'])} of the teacher's tokens{price}."


def train_sentence(facts: TrainFacts) -> str:
    """How the student learned, as far as is known."""
    parts = [f"{facts[key]:,} {key}" for key in ("steps", "examples") if facts[key] is not None]
    if facts["tokens"] is not None:
        parts.append(f"{short_count(facts['tokens'])} tokens")
    if facts["method"] is not None:
        parts.append(f"method {facts['method']}")
    if facts["log"]:
        loss = facts["final_loss"]
        parts.append("the loss is not finite" if loss is None else f"last loss {loss:.3f}")
    took = f"{duration(facts['seconds'])}" if facts["seconds"] else ""
    sentence = ", ".join(part for part in (*parts, took) if part) or "started"
    return sentence + "."
