"""The trace browser in Chromium: filter, open, compare, watch it grow; and a hostile trace that stays text."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest

from distill.journal import Journal
from distill.types import Decision, Problem, Trace, Verdict
from tests.conftest import command, quiet_environment
from tests.reporting.viewed import problem, trace, write_journals, write_many, write_run

pytestmark = pytest.mark.browser
ARGUMENTS = (
    "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-component-update "
    "--disable-sync"
).split()
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=http://example.invalid/x onerror=\"document.title='owned'\">"
    "</pre></main><style>body{display:none}</style>{{7*7}} [l](javascript:alert(1)) $\\text{<script>owned</script>}$ "
    "$\\href{javascript:alert(1)}{x}$ ```html\n<iframe src=http://example.invalid></iframe>\n```\n\x1b[31m\u202e "
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("Chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page that keeps what it asked for, and what went wrong in it."""
    context = chromium.new_context(viewport={"width": 1360, "height": 850})
    found = context.new_page()
    found.set_default_timeout(20_000)
    found.asked, found.wrong = [], []
    found.on("request", lambda request: found.asked.append(request.url))
    found.on("pageerror", lambda error: found.wrong.append(str(error)))
    found.on("console", lambda message: found.wrong.append(message.text) if message.type == "error" else None)
    yield found
    context.close()
    assert {urlparse(url).hostname for url in found.asked} == {"127.0.0.1"}
    # the server may have ended before the page
    assert [text for text in found.wrong if "ERR_CONNECTION_REFUSED" not in text] == []


@contextmanager
def viewing(*folders: Path) -> Iterator[str]:
    """The link of the command's page."""
    process = subprocess.Popen(
        command("view", *folders, "--no-open"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=quiet_environment(),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(60) == 0, process.communicate()[1]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "quadratics"
    write_run(folder)
    return folder


@pytest.fixture
def url(run_dir: Path) -> Iterator[str]:
    with viewing(run_dir) as found:
        yield found


def total(page: Any) -> str:
    return page.inner_text("#total")


def wait_for(claim: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def num_outcome(folder: Path, outcome: str) -> int:
    return sum(verdict.outcome == outcome for verdict in Journal(folder / "verdicts.jsonl", Verdict))


def test_a_filter_is_chosen_and_an_address_brings_it_back(page: Any, url: str, run_dir: Path) -> None:
    page.goto(url)
    wait_for(lambda: total(page) == "120 traces")
    page.click("[data-choice='verdict=incorrect']")
    wrong = num_outcome(run_dir, "incorrect")
    wait_for(lambda: total(page) == f"{wrong} traces")
    assert page.locator(".row .mark.correct").count() == 0
    assert page.locator(".row .mark.incorrect").count() > 5
    verdicts = Journal(run_dir / "verdicts.jsonl", Verdict)
    key = next(verdict.trace_id[:12] for verdict in verdicts if verdict.outcome == "incorrect")
    searched = f"(No. {int(key, 16) + 1})"
    page.fill("#text", searched)
    shown = sum(v.outcome == "incorrect" and v.trace_id.startswith(key) for v in verdicts)
    shown = "1 trace" if shown == 1 else f"{shown} traces"
    wait_for(lambda: total(page) == shown)
    again = page.context.new_page()
    again.goto(page.url)
    wait_for(lambda: total(again) == shown)
    assert again.input_value("#text") == searched
    page.go_back()
    wait_for(lambda: total(page) == "120 traces")


def test_a_trace_is_opened_by_keys_with_thought_answer_formulas_and_code(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".row .prompt")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector(".thinking math[display='block']")
    assert page.locator(".row.open").count() == 1
    fraction = page.locator(".thinking mfrac").first.bounding_box()
    assert fraction["height"] > 20  # it is drawn as one: numerator above denominator
    assert re.search(r"The larger root is\s+\d+\s*\.", page.inner_text(".answer"))
    assert page.inner_text("pre.code .tok-keyword >> nth=0") == "from"
    first = page.inner_text(".heading h2")
    page.keyboard.press("j")
    wait_for(lambda: page.inner_text(".heading h2") != first)
    page.keyboard.press("k")
    wait_for(lambda: page.inner_text(".heading h2") == first)
    page.keyboard.press("r")
    wait_for(lambda: "\\[x = \\frac{" in page.inner_text(".thinking"))
    assert page.locator("math").count() == 0
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "text"
    page.keyboard.type("jjj")  # is text now
    assert page.input_value("#text") == "jjj"
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    wait_for(lambda: page.locator(".heading").count() == 0)


def test_right_is_put_against_wrong_of_the_same_problem(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".row .prompt")
    page.locator(".row", has=page.locator(".mark.incorrect")).first.click()
    page.wait_for_selector(".siblings .chip")
    page.keyboard.press("c")
    page.wait_for_selector(".columns")
    badges = [column.locator(".badge").first.inner_text() for column in page.locator(".column").all()]
    assert badges == ["correct", "incorrect"]
    assert page.locator(".column .thinking").count() == 2
    left, right = (column.bounding_box() for column in page.locator(".column").all())
    assert left["y"] == right["y"]
    assert left["x"] + left["width"] <= right["x"]
    again = page.context.new_page()
    again.goto(page.url)
    again.wait_for_selector(".columns")
    assert page.locator(".chip[aria-pressed=true]").count() == 2
    pressed = page.locator(".chip.incorrect[aria-pressed=true]").first.get_attribute("title")
    page.locator(".chip.incorrect:not([aria-pressed=true])").first.click()
    wait_for(lambda: page.locator(".chip.incorrect[aria-pressed=true]").first.get_attribute("title") != pressed)
    page.keyboard.press("Escape")
    page.wait_for_selector(".columns", state="detached")
    assert page.locator(".thinking").count() == 1


def test_examples_show_what_is_in_the_loss(page: Any, url: str) -> None:
    page.goto(url + "?stage=train")
    page.wait_for_selector(".row .prompt")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-loss=in]")
    page.wait_for_function(
        "() => document.querySelector('.tokens') || /By message/.test(document.querySelector('.mask').innerText)",
        timeout=120_000,
    )
    assert "By Vieta" in page.inner_text("[data-loss=in] >> nth=0")
    assert "By Vieta" not in page.inner_text("[data-loss=out] >> nth=0")
    page.click("text=trace 000000000000-9f3a01bc-")
    page.wait_for_selector(".thinking")
    page.click(".links >> text=example 1")
    page.wait_for_selector(".mask")


def test_what_is_appended_appears_and_verdicts_come_in(page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "growing"
    write_journals(folder, problems=2, samples=2)
    with viewing(folder) as url:
        page.goto(url)
        wait_for(lambda: total(page) == "4 traces")
        known, small, large = problem(8)
        late = trace(known, 0, small, large, is_right=True, model="9f3a01bc")
        with Journal(folder / "problems.jsonl", Problem).appender() as problems:
            problems.append(known)
        with Journal(folder / "traces.jsonl", Trace).appender() as traces:
            traces.append(late)
        wait_for(lambda: total(page) == "5 traces")
        row = page.locator(".row").nth(4)
        wait_for(lambda: "(No. 9)" not in known.prompt or known.prompt[:20] in row.inner_text())
        row.click()
        page.wait_for_selector(".badge.unjudged")
        with Journal(folder / "verdicts.jsonl", Verdict).appender() as verdicts:
            verdicts.append(Verdict(trace_id=late.id, outcome="incorrect", extracted="0", reason="because"))
        page.wait_for_selector(".summary .badge.incorrect")
        wait_for(lambda: row.locator(".mark.incorrect").count() == 1)
        with Journal(folder / "decisions.jsonl", Decision).appender() as decisions:
            decisions.append(Decision(trace_id=late.id, kept=False, step="correct", reason="incorrect"))
        page.wait_for_selector("[data-choice='reason=correct: incorrect']")


def test_a_hostile_trace_stays_text(page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "hostile"
    write_run(folder, problems=3, samples=2, text=HOSTILE)
    known = problem(0)[0]
    hostile = Problem(id=known.id, prompt=HOSTILE, verifier="math", reference=HOSTILE, metadata={HOSTILE: HOSTILE})
    for path in folder.rglob("problems.jsonl"):
        Journal(path, Problem).write_all([hostile])
    with viewing(folder) as url:
        for stage, mark in (("generate", ".thinking"), ("train", ".mask")):
            page.goto(f"{url}?stage={stage}&order=problem")
            page.locator(".row", has_text="<script>").first.click()
            page.wait_for_selector(mark)
            page.keyboard.press("c")
            page.wait_for_timeout(300)
            assert "<script>document.title = 'owned'</script>" in page.inner_text(mark)
            assert "owned" not in page.title()
            assert page.locator("script").count() == 1
            assert page.locator("iframe, img, main style, #detail a, [href*='javascript']").count() == 0
            assert "\u202e" not in page.inner_text("body")
    assert page.evaluate(
        "() => { try { document.body.innerHTML = 'x'; return 'parsed' } catch { return 'refused' } }"
    ) == ("refused")
    page.wrong[:] = [text for text in page.wrong if "TrustedHTML" not in text and "Trusted Type" not in text]


def test_light_and_dark_can_be_chosen_and_are_kept(page: Any, url: str) -> None:
    page.goto(url)
    page.wait_for_selector(".row .prompt")

    def background() -> str:
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    light = background()
    page.keyboard.press("t")
    dark = background()
    assert dark != light
    page.reload()
    page.wait_for_selector(".row .prompt")
    assert background() == dark


@pytest.mark.alone
def test_a_hundred_thousand_traces_are_there_within_a_second(page: Any, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    write_many(folder, 100_000)
    with viewing(folder) as url:
        for _ in range(2):  # while the index is being built, and once it is whole
            started = time.monotonic()
            page.goto(url)
            page.wait_for_selector(".row .mark.correct")
            assert time.monotonic() - started < 1.0
            assert "The equation" in page.inner_text(".row .prompt >> nth=0")
            wait_for(lambda: total(page) == "100,000 traces", 60)
            wait_for(lambda: page.inner_text("#live") == "up to date", 60)
        for act, shown in (
            (lambda: page.keyboard.press("G"), lambda: "#row-99999 .prompt"),
            (lambda: page.click("[data-choice='verdict=incorrect']"), lambda: ".row .mark.incorrect"),
        ):
            started = time.monotonic()
            act()
            page.wait_for_selector(shown())
            assert time.monotonic() - started < 1.0
