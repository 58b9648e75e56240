"""Student and solved notebooks and the manifest, from a small course in a folder of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import nbformat
import pytest
from compiler_course import CURVES_SOURCE, LINES, LINES_SOURCE, make_course

from autograder.compiler.manifest import Manifest, build_notebook, reference_source
from autograder.curriculum import load_curriculum
from autograder.errors import CourseError


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path)


@pytest.fixture
def lines(course):
    return build_notebook(course.assignments[0].notebooks[0])


def ids(notebook):
    return [cell.metadata.nbgrader.grade_id for cell in notebook.cells]


def by_id(notebook):
    return {cell.metadata.nbgrader.grade_id: cell for cell in notebook.cells}


def test_ids_follow_from_the_names_and_are_the_same_in_both_editions(lines):
    named = [i for i in ids(lines.student) if not i.startswith(("prose-", "demo-"))]
    assert named == [
        "setup-imports",
        "quiz-facts",
        "exercise-slope",
        "check-slope",
        "hints-slope",
        "exercise-Line",
        "check-Line",
        "predict-flat",
        "question-why_centre",
        "answer-why_centre",
        "experiment-many",
        "widget-drag",
    ]
    assert ids(lines.student) == ids(lines.solved) == [cell.id for cell in lines.student.cells]
    assert len(set(ids(lines.student))) == len(lines.student.cells)


def test_the_exercise_is_the_librarys_text_with_a_hole(lines):
    student, solved = by_id(lines.student), by_id(lines.solved)
    assert solved["exercise-slope"].source == LINES[LINES.index("def slope") : LINES.index("\n\n\ndef length")]
    assert student["exercise-slope"].source.startswith("def slope(x: list[float], y: list[float]) -> float:\n")
    assert student["exercise-slope"].source.endswith(
        'L02.02.\n    """\n    raise NotImplementedError("slope is not done yet: replace this line with your code.")'
    )
    assert "covariance" not in lines.student_text


def test_quiz_answer_hints_and_predictions(lines):
    student, solved = by_id(lines.student), by_id(lines.solved)
    assert student["quiz-facts"].source == "# How many points fix a line?\nenough_points = None"
    assert solved["quiz-facts"].source.endswith("enough_points = 2  # because two points determine it")
    assert student["question-why_centre"].source == "Why are the means subtracted?"
    assert "lose digits" not in lines.student_text
    assert "lose digits" in solved["answer-why_centre"].source
    assert "cancellation" not in lines.student_text + lines.solved_text
    hints = student["hints-slope"].source
    assert hints.count("<details>") == hints.count("</details>") == 3
    assert "<summary>Hint 2</summary>\n\n$$\na + b\n\n= c\n$$\n\n</details>" in hints
    assert student["predict-flat"].source.startswith("What is the root of a flat line?\n\n<details>")


def test_metadata_is_what_nbgrader_computes_itself(lines):
    from nbgrader.nbgraderformat import MetadataValidator
    from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution

    MetadataValidator().validate_nb(lines.student)  # raises when a key is missing or unknown
    kinds = {"exercise": (True, False), "check": (False, True), "quiz": (True, True), "answer": (True, True)}
    for cell in lines.student.cells:
        kind = cell.metadata.nbgrader.grade_id.partition("-")[0]
        assert (is_solution(cell), is_grade(cell)) == kinds.get(kind, (False, False)), kind
        assert is_locked(cell) != is_solution(cell)
        assert cell.metadata.nbgrader.checksum == compute_checksum(cell)
    points = {i: c.metadata.nbgrader.points for i, c in by_id(lines.student).items() if "points" in c.metadata.nbgrader}
    assert points == {"quiz-facts": 1, "check-slope": 4, "check-Line": 2.5, "answer-why_centre": 3}


def test_the_notebook_is_clean_and_valid(lines):
    for text in (lines.student_text, lines.solved_text):
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
        assert notebook.metadata.kernelspec.name == "python3"
        assert all(not c.outputs and c.execution_count is None for c in notebook.cells if c.cell_type == "code")
        assert text.endswith("}\n")
        assert json.dumps(json.loads(text), sort_keys=True) == json.dumps(json.loads(text))


def test_placeholders(lines):
    first, last = lines.student.cells[0].source, lines.student.cells[-1].source
    assert "colab.research.google.com/github/someone/course/blob/main/assignments/01_lines/lines.ipynb" in first
    assert "| `slope` | exercise | 4 | 10 | ●● | L02.02 |" in first
    assert "| **together** | | **10.5** | **15** | | |" in first
    assert "| `slope` | Give the slope of the least-squares line. | `course_lib.lines` |" in last


def test_without_a_repository_there_is_no_badge(tmp_path):
    make_course(tmp_path)
    text = (tmp_path / "course.toml").read_text().replace('repository = "https://github.com/someone/course"', "")
    (tmp_path / "other.toml").write_text(text)
    curriculum = load_curriculum(tmp_path / "other.toml")
    first = build_notebook(curriculum.assignments[0].notebooks[0], curriculum).student.cells[0].source
    assert first.startswith("# Lines\n\n| task")


def test_the_manifest_says_what_architecture_section_2_lists(lines):
    cells = {cell.grade_id: cell for cell in lines.manifest.cells}
    assert list(cells) == (
        [
            "setup-imports",
            "quiz-facts",
            "exercise-slope",
            "check-slope",
            "exercise-Line",
            "check-Line",
            "answer-why_centre",
        ]
    )
    slope = cells["exercise-slope"]
    assert (slope.kind, slope.name, slope.defines, slope.points) == ("exercise", "slope", ["slope"], 4.0)
    assert (slope.minutes, slope.difficulty, slope.lecture) == (10, 2, ["L02.02"])
    assert (slope.forbids, slope.seconds, slope.module) == (["numpy.polyfit"], 30.0, "course_lib.lines")
    assert lines.student.cells[slope.position].source == slope.released
    assert reference_source(slope) == by_id(lines.solved)["exercise-slope"].source
    assert cells["exercise-Line"].lecture == ["L01.03"]  # from the docstring, where the header names none
    assert cells["check-slope"].points == 4.0
    assert cells["quiz-facts"].defines == ["enough_points"]
    assert cells["setup-imports"].defines == ["dataclass", "math"]
    assert "cancellation" in (cells["answer-why_centre"].scheme or "")
    assert lines.manifest.points == 10.5
    keys = set(json.loads(lines.manifest.to_json())["cells"][0])
    assert keys == {
        "grade_id",
        "kind",
        "name",
        "cell_type",
        "released",
        "solved",
        "defines",
        "points",
        "minutes",
        "difficulty",
        "lecture",
        "forbids",
        "seconds",
        "scheme",
        "position",
        "module",
        "title",
    }


def test_the_manifest_survives_json(lines):
    import hashlib

    assert Manifest.from_json(lines.manifest.to_json()) == lines.manifest
    assert lines.manifest.release == hashlib.sha256(lines.student_text.encode()).hexdigest()
    for text in ("", "[]", '{"schema": 9}', '{"schema": 1}', '{"schema": 1, "cells": [3]}'):
        with pytest.raises(CourseError):
            Manifest.from_json(text)


def test_an_exercise_written_in_the_notebook(course):
    built = build_notebook(course.assignments[1].notebooks[0])
    student = by_id(built.student)["exercise-steps"].source
    assert student == (
        "def steps(start: float) -> list[float]:\n    found = [start]\n"
        '    raise NotImplementedError("steps is not done yet: replace this line with your code.")\n    return found'
    )
    cell = built.manifest.cell("exercise-steps")
    assert (cell.defines, cell.module) == (["steps"], None)
    partly = by_id(built.student)["exercise-tangent"].source
    assert partly.endswith("    return Line(gradient, offset)")
    assert "2 * step" not in partly


def test_building_twice_and_elsewhere_gives_the_same_bytes(course, lines, tmp_path):
    script = (
        "import sys, pathlib; from autograder.curriculum import load_curriculum;"
        "from autograder.compiler.manifest import build_notebook;"
        "b = build_notebook(load_curriculum(pathlib.Path(sys.argv[1])).assignments[0].notebooks[0]);"
        "sys.stdout.reconfigure(encoding='utf-8', newline=''); print(b.student_text + b.manifest.to_json(), end='')"
    )
    copy = tmp_path / "elsewhere with a space"
    for part in ("course_lib", "solutions"):
        shutil.copytree(tmp_path / part, copy / part)
    shutil.copy(tmp_path / "course.toml", copy)
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script, str(copy / "course.toml")],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(sys.modules["autograder"].__path__[0]) + "/.."},
            capture_output=True, encoding="utf-8", check=True,
        )  # fmt: skip
        assert done.stdout == lines.student_text + lines.manifest.to_json()


def test_a_changed_docstring_changes_the_students_cell(tmp_path, lines):
    path = tmp_path / "course_lib" / "lines.py"
    path.write_text(LINES.replace("Give the slope of the least-squares line.", "Give the slope of the best line."))
    again = build_notebook(lines.notebook)
    changed = [a.id for a, b in zip(again.student.cells, lines.student.cells, strict=True) if a.source != b.source]
    assert changed == ["exercise-slope", lines.student.cells[-1].id]
    assert again.manifest.release != lines.manifest.release


def test_the_solved_notebook_runs(lines):
    namespace: dict = {"check": __import__("contextlib").nullcontext}
    for cell in lines.solved.cells:
        if cell.cell_type == "code":
            exec("\n".join(line for line in cell.source.split("\n") if not line.startswith("%")), namespace)
    assert namespace["Line"](2, 4).root == -2


MISTAKES = {
    "no such object": (
        ("import slope", "import steepness"),
        "course_lib.lines defines no function or class 'steepness'",
    ),
    "no such module": (("course_lib.lines import slope", "course_lib.line import slope"), "no module course_lib.line"),
    "alias": (("import slope", "import slope as s"), "by plain names, without `as`"),
    "neither import nor marks": (("from course_lib.lines import slope", "slope = 3"), "must be one statement"),
    "not Python": (("from course_lib.lines import slope", "from course_lib.lines import"), "not valid Python"),
    "demonstration not Python": (('print("a demonstration")', "print("), "not valid Python"),
    "quiz with a call": (("enough_points = 2", "print(2)"), "may hold comments and lines `name = value` only"),
    "quiz without a value": (("enough_points = 2  #", "#"), "has no line `name = value`"),
    "no divider": (("# ---\n# It has none.", "# It has none."), "needs a question, then a line `---`"),
    "four hints": (("# A sum, divided", "# Three.\n#\n# A sum, divided"), "has 4 paragraphs"),
    "unknown placeholder": (("{{built_table}}", "{{build_table}}"), "unknown placeholder {{build_table}}"),
    "name not imported": (("from dataclasses import dataclass", "x = 1"), "Line of course_lib.lines uses dataclass"),
}


@pytest.mark.parametrize(("change", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_name_file_and_cell(tmp_path, change, message):
    assert change[0] in LINES_SOURCE
    course = make_course(tmp_path, lines_source=LINES_SOURCE.replace(*change))
    with pytest.raises(CourseError) as caught:
        build_notebook(course.assignments[0].notebooks[0])
    assert message in str(caught.value)
    assert str(caught.value).startswith("lines.py, cell ")
    assert "\n" not in str(caught.value)


def test_a_missing_source_says_where_to_write_it(tmp_path):
    course = make_course(tmp_path)
    (tmp_path / "solutions/01_lines/lines.py").unlink()
    with pytest.raises(CourseError, match=r"^solutions/01_lines/lines.py not found; .* write its source there$"):
        build_notebook(course.assignments[0].notebooks[0])


def test_doubled_braces_of_a_formula_are_left_alone(tmp_path):
    course = make_course(tmp_path, curves_source="# %% [markdown]\n# $x^{{n}}$\n" + CURVES_SOURCE)
    assert build_notebook(course.assignments[1].notebooks[0]).student.cells[0].source == "$x^{{n}}$"
