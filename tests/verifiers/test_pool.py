"""The pool: whatever a verifier does, its item gets a verdict in time, the next one is judged, and no process stays."""

import asyncio
import contextlib
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from distill.errors import DistillError, MissingExtraError, PluginError
from distill.sources import make_problem
from distill.types import Trace, Verdict
from distill.verifiers.math import symbolic
from distill.verifiers.pool import VerifierPool

HERE = Path(__file__).parent
HOSTILE = "hostile_verifiers:Hostile"
pytestmark = [pytest.mark.timeout(60), pytest.mark.alone]
RIGHT = "<answer>(9-4)*6</answer>"


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def problem(verifier: str = HOSTILE):
    return make_problem(prompt="p", verifier=verifier, reference="17", metadata={"numbers": [4, 6, 9], "target": 30})


def trace(answer: str, number: int = 0, **fields: object) -> Trace:
    known: dict = {"finish_reason": "stop", "thinking": "", **fields}
    return Trace(id=f"x-t-{number}", problem_id="x", sample=number, teacher="t", answer=answer, **known)


@pytest.fixture(autouse=True, scope="module")
def _alone() -> None:
    """The process of math's last lane, which other tests may have left to live, ends first."""
    symbolic.worker.cache_clear()
    gc.collect()
    end = time.monotonic() + 5
    while (workers() or lanes()) and time.monotonic() < end:
        time.sleep(0.02)


def lanes() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "verifier-lane"]


def workers() -> list[int]:
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "distill.verifiers.worker" in line]


def alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pid: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(pid)


def judged(*answers: str, timeout: float = 1.0, num_workers: int = 1, verifier: str = HOSTILE) -> list[Verdict]:
    async def main() -> list[Verdict]:
        async with VerifierPool(timeout=timeout, workers=num_workers) as pool:
            return await asyncio.gather(*(pool.judge(problem(verifier), trace(a, i)) for i, a in enumerate(answers)))

    verdicts = asyncio.run(main())
    assert workers() == []
    return verdicts


def test_verdicts_come_back_to_their_traces() -> None:
    answers = [RIGHT if i % 3 else "<answer>4+6+9</answer>" for i in range(300)]
    verdicts = judged(*answers, verifier="countdown", num_workers=2)
    assert [v.outcome for v in verdicts] == ["correct" if i % 3 else "incorrect" for i in range(300)]
    assert [v.trace_id for v in verdicts] == [f"x-t-{i}" for i in range(300)]
    assert all(0 < v.seconds < 1 for v in verdicts)


@pytest.mark.parametrize(
    ("answer", "method", "reason"),
    [
        ("sleep", "timeout", "no verdict within 1 s"),
        ("spin", "timeout", "no verdict within 1 s"),
        ("exit 3", "error", "the verifier's process died"),
        ("exit 0", "error", "the verifier's process died"),
        ("allocate", "error", "MemoryError"),
        ("sys.exit", "error", "SystemExit: enough"),
        ("raise too\nlong " + "x" * 5000, "error", "ArithmeticError: too long " + "x" * (200 - 26)),
        ("raise \ud800", "error", "ArithmeticError: \\ud800"),
        ("bool", "error", "TypeError: the verifier returned True, which is not a Judgement"),
    ],
)
def test_a_verifier_that_fails_costs_its_own_item_only(answer: str, method: str, reason: str) -> None:
    before, failed, after = judged("good", answer, "good")
    assert (failed.outcome, failed.method, failed.reason) == ("unverifiable", method, reason)
    assert (before.outcome, after.outcome) == ("correct", "correct")


@pytest.mark.parametrize("answer", ["outcome", "surrogate"])
def test_a_judgement_that_cannot_be_written_is_the_verifiers_failure(answer: str) -> None:
    failed, after = judged(answer, "good")
    assert (failed.outcome, failed.method, after.outcome) == ("unverifiable", "error", "correct")


def test_the_deadline_is_that_of_one_item_in_a_chunk_of_many() -> None:
    verdicts = judged(*["slow"] * 8, "sleep", *["slow"] * 3, timeout=0.8)
    assert [v.method for v in verdicts] == ["hostile"] * 8 + ["timeout"] + ["hostile"] * 3
    assert 0.8 <= verdicts[8].seconds < 2


def test_a_verifier_that_claims_more_time_has_it() -> None:
    verdicts = judged("wait 1.5", "sleep", timeout=0.5, verifier="hostile_verifiers:Patient")
    assert [v.outcome for v in verdicts] == ["correct", "unverifiable"]
    assert verdicts[1].reason == "no verdict within 3 s"


def test_options_and_memory_reach_the_worker() -> None:
    async def main(**setting: object) -> list[Verdict]:
        async with VerifierPool(timeout=20, **setting) as pool:  # type: ignore[arg-type]
            upper = make_problem(prompt="p", verifier="exact", reference="Yes")
            return [await pool.judge(upper, trace("yes")), await pool.judge(problem(), trace("take 600", 1))]

    lenient = asyncio.run(main(options={"exact": {"ignore_case": True}}, memory=512 << 20))
    assert [v.outcome for v in lenient] == ["correct", "unverifiable"]
    assert lenient[1].reason == "MemoryError"
    assert [v.outcome for v in asyncio.run(main())] == ["incorrect", "correct"]


def test_an_option_that_a_verifier_does_not_take_is_an_error() -> None:
    pool = VerifierPool(timeout=1, options={"exact": {"ignorecase": True}})
    with pytest.raises(PluginError, match="'ignore_case'"):
        pool.check(["exact"])


def test_it_counts_verdicts_and_those_that_were_cut_off() -> None:
    async def main() -> str:
        async with VerifierPool(timeout=0.5) as pool:
            await asyncio.gather(*(pool.judge(problem(), trace(a, i)) for i, a in enumerate(["good", "sleep", "good"])))
            return pool.summary()

    assert re.fullmatch(r"3 verdicts, \d a second of a verifier's time, 1 cut off by the deadline", asyncio.run(main()))


def test_what_a_verifier_prints_and_starts_stays_inside(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    child = tmp_path / "pid"
    printed, spawned = judged("print", f"spawn {child}")
    assert (printed.outcome, spawned.method) == ("correct", "timeout")
    assert capfd.readouterr() == ("", "")
    assert gone(int(child.read_text()))


def test_workers_have_one_thread_and_are_used_again() -> None:
    verdicts = judged(*["good"] * 20)
    assert len({v.extracted for v in verdicts}) == 1
    assert str(verdicts[0].extracted).endswith(" 1")


@pytest.mark.parametrize(
    ("answer", "fields", "reason"),
    [
        ("", {"finish_reason": "length", "malformed": "the thought is not closed"}, "truncated"),
        ("", {"finish_reason": "length"}, "truncated"),
        ("looks right", {"finish_reason": "length", "malformed": "the thought is not closed"}, "truncated"),
        ("", {"malformed": "no answer after the thought"}, "no answer"),
        (" \n", {}, "no answer"),
    ],
)
def test_a_reply_without_an_answer_is_incorrect_and_wakes_nobody(answer: str, fields: dict, reason: str) -> None:
    async def main() -> Verdict:
        async with VerifierPool(timeout=1) as pool:
            verdict = await pool.judge(problem(), trace(answer, **fields))
            assert workers() == []
            return verdict

    verdict = asyncio.run(main())
    assert (verdict.outcome, verdict.reason) == ("incorrect", reason)


def test_a_truncated_reply_with_an_answer_is_judged() -> None:
    async def main() -> Verdict:
        async with VerifierPool(timeout=5) as pool:
            return await pool.judge(problem("countdown"), trace(RIGHT, finish_reason="length"))

    assert asyncio.run(main()).outcome == "correct"


def test_a_name_that_nothing_answers_to_is_an_error_and_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError, match="cuntdown"):
        judged("1", verifier="cuntdown")
    pool = VerifierPool(timeout=1)
    pool.check(["countdown", HOSTILE])
    with pytest.raises(PluginError):
        pool.check(["countdown", "nothing"])
    monkeypatch.setitem(sys.modules, "math_verify", None)
    with pytest.raises(MissingExtraError, match=r"distill\[math\]"):
        pool.check(["math_verify"])


def test_a_verifier_that_only_the_worker_cannot_build_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOSTILE_PARENT", str(os.getpid()))
    with pytest.raises(DistillError, match="cannot start: OSError: no such weights"):
        judged("1", "2", verifier="hostile_verifiers:Unbuildable")
    assert workers() == []


def test_an_idle_worker_that_is_killed_is_replaced() -> None:
    async def main() -> list[str]:
        async with VerifierPool(timeout=5) as pool:
            outcomes = [(await pool.judge(problem(), trace("good"))).outcome]
            os.kill(workers()[0], signal.SIGKILL)
            return [*outcomes, (await pool.judge(problem(), trace("good"))).outcome]

    assert asyncio.run(main()) == ["correct", "correct"]


def test_it_works_from_a_thread_while_another_computes() -> None:
    torch = pytest.importorskip("torch")
    done = threading.Event()
    found: list[Verdict] = []

    def judge() -> None:
        found.extend(judged("good", "sleep", *["good"] * 50))
        done.set()

    thread = threading.Thread(target=judge)
    thread.start()
    matrix = torch.ones(200, 200)
    while not done.is_set() and thread.is_alive():
        matrix = (matrix @ matrix).clamp(max=1)
    thread.join()
    assert [v.method for v in found] == ["hostile", "timeout"] + ["hostile"] * 50


@pytest.mark.parametrize("error", [asyncio.CancelledError, ZeroDivisionError])
def test_no_process_stays_when_the_pool_is_left_by_an_error(error: type[BaseException]) -> None:
    left: list[float] = []

    async def main() -> None:
        async with VerifierPool(timeout=60, workers=2) as pool:
            waiting = [asyncio.create_task(pool.judge(problem(), trace("sleep", i))) for i in range(40)]
            while len(workers()) < 2:
                await asyncio.sleep(0.05)
            left.append(time.monotonic())
            raise error(f"with {len(waiting)} waiting")

    with pytest.raises(error):
        asyncio.run(main())
    assert time.monotonic() - left[0] < 5
    assert workers() == []
    assert not lanes()


def test_a_cancelled_item_is_dropped_and_the_rest_is_judged() -> None:
    async def main() -> str:
        async with VerifierPool(timeout=1) as pool:
            await pool.judge(problem(), trace("good"))
            task = asyncio.create_task(pool.judge(problem(), trace("sleep")))
            await asyncio.sleep(0.2)
            task.cancel()
            return (await pool.judge(problem(), trace("good"))).outcome

    assert asyncio.run(main()) == "correct"


def test_a_pool_that_was_left_says_so() -> None:
    async def main() -> None:
        async with VerifierPool(timeout=1) as pool:
            pass
        await pool.judge(problem(), trace("good"))

    with pytest.raises(RuntimeError, match="not open"):
        asyncio.run(main())


SCRIPT = """
import asyncio, sys
sys.path.insert(0, {here!r})
from test_pool import problem, trace, workers
from distill.verifiers.math import symbolic
from distill.verifiers.pool import VerifierPool

async def main():
    async with VerifierPool(timeout=60) as pool:
        task = asyncio.create_task(pool.judge(problem(), trace({answer!r})))
        while not workers():
            await asyncio.sleep(0.05)
        await asyncio.sleep(1)
        print(*workers(), flush=True)
        await task

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("sent", "answer"), [(signal.SIGINT, "sleep"), (signal.SIGKILL, "sleep"), (signal.SIGKILL, "spin")]
)
def test_workers_go_with_their_parent_and_print_nothing(sent: signal.Signals, answer: str) -> None:
    script = SCRIPT.format(here=str(HERE), answer=answer)
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    os.killpg(parent.pid, sent)  # as Ctrl-C does: the whole group
    _, errors = parent.communicate(timeout=20)
    assert gone(pid)
    assert "worker.py" not in errors
