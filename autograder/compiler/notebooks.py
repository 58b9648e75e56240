"""Compile the cells of a source into the student's and the solved notebook, byte for byte the same each time."""

from __future__ import annotations

import hashlib
from typing import Any

import nbformat
from nbformat import NotebookNode, v4

from autograder.compiler.manifest import Built, Manifest, ManifestCell, fingerprint
from autograder.compiler.pieces import check_names, make_piece
from autograder.compiler.placeholders import Placeholders
from autograder.compiler.source import Cell, read_source
from autograder.curriculum import Curriculum, Notebook, load_curriculum

MANIFEST_KINDS = ("setup", "exercise", "check", "quiz", "answer")


def compile_notebook(notebook: Notebook, curriculum: Curriculum | None = None) -> Built:
    """See `autograder.compiler.manifest.build_notebook`."""
    curriculum = curriculum or load_curriculum(notebook.root / "course.toml")
    cells = read_source(notebook.source)
    pieces = [make_piece(cell, notebook) for cell in cells]
    check_names(pieces)
    fill = Placeholders(notebook, curriculum, pieces)
    student, solved = _new_notebook(notebook), _new_notebook(notebook)
    schemes = {cell.name: cell.source for cell in cells if cell.kind == "scheme"}
    points = {cell.name: cell.points for cell in cells if cell.kind == "exercise"}
    entries: list[ManifestCell] = []
    passages: list[str] = []
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
        if cell.kind not in MANIFEST_KINDS and cell.cell_type == "code":
            passages.append(fingerprint(released))
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
    manifest = Manifest(notebook.assignment, notebook.name, release, entries, passages)
    return Built(notebook, student, solved, manifest, student_text, solved_text)


def dumps(node: NotebookNode) -> str:
    """A notebook as text: sorted keys, one line a source line, a line break at the end."""
    nbformat.validate(node)
    return str(v4.writes(node)).rstrip("\n") + "\n"


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
    nbgrader["checksum"] = checksum(source, cell.cell_type, nbgrader)
    fields: dict[str, Any] = {"cell_type": cell.cell_type, "id": grade_id, "metadata": metadata, "source": source}
    if cell.cell_type == "code":
        fields |= {"execution_count": None, "outputs": []}
    node: NotebookNode = nbformat.from_dict(fields)  # valid or not is asked once, of the whole notebook
    return node


def checksum(source: str, cell_type: str, nbgrader: dict[str, Any]) -> str:
    """nbgrader's own checksum of a cell, by which it tells an untouched or a changed cell."""
    flags = "".join(str(nbgrader[key]) for key in ("grade", "solution", "locked"))
    points = str(float(nbgrader["points"])) if nbgrader["grade"] else ""
    text = source + cell_type + flags + nbgrader["grade_id"] + points
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
