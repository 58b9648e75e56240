"""nbgrader's own commands on the course: `nbgrader autograde` gives the scores of `course grade`, and the rest works.

A class hands in, and is graded once by each of the two. `make test` takes those of the invented class who differ most;
`make test-all` takes everybody, and goes the ways by which notebooks come in: a zip and the exchange.
"""

from __future__ import annotations

import csv
import dataclasses
import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from autograder.cli.demo import SECRET
from autograder.cli.grade import grade_class
from autograder.compiler.manifest import Built, build_notebook
from autograder.curriculum import load_curriculum
from autograder.demo_cast import EVIL_ID
from autograder.demo_class import ASSIGNMENT, play_class
from autograder.gradebook import open_gradebook
from autograder.nbgrader_layout import prepare_course_folder
from autograder.record import Record
from autograder.records import load_records, results_path, safe_name

NOTEBOOK = "softmax_regression"
# Somebody of every kind that nbgrader and the file itself can make trouble with; the last has no notebook at all.
SELECTION = ("omar.haddad", "hugo.laurent", "ivo.petrov", "kofi.mensah", "sara.nunes", "li.wen", EVIL_ID, "anna.kowal",
             "joon.park", "tomas.vega")  # fmt: skip
SLIPS, TOO_LATE, EXTENDED = "joon.park", "tomas.vega", "kofi.mensah"
EXTENSION = f'[[extension]]\nstudent = "{EXTENDED}"\nassignment = "{ASSIGNMENT}"\ndays = 3\n'
pytestmark = pytest.mark.xdist_group("nbgrader")


@pytest.fixture(scope="module", autouse=True)
def _one_secret():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_SECRET", SECRET)  # both paths draw the same hidden inputs
        yield


def nbgrader(folder: Path, *arguments: str) -> str:
    """Run one of nbgrader's commands in a folder; returns what it logged."""
    run = start_nbgrader(folder, *arguments)
    assert run.returncode == 0, f"nbgrader {' '.join(arguments)}:\n{run.stderr[-3000:]}"
    return run.stderr + run.stdout


def start_nbgrader(folder: Path, *arguments: str, path: str = os.environ["PATH"]) -> subprocess.CompletedProcess[str]:
    home = folder / ".home"
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{path}"  # nbgrader calls a program of its own, alembic
    command = [sys.executable, "-m", "nbgrader", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def course_folder(folder: Path, submitted: Path) -> None:
    """A folder in which nbgrader works and no `course grade` has run."""
    prepare_course_folder(folder, [load_curriculum().assignment(ASSIGNMENT)], submitted)
    nbgrader(folder, "generate_assignment", "--force", ASSIGNMENT)


@dataclass(frozen=True)
class BothPaths:
    by_nbgrader: Path
    by_course: Path
    log: str

    def records(self, out: Path) -> dict[str, Record]:
        return {record.student: record for record in load_records(out)}


def grade_twice(folder: Path, students: Sequence[str]) -> BothPaths:
    submitted = folder / "submitted"
    play_class(folder / "everybody")
    for student in students or [p.name for p in (folder / "everybody").iterdir() if p.is_dir()]:
        shutil.copytree(folder / "everybody" / student, submitted / student)
    shutil.copy(folder / "everybody" / "receipts.csv", submitted)
    curriculum = load_curriculum()
    for out in ("course", "nbgrader"):
        (folder / out).mkdir()
        (folder / out / "extensions.toml").write_text(EXTENSION)
    grade_class(curriculum, curriculum.assignment(ASSIGNMENT), submitted, folder / "course", workers=1)
    course_folder(folder / "nbgrader", submitted)
    log = nbgrader(folder / "nbgrader", "autograde", ASSIGNMENT)
    return BothPaths(folder / "nbgrader", folder / "course", log)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> BothPaths:
    return grade_twice(tmp_path_factory.mktemp("nbgrader"), SELECTION)


@pytest.fixture(scope="module")
def built() -> Built:
    return build_notebook(load_curriculum().assignment(ASSIGNMENT).notebook(NOTEBOOK))


def timeless(record: Record) -> dict:
    """A record without what differs from run to run."""
    plain = dataclasses.asdict(record)

    def strip(value):
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in ("seconds", "graded_at")}
        if isinstance(value, str):  # what `%%time` printed
            return re.sub(r"(?m)^(CPU times|Wall time): .*$", r"\1", value)
        return [strip(v) for v in value] if isinstance(value, list) else value

    return strip(plain)


def differences(one: Any, other: Any, where: str) -> Iterator[str]:
    """Where two records differ, one line each: a whole record says nothing to whoever reads a failed test."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from differences(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{where}[{number}]")
    elif one != other:
        yield f"{where}: {one!r} and {other!r}"


def rows(out: Path) -> dict[str, tuple]:
    """Everything of a student in nbgrader's database."""
    found = {}
    with open_gradebook(out / "gradebook.db") as gradebook:
        for submission in gradebook.assignment_submissions(ASSIGNMENT):
            cells = sorted(
                (grade.name, grade.auto_score, grade.max_score, bool(grade.needs_manual_grade))
                for notebook in submission.notebooks
                for grade in notebook.grades
            )
            comments = sorted((c.name, c.auto_comment) for n in submission.notebooks for c in n.comments)
            late = (submission.extension, submission.late_submission_penalty, submission.total_seconds_late)
            found[submission.student.id] = (submission.timestamp, submission.score, *late, cells, comments)
        assert {student.id for student in gradebook.students} == set(found)
    return found


def check_both_agree(both: BothPaths) -> None:
    ours, theirs = both.records(both.by_course), both.records(both.by_nbgrader)
    # nbgrader does not look at a folder without any notebook; `course grade` records that nothing was handed in.
    unseen = {s for s, r in ours.items() if r.notebooks[0].status == "missing"}
    assert ours.keys() - theirs.keys() == unseen
    assert unseen == {"anna.kowal"}
    assert "No notebooks were matched by" in both.log
    for student, record in theirs.items():
        assert not list(differences(timeless(record), timeless(ours[student]), student))
    expected = {s: row for s, row in rows(both.by_course).items() if s not in unseen}
    assert rows(both.by_nbgrader) == expected
    graded = [
        {p.relative_to(out): p for p in (out / "autograded").rglob("*.ipynb")} for out in dataclasses.astuple(both)[:2]
    ]
    assert graded[0].keys() == graded[1].keys()
    for place, path in graded[0].items():
        times = re.compile(r"(CPU times|Wall time): [^\\]*")
        one, other = (times.sub(r"\1", p.read_text(encoding="utf-8")) for p in (path, graded[1][place]))
        assert one == other, place


def test_both_paths_give_the_same(both: BothPaths) -> None:
    check_both_agree(both)
    scores = [record.score for record in both.records(both.by_nbgrader).values()]
    assert len(set(scores)) > 3
    assert min(scores) == 0
    assert max(scores) > 30


def test_both_paths_decide_alike_about_late_work(both: BothPaths) -> None:
    """Slip days and extensions move the deadline in nbgrader's database, and work that is too late loses its points."""
    for out in (both.by_course, both.by_nbgrader):
        with open_gradebook(out / "gradebook.db") as gradebook:
            found = {s.student.id: s for s in gradebook.assignment_submissions(ASSIGNMENT)}
            moved = {name: s.extension for name, s in found.items() if s.extension is not None}
            assert moved == {SLIPS: timedelta(days=1), EXTENDED: timedelta(days=3)}
            assert found[SLIPS].total_seconds_late == 0
            assert found[TOO_LATE].total_seconds_late > 0
            penalties = {name: s.late_submission_penalty for name, s in found.items() if s.late_submission_penalty}
            assert penalties == {TOO_LATE: pytest.approx(found[TOO_LATE].score)}
            assert found[TOO_LATE].score > 0
    for student in (SLIPS, TOO_LATE, EXTENDED):
        paths = [results_path(out, student, ASSIGNMENT) for out in (both.by_course, both.by_nbgrader)]
        said = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
        assert said[0]["output"] == said[1]["output"]
        assert "of 5 slip days used" in said[0]["output"]
        keys = ("late_policy", "due", "days_late", "slip_days", "slip_days_used")
        assert [said[0]["extra_data"][key] for key in keys] == [said[1]["extra_data"][key] for key in keys]


@pytest.mark.slow
def test_both_paths_give_the_same_to_the_whole_class(tmp_path: Path) -> None:
    """Endless loops, crashes and attacks included."""
    check_both_agree(grade_twice(tmp_path, ()))


def test_nothing_is_left_behind_and_nothing_graded_twice(both: BothPaths) -> None:
    folder = both.by_nbgrader
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.record.json")}
    assert before
    nbgrader(folder, "autograde", ASSIGNMENT, "--force", "--student=omar.haddad")
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.record.json")} == before
    assert not list(folder.glob(".work-*"))


def test_no_code_of_a_student_runs_in_nbgraders_own_process(tmp_path: Path, built: Built) -> None:
    """What a cell can see is the sandbox: not the folders of the course, and not nbgrader's environment."""
    notebook = nbformat.reads(built.student_text, as_version=4)
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id", "").startswith("exercise-"))
    cell.source = f"import os\nprint('seen', os.path.exists({str(tmp_path)!r}), 'COURSE_SECRET' in os.environ)\n"
    place = tmp_path / "submitted" / "ada" / ASSIGNMENT
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{NOTEBOOK}.ipynb")
    course_folder(tmp_path, tmp_path / "submitted")
    nbgrader(tmp_path, "autograde", ASSIGNMENT)
    (record,) = load_records(tmp_path)
    assert record.isolation == "bubblewrap"
    shown = [o.get("text", "") for e in record.notebooks[0].exercises for o in e.outputs]
    assert "seen False False\n" in shown


def test_grading_refuses_below_the_level_that_is_demanded(tmp_path: Path, both: BothPaths) -> None:
    """One clear line, status 1, and no score, where the sandbox cannot be had."""
    place = tmp_path / "submitted" / "omar.haddad"
    shutil.copytree(both.by_course.parent / "submitted" / "omar.haddad", place)
    course_folder(tmp_path, tmp_path / "submitted")
    run = start_nbgrader(tmp_path, "autograde", ASSIGNMENT, path=str(tmp_path / "no_bwrap_here"))
    assert run.returncode != 0
    assert "bubblewrap" in run.stderr
    assert not list(tmp_path.rglob("*.record.json"))
    assert not list(tmp_path.rglob("autograded/*/*/*.ipynb"))


def telling_lines(built: Built) -> list[str]:
    """Lines that only hidden tests hold, and sentences of the mark schemes."""
    suite = load_curriculum().assignment(ASSIGNMENT).notebook(NOTEBOOK).suite
    lines = [line.strip() for line in suite.read_text(encoding="utf-8").splitlines()]
    tests = [line for line in lines if line.startswith(("assert_", "expected =")) and len(line) > 40]
    schemes = [line.strip() for cell in built.manifest.cells for line in (cell.scheme or "").splitlines()]
    schemes = [line for line in schemes if len(line) > 20]
    assert len(tests) > 20
    assert schemes
    return tests + schemes


def test_feedback_and_export(both: BothPaths, built: Built) -> None:
    folder = both.by_nbgrader
    nbgrader(folder, "generate_feedback", ASSIGNMENT)
    graded = both.records(folder)
    pages = {p.parent.parent.name: p for p in folder.glob(f"feedback/*/{ASSIGNMENT}/{NOTEBOOK}.html")}
    read = {safe_name(s) for s, r in graded.items() if r.notebooks[0].status == "graded"}
    assert pages.keys() == read
    secret = telling_lines(built)
    for page in pages.values():
        text = page.read_text(encoding="utf-8")
        for line in secret:
            assert line not in text
    assert re.search(r"overflow", pages["omar.haddad"].read_text(encoding="utf-8"))
    nbgrader(folder, "export", "--to=grades.csv")
    with (folder / "grades.csv").open(newline="", encoding="utf-8") as file:
        exported = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    expected = {safe_name(s): r.score for s, r in graded.items()} | {TOO_LATE: 0.0}
    assert exported == pytest.approx(expected)


@pytest.mark.slow
def test_a_zip_from_elsewhere_is_collected_and_graded(tmp_path: Path, both: BothPaths) -> None:
    handed_in = both.by_course.parent / "submitted" / "omar.haddad" / ASSIGNMENT / f"{NOTEBOOK}.ipynb"
    archive = tmp_path / "downloaded" / ASSIGNMENT / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "all of the class.zip", "w") as packed:
        for time in ("2027-02-05-20-00-00", "2027-02-06-20-00-00"):
            packed.write(handed_in, f"Omar Haddad_attempt_{time}_{NOTEBOOK}.ipynb")
    course_folder(tmp_path, tmp_path / "submitted")
    pattern = r".*/(?P<student_id>[^/]+)_attempt_(?P<timestamp>[0-9-]+)_(?P<file_id>\w+)"  # of the instructor's guide
    nbgrader(tmp_path, "zip_collect", ASSIGNMENT, f"--FileNameCollectorPlugin.named_regexp={pattern}")
    assert (tmp_path / "submitted" / "Omar Haddad" / ASSIGNMENT / f"{NOTEBOOK}.ipynb").exists()
    nbgrader(tmp_path, "autograde", ASSIGNMENT)
    (record,) = load_records(tmp_path)
    assert record.student == "Omar Haddad"
    assert record.received == "2027-02-06T20:00:00-08:00"  # of the later file, in the course's time zone
    with open_gradebook(tmp_path / "gradebook.db") as gradebook:
        assert gradebook.find_submission(ASSIGNMENT, safe_name("Omar Haddad")).extension == timedelta(days=1)
    expected = both.records(both.by_course)["omar.haddad"].notebooks[0]
    statuses = [e.status for e in record.notebooks[0].exercises]
    assert statuses == [e.status for e in expected.exercises]


def solve(path: Path, name: str) -> None:
    """Write the solutions into a notebook that does not hold them."""
    notebook = nbformat.read(path, as_version=4)
    manifest = build_notebook(load_curriculum().assignment(ASSIGNMENT).notebook(name)).manifest
    named = {c.grade_id: c for c in manifest.cells}
    released = "\n".join(cell.source for cell in notebook.cells)
    assert all(c.solved not in released for c in named.values() if c.kind == "exercise")
    for cell in notebook.cells:
        known = named.get(cell.metadata.get("nbgrader", {}).get("grade_id", ""))
        if known is not None and known.kind in ("exercise", "quiz"):
            cell.source = known.solved
    nbformat.write(notebook, path)


@pytest.mark.slow
def test_the_exchange_goes_round(tmp_path: Path, built: Built) -> None:
    """Release, fetch, submit, list, collect, grade, and feedback back: a student meets nothing that is secret."""
    exchange, course, student = tmp_path / "exchange", tmp_path / "course", tmp_path / "student"
    student.mkdir()
    exchange.mkdir()
    exchange.chmod(0o777)
    where = f"--Exchange.root={exchange}"
    course_folder(course, course / "submitted")
    nbgrader(course, "release_assignment", ASSIGNMENT, where)
    listed = nbgrader(student, "list", where, "--course=deep_learning_by_hand")
    assert ASSIGNMENT in listed
    nbgrader(student, "fetch_assignment", ASSIGNMENT, where, "--course=deep_learning_by_hand")
    content = "\n".join(p.read_text(encoding="utf-8") for p in exchange.rglob("*.ipynb"))
    assert "raise NotImplementedError" in content
    for line in telling_lines(built):
        assert line not in content
    for name in [n.name for n in load_curriculum().assignment(ASSIGNMENT).notebooks]:
        solve(student / ASSIGNMENT / f"{name}.ipynb", name)
    nbgrader(student, "submit", ASSIGNMENT, where, "--course=deep_learning_by_hand")
    assert ASSIGNMENT in nbgrader(course, "list", "--inbound", where)
    (handed_in,) = exchange.glob("*/inbound/*")
    (handed_in / "timestamp.txt").write_text("1999-01-01 00:00:00 UTC")  # what a student can do
    for path in (handed_in, *handed_in.iterdir()):
        os.utime(path, (0, 0))
    nbgrader(course, "collect", ASSIGNMENT, where)
    nbgrader(course, "autograde", ASSIGNMENT)
    (record,) = load_records(course)
    late = datetime.now(UTC) - datetime.fromisoformat(record.received or "")
    assert timedelta(0) <= late + timedelta(seconds=2)
    assert late < timedelta(hours=1)
    with open_gradebook(course / "gradebook.db") as gradebook:
        when = gradebook.find_submission(ASSIGNMENT, record.student).timestamp
    assert when.replace(tzinfo=UTC) == datetime.fromisoformat(record.received or "")
    assert record.student == getpass.getuser()
    assert record.score == pytest.approx(record.points - record.manual_points)
    nbgrader(course, "generate_feedback", ASSIGNMENT)
    nbgrader(course, "release_feedback", ASSIGNMENT, where)
    nbgrader(student, "fetch_feedback", ASSIGNMENT, where, "--course=deep_learning_by_hand")
    pages = [page.read_text(encoding="utf-8") for page in student.rglob("*.html")]
    assert len(pages) == len(record.notebooks)
    for line in telling_lines(built):
        assert all(line not in text for text in pages)
