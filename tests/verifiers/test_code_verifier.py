"""Programs judged by tests, in the shapes of the public sets, at the strongest level of isolation that works here."""

import json
import subprocess
import sys
import threading

import pytest

from distill.errors import RecipeError
from distill.sources import make_problem
from distill.verifiers.code import CodeVerifier, compare, ladder
from distill.verifiers.code.inside import source, values
from distill.verifiers.code.program import extract

pytestmark = pytest.mark.alone
DOUBLE = "print(2 * int(input()))"
FUNCTION = "def double(x):\n    return 2 * x\n"
METHOD = "class Solution:\n    def double(self, x: List[int]) -> List[int]:\n        return [2 * y for y in x]\n"


@pytest.fixture(scope="module")
def judge():
    level = next((level for level in ("bubblewrap", "landlock") if ladder.probe(level).works), None)
    if level is None:
        pytest.skip("nothing here isolates programs")
    verifier = CodeVerifier(level=level, timeout=2)
    yield verifier
    verifier.close()


def problem(tests: object, prompt: str = "p", **metadata: object):
    return make_problem(prompt=prompt, verifier="code", reference=None, metadata={"tests": tests, **metadata})


STDIN = {"inputs": ["1\n", "21\n"], "outputs": ["2\n", "42\n"]}
CALLS = {"fn_name": "double", "inputs": [[1], [21]], "outputs": [2, [42]]}
LCB_STDIN = [
    {"input": "1\n", "output": "2", "testtype": "stdin"},
    {"input": "21\n", "output": "42", "testtype": "stdin"},
]
LCB_CALLS = [{"input": "[1, 21]", "output": "[2, 42]", "testtype": "functional"}]
HUMANEVAL = "METADATA = {}\n\n\ndef check(candidate):\n    assert candidate(1) == 2\n    assert candidate(21) == 42\n"
MBPP = ["assert double(1) == 2", "assert double(21) == 42"]


@pytest.mark.parametrize(
    ("tests", "metadata", "program", "wrong"),
    [
        (STDIN, {}, DOUBLE, "print(2)"),
        (json.dumps(STDIN), {}, DOUBLE, "print(input())"),
        ({"inputs": [["1", "2"]], "outputs": [["1", "2"]]}, {}, "print(input(), input())", "print(input())"),
        (CALLS, {}, FUNCTION, "def double(x): return x"),
        (LCB_STDIN, {}, DOUBLE, ""),
        (LCB_CALLS, {"func_name": "double"}, METHOD, METHOD.replace("2 *", "3 *")),
        (LCB_CALLS, {"metadata": '{"func_name": "double"}'}, METHOD, METHOD.replace("return", "yield")),
        (HUMANEVAL, {"entry_point": "double"}, FUNCTION, "def double(x): return 2"),
        (HUMANEVAL + "\ncheck(double)\n", {"entry_point": "double"}, FUNCTION, "def other(x): return 2 * x"),
        ("def check(double):\n    assert double(2) == 4\n", {"entry_point": "double"}, FUNCTION, "double = len"),
        (MBPP, {}, FUNCTION, "def double(x): return x"),
        (
            ["assert twice(double, 1) == 4"],
            {"test_setup_code": "def twice(f, x): return f(f(x))"},
            FUNCTION,
            "double = 1",
        ),
        (["assert math.isclose(double(1), 2)"], {"test_imports": ["import math"]}, FUNCTION, "double = math = 0"),
    ],
)
def test_each_shape_of_tests(judge, tests, metadata, program, wrong):
    made = problem(tests, **metadata)
    assert judge(made, f"```python\n{program}\n```").outcome == "correct"
    verdict = judge(made, f"```python\n{wrong}\n```")
    assert verdict.outcome == "incorrect"
    assert verdict.reason


@pytest.mark.parametrize(
    ("tests", "reason"),
    [
        (None, "no tests"),
        ([], "no tests"),
        ("", "no tests"),
        ({"inputs": ["1"]}, "cannot read the tests"),
        ({"inputs": ["1"], "outputs": []}, "cannot read the tests"),
        ([{"input": "1", "output": "1", "testtype": "functional"}], "metadata.func_name"),
        ("this is no Python", "the tests cannot be run: SyntaxError"),
        ("import numpy\nassert f(1) == 1", "the tests cannot be run: ModuleNotFoundError"),
        ("assert 1 + 1 == 2", "use nothing of the program"),
        ("assert f(lambda: 1) == 1", "cannot be sent"),
        ("f(1)\nwhile True: pass", "they end early"),
        ("def test_f():\n    assert f(1) == 2", "ask nothing of the program"),
        ("if __name__ == '__main__':\n    assert f(1) == 2", "ask nothing of the program"),
    ],
)
def test_tests_that_cannot_be_used_are_the_verifiers_failure(judge, tests, reason):
    verdict = judge(problem(tests), "def f(x): return x")
    assert verdict.outcome == "unverifiable"
    assert reason in verdict.reason


HEADER = (
    'from typing import List\n\n\ndef helper(x):\n    return x + 1\n\n\ndef f(xs: List[int]) -> int:\n    """Sum."""\n'
)


@pytest.mark.parametrize(
    "reply",
    [
        "    return helper(sum(xs)) - 1\n",
        "return helper(sum(xs)) - 1",
        "    total = 0\n    for x in xs:\n        total += x\n    return total",
        "total = 0\n    for x in xs:\n        total += x\n    return total",
        "total = 0\nfor x in xs:\n    total += x\nreturn total",
        HEADER + "    return sum(xs)",
        "def f(xs: List[int]) -> int:\n    return helper(sum(xs)) - 1",
        "f = sum",
    ],
)
def test_a_completion_goes_on_from_the_prompt(judge, reply):
    tests = "def check(candidate):\n    assert candidate([1, 2]) == 3\n    assert helper(candidate([])) == 1\n"
    for prompt in (HEADER, f"Complete this:\n```python\n{HEADER}```\n"):
        made = problem(tests, prompt, entry_point="f")
        assert judge(made, f"```python\n{reply}\n```").outcome == "correct"


def test_helpers_of_the_prompt_are_not_the_programs_to_change(judge):
    tests = "def check(candidate):\n    assert helper(candidate([1])) == 2\n"
    program = "def helper(x): return 2\ndef f(xs): return 0"
    assert judge(problem(tests, HEADER, entry_point="f"), program).outcome == "incorrect"


@pytest.mark.parametrize(
    "tests",
    [
        ["assert f() == (1, [2, {3: {4.5}}], None, b'x', 'y', 2j, 1 << 99)"],
        ["assert f() != [1]", "assert len(f()) == 7"],
        ["node = Node(3)", "node.next = Node(4)", "assert total(node) == 7", "assert node.next.value == 4"],
        ["assert list(numbers()) == [0, 1, 2]", "assert next(numbers()) == 0"],
        ["try:\n    fail()\nexcept ValueError as error:\n    assert str(error) == 'no'\nelse:\n    assert False"],
        ["assert Node(1) != Node(1)", "assert Node(2)", "assert f is not None"],
        ["assert counts()['a'] == 2", "assert counts() == {'a': 2, 'b': 1}"],
    ],
)
def test_what_tests_may_do_with_the_program(judge, tests):
    program = (
        "import collections\n"
        "def f(): return (1, [2, {3: {4.5}}], None, b'x', 'y', 2j, 1 << 99)\n"
        "class Node:\n    def __init__(self, value): self.value, self.next = value, None\n"
        "def total(node): return node.value + total(node.next) if node else 0\n"
        "def numbers(): yield from range(3)\n"
        "def fail(): raise ValueError('no')\n"
        "def counts(): return collections.Counter('aba')\n"
    )
    verdict = judge(problem(tests), program)
    assert verdict.outcome == "correct", verdict.reason


@pytest.mark.parametrize(
    "program",
    [
        "import sys\nfor line in sys.stdin: print(2 * int(line))",
        "print(2 * int(open(0).read()))",
        "import os; print(2 * int(os.read(0, os.fstat(0).st_size)))",
        "import sys; sys.stdout.write(str(2 * int(sys.stdin.buffer.readline())))",
        "def main():\n    print(2 * int(input()))\nif __name__ == '__main__':\n    main()",
        "print(2 * int(input())); exit()",
        "print(2 * int(input())); raise SystemExit(1)",
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(1 << 26)\n"
        "t = threading.Thread(target=lambda: print(2 * int(input())))\nt.start()",
        "import atexit, io, sys\nout = io.StringIO()\natexit.register(lambda: sys.__stdout__.write(out.getvalue()))\n"
        "print(2 * int(input()), file=out)",
        "n = int(input())\ndef f(k): return 0 if k == 0 else 1 + f(k - 1)\nprint(f(20000) - 20000 + 2 * n)",
        "print(gcd(2, 4) * int(input()))",
        "import sys; print('so', file=sys.stderr); print(2 * int(input())); print('far', file=sys.stderr, flush=True)",
        "from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nprint(A(2).x * int(input()))",
        "import os; n = input(); os.write(1, str(2 * int(n)).encode()); os._exit(7)",
        "print(f'{2 * int(input())}.0000000001')",
        "import sys\nif len(sys.argv) > 1: sys.stdin = open(sys.argv[1])\nprint(2 * int(input()))",
        "import argparse; argparse.ArgumentParser().parse_args(); print(2 * int(input()))",
        "import os; os.path.abspath(__file__); print(2 * int(input()))",
        "import os\nassert not any(map(os.path.exists, ('pyproject.toml', 'input.txt')))\nprint(2 * int(input()))",
        "import resource, sys\nresource.setrlimit(resource.RLIMIT_STACK, (resource.RLIM_INFINITY,) * 2)\n"
        "sys.setrecursionlimit(10**6)\nprint(2 * int(input()))",
        "out = open(1, 'w')\nout.write(str(2 * int(input())))",
        "import os\nwrite = os.fdopen(1, 'w').write\nwrite(str(2 * int(input())))",
        "import io, sys\nold, sys.stdout = sys.stdout, io.StringIO()\nprint(2 * int(input()))\n"
        "old.write(sys.stdout.getvalue())",
        "class Last:\n    def __del__(self): print(self.n)\nlast = Last()\nlast.n = 2 * int(input())",
        "import atexit\natexit.register(exit)\nprint(2 * int(input()))",
        "import sys\nsys.setrecursionlimit(10**6)\nn = int(input())\n"
        "def f(k): return 0 if k == 0 else 1 + f(k - 1)\nprint(f(10**5) - 10**5 + 2 * n)",
    ],
)
def test_the_ways_in_which_programs_read_and_print(judge, program):
    verdict = judge(problem(STDIN), f"```python\n{program}\n```")
    assert verdict.outcome == "correct", verdict.reason


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("def f(n): return [deque([n]), range(n), map(str, [n])]", [[2], [0, 1], ["2"]]),
        ("def f(n): return {'a': {n: 0}.keys(), 1: Fraction(1, n)}", {"a": [2], "1": 0.5}),
        ("def f(n): return Decimal(1) / n", 0.5),
        ("def f(n): yield from range(n)", [0, 1]),
        ("def f(n): return nan", float("nan")),
    ],
)
def test_results_that_json_has_no_word_for(judge, program, expected):
    verdict = judge(problem({"fn_name": "f", "inputs": [[2]], "outputs": [expected]}), program)
    assert verdict.outcome == "correct", verdict.reason


def test_nothing_of_one_test_reaches_the_next(judge):
    program = "import builtins\nn = getattr(builtins, 'n', 0)\nbuiltins.n = 1\nprint(2 * int(input()) + n)"
    assert judge(problem(STDIN), program).outcome == "correct"


def test_large_input_and_output(judge):
    number = "7" * 2_000_000
    made = problem({"inputs": [number], "outputs": [number]})
    assert judge(made, "print(input())").outcome == "correct"
    assert (
        judge(problem({"inputs": [""], "outputs": [str(2**40000 % 10**6)]}), "print(2**40000)").outcome == "incorrect"
    )
    assert judge(problem({"inputs": [""], "outputs": ["5000"]}), "print(len(str(10**4999)))").outcome == "correct"


def test_the_first_failed_test_is_named(judge):
    verdict = judge(problem(STDIN), "print(2)")
    assert (verdict.outcome, verdict.reason, verdict.method) == ("incorrect", "test 2 of 2: wrong output", "tests")
    assert verdict.extracted == "print(2)"
    assert judge(problem(STDIN), "1 / 0").reason == "test 1 of 2: ZeroDivisionError: division by zero"


def test_one_verifier_serves_several_threads(judge):
    outcomes: list[str] = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(judge(problem(STDIN), DOUBLE).outcome)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == ["correct"] * 4


@pytest.mark.slow
def test_verdicts_do_not_depend_on_load(judge):
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(8)]
    try:
        program = "s = 0\nfor i in range(3 * 10**6): s += i\n" + DOUBLE
        assert judge(problem(STDIN), program).outcome == "correct"
        assert judge(problem(STDIN), "while True: pass").outcome in ("incorrect", "unverifiable")
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.parametrize("options", [{"total": 1e9}, {"timeout": 0}, {"memory": 1}, {"level": "firejail"}])
def test_limits_that_cannot_be_are_refused(options):
    with pytest.raises(RecipeError, match="choose"):
        CodeVerifier(**options)


@pytest.mark.parametrize(
    ("reply", "program"),
    [
        ("```python\na\n```", "a"),
        ("```python\na\n```\nso\n```py\nb\n```", "b"),
        ("```python\na\n```\nprints\n```\n42\n```", "a"),
        ("```\na\n```\n```text\nb\n```", "b"),
        ("~~~python3\na\n~~~", "a"),
        ("````python\n```\na\n````", "```\na"),
        ("1. so\n   ```python\n   if a:\n       b\n   ```", "if a:\n    b"),
        ("```python\na\nb", "a\nb"),
        ("```Python title=x\na\n```", "a"),
        ("print(1)", "print(1)"),
        ("<answer>print(1)</answer>", "print(1)"),
        ("```python\na\n```<answer>\n```python\nb\n```\n</answer>", "b"),
        ("<answer>a</answer> no: <answer>b</answer>", "b"),
        ("<answer>a", "a"),
        ("", None),
        (" \n", None),
        ("```python\n```", None),
    ],
)
def test_the_program_of_a_reply(reply: str, program: str | None):
    assert extract(reply) == program


@pytest.mark.parametrize(
    ("output", "expected", "is_same"),
    [
        ("1 2\n3\n", "1 2\n3", True),
        ("1  2 \n\n3", "1 2\n3", True),
        ("1 2", "1 2 3", False),
        ("0.3333333", "0.33333333", True),
        ("0.333", "0.33333333", False),
        ("1e-3", "0.001", True),
        ("5.0", "5", True),
        ("5", "6", False),
        ("123456789", "123456788", False),
        ("1" * 400 + ".0", "1" * 400, False),
        ("YES", "yes", False),
        ("nan", "nan", True),
        ("inf", "nan", False),
        ("", "", True),
        ("", "0", False),
        ("\u0661", "1", False),
        ("4.99999999", "5", True),
        ("37607910542.0", "37607912018", False),
        ("37607912018.2", "37607912018", True),
        ("37607910542", "37607912018.0", True),
        ("1e18", "1000000000000000001", False),
        ("1e18", "1000000000000000000", True),
        ("9e500", "1e400", False),
        ("5.", "5", True),
    ],
)
def test_printed_output(output: str, expected: str, is_same: bool):
    assert compare.printed(output, expected) is is_same


@pytest.mark.parametrize(
    ("result", "expected", "is_same"),
    [
        ((1, (2, 3)), [1, [2, 3]], True),
        ({1: [2]}, {"1": [2]}, True),
        ({1: 2}, {"1": 3}, False),
        (0.1 + 0.2, 0.3, True),
        (2, 2.0, True),
        (2, [2], True),
        ([2], [[2]], True),
        (2, [2, 3], False),
        ("2", 2, False),
        (None, None, True),
        (None, [], False),
        ({1, 2}, [1, 2], False),
        (float("nan"), 1.0, False),
        (10**400, 1.0, False),
        (10**400, 10**400, True),
        (37607910542.0, 37607912018, False),
        (1e18, 10**18 + 1, False),
        (4.99999999, 5, True),
        (float("nan"), float("nan"), True),
        (float("nan"), 1, False),
        (float("inf"), float("inf"), True),
        (float("inf"), 10**400, False),
    ],
)
def test_returned_values(result: object, expected: object, is_same: bool):
    assert compare.returned(result, expected) is is_same


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        -1,
        1 << 200,
        0.5,
        float("inf"),
        "\ud800é",
        b"\x00",
        [1, (2,)],
        {(1,): {2, 3}},
        frozenset("a"),
        1 + 2j,
    ],
)
def test_plain_values_come_back_as_they_were(value: object):
    back = values.loads(values.dumps(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "document",
    [
        "{}",
        "[]",
        '["other",0]',
        '["int",7]',
        '["int","z"]',
        '["dict",1]',
        '["set",["list"]]',
        "[[1]]",
        '["x"]',
        "1e",
        "\xff",
    ],
)
def test_documents_of_anybody_are_values_or_errors(document: str):
    with pytest.raises(ValueError):
        values.loads(document.encode("latin-1"))


@pytest.mark.parametrize("kind", ["set", "frozenset", "dict"])
def test_members_with_one_hash_are_refused_before_they_cost_minutes(kind: str):
    members = [(2**61 - 1) * number for number in range(1, 30_000)]
    document = json.dumps([kind, *([[member, 0] for member in members] if kind == "dict" else members)])
    with pytest.raises(ValueError, match="equal hashes"):
        values.loads(document.encode())
    assert values.loads(values.dumps({-1, -2, 1.5, "a"})) == {-1, -2, 1.5, "a"}


def test_a_preamble_is_what_stands_beside_the_function():
    assert source.preamble(HEADER, "f") == "from typing import List\n\ndef helper(x):\n    return x + 1"
    assert source.preamble("Write a function.", "f") == ""
    assert source.preamble("print", "") == ""
