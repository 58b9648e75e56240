"""Code of ours that has to run in the worker, sent without its text.

Student code that looks through the memory of its process finds no line of the reference or of a hidden test there:
what arrives is compiled, without docstrings and comments. (Who takes the trouble can still read the instructions of a
reference whose exercise has been judged; docs/security.md says what that means.)
"""

from __future__ import annotations

import ast
import functools
import marshal


@functools.lru_cache(maxsize=512)
def sealed(source: str, name: str) -> bytes:
    """Compile a source for `exec` in the worker, which runs the same Python.

    Args:
        source: Python text.
        name: stands in tracebacks in place of a file.

    Raises:
        SyntaxError: the source is not Python.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body[0] = ast.copy_location(ast.Pass(), first)
    return marshal.dumps(compile(tree, name, "exec", dont_inherit=True))
