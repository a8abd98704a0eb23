"""A verifier in a process of its own: it answers like a function from wherever it is called, and leaves nothing."""

import asyncio
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from test_pool import HERE, HOSTILE, _alone, alive, gone, problem, trace, workers  # noqa: F401  a fixture

from distill.errors import DistillError
from distill.types import Judgement
from distill.verifiers.isolated import Isolated
from distill.verifiers.pool import VerifierPool

pytestmark = [pytest.mark.timeout(60), pytest.mark.alone]


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def pid_of(judgement: Judgement) -> int:
    return int(str(judgement.extracted).split()[0])


def test_one_process_is_started_when_it_is_needed_and_used_again() -> None:
    isolated = Isolated(HOSTILE)
    assert workers() == []
    pids = {pid_of(isolated(problem("math"), "good")) for _ in range(20)}
    assert list(pids) == workers()


@pytest.mark.parametrize(
    ("answer", "method", "reason"),
    [
        ("sleep", "timeout", "no verdict within 0.5 s"),
        ("spin", "timeout", "no verdict within 0.5 s"),
        ("exit 3", "error", "the verifier's process died"),
        ("allocate", "error", "MemoryError"),
    ],
)
def test_a_failure_is_that_of_its_item(answer: str, method: str, reason: str) -> None:
    isolated = Isolated(HOSTILE, timeout=0.5)
    started = time.monotonic()
    failed = isolated(problem(), answer)
    assert (failed.outcome, failed.method, failed.reason) == ("unverifiable", method, reason)
    assert time.monotonic() - started < 5
    assert isolated(problem(), "good").outcome == "correct"


def test_what_the_verifier_started_is_killed_with_it(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    assert Isolated(HOSTILE, timeout=2)(problem(), f"spawn {child}").method == "timeout"
    assert gone(int(child.read_text()))


def test_the_start_takes_nothing_from_the_deadline() -> None:
    isolated = Isolated("hostile_verifiers:SlowToBuild", timeout=0.5, options={"seconds": 1.0})
    assert isolated(problem(), "").outcome == "correct"


def test_memory_is_that_of_the_call() -> None:
    assert Isolated(HOSTILE, timeout=30, memory=1 << 30)(problem(), "take 600").outcome == "correct"
    assert Isolated(HOSTILE, timeout=30, memory=512 << 20)(problem(), "take 600").reason == "MemoryError"


def test_a_verifier_that_cannot_be_built_is_an_error_each_time() -> None:
    isolated = Isolated("hostile_verifiers:Missing")
    for _ in range(2):
        with pytest.raises(DistillError, match="has no 'Missing'"):
            isolated(problem(), "good")


def test_the_process_outlives_the_thread_that_asked_first() -> None:
    isolated = Isolated(HOSTILE)
    found: list[Judgement] = []
    thread = threading.Thread(target=lambda: found.append(isolated(problem(), "good")))
    thread.start()
    thread.join()
    time.sleep(0.2)  # the kernel would have killed a child of that thread by now
    assert pid_of(isolated(problem(), "good")) == pid_of(found[0])


def test_many_threads_and_a_loop_get_their_own_answers() -> None:
    isolated = Isolated(HOSTILE, timeout=0.5)
    answers = ["sleep" if i == 7 else f"raise {i}" for i in range(40)]

    async def main() -> list[Judgement]:
        return await asyncio.gather(*(asyncio.to_thread(isolated, problem(), answer) for answer in answers))

    with ThreadPoolExecutor(8) as threads:
        found = [list(threads.map(lambda answer: isolated(problem(), answer), answers)), asyncio.run(main())]
    expected = ["no verdict within 0.5 s" if i == 7 else f"ArithmeticError: {i}" for i in range(40)]
    assert [[judgement.reason for judgement in judgements] for judgements in found] == [expected, expected]


def test_it_blocks_in_a_coroutine_and_answers_there() -> None:
    async def main() -> str:
        return Isolated(HOSTILE)(problem(), "good").outcome

    assert asyncio.run(main()) == "correct"


def test_one_that_nobody_holds_any_more_leaves_no_process_and_no_thread() -> None:
    isolated = Isolated(HOSTILE)
    pid = pid_of(isolated(problem(), "good"))
    del isolated
    gc.collect()
    assert gone(pid)
    end = time.monotonic() + 5
    while any(t.name == "verifier-lane" for t in threading.enumerate()) and time.monotonic() < end:
        time.sleep(0.02)
    assert not [t for t in threading.enumerate() if t.name == "verifier-lane"]


def test_a_forked_child_has_a_process_of_its_own() -> None:
    isolated = Isolated(HOSTILE)
    pid = pid_of(isolated(problem(), "good"))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        theirs = pid_of(pool.apply(isolated, (problem(), "good")))
    assert theirs != pid
    assert gone(theirs)
    assert pid_of(isolated(problem(), "good")) == pid


def test_it_dies_with_the_worker_of_a_pool_that_holds_it() -> None:
    async def main() -> tuple[int, str]:
        async with VerifierPool(timeout=1) as pool:
            nested = await pool.judge(problem("hostile_verifiers:Nested"), trace("good"))
            late = await pool.judge(problem("hostile_verifiers:Nested"), trace("sleep", 1))
            return int(str(nested.extracted).split()[0]), late.method

    pid, method = asyncio.run(main())
    assert method == "timeout"
    assert gone(pid)


SCRIPT = """
import sys, time
sys.path.insert(0, {here!r})
from test_pool import problem, HOSTILE
from distill.verifiers.isolated import Isolated
isolated = Isolated(HOSTILE, timeout=3600)
print(isolated(problem(), "good").extracted.split()[0], flush=True)
{last}
"""


@pytest.mark.parametrize(
    ("last", "sent"),
    [
        ("", None),
        ("import os; os._exit(0)", None),
        ("isolated(problem(), 'sleep')", signal.SIGINT),
        ("isolated(problem(), 'spin')", signal.SIGKILL),
    ],
)
def test_nothing_stays_when_the_interpreter_ends(last: str, sent: signal.Signals | None) -> None:
    script = SCRIPT.format(here=str(HERE), last=last)
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    if sent is not None:
        assert alive(pid)
        time.sleep(0.3)
        os.kill(parent.pid, sent)
    parent.communicate(timeout=20)
    assert gone(pid)
