"""Verifiers that misbehave, for test_pool and test_isolated. Each takes its orders from the answer or the problem."""

import os
import subprocess
import sys
import time

from distill.types import Judgement, Problem
from distill.verifiers.isolated import Isolated


class Hostile:
    """Does what the answer says."""

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        match answer.split():
            case ["sleep", *_]:
                time.sleep(3600)
            case ["wait", seconds]:
                time.sleep(float(seconds))
            case ["spin"]:
                pow(3, 3**30)  # one C call, which no signal handler of Python can end
            case ["spawn", path]:
                child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
                with open(path, "w") as file:
                    file.write(str(child.pid))
                time.sleep(3600)
            case ["allocate"]:
                return Judgement(outcome="correct", extracted=str(len(bytearray(16 << 30))))
            case ["take", megabytes]:
                len(bytearray(int(megabytes) << 20))
            case ["exit", code]:
                os._exit(int(code))
            case ["sys.exit"]:
                sys.exit("enough")
            case ["raise", *words]:
                raise ArithmeticError(" ".join(words))
            case ["print"]:
                print("noise")
                os.write(1, b"noise\n" * 10_000)
            case ["bool"]:
                return True  # type: ignore[return-value]
            case ["outcome"]:
                return Judgement(outcome="maybe")  # type: ignore[arg-type]
            case ["surrogate"]:
                return Judgement(outcome="correct", extracted="\ud800")
            case ["slow"]:
                time.sleep(0.2)
            case _:
                pass
        return Judgement(
            outcome="correct", extracted=f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}", method="hostile"
        )


class Unbuildable:
    """Builds in the process that has no orders to refuse, and in no other."""

    def __init__(self) -> None:
        if os.environ.get("HOSTILE_PARENT") != str(os.getpid()):
            raise OSError("no such weights")

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        return Judgement(outcome="correct")


class SlowToBuild:
    """Takes its time to start, and none to judge."""

    def __init__(self, *, seconds: float = 0.0) -> None:
        time.sleep(seconds)

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        return Judgement(outcome="correct")


class Patient(Hostile):
    """May take longer than the pool gives."""

    DEADLINE = 3.0


class Nested:
    """Judges in a process of its own, as the slow lane of a verifier does."""

    def __init__(self) -> None:
        self._isolated = Isolated("hostile_verifiers:Hostile", timeout=60)

    def __call__(self, problem: Problem, answer: str) -> Judgement:
        return self._isolated(problem, answer)
