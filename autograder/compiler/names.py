"""Which names a cell's source binds and which it needs, magics set aside."""

from __future__ import annotations

import ast
import builtins
import re
import symtable

from autograder.compiler.source import Cell


def without_magics(source: str) -> str:
    """A cell's source without IPython's magics, so that Python can parse it; line numbers stay."""
    if source.lstrip().startswith("%%"):
        return ""
    source = re.sub(r"^(\s*)[%!?].*$", r"\1pass", source, flags=re.MULTILINE)
    return re.sub(r"^(\s*\w+ *= *)[%!].*$", r"\1None", source, flags=re.MULTILINE)


def parse_cell(cell: Cell, source: str) -> ast.Module:
    """The syntax tree of a cell.

    Raises:
        CourseError: it is not Python.
    """
    try:
        return ast.parse(without_magics(source))
    except SyntaxError as error:
        cell.fail(f"line {error.lineno} of the cell is not valid Python: {error.msg}")


def _tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in _tables(child))]


def bound_names(cell: Cell, source: str) -> set[str]:
    """Names that a cell gives a value at its top level."""
    parse_cell(cell, source)
    top = symtable.symtable(without_magics(source), "cell", "exec")
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    for table in _tables(top)[1:]:
        bound |= {s.get_name() for s in table.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return bound


def needed_names(source: str) -> set[str]:
    """Global names that a source uses and does not bind itself."""
    top = symtable.symtable(without_magics(source), "cell", "exec")
    own = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    used = {
        s.get_name()
        for table in _tables(top)
        for s in table.get_symbols()
        if s.is_referenced() and (s.is_global() or table.get_type() == "module")
    }
    return used - own - set(dir(builtins)) - {"__name__", "__class__", "display", "get_ipython"}
