r"""What docs/evaluation.md shows, measured. Prints Markdown tables.

    python benchmarks/evaluation.py forcing STUDENT [--problems 300] [--out DIR] [--svg FILE]
    python benchmarks/evaluation.py voting STUDENT [--problems 300] [--samples 32] [--out DIR]
    python benchmarks/evaluation.py engines STUDENT [--problems 20] [--out DIR]
    python benchmarks/evaluation.py recorded TRACES.jsonl [--out DIR] [--differing]
    python benchmarks/evaluation.py suites

STUDENT is the folder `student` of a quickstart run. What was asked already is not asked again: a killed command goes
on. TRACES.jsonl holds rows with ``problem``, ``gold``, ``output`` and ``label``, of which the last says what a person
or the set found.
"""

import argparse
import asyncio
import json
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from distill import assets, plugins
from distill.engines import Completion, Request
from distill.evaluation.forcing import Forcing
from distill.evaluation.metrics import Estimate, percent, wilson
from distill.evaluation.paired import bootstrap, mcnemar
from distill.evaluation.policy import PolicyEngine
from distill.evaluation.scores import Scores
from distill.evaluation.suites import load_suite
from distill.evaluation.voting import majority_at_k, vote_of
from distill.formats import FORMATS, TraceFormat, taught_format
from distill.journal import Journal
from distill.recipe import Eval, Sampling
from distill.sections import BudgetForcing
from distill.stages.evaluate_model import evaluate_model
from distill.types import Trace, Verdict

SUITE = "countdown-tiny"
ROOM = 60
"""Tokens left for the answer."""
MAXIMA = (0, 20, 40, 80, 120, 160, 240, 360)
MINIMA = (1, 2, 4)
LONGEST = 440
"""Tokens of a thought whose end is suppressed: about as many as the student was taught with."""


def interval(found: Estimate) -> str:
    """A share with its interval, in percent."""
    return f"{100 * found.mean:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def measured(student: Path, out: Path, problems: int, **section: Any) -> tuple[Scores, list[tuple[Trace, Verdict]]]:
    """The scores of a student in one way of asking, and its replies."""
    asked = Eval.model_validate({"suites": [SUITE], **section})
    (scores,) = evaluate_model(str(student), asked, out, form=None, seed=0, limit=problems)
    return scores, replies_of(out)


def replies_of(out: Path) -> list[tuple[Trace, Verdict]]:
    """Every judged reply in a folder of results."""
    found: list[tuple[Trace, Verdict]] = []
    for folder in sorted(out.glob("eval/*/*/")):
        verdicts = {verdict.trace_id: verdict for verdict in Journal(folder / "verdicts.jsonl", Verdict)}
        found += [(trace, verdicts[trace.id]) for trace in Journal(folder / "traces.jsonl", Trace)]
    return found


def forcing(student: Path, out: Path, problems: int, svg: Path | None) -> None:
    """Accuracy against thinking tokens: ends forced early, then ends suppressed."""
    points: dict[str, list[tuple[Estimate, Estimate]]] = {"end forced": [], "end suppressed": []}
    greedy = {"temperature": 0.0}
    print("| thought | thinking tokens | pass@1[avg1], % | ended by force | no answer | McNemar p to free |")
    print("|---|---|---|---|---|---|")
    free, _ = row_of("free, as trained", student, out / "free", problems, greedy | {"max_tokens": 480}, None, None)
    for most in MAXIMA:
        forced = BudgetForcing(max_tokens_thinking=most)
        sampling = greedy | {"max_tokens": most + ROOM}
        name = f"at most {most} tokens"
        points["end forced"].append(
            point_of(*row_of(name, student, out / f"max-{most}", problems, sampling, forced, free))
        )
    for ends in MINIMA:
        forced = BudgetForcing(max_tokens_thinking=LONGEST, thinking_n_ignore=ends)
        sampling = greedy | {"max_tokens": LONGEST + ROOM}
        name = f"at most {LONGEST} tokens, {ends} ends suppressed"
        found = row_of(name, student, out / f"min-{ends}", problems, sampling, forced, free)
        points["end suppressed"].append(point_of(*found))
    if svg is not None:
        draw(points, svg)


def point_of(scores: Scores, replies: list[tuple[Trace, Verdict]]) -> tuple[Estimate, Estimate]:
    """Thinking tokens and the score, each with its interval."""
    tokens = bootstrap([float(str(trace.metadata["thinking_tokens"])) for trace, _ in replies])
    return tokens, Estimate(scores.pass_at_1, *scores.ci95)


def draw(points: dict[str, list[tuple[Estimate, Estimate]]], path: Path) -> None:
    """The curve, as an SVG."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "distill"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    for (name, given), marker in zip(points.items(), ("o-", "s--"), strict=True):
        x = [tokens.mean for tokens, _ in given]
        y = [100 * score.mean for _, score in given]
        spread = [[100 * (s.mean - s.low) for _, s in given], [100 * (s.high - s.mean) for _, s in given]]
        axes.errorbar(x, y, yerr=spread, fmt=marker, capsize=3, label=name)
    axes.set(xlabel="thinking tokens, mean", ylabel="pass@1, %", ylim=(0, 100))
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def row_of(
    name: str,
    student: Path,
    out: Path,
    problems: int,
    sampling: dict[str, Any],
    forced: BudgetForcing | None,
    free: Scores | None,
) -> tuple[Scores, list[tuple[Trace, Verdict]]]:
    """Measure one budget, and print its row."""
    scores, replies = measured(student, out, problems, sampling=sampling, budget_forcing=forced and forced.model_dump())
    thinking = [int(trace.metadata.get("thinking_tokens", trace.completion_tokens)) for trace, _ in replies]
    ended = [bool(trace.metadata.get("forced_end")) for trace, _ in replies]
    silent = [trace.answer == "" for trace, _ in replies]
    wrongly_silent = sum(is_silent and is_forced for is_silent, is_forced in zip(silent, ended, strict=True))
    test = free and mcnemar(scores.correct_by_problem, free.correct_by_problem)
    print(
        f"| {name} | {mean_tokens(thinking)} | "
        f"{interval(Estimate(scores.pass_at_1, *scores.ci95))} | {percent(fmean(ended))} | "
        f"{sum(silent)}, {wrongly_silent} of them forced | {f'{test.p:.2g}' if test else ''} |",
        flush=True,
    )
    return scores, replies


def mean_tokens(tokens: Sequence[int]) -> str:
    """A mean of token counts with its interval."""
    found = bootstrap([float(count) for count in tokens])
    return f"{found.mean:.0f} [{found.low:.0f}, {found.high:.0f}]"


def voting(student: Path, out: Path, problems: int, samples: int) -> None:
    """The majority's answer and the best possible one, against the number of replies."""
    section = {"samples": samples, "sampling": {"temperature": 0.6, "max_tokens": 480}}
    scores, replies = measured(student, out, problems, **section)
    verifier = next(iter(load_suite(SUITE).problems())).verifier
    by_problem: dict[str, list[tuple[Trace, Verdict]]] = {}
    for trace, verdict in replies:
        by_problem.setdefault(trace.problem_id, []).append((trace, verdict))
    votes = [[vote_of(verdict, verifier) for _, verdict in given] for given in by_problem.values()]
    print(f"{len(votes)} problems x {samples}; {scores.headline()}\n")
    print(f"| k | maj@k[n{samples}], % | pass@k[n{samples}], % |")
    print("|---|---|---|")
    k = 1
    while k <= samples:
        majority = bootstrap([majority_at_k(cast, k) for cast in votes])
        passed = scores.metrics.get(f"pass@{k}[n{samples}]") or Estimate(scores.pass_at_1, *scores.ci95)
        print(f"| {k} | {interval(majority)} | {interval(passed)} |", flush=True)
        k *= 2


def engines(student: Path, out: Path, problems: int) -> None:
    """Forced replies of transformers and of vLLM at temperature 0, token for token."""
    form, asked = taught_format(student), list(islice(load_suite(SUITE).problems(), problems))
    print("| budget | problems | the same text | the same tokens |")
    print("|---|---|---|---|")
    cases = [BudgetForcing(max_tokens_thinking=60), BudgetForcing(max_tokens_thinking=300, thinking_n_ignore=2)]
    made = {
        name: [replies(name, options, student, form, asked, case, out) for case in cases]
        for name, options in (
            ("transformers", {"dtype": "float32", "device": "cpu"}),
            ("vllm", {"args": {"dtype": "float32", "max_model_len": 1024}}),
        )
    }
    for case, ours, theirs in zip(cases, made["transformers"], made["vllm"], strict=True):
        texts = sum(one.text == other.text for one, other in zip(ours, theirs, strict=True))
        same = sum(
            (one.text, one.completion_tokens) == (other.text, other.completion_tokens)
            for one, other in zip(ours, theirs, strict=True)
        )
        name = f"at most {case.max_tokens_thinking}, {case.thinking_n_ignore} ends suppressed"
        print(f"| {name} | {len(asked)} | {texts} | {same} |", flush=True)


def replies(
    name: str,
    options: dict[str, Any],
    student: Path,
    form: TraceFormat,
    problems: Iterable[Any],
    case: BudgetForcing,
    out: Path,
) -> list[Completion]:
    """Each problem's forced reply."""
    engine = PolicyEngine(plugins.build("engines", name, {**options, "model": str(student)}), Forcing(case, form))
    out.mkdir(parents=True, exist_ok=True)

    async def go() -> list[Completion]:
        async with engine.session(out) as session:
            sampling = Sampling(temperature=0, max_tokens=case.max_tokens_thinking + ROOM)
            asked = [Request(messages=form.messages(p.prompt), sampling=sampling, seed=0) for p in problems]
            return await asyncio.gather(*map(session.complete, asked))

    return asyncio.run(go())


def recorded(path: Path, out: Path, shows_differing: bool) -> None:
    """Accuracy of recorded outputs by `distill eval` with the replay engine, beside that of their labels."""
    rows = [row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines()) if label_of(row) is not None]
    out.mkdir(parents=True, exist_ok=True)
    suite = out / "recorded.jsonl"
    keys = [f"{row['problem']}\n\n({index})" for index, row in enumerate(rows)]
    suite.write_text(
        "".join(json.dumps({"prompt": key, "answer": row["gold"]}) + "\n" for key, row in zip(keys, rows, strict=True))
    )
    problems = list(load_suite(str(suite)).problems())
    traces = [trace_of(row, problem.id) for row, problem in zip(rows, problems, strict=True)]
    Journal(out / "traces.jsonl", Trace).write_all(traces)
    section = Eval(suites=[str(suite)], engine={"engine": "replay", "path": str(out / "traces.jsonl")})
    (scores,) = evaluate_model("recorded", section, out / "run", form="plain", seed=0, limit=None)
    ours = [scores.correct_by_problem[problem.id] == 1 for problem in problems]
    labels = [bool(label_of(row)) for row in rows]
    print("| | correct | share, % |")
    print("|---|---|---|")
    for name, given in (("labels", labels), ("distill eval, replay engine", ours)):
        share = sum(given) / len(given)
        print(f"| {name} | {sum(given)} of {len(given)} | {interval(Estimate(share, *wilson(share, len(given))))} |")
    differing = [index for index in range(len(rows)) if ours[index] != labels[index]]
    accepted = sum(ours[index] for index in differing)
    print(f"\n{len(differing)} differ: {accepted} accepted against the label, {len(differing) - accepted} refused.")
    if shows_differing:
        said = {trace.problem_id: verdict for trace, verdict in replies_of(out / "run")}
        for index in differing:
            tail, verdict = " ".join(rows[index]["output"][-120:].split()), said[problems[index].id]
            print(
                f"- label {labels[index]}, gold {rows[index]['gold']!r:.60}, {verdict.outcome} "
                f"{verdict.extracted!r:.60} ({verdict.method}: {verdict.reason}), ...{tail}"
            )


def label_of(row: dict[str, Any]) -> bool | None:
    """What is known of an output: a later review before the first label."""
    review = (row.get("extra") or {}).get("review") or {}
    label = review.get("label", row.get("label"))
    return label if isinstance(label, bool) else None


def trace_of(row: dict[str, Any], problem_id: str) -> Trace:
    """A recorded output as a trace, taken apart by the marks that it has."""
    text: str = row["output"]
    form = next((form for form in FORMATS.values() if form.close and form.close.strip() in text), FORMATS["plain"])
    found = msgspec.structs.replace(form, opened_by="template").parse(text)
    return Trace(
        id=f"{problem_id}-recorded-0",
        problem_id=problem_id,
        sample=0,
        teacher="recorded",
        thinking=found.thinking,
        answer=found.answer,
        finish_reason="stop",
        completion_tokens=len(text) // 4,
    )


def suites() -> None:
    """Every suite that ships."""
    print("| suite | what | set | asked | published, by whose harness |")
    print("|---|---|---|---|---|")
    for name in sorted(assets.shipped("eval")):
        suite = load_suite(name)
        samples, sampling = suite.asking(None, None)
        sets = sorted({str(source.options.get("card", source.use)) for source in suite.sources})
        known = "; ".join(f"{one.model} {one.score:g} ({one.harness})" for one in suite.published[:3])
        asked = f"{samples} x, temperature {sampling.temperature:g}, {sampling.max_tokens:,} tokens"
        print(f"| `{name}` | {suite.description} | {', '.join(sets)} | {asked} | {known} |")


def main() -> None:
    """Parse, and do one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["forcing", "voting", "engines", "recorded", "suites"])
    parser.add_argument("path", type=Path, nargs="?", help="the student's folder, or the recorded traces")
    parser.add_argument("--problems", type=int, default=300)
    parser.add_argument("--samples", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path("runs/evaluation"))
    parser.add_argument("--svg", type=Path, help="draw the curve of forced budgets here, too")
    parser.add_argument("--differing", action="store_true", help="list the recorded outputs that differ")
    args = parser.parse_args()
    if args.what == "suites":
        return suites()
    if args.path is None:
        parser.error(f"{args.what} needs a path")
    match args.what:
        case "forcing":
            forcing(args.path, args.out, args.problems, args.svg)
        case "voting":
            voting(args.path, args.out, args.problems, args.samples)
        case "engines":
            engines(args.path, args.out, min(args.problems, 20))
        case _:
            recorded(args.path, args.out, args.differing)


if __name__ == "__main__":
    main()
