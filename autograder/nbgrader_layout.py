"""The folders and notebooks that nbgrader's own tools read, made from records.

`<out>/autograded/<student>/<assignment>/<notebook>.ipynb` is what the formgrader shows and `nbgrader generate_feedback`
renders. Both run without a content security policy in somebody's browser, so everything that came from a student is
made harmless here.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat

from autograder.curriculum import Assignment
from autograder.pages.outputs import plain_text, safe_outputs
from autograder.record import ExerciseResult, NotebookResult, Record
from autograder.records import safe_name, write_atomically

if TYPE_CHECKING:
    from autograder.compiler.manifest import Manifest, ManifestCell

GRADER_ONLY = "grader-only"  # tag of cells that a person who grades sees, and a student never


def is_graded(cell: ManifestCell) -> bool:
    """Whether points stand on this cell in the gradebook (those of an exercise stand on its check)."""
    return cell.kind in ("check", "quiz", "answer")


def is_solution(cell: ManifestCell) -> bool:
    """Whether the student writes in this cell."""
    return cell.kind in ("exercise", "quiz", "answer")


def notebook_cell(cell: ManifestCell, source: str | None = None) -> Any:
    """A notebook cell with nbgrader's metadata (schema 3), as released or with another source."""
    metadata: dict[str, Any] = {
        "grade": is_graded(cell), "solution": is_solution(cell), "locked": not is_solution(cell), "task": False,
        "grade_id": cell.grade_id, "schema_version": 3, "cell_type": cell.cell_type,
    }  # fmt: skip
    if is_graded(cell):
        metadata["points"] = float(cell.points or 0.0)
    new = nbformat.v4.new_code_cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell
    return new(
        source=cell.released if source is None else source, id=cell.grade_id[:64], metadata={"nbgrader": metadata}
    )


def exercise_of(grade_id: str) -> tuple[str, str]:
    """`check-softmax` carries the points of ("exercise", "softmax"); quizzes and answers carry their own."""
    kind, _, name = grade_id.partition("-")
    return ("exercise" if kind == "check" else kind, name)


def harmless_markdown(source: str) -> str:
    """Make a student's Markdown safe for a grader's browser, looking the same to a reader.

    nbgrader's pages render Markdown with raw HTML, links of any scheme, and formulas that may hold links. An invisible
    word joiner after `<`, between `]` and `(` or `:`, and in TeX commands that link or load leaves none of them alive.
    """
    joiner = "\u2060"
    source = source.replace("<", f"<{joiner}").replace("](", f"]{joiner}(").replace("]:", f"]{joiner}:")
    for command in ("\\href", "\\require", "\\url", "\\class", "\\cssId", "\\style"):
        source = source.replace(command, f"\\{joiner}{command[1:]}")
    return source


def write_notebooks(
    out: Path, record: Record, manifests: Iterable[Manifest], released: Mapping[str, Path] | None = None
) -> list[Path]:
    """Write the graded notebooks where nbgrader looks for them, `autograded/<student>/<assignment>/<notebook>.ipynb`.

    They are made from the release, the student's own cells and their outputs, and below each check cell stands what the
    hidden tests found, in the words that the student reads. The mark scheme follows a written answer, in a cell that
    feedback leaves out.

    Args:
        out: the output folder of the grading run.
        record: of one submission.
        manifests: of every notebook of the assignment.
        released: notebook name to the released file, for the prose around the cells; without it only the named cells
        are written.

    Returns:
        The paths written; a notebook that was missing or unreadable has none.
    """
    results = {notebook.name: notebook for notebook in record.notebooks}
    folder = out / "autograded" / safe_name(record.student) / record.assignment
    written = []
    for manifest in manifests:
        path = folder / f"{manifest.notebook}.ipynb"
        result = results.get(manifest.notebook)
        if result is None or result.status in ("missing", "unreadable"):
            path.unlink(missing_ok=True)
            continue
        write_atomically(path, _graded_json(result, manifest, (released or {}).get(manifest.notebook)))
        written.append(path)
    return written


def graded_notebook(result: NotebookResult, manifest: Manifest, released: Path | None = None) -> Any:
    """The notebook of `write_notebooks` as an nbformat object."""
    return nbformat.reads(_graded_json(result, manifest, released), as_version=4)


def _graded_json(result: NotebookResult, manifest: Manifest, released: Path | None) -> str:
    """The same as text; made of plain dictionaries, because nbformat's own nodes and checks take ten times as long."""
    exercises: dict[tuple[str, str], ExerciseResult] = {(e.kind, e.name): e for e in result.exercises}
    named = {cell.grade_id: cell for cell in manifest.cells}
    if released is not None and released.exists():
        notebook = json.loads(_text_of(released, released.stat().st_mtime_ns))
    else:
        notebook = nbformat.v4.new_notebook(cells=[notebook_cell(cell) for cell in manifest.cells])
        notebook["metadata"]["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    cells = []
    for node in notebook["cells"]:
        cell = named.get(node["metadata"].get("nbgrader", {}).get("grade_id", ""))
        cells.append(node)
        if cell is None:
            continue
        exercise = exercises.get(exercise_of(cell.grade_id))
        if exercise is not None and is_solution(cell):
            _fill(node, exercise)
        elif exercise is not None and cell.kind == "check":
            node["outputs"] = [_stream("stdout", verdict(exercise))]
        if cell.kind == "answer" and cell.scheme:
            cells.append(
                {
                    "cell_type": "markdown",
                    "id": f"scheme-{cell.name}"[:64],
                    "metadata": {"tags": [GRADER_ONLY]},
                    "source": f"**Mark scheme**\n\n{cell.scheme}",
                }
            )
    notebook["cells"] = cells
    return json.dumps(notebook, ensure_ascii=False, sort_keys=True) + "\n"


@functools.lru_cache(maxsize=64)
def _text_of(released: Path, modified: int) -> str:
    """A released notebook, read once for a class and again when it has changed."""
    return released.read_text(encoding="utf-8")


def _fill(node: dict[str, Any], exercise: ExerciseResult) -> None:
    if node["cell_type"] == "markdown":
        node["source"] = harmless_markdown(plain_text(exercise.source, 50_000))
        return
    node["source"] = plain_text(exercise.source, 200_000)
    node["outputs"] = []
    for item in safe_outputs(exercise.outputs):
        if item.kind == "image":
            picture = {"output_type": "display_data", "metadata": {}, "data": {item.mime: item.data}}
            node["outputs"].append(picture)
        else:
            node["outputs"].append(_stream("stderr" if item.kind == "error" else "stdout", item.text + "\n"))


def _stream(name: str, text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def verdict(exercise: ExerciseResult) -> str:
    """What the hidden tests found, one line each, as text."""
    lines = [f"{exercise.title}: {exercise.score:g} of {exercise.points:g} points"]
    if exercise.message:
        lines.append(f"  {exercise.message}")
    for test in exercise.tests:
        mark = "passed" if test.status == "passed" else "not yet"
        lines.append(f"  {mark:8} {test.title}" + (f"\n           {test.message}" if test.message else ""))
    return plain_text("\n".join(lines) + "\n")


def prepare_course_folder(
    out: Path, assignments: Iterable[Assignment], submitted: Path | None = None, database: str | None = None
) -> None:
    """Make the output folder of a grading run a course folder, in which nbgrader and its formgrader work.

    Writes `nbgrader_config.py` (which loads the course's own) and, for each assignment, `source/` and `release/` from
    the released notebooks.

    Args:
        out: the output folder.
        assignments: those that are graded.
        submitted: the folder with what was handed in, in nbgrader's layout.
        database: URL of the gradebook where it is not `<out>/gradebook.db`.
    """
    lines = [
        '"""Loads the settings of the course for the commands of nbgrader that run in this folder."""',
        "",
        "from pathlib import Path",
        "",
        "from autograder.curriculum import ROOT",
        "",
        'load_subconfig(str(ROOT / "nbgrader_config.py"))',
        "c.CourseDirectory.root = str(Path(__file__).resolve().parent)",
    ]
    if submitted is not None:
        lines.append(f"c.CourseDirectory.submitted_directory = {str(submitted.resolve())!r}")
    if database is not None:
        lines.append(f"c.CourseDirectory.db_url = {database!r}")
    write_atomically(out / "nbgrader_config.py", "\n".join(lines) + "\n")
    for assignment in assignments:
        for notebook in assignment.notebooks:
            if notebook.released.exists():
                content = notebook.released.read_bytes()
                for step in ("source", "release"):
                    write_atomically(out / step / assignment.name / f"{notebook.name}.ipynb", content)
