"""The student edition of the library, the zip, and what `course build` and `course release` say."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
import zipfile

import pytest
from click.testing import CliRunner
from compiler_course import CURVES, LINES, LINES_SOURCE, make_course

from autograder.cli.build import build
from autograder.cli.release import release
from autograder.compiler.holes import stub_line
from autograder.compiler.leaks import build_all
from autograder.compiler.release import library_files, release_files, student_edition, zip_bytes
from autograder.errors import CourseError


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path)


def run(command, *arguments, course):
    return CliRunner().invoke(command, [*arguments, "--course", str(course.root / "course.toml")])


# -- the student edition ------------------------------------------------------------------------------


def test_what_this_and_later_assignments_ask_for_is_a_stub(course):
    first = library_files(course, course.assignments[0])
    lines, curves = first["course_lib/lines.py"].decode(), first["course_lib/curves.py"].decode()
    assert stub_line("slope") in lines
    assert stub_line("Line.at") in lines
    assert stub_line("tangent") in curves
    assert "return math.sqrt(x * x + y * y)" in lines  # nobody asks for it
    assert "self.gradient = float(self.gradient)" in lines  # given


def test_what_earlier_assignments_asked_for_is_complete(course):
    second = library_files(course, course.assignments[1])
    assert second["course_lib/lines.py"].decode() == LINES
    assert stub_line("tangent") in second["course_lib/curves.py"].decode()
    assert "def check" in second["course_lib/kit/checks.py"].decode()


def test_the_edition_can_be_imported_and_fails_kindly(course, tmp_path):
    folder = student_edition(course, "01_lines", tmp_path / "edition")
    script = (
        "from course_lib.lines import length, Line\nfrom course_lib.curves import tangent\n"
        "assert length(3.0, 4.0) == 5.0\n"
        "for call in (lambda: Line(1).at(2), lambda: tangent(abs, 1.0)):\n"
        "    try:\n        call()\n    except NotImplementedError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "Line.at is not done yet: replace this line with your code.",
        "tangent is not done yet: replace this line with your code.",
    ]
    with pytest.raises(CourseError, match="exists already"):
        student_edition(course, "01_lines", folder)


def test_caches_and_hidden_files_stay_at_home(course):
    for name in ("__pycache__/lines.cpython-311.pyc", ".secret", "kit/.ipynb_checkpoints/x.py"):
        path = course.root / "course_lib" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert set(library_files(course, course.assignments[0])) == {
        "course_lib/__init__.py", "course_lib/curves.py", "course_lib/lines.py",
        "course_lib/kit/__init__.py", "course_lib/kit/checks.py",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("SLOPE = slope([0, 1], [0, 1])", "course_lib/lines.py, line"),
        ("class A:\n    table = [slope([0, x], [0, 1]) for x in (1, 2)]", "calls slope while it is imported"),
        ("def f(x=slope([0, 1], [0, 1])):\n    return x", "move the call into a function"),
    ],
)
def test_a_stub_that_is_called_while_importing_is_refused(tmp_path, line, named):
    course = make_course(tmp_path, lines=f"{LINES}\n\n{line}\n")
    with pytest.raises(CourseError, match=named):
        library_files(course, course.assignments[0])


def test_calls_inside_functions_and_lambdas_are_fine(tmp_path):
    later = "\n\nlazy = lambda: slope([0, 1], [0, 1])\n\n\ndef f():\n    return slope([0, 1], [0, 1])\n"
    later += "\n\nif __name__ == '__main__':\n    print(slope([0, 1], [0, 1]))\n"
    assert library_files(make_course(tmp_path, lines=LINES + later), make_course(tmp_path).assignments[0])


def test_another_module_that_calls_a_stub_while_importing_is_refused(tmp_path):
    course = make_course(tmp_path, curves=CURVES + "\n\nAXIS = Line(0.0)\n")
    with pytest.raises(CourseError, match=r"course_lib/curves.py, line 15 calls Line"):
        library_files(course, course.assignments[0])
    assert library_files(course, course.assignments[1])


# -- the zip ------------------------------------------------------------------------------------------


def test_the_zip_holds_what_a_student_needs_and_nothing_else(course):
    files = release_files(course, course.assignments[1], build_all(course))
    assert sorted(name.removeprefix("02_curves/") for name in files) == [
        "README.md", "constraints.txt", "course_lib/__init__.py", "course_lib/curves.py",
        "course_lib/kit/__init__.py", "course_lib/kit/checks.py", "course_lib/lines.py",
        "curves.ipynb", "environment.yml", "points.csv", "pyproject.toml", "requirements.txt",
    ]  # fmt: skip


def test_a_file_that_is_not_listed_is_not_released(course):
    (course.root / "assignments/02_curves/answers.csv").write_text("secret")
    assert "02_curves/answers.csv" not in release_files(course, course.assignments[1], build_all(course))


@pytest.mark.parametrize("name", ["missing.csv", "../../pyproject.toml", "/etc/hostname"])
def test_a_listed_file_must_lie_in_the_assignments_folder(tmp_path, name):
    course = make_course(tmp_path)
    text = (tmp_path / "course.toml").read_text().replace('"points.csv"', f'"{name}"')
    (tmp_path / "changed.toml").write_text(text)
    arguments = ["02_curves", "--out", str(tmp_path), "--course", str(tmp_path / "changed.toml")]
    done = CliRunner().invoke(release, arguments)
    assert isinstance(done.exception, CourseError)
    assert "is not in assignments/02_curves" in str(done.exception)
    assert course.assignments[1].files == ("points.csv",)


def test_the_zip_has_the_same_bytes_at_another_time(course):
    files = release_files(course, course.assignments[0], build_all(course))
    first = zip_bytes(files)
    os.utime(course.root / "course_lib" / "lines.py", (time.time() + 1e6,) * 2)
    assert zip_bytes(dict(reversed(files.items()))) == first


def test_the_environment_files_fit_together(course):
    import tomllib

    files = release_files(course, course.assignments[0], build_all(course))
    project = tomllib.loads(files["01_lines/pyproject.toml"].decode())
    assert project["project"]["dependencies"] == ["numpy"]
    assert "-e ." in files["01_lines/requirements.txt"].decode().splitlines()
    assert "-r requirements.txt" in files["01_lines/environment.yml"].decode()
    readme = files["01_lines/README.md"].decode()
    assert "Friday, 05 February 2027, 23:59 (Europe/Berlin)" in readme
    assert "| [Lines](lines.ipynb) | 10.5 | about 15 |" in readme


def test_release_writes_the_zip(course, tmp_path):
    out = tmp_path / "new" / "folder"
    done = run(release, "01_lines", "--out", str(out), course=course)
    assert done.exit_code == 0, done.output
    assert os.listdir(out) == ["01_lines.zip"]
    with zipfile.ZipFile(out / "01_lines.zip") as archive:
        assert archive.testzip() is None
        assert "covariance" not in "".join(archive.read(name).decode() for name in archive.namelist())
        notebook = archive.read("01_lines/lines.ipynb")
    assert notebook.decode() == build_all(course)["lines"].student_text


def test_release_refuses_to_write_a_leak(tmp_path):
    planted = LINES_SOURCE.replace('print("a demonstration")', "# covariance / sum((a-mean_x)**2 for a in x)")
    course = make_course(tmp_path, lines_source=planted)
    done = run(release, "01_lines", "--out", str(tmp_path / "out"), course=course)
    assert done.exit_code == 1
    assert "leak: 01_lines.zip:01_lines/lines.ipynb, cell 3" in done.output
    assert "solution of slope" in done.output
    assert not (tmp_path / "out").exists()


# -- course build -------------------------------------------------------------------------------------


def test_build_writes_three_files_and_then_changes_nothing(course):
    done = run(build, course=course)
    assert done.exit_code == 0, done.output
    assert "10.5" in done.output
    written = sorted(p.relative_to(course.root).as_posix() for p in course.root.rglob("*") if "lines.ip" in p.name)
    assert written == ["assignments/01_lines/lines.ipynb", "build/solved/01_lines/lines.ipynb"]
    assert (course.root / "build/manifests/01_lines/lines.json").is_file()
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in course.root.rglob("*.ipynb")}
    assert "unchanged" in run(build, course=course).output
    assert {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in course.root.rglob("*.ipynb")} == before
    checked = run(build, "--check", course=course)
    assert (checked.exit_code, checked.output) == (0, "2 notebooks up to date, no leak found.\n")


def test_build_takes_names(course):
    assert run(build, "02_curves", course=course).exit_code == 0
    assert not (course.root / "assignments/01_lines").exists()
    done = run(build, "03_circles", course=course)
    assert isinstance(done.exception, CourseError)
    assert "no assignment '03_circles'" in str(done.exception)


def test_check_names_each_stale_file(course):
    missing = run(build, "--check", course=course)
    assert missing.exit_code == 1
    assert "stale: assignments/01_lines/lines.ipynb is missing; run `course build`" in missing.output
    run(build, course=course)
    path = course.root / "course_lib" / "lines.py"
    path.write_text(LINES.replace("Give the slope", "Return the slope"))
    (course.root / "assignments/02_curves/old.ipynb").write_text("{}")
    stale = run(build, "--check", course=course)
    assert stale.exit_code == 1
    assert stale.output.splitlines() == [
        (
            "stale: assignments/01_lines/lines.ipynb differs from what its source and the library give now; "
            "run `course build`"
        ),
        "stale: assignments/02_curves/old.ipynb belongs to no notebook of course.toml; remove it or list it there",
    ]


def test_coverage_lists_what_is_taught_and_what_is_missing(course):
    done = run(build, "--coverage", "01_lines", course=course)
    assert done.exit_code == 0, done.output
    assert "L01: 2 of 3 taught" in done.output
    missing = next(line for line in done.output.splitlines() if line.startswith("missing: "))
    assert "L01.04" in missing
    assert "L02.02" not in missing
    assert "L02.12" not in done.output.partition("missing: ")[2]  # the docstring of length names it
    assert not (course.root / "assignments/01_lines").exists()


def test_coverage_refuses_an_id_that_does_not_exist(tmp_path):
    course = make_course(tmp_path, lines=LINES.replace("L02.12", "L02.77"))
    done = run(build, "--coverage", "01_lines", course=course)
    assert str(done.exception) == "course_lib/lines.py, length: L02.77 is not in the syllabus; correct the docstring"


def test_the_command_line_ends_with_1_for_a_stale_file_and_2_for_wrong_use(course):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

    def course_command(*arguments):
        code = "from autograder.cli import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *arguments, "--course", str(course.root / "course.toml")],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip

    assert course_command("build", "--check").returncode == 1
    wrong = course_command("build", "nothing")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "course: no assignment 'nothing'; course.toml lists: 01_lines, 02_curves\n"


def test_a_start_page_is_released_beside_the_notebooks(tmp_path):
    course = make_course(tmp_path)
    (tmp_path / "solutions/start_here.py").write_text("# %% [markdown]\n# # Start here\n")
    files = release_files(course, course.assignments[0], build_all(course))
    assert b"Start here" in files["01_lines/start_here.ipynb"]
    assert b"jupyter lab start_here.ipynb" in files["01_lines/README.md"]
    with zipfile.ZipFile(io.BytesIO(zip_bytes(files))) as archive:
        assert archive.namelist() == sorted(archive.namelist())
