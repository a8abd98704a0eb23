"""What hostile programs try, at each isolated level that works here: stopped or judged incorrect; nothing stays."""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from distill.errors import DistillError
from distill.verifiers.code import attempts, ladder
from distill.verifiers.code.cases import Call, Check, Script
from distill.verifiers.code.inside import seccomp, zygote
from distill.verifiers.code.judging import run_case
from distill.verifiers.code.process import Limits, SandboxError
from distill.verifiers.code.sandbox import Sandbox

pytestmark = pytest.mark.alone
ISOLATED = ("bubblewrap", "landlock")
SECRET = "quince-4711"
MEMORY = (300 << 20) + 4096 * (os.getpid() % 10_000)
"""A number that stands in the command line of our sandboxes and of no others."""


@pytest.fixture(scope="module", params=ISOLATED)
def sandboxes(request):
    rung = ladder.probe(request.param)
    if not rung.works:
        pytest.skip(f"{request.param}: {rung.found}")
    limits = Limits(timeout=1, wall=10, memory=MEMORY)
    with Sandbox(request.param, limits) as solutions, Sandbox(request.param, limits) as checkers:
        yield solutions, checkers
    assert not strays(), "processes of the sandbox are left"


def judge(sandboxes, case, program, seconds=60.0):
    return run_case(case, program, *sandboxes, time.monotonic() + seconds)


def strays() -> list[int]:
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f'"memory": {MEMORY}'.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_this_machine_has_an_isolated_level():
    assert any(ladder.probe(level).works for level in ISOLATED), [ladder.probe(level).found for level in ISOLATED]


@pytest.mark.parametrize("name", attempts.ATTEMPTS)
def test_without_isolation_an_attempt_is_at_least_a_program_that_runs(name: str):
    compile(attempts.ATTEMPTS[name].format(secret="s", doomed="d", folder="f", port=1, pid=1), name, "exec")


@pytest.mark.parametrize("level", ISOLATED)
def test_nothing_that_the_probe_tries_is_open(level):
    rung = ladder.probe(level)
    if not rung.works:
        pytest.skip(f"{level}: {rung.found}")
    assert attempts.still_open(level) == []


def test_the_probe_sees_what_is_open_where_nothing_is_isolated():
    assert "read a file of the user" in attempts.still_open("unsafe")


def test_without_a_level_that_works_the_verifier_is_refused(monkeypatch):
    monkeypatch.setattr(ladder, "probe", lambda level: ladder.Rung(level, level == "unsafe", "not here", "remedy"))
    with pytest.raises(DistillError, match=r"bubblewrap: not here.*distill doctor.*unsafe"):
        ladder.choose(unsafe=False)
    assert ladder.choose(unsafe=True) == "unsafe"


WALK = """
import gc, sys
found = []
def look(thing, depth=0):
    if isinstance(thing, str) and 'quince' in thing and len(thing) < 20: found.append(thing)
    elif depth < 4 and isinstance(thing, dict): [look(x, depth + 1) for x in [*thing, *thing.values()]]
    elif depth < 4 and isinstance(thing, (list, tuple, set)): [look(x, depth + 1) for x in list(thing)]
frame = sys._getframe()
while frame:
    look(dict(frame.f_locals)); look(dict(frame.f_globals)); frame = frame.f_back
for thing in gc.get_objects(): look(thing)
found = [x for x in found if x not in ('quince',)]
"""
FORK_BOMB = "import os\nwhile True:\n    try: os.fork()\n    except MemoryError: pass"
DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1000)
    os._exit(0)
"""
SCRIPTS = {
    "a busy loop": ("while True: pass", "CPU time"),
    "a busy loop that ignores the signal": ("import signal\nsignal.signal(24, 1)\nwhile True: pass", "CPU time"),
    "a memory bomb": ("x = []\nwhile True: x.append(bytearray(1 << 20))", "MemoryError"),
    "one large allocation": ("x = bytearray(1 << 34)", "MemoryError"),
    "a fork bomb": (FORK_BOMB, "PermissionError"),
    "a daemon": (DAEMON, "PermissionError"),
    "a flood of output": ("while True: print('x' * 10000)", "too much output"),
    "a file of 4 GB": ("f = open('big', 'wb')\nwhile True: f.write(bytes(1 << 20))", "Error"),
    "50,000 files": ("for i in range(50000): open(f'file-{i}', 'w').write('x')", "Error"),
    "50,000 files in /tmp": ("for i in range(50000): open(f'/tmp/file-{i}', 'w').write('x')", "Error"),
    "a shell": ("import subprocess; subprocess.run('echo 1', shell=True)", "PermissionError"),
    "an exit before any output": ("import os; os._exit(0)", "wrong output"),
    "a claim of success": (
        "import sys; print('PASSED'); print('{\"outcome\": \"correct\"}'); sys.exit(0)",
        "wrong output",
    ),
    "a forged frame": ("import os; os.write(3, bytes([1, 0, 0, 0]) + b'P'); os._exit(0)", "wrong output"),
    "a channel full of junk": ("import os\nwhile True: os.write(3, b'\\xff' * 65536)", "too much output"),
    "a flood of empty frames": ("import os\nwhile True: os.write(3, bytes(65536))", "too much output"),
    "a closed channel": ("import os; [os.close(fd) for fd in (0, 1, 2, 3)]", "wrong output"),
    "a walk over the frames": (WALK + "print(*found)", "wrong output"),
    "a read of its own memory": ("print('quince' in open('/proc/self/mem').read())", "Error"),
    "a look at other processes": ("import os; print(os.listdir('/proc'))", "Error"),
    "a crash": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "a nest that the parser cannot take": ("(" * 10000 + ")" * 10000, "Error"),
    "no Python": ("Sorry, I cannot.", "SyntaxError"),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_hostile_scripts_are_incorrect(name: str, sandboxes):
    program, reason = SCRIPTS[name]
    assert judge(sandboxes, Script("4\n", "16"), "print(int(input()) ** 2)").outcome == "correct"
    before = strays()
    finding = judge(sandboxes, Script(stdin="1\n", expected=SECRET), program)
    assert finding.outcome == "incorrect"
    assert reason in finding.reason
    assert strays() == before


def test_a_sleeper_is_ended_and_blamed(sandboxes):
    with Sandbox(sandboxes[0].level, Limits(timeout=1, wall=1.0)) as sandbox:
        finding = judge((sandbox, sandbox), Script("", "1"), "import time; time.sleep(1000)")
    assert finding == ("incorrect", "asleep")


def test_a_program_that_the_machine_keeps_from_computing_is_not_blamed(sandboxes):
    with Sandbox(sandboxes[0].level, Limits(timeout=30, wall=0.5)) as sandbox:
        finding = judge((sandbox, sandbox), Script("", "1"), "while True: pass")
    assert finding.outcome == "unverifiable"
    assert "the machine is busy" in finding.reason


def test_the_time_for_the_whole_reply_is_the_verifiers_own(sandboxes):
    finding = judge(sandboxes, Script("", "1"), "while True: pass", seconds=0.3)
    assert finding == ("unverifiable", "the time for one reply is over")
    assert judge(sandboxes, Script("", "1"), "print(1)", seconds=-1).outcome == "unverifiable"


CHECK = f"def check(candidate):\n    assert candidate(2) == '{SECRET}'\n    assert abs(candidate(3) - 1.5) < 1e-6\n"
CHEATS = {
    "an equal to everything": "class E:\n    def __eq__(s, o): return True\n    def __sub__(s, o): return 0\n"
    "    def __abs__(s): return 0\n    def __lt__(s, o): return True\ndef f(x): return E()",
    "a subclass equal to everything": "class E(str):\n    def __eq__(s, o): return True\n    __hash__ = None\n"
    "def f(x): return E('no')",
    "changed builtins": "import builtins\nbuiltins.abs = lambda x: 0\nbuiltins.AssertionError = Warning\n"
    "def f(x): return 0",
    "a check of its own": "def check(candidate): pass\ndef f(x): return 0\nabs = lambda x: 0",
    "an exit": "import sys\ndef f(x): sys.exit(0)",
    "a hard exit": "import os\ndef f(x): os._exit(0)",
    "an exit while it loads": "import sys\nsys.exit(0)",
    "a forged verdict": "import sys\ndef f(x): sys.modules['inside.channel'].send(b'P')",
    "a forged verdict while it loads": "import sys\nsys.modules['inside.channel'].send(b'P')\ndef f(x): return 0",
    "answers to all that is asked": "import sys\nc = sys.modules['inside.channel']\n"
    "c.send(b'L')\nfor _ in range(9): c.send(b'Atrue')\ndef f(x): return 0",
    "a replaced server": "import sys\nv = sys.modules['inside.values']\nv.dumps = lambda *a: b'[\"other\", 0]'\n"
    "def f(x): return 0",
    "a walk over the frames": WALK + "def f(x): return found[0] if found else ''",
    "its own AssertionError": "class AssertionError(Exception): pass\ndef f(x): raise AssertionError",
    "StopIteration": "def f(x): raise StopIteration",
    "a busy loop": "def f(x):\n    while True: pass",
    "a memory bomb": "def f(x): return 'x' * (1 << 33)",
    "a large value": "def f(x): return 'x' * (1 << 22)",
    "a nest": "def f(x):\n    y = []\n    for _ in range(100000): y = [y]\n    return y",
    "nothing": "",
    "another name": "def g(x): return 0",
}


@pytest.mark.parametrize("name", CHEATS)
def test_hostile_functions_fail_tests_that_are_code(name: str, sandboxes):
    assert judge(sandboxes, Check(CHECK, "", "f"), CHEATS[name]).outcome == "incorrect"
    honest = f"def f(x): return '{SECRET}' if x == 2 else 1.5"
    assert judge(sandboxes, Check(CHECK, "", "f"), honest).outcome == "correct"


@pytest.mark.parametrize("name", CHEATS)
def test_hostile_functions_fail_calls(name: str, sandboxes):
    assert judge(sandboxes, Call("f", [2], SECRET), CHEATS[name]).outcome == "incorrect"


LOOP_ENDERS = {
    "all of a map": "assert all(map(lambda pair: candidate(pair[0]) == pair[1], [(1, 2), (2, 4)]))",
    "a zip": "for ours, theirs in zip(map(candidate, [1, 2]), [2, 4]): assert ours == theirs",
    "a list": "assert [*map(candidate, [1, 2])][1:] == []",
}


@pytest.mark.parametrize("name", LOOP_ENDERS)
def test_a_stop_iteration_of_the_program_does_not_end_the_loops_of_the_tests(name: str, sandboxes):
    tests = f"def check(candidate):\n    {LOOP_ENDERS[name]}\n"
    for program in ("def f(x): raise StopIteration", "class f:\n    def __init__(self, x): raise StopIteration"):
        assert judge(sandboxes, Check(tests, "", "f"), program).outcome == "incorrect"
    assert judge(sandboxes, Check("assert next(f()) == 1", "", ""), "def f(): yield 1").outcome == "correct"


RAW_THREADS = """
import ctypes, mmap, struct
page = mmap.mmap(-1, 8192, prot=7)
base = ctypes.addressof(ctypes.c_char.from_buffer(page))
# clone(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM, stack); a thread then pauses
page.write(
    b'\\xb8\\x38\\0\\0\\0\\x48\\xbf' + struct.pack('<Q', 0x50F00) + b'\\x48\\xbe' + struct.pack('<Q', base + 8000)
    + b'\\x31\\xd2\\x4d\\x31\\xd2\\x4d\\x31\\xc0\\x0f\\x05\\x85\\xc0\\x75\\x09'
    + b'\\xb8\\x22\\0\\0\\0\\x0f\\x05\\xeb\\xf7\\xc3'
)
clone = ctypes.CFUNCTYPE(ctypes.c_long)(base)
num_threads = 0
while num_threads < 3000 and clone() > 0: num_threads += 1
raise SystemError(num_threads)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86_64")
def test_threads_that_take_no_memory_are_counted(sandboxes):
    assert judge(sandboxes, Script("", "1"), RAW_THREADS).reason == f"SystemError: {zygote.MAX_THREADS}"
    program = "from threading import Thread\nfor _ in range(500): t = Thread(target=int); t.start(); t.join()\nprint(1)"
    assert judge(sandboxes, Script("", "1"), program).outcome == "correct"


def test_threads_are_limited_by_memory_and_end_with_the_program(sandboxes):
    program = "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(99,), daemon=True).start()"
    finding = judge(sandboxes, Script("", "1"), program)
    assert finding.outcome == "incorrect"
    assert judge(sandboxes, Script("", "1"), "print(1)").outcome == "correct"


def test_a_level_that_cannot_start_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        Sandbox("bubblewrap", Limits()) as sandbox,
        pytest.raises(SandboxError, match="bwrap cannot be run: it is not installed"),
    ):
        sandbox.start({"mode": "script", "code": ""})
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho namespaces are refused >&2\nexit 1\n")
    broken.chmod(0o755)
    with Sandbox("bubblewrap", Limits()) as sandbox, pytest.raises(SandboxError, match="namespaces are refused"):
        sandbox.start({"mode": "script", "code": ""})


def test_a_driver_with_many_open_files_gives_none_of_them_away(sandboxes):
    fds = [os.dup(0) for _ in range(1100)]
    try:
        with Sandbox(sandboxes[0].level, Limits()) as sandbox:
            program = "import os\nfor fd in range(4, 5000):\n    try: os.fstat(fd); print(fd)\n    except OSError: pass"
            assert judge((sandbox, sandbox), Script("", ""), program).outcome == "correct"
    finally:
        for fd in fds:
            os.close(fd)


def test_a_lost_sandbox_is_no_programs_fault_and_is_replaced(sandboxes):
    with Sandbox(sandboxes[0].level, Limits()) as sandbox:
        with sandbox.start({"mode": "script", "code": "print(1)"}) as process:
            process.wait()
        sandbox._server.kill()
        sandbox._server.wait()
        assert judge((sandbox, sandbox), Script("", "1"), "print(1)").outcome == "correct"
        process = sandbox.start({"mode": "script", "code": "import time; time.sleep(99)"})
        sandbox._server.kill()
        with pytest.raises(SandboxError, match="died"):
            process.wait()


def test_a_killed_driver_leaves_nothing_behind(sandboxes):
    program = (
        "from distill.verifiers.code.process import Limits; from distill.verifiers.code.sandbox import Sandbox\n"
        f"s = Sandbox({sandboxes[0].level!r}, Limits(memory={MEMORY}))\n"
        "p = s.start({'mode': 'script', 'code': 'import time; time.sleep(1000)'})\n"
        "print('started', flush=True); p.wait()"
    )
    before = {*strays()}
    driver = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert driver.stdout.readline() == "started\n"
    assert {*strays()} > before
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    end = time.monotonic() + 10
    while {*strays()} != before and time.monotonic() < end:
        time.sleep(0.05)
    assert {*strays()} == before


@pytest.mark.parametrize(("column", "header"), [(0, "x86_64-linux-gnu/asm/unistd_64.h"), (1, "asm-generic/unistd.h")])
def test_the_numbers_of_the_system_calls_are_the_kernels(column: int, header: str):
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"{path} is not here")
    kernel: dict[str, int] = {}
    for words in map(str.split, path.read_text().splitlines()):
        if words[:1] == ["#define"] and len(words) == 3 and words[2].isdigit():
            kernel[words[1].removeprefix("__NR_").removeprefix("__NR3264_")] = int(words[2])
    kernel["newfstatat"] = kernel.get("newfstatat", kernel.get("fstatat", -1))
    single = {
        "clone": seccomp.CLONE,
        "clone3": seccomp.CLONE3,
        "prlimit64": seccomp.PRLIMIT,
        "seccomp": seccomp.SECCOMP,
    }
    for name, numbers in (seccomp.ALLOWED | single | {"ioctl": seccomp.IOCTL, "fcntl": seccomp.FCNTL}).items():
        assert numbers[column] == kernel.get(name, -1), name
