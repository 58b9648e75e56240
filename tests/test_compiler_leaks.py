"""The leak scan: what must not be released is found wherever it hides, and honest notebooks pass."""

from __future__ import annotations

import base64
import gzip
import io
import json
import zipfile

import pytest
from click.testing import CliRunner
from compiler_course import CURVES, LINES, LINES_SOURCE, make_course

from autograder.cli.build import build
from autograder.compiler.leaks import build_all, find_leaks, scan_for
from autograder.compiler.secret_lines import code_lines, distinctive, normal

SOLUTION = "    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))"
HIDDEN = "assert_close(student.slope(x, 3.0 * x + rng.normal(size=50)), 3.0, atol=0.75)"
ANSWER = "Because sums of large numbers of nearly equal size lose digits."
SCHEME = "Three points for naming cancellation of leading digits in the difference."
LATER = "    gradient = (f(x + step) - f(x - step)) / (2 * step)"  # of the second assignment


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    course = make_course(tmp_path_factory.mktemp("course"))
    CliRunner().invoke(build, ["--course", str(course.root / "course.toml")])
    return course


@pytest.fixture(scope="module")
def built(course):
    return build_all(course)


@pytest.fixture(scope="module")
def scan(course, built):
    return scan_for(course, course.assignments[0], built)


@pytest.fixture
def notebook(built):
    return json.loads(built["lines"].student_text)


def leaks(scan, notebook, name="a.ipynb"):
    data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
    return list(scan.file(name, data))


def test_an_honest_course_has_no_leak(course, built):
    assert find_leaks(course, course.assignments, built.values()) == []


def test_the_solved_notebook_and_the_hidden_tests_are_full_of_them(course, scan, built):
    told = " ".join(leaks(scan, built["lines"].solved_text.encode()))
    for owner in ("the solution of slope", "the solution of Line", "the model answer of why_centre", "quiz facts"):
        assert owner in told
    hidden = (course.root / "autograder/hidden_tests/01_lines/test_lines.py").read_bytes()
    assert "hidden tests 01_lines/test_lines.py" in " ".join(scan.file("t.py", hidden))


@pytest.mark.parametrize("planted", [SOLUTION, HIDDEN, ANSWER, SCHEME, LATER, "enough_points=2"])
@pytest.mark.parametrize(
    "place", ["source", "source list", "metadata", "attachment", "output", "notebook metadata", "key"]
)
def test_a_planted_line_is_found_in_every_part_of_a_notebook(scan, notebook, planted, place):
    cell = notebook["cells"][2]
    if place == "source":
        cell["source"] = f"x = 1\n{planted}\ny = 2"
    elif place == "source list":
        cell["source"] += ["\n", f"{planted}\n"]
    elif place == "metadata":
        cell["metadata"]["note"] = {"deep": [f"see: {planted}"]}
    elif place == "attachment":
        cell["attachments"] = {
            "a.txt": {"text/plain": base64.b64encode(f"padding, padding, {planted}".encode()).decode()}
        }
    elif place == "output":
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": [planted]}]
    elif place == "notebook metadata":
        notebook["metadata"]["note"] = planted
    else:
        cell["metadata"][planted] = 1
    found = leaks(scan, notebook)
    assert found
    assert all(line.startswith("leak: a.ipynb, ") and "\n" not in line for line in found)


@pytest.mark.parametrize(
    "disguise",
    [
        "covariance=sum((a-mean_x)*(b-mean_y) for a,b in zip(x,y))",
        "x = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))",
        "# covariance = sum( (a - mean_x) * (b - mean_y)   for a, b in zip(x, y) )  # as said",
        ">>> covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))",
        json.dumps({"text": f"first\n{SOLUTION}\nlast"}),
        "`covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y))` is the trick",
    ],
)
def test_other_spacing_and_wrapping_hide_nothing(scan, disguise):
    assert "the solution of slope" in " ".join(scan.text(disguise))


def test_a_comment_of_the_solution_is_a_line_of_it(scan):
    assert list(scan.text("centred sums lose fewer digits")) == []  # five words may be chance
    assert list(scan.text("print(1)  # the slope is what it is, far from zero")) == []


@pytest.mark.parametrize(
    "line", ["def test_slope_of_noise(student, rng):", '@exercise("slope")', "x = a  # far from zero"]
)
def test_names_of_hidden_tests_are_found_and_chance_is_not(scan, line):
    assert bool(list(scan.text(line))) == ("far from" not in line)


def test_outputs_counts_and_widget_state_are_traces_of_a_run(scan, notebook):
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["hello"]}]
    cell["execution_count"] = 3
    notebook["metadata"]["widgets"] = {"state": {}}
    told = leaks(scan, notebook)
    assert ["outputs" in told[0], "execution count" in told[1], "state of widgets" in told[2]] == [True] * 3


def test_archives_within_archives_are_opened(scan):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/notes.txt.gz", gzip.compress(SOLUTION.encode()))
    outer = io.BytesIO()
    with zipfile.ZipFile(outer, "w") as archive:
        archive.writestr("data.bin", inner.getvalue())  # known by its first bytes, not by its name
        archive.writestr("fine.txt", "nothing")
    found = list(scan.file("a.zip", outer.getvalue()))
    assert len(found) == 1
    assert found[0].startswith("leak: a.zip:data.bin:deep/notes.txt shows a line of the solution of slope")


@pytest.mark.parametrize("data", [b"PK\x03\x04broken", b"\x1f\x8bbroken"])
def test_what_cannot_be_opened_is_not_waved_through(scan, data):
    assert "nobody can see what it holds" in next(iter(scan.file("a.zip", data)))


def test_a_notebook_that_is_not_json_is_searched_as_text(scan):
    assert leaks(scan, f'{{"cells": broken "{SOLUTION}"'.encode())
    assert leaks(scan, b"\xff\xfe" + SOLUTION.encode())
    assert leaks(scan, b"[1, 2]") == []


def test_what_the_library_shows_around_the_holes_is_no_secret(tmp_path):
    shared = "\n\ndef mean_products(x, y, mean_x, mean_y):\n    " + SOLUTION.strip() + "\n    return covariance\n"
    course = make_course(tmp_path, lines=LINES + shared)
    CliRunner().invoke(build, ["--course", str(tmp_path / "course.toml")])
    assert find_leaks(course, course.assignments[:1], []) == []


def test_a_whole_solution_in_another_function_is_a_leak(tmp_path):
    body = LINES[LINES.index("    mean_x, mean_y") : LINES.index("\n\n\ndef length")]
    course = make_course(tmp_path, lines=f"{LINES}\n\ndef copy(x, y):\n{body}\n")
    CliRunner().invoke(build, ["--course", str(tmp_path / "course.toml")])
    (found,) = find_leaks(course, course.assignments[:1], [])
    assert found.startswith("leak: course_lib/lines.py (student edition) shows 3 lines of the solution of slope")


def test_a_solution_in_a_comment_or_docstring_of_the_library_is_a_leak(tmp_path):
    course = make_course(
        tmp_path, lines=LINES.replace('"""Straight lines."""', f'"""Straight lines.\n\n{SOLUTION}\n"""')
    )
    assert "solution of slope" in " ".join(find_leaks(course, course.assignments[:1], []))


def test_earlier_solutions_are_no_secret_later_but_answers_are(course, built):
    later = scan_for(course, course.assignments[1], built)
    assert list(later.text(SOLUTION)) == []
    assert list(later.text(ANSWER))
    assert list(later.text(LATER))
    assert list(later.text("enough_points = 2"))


def test_build_check_fails_on_a_leak_in_the_folder_and_in_the_source(tmp_path):
    course = make_course(tmp_path)
    toml = ["--course", str(tmp_path / "course.toml")]
    CliRunner().invoke(build, toml)
    (tmp_path / "assignments/01_lines/notes.txt").write_text(HIDDEN)
    done = CliRunner().invoke(build, ["--check", *toml])
    assert done.exit_code == 1
    assert done.output.startswith(
        "leak: assignments/01_lines/notes.txt shows a line of the hidden tests 01_lines/test_"
    )
    (tmp_path / "assignments/01_lines/notes.txt").unlink()
    source = course.assignments[0].notebooks[0].source
    source.write_text(LINES_SOURCE.replace('print("a demonstration")', CURVES.splitlines()[8].strip()))
    done = CliRunner().invoke(build, ["--check", *toml])
    assert done.exit_code == 1
    assert "leak: solutions/01_lines/lines.py (compiled).ipynb, cell 3 (demo-2-" in done.output


def test_ordinary_lines_are_not_secrets():
    for line in (
        "losses = []", "return losses", "for batch in batches:", "for _ in range(steps):", "optimizer.step()",
        "import torch", "def f(x):", "with torch.no_grad():", "x = y", "@property", "loss.backward()",
    ):  # fmt: skip
        assert not distinctive(normal(line)), line
    for line in ("return x @ weights", "return theta_1 - theta_2", "return exponentials / exponentials.sum()"):
        assert distinctive(normal(line)), line


def test_the_normal_form_keeps_words_apart_and_drops_prose():
    assert normal('  return  x @ "w" ') == "return x@'w'"
    assert code_lines('def f():\n    """Doc\n    a = 1\n    """\n    b = 2  # c = 3\n') == ["def f():", "b=2"]
    assert code_lines("%matplotlib inline\na = 1  # b\n") == ["%matplotlib inline", "a=1"]
