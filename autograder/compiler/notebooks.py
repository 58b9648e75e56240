"""Compile the cells of a source into the student's and the solved notebook, byte for byte the same each time."""

from __future__ import annotations

import ast
import builtins
import hashlib
import html
import re
import symtable
from dataclasses import dataclass, field
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from autograder.compiler.holes import LibraryObject, cut_marked, find_object, first_sentence
from autograder.compiler.manifest import Built, Manifest, ManifestCell
from autograder.compiler.source import Cell, read_source
from autograder.curriculum import Curriculum, Notebook, load_curriculum
from autograder.errors import CourseError

LIBRARY = "course_lib"
ANSWER_PLACEHOLDER = "*Write your answer here: double-click this cell.*"
MANIFEST_KINDS = ("setup", "exercise", "check", "quiz", "answer")
_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_ROW_ID = re.compile(r"\bL\d\d\.\d\d\b")


@dataclass
class _Piece:
    """One source cell on its way: both editions, and what the manifest says about it."""

    cell: Cell
    released: str | None  # None: left out of the student's notebook
    solved: str | None
    defines: list[str] = field(default_factory=list)
    objects: list[LibraryObject] = field(default_factory=list)
    lecture: tuple[str, ...] = ()


def compile_notebook(notebook: Notebook, curriculum: Curriculum | None = None) -> Built:
    """See `autograder.compiler.manifest.build_notebook`."""
    curriculum = curriculum or load_curriculum(notebook.root / "course.toml")
    cells = read_source(notebook.source)
    pieces = [_piece(cell, notebook) for cell in cells]
    _check_names(pieces)
    fill = _Placeholders(notebook, curriculum, pieces)
    student, solved = _new_notebook(notebook), _new_notebook(notebook)
    schemes = {cell.name: cell.source for cell in cells if cell.kind == "scheme"}
    points = {cell.name: cell.points for cell in cells if cell.kind == "exercise"}
    entries: list[ManifestCell] = []
    for piece in pieces:
        if piece.released is None or piece.solved is None:
            continue
        cell = piece.cell
        if cell.kind == "answer":
            question, _ = cell.halves()
            for target in (student, solved):
                target.cells.append(_node(cell, question, f"question-{cell.name}"))
        grade_id = _grade_id(cell)
        worth = points[cell.name] if cell.kind == "check" else cell.points
        released, answer = piece.released, piece.solved
        if cell.cell_type == "markdown" and cell.kind != "answer":
            released, answer = fill(cell, released), fill(cell, answer)
        position = len(student.cells)
        student.cells.append(_node(cell, released, grade_id, worth))
        solved.cells.append(_node(cell, answer, grade_id, worth))
        if cell.kind in MANIFEST_KINDS:
            entries.append(
                ManifestCell(
                    grade_id=grade_id,
                    kind=cell.kind,
                    name=cell.name,
                    cell_type=cell.cell_type,
                    released=released,
                    solved=answer,
                    defines=piece.defines,
                    points=worth,
                    minutes=cell.minutes,
                    difficulty=cell.difficulty,
                    lecture=list(piece.lecture),
                    forbids=list(cell.forbids),
                    seconds=cell.seconds,
                    scheme=schemes.get(cell.name) if cell.kind == "answer" else None,
                    position=position,
                    module=piece.objects[0].module if piece.objects else None,
                    title=cell.title,
                )
            )
    student_text, solved_text = dumps(student), dumps(solved)
    release = hashlib.sha256(student_text.encode()).hexdigest()
    manifest = Manifest(notebook.assignment, notebook.name, release, entries)
    return Built(notebook, student, solved, manifest, student_text, solved_text)


def dumps(node: NotebookNode) -> str:
    """A notebook as text: sorted keys, one line a source line, a line break at the end."""
    nbformat.validate(node)
    return nbformat.writes(node, version=4).rstrip("\n") + "\n"


def asked_imports(notebook: Notebook) -> list[tuple[str, str]]:
    """What a notebook's exercises name in the library: (module, name), in the order of the notebook."""
    found = []
    for cell in read_source(notebook.source):
        if cell.kind == "exercise":
            for node in _parse(cell, cell.source).body:
                if isinstance(node, ast.ImportFrom) and _is_library(node) and "SOLUTION" not in cell.source:
                    found += [(node.module or "", alias.name) for alias in node.names]
    return found


# -- one cell ---------------------------------------------------------------------------------------------------


def _piece(cell: Cell, notebook: Notebook) -> _Piece:
    if cell.kind == "exercise":
        return _exercise(cell, notebook)
    if cell.kind == "quiz":
        return _quiz(cell)
    if cell.kind == "answer":
        return _Piece(cell, ANSWER_PLACEHOLDER, cell.halves()[1], lecture=cell.lecture)
    if cell.kind == "scheme":
        return _Piece(cell, None, None)
    if cell.kind == "hints":
        folded = _hints(cell)
        return _Piece(cell, folded, folded)
    if cell.kind == "predict":
        question, answer = cell.halves()
        folded = f"{question}\n\n{_details('Think first, then open the answer', answer)}"
        return _Piece(cell, folded, folded)
    defines = sorted(_bound(cell, cell.source)) if cell.kind == "setup" else []
    return _Piece(cell, cell.source, cell.source, defines)


def _exercise(cell: Cell, notebook: Notebook) -> _Piece:
    tree = _parse(cell, cell.source)
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and _is_library(node)]
    if imports and len(tree.body) == 1:
        (node,) = imports
        if any(alias.asname or alias.name == "*" for alias in node.names):
            cell.fail(f"exercise={cell.name!r} must import by plain names, without `as` and `*`")
        try:
            objects = [find_object(notebook.root, node.module or "", alias.name) for alias in node.names]
        except CourseError as error:
            cell.fail(f"exercise={cell.name!r}: {error}")
        lead = cell.source[: cell.source.index("from ")] if cell.source.lstrip().startswith("#") else ""
        lecture = cell.lecture or _source_ids(objects)
        if not lecture:
            cell.fail(f'exercise={cell.name!r} has no lecture; add for example lecture="L02.06"')
        return _Piece(
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
    return _Piece(cell, released, cell.source, sorted(_bound(cell, cell.source)), lecture=cell.lecture)


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


def _quiz(cell: Cell) -> _Piece:
    """Each value becomes `None`; a comment behind a value goes too, for it may tell the answer."""
    tree = _parse(cell, cell.source)
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
    return _Piece(cell, "\n".join(lines), cell.source, defines, lecture=cell.lecture)


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


# -- names ------------------------------------------------------------------------------------------------------


def _python(source: str) -> str:
    """A cell's source without IPython's magics, so that Python can parse it; line numbers stay."""
    if source.lstrip().startswith("%%"):
        return ""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)


def _parse(cell: Cell, source: str) -> ast.Module:
    try:
        return ast.parse(_python(source))
    except SyntaxError as error:
        cell.fail(f"line {error.lineno} of the cell is not valid Python: {error.msg}")


def _tables(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    return [table, *(inner for child in table.get_children() for inner in _tables(child))]


def _bound(cell: Cell, source: str) -> set[str]:
    """Names that a cell gives a value at its top level."""
    _parse(cell, source)
    top = symtable.symtable(_python(source), "cell", "exec")
    bound = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    for table in _tables(top)[1:]:
        bound |= {s.get_name() for s in table.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return bound


def _needed(source: str) -> set[str]:
    """Global names that a source uses and does not bind itself."""
    top = symtable.symtable(_python(source), "cell", "exec")
    own = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()}
    used = {
        s.get_name()
        for table in _tables(top)
        for s in table.get_symbols()
        if s.is_referenced() and (s.is_global() or table.get_type() == "module")
    }
    return used - own - set(dir(builtins)) - {"__name__", "__class__", "__file__"}


def _check_names(pieces: list[_Piece]) -> None:
    """What the library's source uses must be there in the notebook too, or the solved notebook would not run."""
    run = [piece for piece in pieces if piece.cell.kind in ("setup", "exercise", "quiz")]
    if any("import *" in piece.cell.source for piece in run if piece.cell.kind == "setup"):
        return
    there = {name for piece in run for name in _bound(piece.cell, piece.solved or "")}
    for piece in run:
        for found in piece.objects:
            missing = sorted(_needed(found.source) - there)
            if missing:
                piece.cell.fail(
                    f"{found.name} of {found.module} uses {', '.join(missing)}, which no setup cell and no "
                    "exercise of this notebook defines; import it in a setup cell"
                )


# -- notebooks --------------------------------------------------------------------------------------------------


def _new_notebook(notebook: Notebook) -> NotebookNode:
    return v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
            "language_info": {
                "file_extension": ".py",
                "mimetype": "text/x-python",
                "name": "python",
                "pygments_lexer": "ipython3",
            },
            "course": {"assignment": notebook.assignment, "notebook": notebook.name},
            "title": notebook.title,
        }
    )


def _grade_id(cell: Cell) -> str:
    if cell.name:
        return f"{cell.kind}-{cell.name}"
    return f"{cell.kind}-{cell.position}-{hashlib.sha256(cell.source.encode()).hexdigest()[:8]}"


def _node(cell: Cell, source: str, grade_id: str, points: float = 0.0) -> NotebookNode:
    solution = cell.kind in ("exercise", "quiz", "answer") and not grade_id.startswith("question-")
    grade = cell.kind in ("check", "quiz", "answer") and not grade_id.startswith("question-")
    nbgrader: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "grade": grade,
        "grade_id": grade_id,
        "locked": not solution,
        "schema_version": 3,
        "solution": solution,
        "task": False,
    }
    if grade:
        nbgrader["points"] = points
    metadata: dict[str, Any] = {"nbgrader": nbgrader}
    if cell.name:
        metadata["course"] = {"kind": cell.kind, "name": cell.name}
        metadata["deletable"] = False
    if cell.kind in ("setup", "check") or grade_id.startswith("question-"):
        # The grader restores every locked cell. The others stay open for playing with: they are not run when graded.
        metadata["editable"] = False
    new = v4.new_code_cell if cell.cell_type == "code" else v4.new_markdown_cell
    node: NotebookNode = new(source=source, metadata=metadata, id=grade_id)
    nbgrader["checksum"] = checksum(source, cell.cell_type, nbgrader)
    node.metadata["nbgrader"] = nbgrader
    return node


def checksum(source: str, cell_type: str, nbgrader: dict[str, Any]) -> str:
    """nbgrader's own checksum of a cell, by which it tells an untouched or a changed cell."""
    flags = "".join(str(nbgrader[key]) for key in ("grade", "solution", "locked"))
    points = str(float(nbgrader["points"])) if nbgrader["grade"] else ""
    text = source + cell_type + flags + nbgrader["grade_id"] + points
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


# -- what the compiler fills in ---------------------------------------------------------------------------------


class _Placeholders:
    """`{{points_table}}`, `{{built_table}}` and `{{colab_badge}}` in prose."""

    def __init__(self, notebook: Notebook, curriculum: Curriculum, pieces: list[_Piece]) -> None:
        self._values = {
            "points_table": _points_table(pieces),
            "built_table": _built_table(pieces),
            "colab_badge": _colab_badge(notebook, curriculum.repository),
        }

    def __call__(self, cell: Cell, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in self._values:
                if "_" in name:  # anything else is doubled braces of a formula
                    cell.fail(f"unknown placeholder {match.group(0)}; known are {', '.join(sorted(self._values))}")
                return match.group(0)
            return self._values[name]

        return re.sub(r"\n{3,}", "\n\n", _PLACEHOLDER.sub(value, text)).strip("\n") if "{{" in text else text


def _amount(value: float) -> str:
    return f"{value:g}"


def _points_table(pieces: list[_Piece]) -> str:
    rows = ["| task | what | points | minutes | difficulty | lecture |", "|---|---|--:|--:|---|---|"]
    kinds = {"exercise": "exercise", "quiz": "quiz", "answer": "written question"}
    total = minutes = 0.0
    for piece in pieces:
        cell = piece.cell
        if cell.kind in kinds:
            total, minutes = total + cell.points, minutes + (cell.minutes or 0)
            stars = "●" * (cell.difficulty or 0)
            name = f"`{cell.name}`" if cell.kind == "exercise" else cell.title
            rows.append(
                f"| {name} | {kinds[cell.kind]} | {_amount(cell.points)} | {cell.minutes or ''} | {stars} "
                f"| {', '.join(piece.lecture)} |"
            )
    rows.append(f"| **together** | | **{_amount(total)}** | **{_amount(minutes)}** | | |")
    return "\n".join(rows)


def _built_table(pieces: list[_Piece]) -> str:
    rows = ["| what you built | what it does | where it lives |", "|---|---|---|"]
    for piece in pieces:
        for found in piece.objects:
            purpose = re.sub(r"([|*<$])", r"\\\1", first_sentence(found.source))  # plain text, not Markdown
            rows.append(f"| `{found.name}` | {purpose} | `{found.module}` |")
    return "\n".join(rows)


def _colab_badge(notebook: Notebook, repository: str) -> str:
    if not repository:
        return ""
    place = re.sub(r"^https?://github\.com/", "", repository)
    link = f"https://colab.research.google.com/github/{place}/blob/main/assignments/{notebook.assignment}/{notebook.name}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"
