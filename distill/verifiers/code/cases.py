"""The tests of a problem, in the shapes that the public sets have.

| set | ``metadata["tests"]`` | besides |
|---|---|---|
| APPS, TACO | ``{"inputs": [...], "outputs": [...]}`` for standard input and output | ``fn_name``, for calls |
| LiveCodeBench | ``[{"input": ..., "output": ..., "testtype": "stdin" or "functional"}]`` | ``func_name`` |
| HumanEval | the source of ``check(candidate)`` | ``entry_point`` |
| MBPP | ``["assert f(1) == 2", ...]`` | ``test_setup_code``, ``test_imports`` |

Each may also be given as a JSON string.
"""

import json
from dataclasses import dataclass
from typing import Any, cast

from distill.errors import DataError
from distill.types import Problem
from distill.verifiers.code.program import fenced


@dataclass(frozen=True, slots=True)
class Script:
    """A program reads `stdin` and prints what `expected` says."""

    stdin: str
    expected: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function, or a method of a class `Solution`, gives `expected`."""

    function: str
    arguments: list[Any]
    expected: Any


@dataclass(frozen=True, slots=True)
class Check:
    """Tests that are Python code; `header` is what the program was asked to go on from."""

    tests: str
    header: str
    entry_point: str


Case = Script | Call | Check


def read(problem: Problem) -> list[Case]:
    """The tests of a problem, at least one.

    Raises:
        DataError: If it has none, or in a shape that is not known.
    """
    tests = _unpacked(problem.metadata.get("tests"))
    try:
        cases = _cases(tests, problem)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read the tests: {type(error).__name__}: {error}") from error
    if not cases:
        raise DataError("the problem has no tests")
    return cases


def _unpacked(tests: Any) -> Any:
    if isinstance(tests, str) and tests.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(tests)
        except (ValueError, RecursionError):
            return tests
    return tests


def _cases(tests: Any, problem: Problem) -> list[Case]:
    if isinstance(tests, dict):
        return _paired(cast(dict[str, Any], tests), problem.metadata)
    if isinstance(tests, list) and all(isinstance(test, dict) for test in cast(list[Any], tests)):
        return [_listed(test, problem.metadata) for test in cast(list[dict[str, Any]], tests)]
    if isinstance(tests, list):
        tests = "\n".join(cast(list[str], tests))
    return [_check(tests, problem)] if tests else []


def _check(tests: str, problem: Problem) -> Check:
    entry_point = str(problem.metadata.get("entry_point") or "")
    imports: Any = problem.metadata.get("test_imports") or []
    before = [*([imports] if isinstance(imports, str) else imports), problem.metadata.get("test_setup_code") or ""]
    return Check("\n".join([*before, tests]), _header(problem.prompt, entry_point), entry_point)


def _header(prompt: str, entry_point: str) -> str:
    """The code in a prompt that the reply goes on from; empty if it has none."""
    code = fenced(prompt) or prompt
    return code if entry_point and f"def {entry_point}" in code else ""


def _paired(tests: dict[str, Any], metadata: dict[str, Any]) -> list[Case]:
    pairs = list(zip(tests["inputs"], tests["outputs"], strict=True))
    function = tests.get("fn_name") or metadata.get("fn_name")
    if function:
        return [Call(function, given if isinstance(given, list) else [given], output) for given, output in pairs]
    return [Script(_text(given), _text(output)) for given, output in pairs]


def _listed(test: dict[str, Any], metadata: dict[str, Any]) -> Case:
    if test.get("testtype", "stdin") == "stdin":
        return Script(_text(test["input"]), _text(test["output"]))
    arguments = [json.loads(line) for line in test["input"].split("\n") if line.strip()]
    return Call(_function(metadata), arguments, json.loads(test["output"]))


def _function(metadata: dict[str, Any]) -> str:
    inner = _unpacked(metadata.get("metadata"))
    for place in (metadata, inner if isinstance(inner, dict) else {}):
        if name := place.get("func_name") or place.get("fn_name"):
            return str(name)
    raise ValueError("functional tests need metadata.func_name")


def _text(lines: Any) -> str:
    return lines if isinstance(lines, str) else "\n".join(lines)
