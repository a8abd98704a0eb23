"""From the text of a reply to a program that runs: with the header that it continues, where there is one."""

import ast
import textwrap
from types import CodeType


def compiled(code: str) -> CodeType:
    """The code as a module."""
    return compile(code, "solution.py", "exec", dont_inherit=True)


def completed(code: str, header: str, entry_point: str) -> str:
    """The program that a completion means.

    Args:
        code: A whole program, or the body of a function.
        header: What the reply was asked to go on from: imports, helpers, and the head of a function; may be empty.
        entry_point: The function that the program must define; may be empty.
    """
    first_line_cut = "    " + code.lstrip()  # as when the reply was stripped of its white space
    bodies = (code, first_line_cut, textwrap.indent(code, "    ")) if header else ()
    for candidate in (code, *(f"{header}\n{body}" for body in bodies)):
        tree = _parsed(candidate)
        if tree and (not entry_point or any(entry_point in _names(node) for node in tree.body)):
            return candidate
    return code


def preamble(header: str, entry_point: str) -> str:
    """What of a header stands beside its function: imports and helpers that its tests may use."""
    tree = _parsed(header) or _parsed(header + "\n    pass\n")
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign
    nodes = tree.body if tree else []
    return ast.unparse(ast.Module([n for n in nodes if isinstance(n, kinds) and entry_point not in _names(n)], []))


def _names(node: ast.stmt) -> set[str]:
    """The names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    return {target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)}


def _parsed(code: str) -> ast.Module | None:
    try:
        tree = ast.parse(code)
        compile(tree, "solution.py", "exec")  # refuses what parses and cannot run: a return outside a function
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None
    return tree
