"""Reading the source of a student's cell as Python, whatever it holds.

Several parts of the grader read the same cell; the tree is made once and shared, so nobody may change it.
"""

from __future__ import annotations

import ast
import functools
import re
import warnings

REMEMBERED = 5_000  # characters of a source whose tree is kept for a while
_MAGIC = re.compile(r"^([ \t]*)([%!?].*)$", flags=re.MULTILINE)
_ASSIGNED = re.compile(r"^([ \t]*[^\W\d][^=!%'\"#\n]*=[ \t]*)[%!].*$", flags=re.MULTILINE)
_HELP = re.compile(r"^([ \t]*)[^\W\d][\w.]*\?{1,2}[ \t]*$", flags=re.MULTILINE)
_MEASURED = re.compile(r"^([ \t]*)%(?:time|timeit|prun)[ \t]+(?:-\w+[ \t]*\d*[ \t]+)*(.*)$", flags=re.MULTILINE)


def magics_inside(source: str) -> list[str]:
    """Magics and shell lines inside a function or another block, which run whenever that does; not those in texts."""
    if _parse(source) is not None:
        return []
    marked = _MAGIC.sub(r"\1__magic__", _ASSIGNED.sub(r"\1__magic__", source))
    tree, lines = _parse(marked), source.split("\n")
    nodes = ast.walk(tree) if tree is not None else ()
    names = [node for node in nodes if isinstance(node, ast.Name) and node.id == "__magic__"]
    return [lines[name.lineno - 1].strip() for name in names if lines[name.lineno - 1][:1].isspace()]


def with_measured_code(source: str) -> str:
    """The cell with the code that `%time` and its kin run in the place of the magic."""
    return _MEASURED.sub(r"\1\2", source)


def has_type_hints(source: str) -> bool:
    """Whether a cell holds type hints, and nothing that has to stand before them (a cell magic)."""
    tree = parse_cell(source)
    nodes = list(ast.walk(tree)) if tree is not None and not source.lstrip().startswith("%%") else []
    return any(
        getattr(node, "annotation", None) is not None or getattr(node, "returns", None) is not None for node in nodes
    )


def parse_python(source: str) -> ast.Module | None:
    """Parse Python; None where it is not."""
    return _parse_once(source) if len(source) <= REMEMBERED else _parse(source)


def _parse(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about a student's "\\d", which nobody here can change
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_parse_once = functools.lru_cache(maxsize=128)(_parse)


def parse_cell(source: str) -> ast.Module | None:
    """Parse a cell, with magics and shell lines read as `pass`; None where it is not Python all the same."""
    plain = parse_python(source)
    if plain is not None:
        return plain
    return parse_python(_MAGIC.sub(r"\1pass", _HELP.sub(r"\1pass", _ASSIGNED.sub(r"\1None", source))))


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes below a node, but for operators and contexts, which say nothing on their own.

    A loop over these takes half as long as `ast.iter_child_nodes`, and students' cells are read several times.
    """
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if type(value) is list:
            found += [item for item in value if isinstance(item, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, _WITHOUT_CONTENT):
            found.append(value)
    return found


def every_node(tree: ast.Module) -> list[ast.AST]:
    """The nodes of a tree, outermost first; made once for each tree."""
    found: list[ast.AST] | None = tree.__dict__.get("every_node")
    if found is None:
        found = [tree]
        for node in found:  # which grows meanwhile
            found += children(node)
        tree.__dict__["every_node"] = found
    return found


_WITHOUT_CONTENT = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop)
