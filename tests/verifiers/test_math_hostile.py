r"""Whatever a model writes, judging it takes under two seconds and a GiB, raises nothing and executes nothing.

The inputs are judged in processes of their own that may grow by a GiB of address space and no more: this file, run
with the name of a way to call the verifier, prints a line for each.
"""

import asyncio
import contextlib
import json
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distill.types import Judgement, Problem, Trace, Verdict
from distill.verifiers.math import MathVerifier
from distill.verifiers.pool import VerifierPool
from tests.conftest import thorough
from tests.verifiers.hostile_inputs import UNITS, hostile_pairs

SECONDS = 2.0
GIB = 1 << 30
Judge = Callable[[str, str], str]
"""From a reference and a response to an outcome."""


# -- the process that judges them --


def main(way: str, marker: str) -> None:
    """Print a line for each input, as this way of calling the verifier judges it."""
    with WAYS[way]() as judge:
        judge(r"\int_0^1 f(x)\,dx", r"\boxed{\int_0^2 f(x)\,dx}")  # starts the process of the last lane
        resource.setrlimit(resource.RLIMIT_AS, (address_space() + GIB, resource.getrlimit(resource.RLIMIT_AS)[1]))
        for name, (reference, response, _) in hostile_pairs(marker).items():
            outcome, seconds = timed(judge, reference, response)
            print(json.dumps({"name": name, "outcome": outcome, "seconds": seconds}), flush=True)


def timed(judge: Judge, reference: str, response: str) -> tuple[str, float]:
    """The outcome and the seconds; who is late is asked again, for the machine may have been busy."""
    outcome, seconds = "", float("inf")
    for _ in range(4):
        if seconds > SECONDS:
            started = time.perf_counter()
            outcome = judge(reference, response)
            seconds = time.perf_counter() - started
    return outcome, seconds


def address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def problem(reference: str) -> Problem:
    return Problem(id="p", prompt="", verifier="math", reference=reference)


def calling(verifier: MathVerifier) -> Judge:
    """The outcome of a call; what it raises is an outcome as well, which no test expects."""

    def judge(reference: str, response: str) -> str:
        try:
            judgement = verifier(problem(reference), response)
        except BaseException as error:
            return f"raised {error!r}"[:200]
        return said(judgement)

    return judge


def said(judged: Judgement | Verdict) -> str:
    """An outcome that depends on the machine has a name of its own."""
    return judged.method if judged.method == "timeout" else judged.outcome


def in_thread(judge: Judge) -> Judge:
    def other(reference: str, response: str) -> str:
        outcomes: list[str] = []
        thread = threading.Thread(target=lambda: outcomes.append(judge(reference, response)))
        thread.start()
        thread.join()
        return outcomes[0]

    return other


@contextlib.contextmanager
def in_pool() -> Iterator[Judge]:
    pool = VerifierPool(timeout=10, memory=GIB)
    with asyncio.Runner() as runner:
        runner.run(pool.__aenter__())

        def judge(reference: str, response: str) -> str:
            trace = Trace(
                id="t", problem_id="p", sample=0, teacher="", thinking="", answer=response, finish_reason="stop"
            )
            verdict = runner.run(pool.judge(problem(reference), trace))
            return f"raised {verdict.reason}" if verdict.method == "error" else said(verdict)

        try:
            yield judge
        finally:
            runner.run(pool.__aexit__(None, None, None))


VERIFIER = MathVerifier()
QUICK = "own lanes"
"""Without the process of the last lane, which may take its second for many of these inputs."""
WAYS: dict[str, Callable[[], contextlib.AbstractContextManager[Judge]]] = {
    QUICK: lambda: contextlib.nullcontext(calling(MathVerifier(symbolic=False))),
    "main thread": lambda: contextlib.nullcontext(calling(VERIFIER)),
    "thread": lambda: contextlib.nullcontext(in_thread(calling(VERIFIER))),
    "asyncio": lambda: contextlib.nullcontext(lambda *pair: asyncio.run(asyncio.to_thread(calling(VERIFIER), *pair))),
    "pool": in_pool,
}
WHOLE = thorough(["main thread", "thread", "asyncio", "pool"], ["asyncio", "pool"])
"""With the process of the last lane."""


# -- the tests --

one_process = pytest.mark.xdist_group("hostile")
"""For tests that share what each way said, which takes half a minute."""


@cache
def rows_of(way: str, folder: Path) -> dict[str, dict[str, Any]]:
    command = [sys.executable, "-m", "tests.verifiers.test_math_hostile", way, str(folder / "marker")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr[-2000:]
    return {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@one_process
@pytest.mark.parametrize("way", [QUICK, *(pytest.param(way, marks=pytest.mark.slow) for way in WHOLE)])
def test_nothing_hurts(way: str, folder: Path) -> None:
    expected = hostile_pairs(str(folder / "marker"))
    rows = rows_of(way, folder)
    assert rows.keys() == expected.keys()
    assert not (folder / "marker").exists()
    faults = [str(row) for name, row in rows.items() if is_fault(row, expected[name][2])]
    assert not faults, "\n".join(faults)


def is_fault(row: dict[str, Any], is_right: bool | None) -> bool:
    """Late, raised, or the opposite of what is known; what stays open is no fault."""
    opposite = {True: "incorrect", False: "correct", None: None}[is_right]
    return row["seconds"] > SECONDS or row["outcome"] == opposite or row["outcome"].startswith("raised")


@one_process
@pytest.mark.slow
def test_every_way_to_call_it_gives_the_same_outcome(folder: Path) -> None:
    by_way = [rows_of(way, folder) for way in WHOLE]
    for name in by_way[0]:
        outcomes = {rows[name]["outcome"] for rows in by_way} - {"timeout"}
        assert len(outcomes) <= 1, name


def test_threads_do_not_disturb_each_other() -> None:
    judge = calling(MathVerifier(symbolic=False))
    pairs = list(product(WELL_FORMED, WELL_FORMED))
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda pair: judge(*pair), pairs))
    assert together == [judge(*pair) for pair in pairs]


# -- fuzz --

WELL_FORMED = [
    "7", "-3.25", r"\frac{22}{7}", r"2\frac{1}{3}", "1,234,567", r"3\times 10^{8}", r"25\%", r"5\text{ km}", "3:4",
    "1011_2", r"\sqrt{2}+\sqrt{3}", "x^2-2x+1", "(x-1)*(x+1)", r"\{1,2,3\}", "(1, -2)", r"[0,1)\cup(2,\infty)",
    r"x \le 3", "y=2x+3", r"2\pm\sqrt{3}", "3+4i", r"\sin^2 x", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    r"\text{no solution}", "x=1, y=2", r"\boxed{17}", "The answer is 12.", "<answer>5</answer>", r"\binom{100}{50}",
    r"2^{100}", r"0.\overline{3}",
]  # fmt: skip
FRAMES = [
    "{}+{}", "{}-{}", "{}{}", "{}*{}", "({}, {})", "({})^{{{}}}", "{} = {}", "{} < {}", "{}, {}", "{}!{}", "{}^{}",
    "{}_{}", "{}/{}", "{}:{}", "{}%{}", "|{}|{}", "**{}** {}", "${}$ {}", "{} or {}", "The answer is {}. {}",
    r"{}\pm{}", r"\frac{{{}}}{{{}}}", r"\sqrt[{}]{{{}}}", r"\log_{{{}}}{{{}}}", r"{} \cup {}", r"[{}, {})",
    r"\binom{{{}}}{{{}}}", r"\boxed{{{}}} {}", r"\begin{{pmatrix}}{} & {}\end{{pmatrix}}", r"{}\text{{ {}}}",
    r"\sum_{{k={}}}^{{{}}} k", r"\int_{{{}}}^{{{}}} x\,dx", r"\{{{}, {}\}}",
]  # fmt: skip
pieces = st.sampled_from(
    [*WELL_FORMED, *UNITS, "x", "0", "1", "n", r"\pi", "e", "i", "99999999999999999999", r"\infty"]
)
nested = st.recursive(pieces, lambda parts: st.builds(str.format, st.sampled_from(FRAMES), parts, parts), max_leaves=12)
garbage = st.lists(pieces, max_size=12).map("".join)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A well-formed answer with a part cut out, doubled or replaced."""
    text = draw(st.sampled_from(WELL_FORMED))
    start, stop = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
    return text[:start] + draw(st.sampled_from(["", text[start:stop] * 2, text, draw(pieces)])) + text[stop:]


@pytest.mark.slow
@settings(max_examples=thorough(20_000, 3_000), suppress_health_check=list(HealthCheck), database=None)
@given(
    reference=st.one_of(st.sampled_from(WELL_FORMED), nested), response=st.one_of(nested, garbage, mutated(), st.text())
)
def test_no_text_hurts(reference: str, response: str) -> None:
    outcome, seconds = timed(lambda *pair: VERIFIER(problem(pair[0]), pair[1]).outcome, reference, response)
    assert outcome in ("correct", "incorrect", "unverifiable")
    assert seconds < SECONDS


if __name__ == "__main__":
    main(*sys.argv[1:])
