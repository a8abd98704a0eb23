"""Tests that are code: run here, beside the program and not in it. What they take from the program, they ask for.

The program has no part of this process: an exit, a changed builtin or an `__eq__` of its own stays over there, and
only plain values (`inside.values`) come back. Any other object of the program is a `Remote`, equal to nothing but
itself.
"""

import ast
import builtins
import importlib
import json
import sys
from typing import Any

from . import channel, values
from .prelude import namespace
from .source import compiled, preamble

_OURS = (NameError, ImportError, values.UnsendableError)
"""What a test raises when it cannot be run here, if the program did not raise it."""


class RemoteError(Exception):
    """The program raised an exception of its own making."""


_REMOTE = "_raised_by_the_program"


class Remote:
    """An object of the program's, by its name or by the number that it has over there."""

    def __init__(self, reference: int | str) -> None:
        object.__setattr__(self, "_reference", reference)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: D102
        return _ask("call", self, arguments, named)

    def __getattr__(self, name: str) -> Any:
        return _ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask("set", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return _ask("item", self, key)

    def __len__(self) -> int:
        return _ask("length", self)

    def __bool__(self) -> bool:
        return bool(_ask("truth", self))

    def __iter__(self) -> Any:
        return _ask("iterate", self)

    def __next__(self) -> Any:
        return _ask("next", self)


def check(job: dict[str, Any]) -> None:
    """Run tests and send how they ended."""
    channel.send(_verdict(job["tests"], job["header"], job["entry_point"]))


def _verdict(tests: str, header: str, entry_point: str) -> bytes:
    try:
        tree = ast.parse(tests)
        if entry_point and _leaves_check_uncalled(tree):
            tree.body += ast.parse(f"check({entry_point})").body
        names = _namespace(tree, header, entry_point)
        code = compile(tree, "tests.py", "exec", dont_inherit=True)
    except Exception as error:
        return channel.BROKEN + _text(error)
    try:
        exec(code, names)
    except (Exception, SystemExit) as error:
        is_ours = isinstance(error, _OURS) and not hasattr(error, _REMOTE)
        return (channel.BROKEN if is_ours else channel.FAULT) + _text(error)
    return channel.PASSED


def _leaves_check_uncalled(tree: ast.Module) -> bool:
    """Whether the tests are a function `check` that waits for its candidate, as HumanEval's are."""
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    said = [node.value for node in tree.body if isinstance(node, ast.Expr)]
    called = {ast.unparse(value.func) for value in said if isinstance(value, ast.Call)}
    return "check" in defined - called


def _namespace(tree: ast.Module, header: str, entry_point: str) -> dict[str, Any]:
    """The names that tests find: their own, Python's, the header's, and only then the program's.

    Raises:
        ValueError: If they use nothing of the program's.
    """
    names = namespace("tests", with_prelude=False)
    exec(compiled(preamble(header, entry_point)), names)
    free = _free(tree) - names.keys()
    asked = {name for name in free if not hasattr(builtins, name)} | {*filter(None, [entry_point])}
    dotted = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    modules = (asked & dotted & sys.stdlib_module_names) - {entry_point}
    if asked == modules:
        raise ValueError("the tests use nothing of the program")
    found = {name: importlib.import_module(name) if name in modules else Remote(name) for name in asked}
    return names | found


def _free(tree: ast.Module) -> set[str]:
    """The names that tests use and do not define anywhere."""
    used: set[str] = set()
    bound: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                used.add(name)
            case ast.Name(id=name) | ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.alias(name=name, asname=other):
                bound.add((other or name).partition(".")[0])
            case ast.ExceptHandler(name=str(name)):
                bound.add(name)
            case _:
                pass
    return used - bound


def _ask(operation: str, *arguments: Any) -> Any:
    """What an operation gives in the program's process.

    Raises:
        Exception: What it raised there: one of Python's own as itself, any other as `RemoteError`.
    """
    question = values.dumps([operation, *arguments], _reference)
    channel.send(channel.QUESTION + question)
    answer = channel.receive()
    if answer[:1] == channel.ANSWER:
        return values.loads(answer[1:], Remote)
    kind, message = json.loads(answer[1:])
    raise _exception(str(kind), str(message), may_stop=operation == "next")


def _reference(value: Any) -> int | str:
    if type(value) is not Remote:
        raise values.UnsendableError(f"a {type(value).__name__} cannot be sent")
    return value._reference


def _exception(kind: str, message: str, *, may_stop: bool) -> Exception:
    found = getattr(builtins, kind, None)
    error: Exception = RemoteError(f"{kind}: {message}")
    if found is StopIteration and not may_stop:  # from a call it would end a loop of the tests before its time
        found = None
    if isinstance(found, type) and issubclass(found, Exception) and not issubclass(found, UnicodeError):
        error = found(message)
    setattr(error, _REMOTE, True)
    return error


def _text(error: BaseException) -> bytes:
    return json.dumps(f"{type(error).__name__}: {error}".removesuffix(": ")[:200]).encode()
