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
    return parse_python(_MAGIC.sub(r"\1pass", source))
