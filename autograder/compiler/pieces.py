"""One source cell in both editions: what students see, and the solution."""

from __future__ import annotations

import ast
import html
import re
from dataclasses import dataclass, field

from autograder.compiler.holes import LibraryObject, cut_marked, find_object
from autograder.compiler.names import bound_names, needed_names, parse_cell
from autograder.compiler.source import Cell, exercise_cells
from autograder.curriculum import Notebook
from autograder.errors import CourseError

LIBRARY = "course_lib"
ANSWER_PLACEHOLDER = "*Write your answer here: double-click this cell.*"
_ROW_ID = re.compile(r"\bL\d\d\.\d\d\b")


@dataclass
class Piece:
    """One source cell on its way: both editions, and what the manifest says about it."""

    cell: Cell
    released: str | None  # None: left out of the student's notebook
    solved: str | None
    defines: list[str] = field(default_factory=list)
    objects: list[LibraryObject] = field(default_factory=list)
    lecture: tuple[str, ...] = ()


def make_piece(cell: Cell, notebook: Notebook) -> Piece:
    """Make both editions of a cell.

    Raises:
        CourseError: the cell, or what it names in the library, cannot be used.
    """
    if cell.kind == "exercise":
        return _exercise(cell, notebook)
    if cell.kind == "quiz":
        return _quiz(cell)
    if cell.kind == "answer":
        return Piece(cell, ANSWER_PLACEHOLDER, cell.halves()[1], lecture=cell.lecture)
    if cell.kind == "scheme":
        return Piece(cell, None, None)
    if cell.kind == "hints":
        folded = _hints(cell)
        return Piece(cell, folded, folded)
    if cell.kind == "predict":
        question, answer = cell.halves()
        folded = f"{question}\n\n{_details('Think first, then open the answer', answer)}"
        return Piece(cell, folded, folded)
    if cell.cell_type == "code":
        parse_cell(cell, cell.source)
    defines = sorted(bound_names(cell, cell.source)) if cell.kind == "setup" else []
    return Piece(cell, cell.source, cell.source, defines)


def _exercise(cell: Cell, notebook: Notebook) -> Piece:
    tree = parse_cell(cell, cell.source)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and _is_library(node)]
    if imports and len(tree.body) == 1:
        (node,) = imports
        if any(alias.asname or alias.name == "*" for alias in node.names):
            cell.fail(f"exercise={cell.name!r} must import by plain names, without `as` and `*`")
        try:
            objects = [find_object(notebook.root, node.module or "", alias.name) for alias in node.names]
        except CourseError as error:
            cell.fail(f"exercise={cell.name!r}: {error}")
        above = cell.source.split("\n")[: node.lineno - 1]  # comments of the author
        lead = "".join(line + "\n" for line in above)
        lecture = cell.lecture or _source_ids(objects)
        if not lecture:
            cell.fail(f'exercise={cell.name!r} has no lecture; add for example lecture="L02.06"')
        return Piece(
            cell,
            lead + "\n\n\n".join(found.stub for found in objects),
            lead + "\n\n\n".join(found.source for found in objects),
            [alias.name for alias in node.names],
            objects,
            lecture,
        )
    released = cut_marked(cell.source, cell.name, cell.where)
    if released is None:
        cell.fail(
            f"exercise={cell.name!r} must be one statement `from {LIBRARY}.module import name`, "
            "or hold `### BEGIN SOLUTION` and `### END SOLUTION`"
        )
    if not cell.lecture:
        cell.fail(f'exercise={cell.name!r} has no lecture; add for example lecture="L02.06"')
    return Piece(cell, released, cell.source, sorted(bound_names(cell, cell.source)), lecture=cell.lecture)


def _is_library(node: ast.ImportFrom) -> bool:
    return node.level == 0 and (node.module or "").partition(".")[0] == LIBRARY


def _source_ids(objects: list[LibraryObject]) -> tuple[str, ...]:
    found: list[str] = []
    for item in objects:
        for node in ast.parse(item.source).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for row in _ROW_ID.findall(ast.get_docstring(node) or ""):
                    if row not in found:
                        found.append(row)
    return tuple(found)


def _quiz(cell: Cell) -> Piece:
    """Each value becomes `None`; a comment behind a value goes too, for it may tell the answer."""
    tree = parse_cell(cell, cell.source)
    lines = cell.source.split("\n")
    defines: list[str] = []
    for node in reversed(tree.body):
        target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
        if not isinstance(target, ast.Name):
            cell.fail(
                f"quiz={cell.name!r} may hold comments and lines `name = value` only; move the rest to another cell"
            )
        defines.insert(0, target.id)
        lines[node.lineno - 1 : node.end_lineno] = [f"{target.id} = None"]
    if not defines:
        cell.fail(f"quiz={cell.name!r} has no line `name = value`")
    if len(set(defines)) != len(defines):
        cell.fail(f"quiz={cell.name!r} gives one name two values; each name is one question")
    return Piece(cell, "\n".join(lines), cell.source, defines, lecture=cell.lecture)


def _hints(cell: Cell) -> str:
    paragraphs = _paragraphs(cell.source)
    if len(paragraphs) > 3:
        cell.fail(
            f"hints={cell.name!r} has {len(paragraphs)} paragraphs; give at most three: an idea, a formula, a shape"
        )
    return "\n\n".join(_details(f"Hint {number}", text) for number, text in enumerate(paragraphs, start=1))


def _paragraphs(text: str) -> list[str]:
    """Split at blank lines, but not inside a fenced block or a displayed formula."""
    found: list[list[str]] = [[]]
    fenced = displayed = False
    for line in text.split("\n"):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and line.count("$$") % 2:
            displayed = not displayed
        if line.strip() or fenced or displayed:
            found[-1].append(line)
        elif found[-1]:
            found.append([])
    return ["\n".join(lines) for lines in found if lines]


def _details(summary: str, text: str) -> str:
    # The blank lines make the renderer read Markdown inside the HTML element.
    return f"<details>\n<summary>{html.escape(summary)}</summary>\n\n{text}\n\n</details>"


def check_names(pieces: list[Piece]) -> None:
    """What the library's source uses must be there in the notebook too, or the solved notebook would not run."""
    run = [piece for piece in pieces if piece.cell.kind in ("setup", "exercise", "quiz")]
    if any("import *" in piece.cell.source for piece in run if piece.cell.kind == "setup"):
        return
    there = {name for piece in run for name in bound_names(piece.cell, piece.solved or "")}
    for piece in run:
        for found in piece.objects:
            missing = sorted(needed_names(found.source) - there)
            if missing:
                piece.cell.fail(
                    f"{found.name} of {found.module} uses {', '.join(missing)}, which no setup cell and no "
                    "exercise of this notebook defines; import it in a setup cell"
                )


def asked_imports(notebook: Notebook) -> list[tuple[str, str]]:
    """What a notebook's exercises name in the library: (module, name), in the order of the notebook."""
    found = []
    for cell in exercise_cells(notebook.source):
        for node in parse_cell(cell, cell.source).body:
            if isinstance(node, ast.ImportFrom) and _is_library(node) and "SOLUTION" not in cell.source:
                found += [(node.module or "", alias.name) for alias in node.names]
    return found
