"""What a test says of a program: run it confined, compare here, and tell its fault from the machine's."""

import json
import signal
from typing import NamedTuple

from distill.types import Outcome
from distill.verifiers.code import compare
from distill.verifiers.code.cases import Call, Case, Check, Script
from distill.verifiers.code.inside import channel, values
from distill.verifiers.code.process import Ending, Limits, Process
from distill.verifiers.code.sandbox import Sandbox

ASLEEP = 0.05
"""Share of a CPU below which a program at its wall-clock limit was asleep. One that was kept from computing by a busy
machine has more: it takes twenty busy processes a core to keep it down to this."""


class Finding(NamedTuple):
    """An outcome, and why if it is not `correct`."""

    outcome: Outcome
    reason: str = ""


CORRECT = Finding("correct")


def run_case(case: Case, program: str, solutions: Sandbox, checkers: Sandbox, deadline: float) -> Finding:
    """Judge a program by one test.

    Args:
        case: The test.
        program: The program's text.
        solutions: Where the program runs.
        checkers: Where tests that are code run: another sandbox, for they hold what is expected.
        deadline: When the time for the whole reply is over, by `time.monotonic`.

    Raises:
        SandboxError: If a sandbox cannot start, or is lost.
    """
    match case:
        case Script():
            return _run_script(case, program, solutions, deadline)
        case Call():
            return _run_call(case, program, solutions, deadline)
        case Check():
            return _run_check(case, program, solutions, checkers, deadline)


def _run_script(case: Script, program: str, sandbox: Sandbox, deadline: float) -> Finding:
    expected = case.expected.encode(errors="replace")
    stdin = case.stdin.encode(errors="replace")
    job = {"mode": "script", "code": program}
    with sandbox.start(job, stdin=stdin, room=2 * len(expected), deadline=deadline) as process:
        frame = process.receive() or b""  # a script says one thing at most: the exception that ended it
        said = _words(frame) if frame[:1] == channel.ERROR else ""
        if (fault := _fault(process.wait(), sandbox.limits)) or said:
            return fault or Finding("incorrect", said)
        output = process.output.decode(errors="replace")
    return CORRECT if compare.printed(output, case.expected) else Finding("incorrect", "wrong output")


def _run_call(case: Call, program: str, sandbox: Sandbox, deadline: float) -> Finding:
    arguments = values.dumps(case.arguments).decode()
    job = {"mode": "call", "code": program, "function": case.function, "arguments": arguments}
    room = 4 * len(json.dumps(case.expected))
    with sandbox.start(job, room=room, deadline=deadline) as process:
        frame = process.receive() or b""
        if frame[:1] != channel.ANSWER:
            return _fault(process.end(), sandbox.limits) or Finding("incorrect", _words(frame) or "no result")
        if process.end().cpu > sandbox.limits.timeout:
            return _too_slow(sandbox.limits)
    try:
        is_right = compare.returned(values.loads(frame[1:]), case.expected)
    except (ValueError, RecursionError):
        return Finding("incorrect", "no plain value")
    return CORRECT if is_right else Finding("incorrect", "wrong result")


def _run_check(case: Check, program: str, solutions: Sandbox, checkers: Sandbox, deadline: float) -> Finding:
    asked = {"header": case.header, "entry_point": case.entry_point}
    with solutions.start({"mode": "serve", "code": program, **asked}, deadline=deadline) as solution:
        frame = solution.receive() or b""
        if frame != channel.LOADED:
            return _fault(solution.end(), solutions.limits) or Finding("incorrect", _words(frame) or "it ends early")
        with checkers.start({"mode": "check", "tests": case.tests, **asked}, deadline=deadline) as checker:
            return _mediate(solution, checker, solutions.limits)


def _mediate(solution: Process, checker: Process, limits: Limits) -> Finding:
    """Carry questions and answers between the tests and the program until the tests have decided."""
    is_asked = False
    while (frame := checker.receive()) is not None and frame[:1] == channel.QUESTION:
        solution.send(frame[1:])
        answer = solution.receive() or b""
        if answer[:1] not in (channel.ANSWER, channel.RAISED):
            return _fault(solution.end(), limits) or Finding("incorrect", _words(answer) or "it ends early")
        checker.send(answer)
        is_asked = True
    kind = (frame or b"")[:1]
    if kind == channel.PASSED and not is_asked:  # as test functions that nothing calls
        return Finding("unverifiable", "the tests ask nothing of the program")
    if kind in (channel.PASSED, channel.FAULT):
        decided = CORRECT if kind == channel.PASSED else Finding("incorrect", _words(frame or b""))
        return _too_slow(limits) if solution.end().cpu > limits.timeout else decided
    return Finding("unverifiable", f"the tests cannot be run: {_words(frame or b'') or 'they end early'}")


def _words(frame: bytes) -> str:
    try:
        return str(json.loads(frame[1:]))[:200] if frame else ""
    except (ValueError, RecursionError):
        return "it wrote into the channel"


def _fault(ending: Ending, limits: Limits) -> Finding | None:
    """What is to be said of how a process ended; None if it ended well.

    CPU time is the program's own doing. Wall-clock time is also the machine's: only a program that slept is blamed.
    """
    number = ending.status & 0x7F
    if ending.cpu > limits.timeout or number == signal.SIGXCPU:  # which may come a clock tick before the limit
        return _too_slow(limits)
    if ending.cut == "size":
        return Finding("incorrect", "too much output")
    if ending.cut == "idle" and ending.cpu < ASLEEP * ending.wall:
        return Finding("incorrect", "asleep")
    if ending.cut == "idle":
        return Finding("unverifiable", f"{ending.cpu:.1f} s of CPU time in {ending.wall:.0f} s: the machine is busy")
    if ending.cut == "budget":
        return Finding("unverifiable", "the time for one reply is over")
    if number == signal.SIGKILL and not ending.cut:
        return Finding("unverifiable", "killed by the system")
    return Finding("incorrect", f"ended by {signal.Signals(number).name}") if number and not ending.cut else None


def _too_slow(limits: Limits) -> Finding:
    return Finding("incorrect", f"more than {limits.timeout:g} s of CPU time")
