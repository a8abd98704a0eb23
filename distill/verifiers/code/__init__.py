"""Does a program pass its tests. It runs where it can do no harm, and what is expected of it stays outside.

See `docs/sandbox.md` for what runs where, and `distill.verifiers.code.cases` for the shapes of tests.
"""

import threading
import time
from typing import ClassVar

from distill.errors import DataError, RecipeError
from distill.types import Judgement, Outcome, Problem
from distill.verifiers.code import isolation, ladder
from distill.verifiers.code.cases import Case, read
from distill.verifiers.code.judging import run_case
from distill.verifiers.code.process import Limits, SandboxError
from distill.verifiers.code.program import extract
from distill.verifiers.code.sandbox import Sandbox
from distill.verifiers.extraction import MAX_SHOWN

MIN_WALL = 5.0
WALL_PER_CPU = 4.0
"""Wall-clock seconds allowed for each second of CPU time, so that a shared core is enough."""


class CodeVerifier:
    """Judges Python programs by ``problem.metadata["tests"]``.

    Args:
        unsafe: Run programs without isolation where the machine offers none.
        timeout: Seconds of CPU time for one test.
        memory: MiB of address space for one test, Python's own included.
        total: Seconds of wall clock for all tests of a reply; past them it is unverifiable.
        level: The level of isolation; None takes the strongest that works.

    Raises:
        DistillError: If nothing isolates programs here, and `unsafe` is not set.
        RecipeError: If a limit cannot be.
    """

    DEADLINE: ClassVar[float] = 120.0
    """Seconds that one reply may take at most."""

    def __init__(
        self,
        *,
        unsafe: bool = False,
        timeout: float = 6.0,
        memory: int = 1024,
        total: float = 100.0,
        level: isolation.Level | None = None,
    ) -> None:
        if not 0 < total <= self.DEADLINE - 10 or not 0 < timeout <= total or memory < 64:
            raise RecipeError(
                f"verifier 'code': timeout={timeout:g}, total={total:g}, memory={memory}; choose 0 < timeout <= total "
                f"<= {self.DEADLINE - 10:g} seconds, and at least 64 MiB"
            )
        if level is not None and level not in isolation.LEVELS:
            raise RecipeError(f"verifier 'code': level is {level!r}; choose {', '.join(isolation.LEVELS)}")
        self._total = total
        limits = Limits(timeout=timeout, wall=max(MIN_WALL, WALL_PER_CPU * timeout), memory=memory << 20)
        self.level = level or ladder.choose(unsafe=unsafe)
        self._solutions, self._checkers = Sandbox(self.level, limits), Sandbox(self.level, limits)
        self._lock = threading.Lock()

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        """Judge the program in an answer by every test, up to the first that it fails."""
        try:
            cases = read(problem)
        except DataError as error:
            return Judgement(outcome="unverifiable", method="tests", reason=str(error)[:MAX_SHOWN])
        program = extract(answer)
        if program is None:
            return Judgement(outcome="incorrect", method="tests", reason="no program")
        with self._lock:
            return self._judge(cases, program)

    def _judge(self, cases: list[Case], program: str) -> Judgement:
        deadline = time.monotonic() + self._total
        for number, case in enumerate(cases, start=1):
            if time.monotonic() > deadline:
                return _judgement("unverifiable", program, f"the time for one reply is over after {number - 1} tests")
            try:
                finding = run_case(case, program, self._solutions, self._checkers, deadline)
            except SandboxError as error:
                self.close()
                return _judgement("unverifiable", program, str(error))
            if finding.outcome != "correct":
                place = f"test {number} of {len(cases)}: " if len(cases) > 1 else ""
                return _judgement(finding.outcome, program, place + finding.reason)
        return _judgement("correct", program, "")

    def close(self) -> None:
        """End the sandboxes. They start again when they are needed."""
        self._solutions.close()
        self._checkers.close()


def _judgement(outcome: Outcome, program: str, reason: str) -> Judgement:
    return Judgement(outcome=outcome, extracted=program[:MAX_SHOWN], method="tests", reason=reason[:MAX_SHOWN])
