"""The softmax notebook and its hidden suite, written as nbgrader and as otter want them.

Both get the set-up, exercise and check cells only: what a student adds around them, and long experiments, are left
out, so that no peer is charged for running what this grader does not run. The hidden tests are the suite's own, word
for word, and draw the same kind of inputs; the student's names are at hand without a proxy.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from pathlib import Path

import nbformat

from autograder.compiler.manifest import Manifest
from autograder.curriculum import Notebook
from autograder.nbgrader_layout import notebook_cell

HERE = Path(__file__).resolve().parent


def _is_test(node: ast.stmt) -> str | None:
    """The exercise that a top-level function tests."""
    if isinstance(node, ast.FunctionDef):
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "exercise":
                return ast.literal_eval(mark.args[0])
    return None


def hidden_tests(suite: Path) -> tuple[str, dict[str, list[str]]]:
    """What the tests share, and the sources of the tests of each exercise, without their marks."""
    shared, tests = [], {}
    for node in ast.parse(suite.read_text(encoding="utf-8")).body:
        exercise = _is_test(node)
        if exercise is not None:
            assert isinstance(node, ast.FunctionDef)
            node.decorator_list = []
            tests.setdefault(exercise, []).append(ast.unparse(node))
        elif not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autograder")):
            shared.append(ast.unparse(node))
    judge = HERE.parents[1] / "autograder" / "judge" / "checkers.py"
    checkers = re.sub(r"^from autograder.*$|^from __future__.*$", "", judge.read_text(encoding="utf-8"), flags=re.M)
    kit = (HERE / "in_kernel.py").read_text(encoding="utf-8")
    return "from __future__ import annotations\n" + "\n".join([kit, checkers, *shared]), tests


def source_notebook(manifest: Manifest, suite: Path) -> nbformat.NotebookNode:
    """The instructor's version for nbgrader: hidden tests as asserts below the visible ones in each check cell."""
    shared, tests = hidden_tests(suite)
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in manifest.cells:
        if cell.kind not in ("setup", "exercise", "check"):
            continue
        source = cell.released
        if cell.kind == "exercise":
            source = f"### BEGIN SOLUTION\n{cell.solved}\n### END SOLUTION"
        if cell.kind == "check":
            names = [re.match(r"def (\w+)", t).group(1) for t in tests[cell.name]]  # type: ignore[union-attr]
            calls = [
                f'hidden["{n}"](hidden["Student"](globals()), hidden["np"].random.default_rng({i}))'
                for i, n in enumerate(names)
            ]
            hidden = "\n".join([f"exec({chr(10).join(tests[cell.name])!r}, hidden)", *calls])
            source = f"{source}\n### BEGIN HIDDEN TESTS\n{hidden}\n### END HIDDEN TESTS"
        notebook.cells.append(notebook_cell(cell, source))
        if cell.grade_id == "setup-imports":
            # Names of their own: the notebook's `generator` is not the one of the tests.
            tools = nbformat.v4.new_code_cell(f"hidden = {{}}\nexec({shared!r}, hidden)", id="setup-hidden-tools")
            tools.metadata["nbgrader"] = notebook.cells[-1].metadata["nbgrader"] | {"grade_id": "setup-hidden-tools"}
            notebook.cells.append(tools)
    return notebook


def answers(path: Path) -> dict[str, str]:
    """What a student wrote: grade id to source."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return {
        c["metadata"]["nbgrader"]["grade_id"]: "".join(c["source"])
        for c in cells
        if c["metadata"].get("nbgrader", {}).get("grade_id", "").startswith("exercise-")
    }


def nbgrader_course(folder: Path, notebook: Notebook, manifest: Manifest) -> None:
    """The course folder as an instructor has it before `nbgrader generate_assignment`; settings as shipped."""
    place = folder / "source" / "softmax"
    place.mkdir(parents=True)
    nbformat.write(source_notebook(manifest, notebook.suite), place / f"{notebook.name}.ipynb")
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'bench'\n")


def hand_in_to_nbgrader(folder: Path, student: str, name: str, written: dict[str, str]) -> None:
    """One submission: the release with the student's exercise cells."""
    notebook = nbformat.read(folder / "release" / "softmax" / f"{name}.ipynb", as_version=4)
    for cell in notebook.cells:
        cell.source = written.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""), cell.source)
    place = folder / "submitted" / student / "softmax"
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{name}.ipynb")


def otter_autograder(path: Path, manifest: Manifest, suite: Path) -> None:
    """The autograder zip that `otter run -a` takes: a test file for each exercise, one test case for each test."""
    shared, tests = hidden_tests(suite)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("otter_config.json", json.dumps({"show_hidden": True}))
        for cell in manifest.cells:
            if cell.kind != "exercise":
                continue
            cases = []
            for number, test in enumerate(tests[cell.name]):
                name = re.match(r"def (\w+)", test).group(1)  # type: ignore[union-attr]
                call = f"{name}(Student(env), np.random.default_rng({number}))"
                cases.append(f"{test}\n\n@test_case(hidden=True)\ndef case_{number}(env):\n    {call}\n")
            head = f"{shared}\nfrom otter.test_files import test_case\nOK_FORMAT = False\n"
            head += f"name = {cell.name!r}\npoints = {cell.points}\n"
            archive.writestr(f"tests/{cell.name}.py", head + "\n".join(cases))


def otter_submission(path: Path, manifest: Manifest, written: dict[str, str]) -> None:
    """The same cells for otter, the visible checks among them."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for cell in manifest.cells:
        if cell.kind in ("setup", "exercise", "check"):
            notebook.cells.append(nbformat.v4.new_code_cell(written.get(cell.grade_id, cell.released)))
    nbformat.write(notebook, path)
