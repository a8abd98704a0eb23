"""Runs to look at: written in a moment, of any size, with formulas, code, right and wrong replies."""

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec

from distill.journal import Journal
from distill.types import Decision, Example, Problem, Trace, Verdict

RECIPE = """\
name: {name}
seed: 0
generate:
  sources: [{{use: jsonl, path: problems.jsonl, verifier: math}}]
  teacher: {{engine: openai, model: any/teacher-32b, base_url: "http://127.0.0.1:1/v1"}}
  format: think
filter:
  select: [structure, correct]
train: {{student: tiny-base}}
"""
FORMATS = ("<think>\n", "\n</think>\n\n")


def problem(number: int) -> tuple[Problem, int, int]:
    """A quadratic with whole roots, and the roots."""
    small, large = number % 7 + 1, number % 11 + number % 7 + 3
    prompt = (
        f"The equation $x^2 - {small + large}x + {small * large} = 0$ has two real roots. "
        f"What is the larger one? (No. {number + 1})"
    )
    known = Problem(
        id=f"{number:012x}", prompt=prompt, verifier="math", reference=str(large), source="quadratics", domain="algebra"
    )
    return known, small, large


def thought(small: int, large: int, *, is_right: bool) -> str:
    total, product = small + large, small * large
    root = large if is_right else small
    check = (
        f"Substituting $x = {root}$ gives ${root}^2 - {total}\\cdot {root} + {product} = 0$, so it fits. "
        + ("Is there a larger one? The other root is " if is_right else "The other root is ")
        + f"${total} - {root} = {total - root}$."
    )
    formula = f"x = \\frac{{{total} \\pm \\sqrt{{{total}^2 - 4 \\cdot {product}}}}}{{2}}."
    return (
        f"By Vieta, the roots have the sum ${total}$ and the product ${product}$.\n\n"
        f"The quadratic formula gives\n\n\\[{formula}\\]\n\n"
        f"The discriminant is ${total}^2 - 4\\cdot {product} = {(large - small) ** 2}$, a square: "
        f"$\\sqrt{{{(large - small) ** 2}}} = {large - small}$.\n\nWait, let me check that in code:\n\n"
        f"```python\nfrom math import isqrt\n\nd = {total} ** 2 - 4 * {product}  # the discriminant\n"
        f"print(({total} + isqrt(d)) // 2)\n```\n\n{check}"
    )


def trace(known: Problem, sample: int, small: int, large: int, *, is_right: bool, model: str, text: str = "") -> Trace:
    thinking = text + thought(small, large, is_right=is_right)
    root = large if is_right else small
    return Trace(
        id=f"{known.id}-{model}-{sample}",
        problem_id=known.id,
        sample=sample,
        teacher=model,
        thinking=thinking,
        answer=f"{text}The larger root is $\\boxed{{{root}}}$.",
        finish_reason="stop",
        prompt_tokens=40,
        completion_tokens=len(thinking) // 4 + sample,
        max_tokens=4096,
        seconds=2.5,
    )


def replies(
    numbers: range, samples: int, model: str, text: str = "", share: float = 0.7
) -> Iterator[tuple[Trace, Verdict]]:
    """Traces with their verdicts."""
    rng = random.Random(model)
    for number in numbers:
        known, small, large = problem(number)
        for sample in range(samples):
            is_right = rng.random() < share
            written = trace(known, sample, small, large, is_right=is_right, model=model, text=text)
            reason = "" if is_right else f"{small} is not {large}"
            yield (
                written,
                Verdict(
                    trace_id=written.id,
                    outcome="correct" if is_right else "incorrect",
                    extracted=str(large if is_right else small),
                    method="exact",
                    reason=reason,
                ),
            )


def write_journals(
    folder: Path, problems: int = 30, samples: int = 4, model: str = "9f3a01bc", text: str = "", share: float = 0.7
) -> list[tuple[Trace, Verdict]]:
    """Problems, traces and verdicts; what a sampler leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    made = list(replies(range(problems), samples, model, text, share))
    Journal(folder / "problems.jsonl", Problem).write_all(problem(number)[0] for number in range(problems))
    Journal(folder / "traces.jsonl", Trace).write_all(written for written, _ in made)
    Journal(folder / "verdicts.jsonl", Verdict).write_all(verdict for _, verdict in made)
    return made


def write_run(folder: Path, problems: int = 30, samples: int = 4, text: str = "") -> None:
    """A run that was generated, filtered and measured."""
    made = write_journals(folder, problems, samples, text=text)
    (folder / "recipe.yaml").write_text(RECIPE.format(name=folder.name))
    decisions: list[Decision] = []
    examples: list[Example] = []
    taught: set[str] = set()
    for written, verdict in made:
        if verdict.outcome != "correct":
            decision = Decision(
                trace_id=written.id, kept=False, step="correct", reason="incorrect", detail=verdict.reason
            )
        elif written.problem_id in taught:
            decision = Decision(
                trace_id=written.id, kept=False, step="per_problem", reason="more than 1 of its problem"
            )
        else:
            taught.add(written.problem_id)
            decision = Decision(trace_id=written.id, kept=True, scores={"tokens": float(written.completion_tokens)})
            examples.append(example(written))
        decisions.append(decision)
    Journal(folder / "decisions.jsonl", Decision).write_all(decisions)
    Journal(folder / "train.jsonl", Example).write_all(examples)
    for model, share in (("base-plain", 0.2), ("student", 0.6), ("teacher", 0.9)):
        write_journals(folder / "eval" / "quadratics" / model, min(problems, 20), 2, model, share=share)


def dropped(written: Trace, step: str, reason: str, detail: str = "") -> Decision:
    return Decision(trace_id=written.id, kept=False, step=step, reason=reason, detail=detail)


def example(written: Trace) -> Example:
    number = int(written.problem_id, 16)
    return Example(
        prompt=[{"role": "user", "content": problem(number)[0].prompt}],
        completion=[{"role": "assistant", "content": written.thinking.join(FORMATS) + written.answer}],
        problem_id=written.problem_id,
        trace_ids=[written.id],
    )


def write_many(folder: Path, count: int, samples: int = 4) -> None:
    """A generated run of so many traces, each with the same thought: only its lengths and verdicts differ."""
    folder.mkdir(parents=True, exist_ok=True)
    template, verdict = next(replies(range(1), 1, "9f3a01bc"))
    numbers = range(count // samples)
    Journal(folder / "problems.jsonl", Problem).write_all(problem(number)[0] for number in numbers)
    keys = [(number, sample, f"{number:012x}") for number in numbers for sample in range(samples)]
    Journal(folder / "traces.jsonl", Trace).write_all(
        msgspec.structs.replace(
            template,
            id=f"{key}-9f3a01bc-{sample}",
            problem_id=key,
            sample=sample,
            completion_tokens=50 + (number * 37 + sample * 101) % 4000,
        )
        for number, sample, key in keys
    )
    Journal(folder / "verdicts.jsonl", Verdict).write_all(
        msgspec.structs.replace(
            verdict,
            trace_id=f"{key}-9f3a01bc-{sample}",
            outcome="incorrect" if (number + sample) % 3 == 0 else "correct",
        )
        for number, sample, key in keys
    )
