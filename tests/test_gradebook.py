"""nbgrader's gradebook: every score arrives once, grades by hand stay, graders get along, nbgrader's tools work."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bs4
import mini_class
import nbformat
import pytest
from click.testing import CliRunner
from nbconvert.filters.markdown_mistune import markdown2html_mistune
from nbgrader.api import Gradebook
from record_samples import (
    ASSIGNMENT,
    HOSTILE_NAMES,
    ITEMS,
    NOTEBOOK,
    build_record,
    exercise_result,
    hostile_record,
    make_record,
    sample_class,
)
from sqlalchemy import event

from autograder import gradebook as gradebook_module
from autograder.cli import cli
from autograder.compiler.manifest import Manifest, ManifestCell
from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.gradebook import apply_policy, open_gradebook, with_manual_grades, write_assignment, write_record
from autograder.nbgrader_layout import harmless_markdown, prepare_course_folder, write_notebooks
from autograder.policy import Extension, ledgers
from autograder.records import safe_name

SCHEME = "One point for the shift, one for the ratio: the scheme of the graders."


def sample_manifest(items=ITEMS, release="ab" * 32) -> Manifest:
    cells = [ManifestCell("setup-imports", "setup", "imports", "code", "import torch", "import torch")]
    for item in items:
        stub, name = f"def {item.name}(): ...", item.name
        if item.kind == "exercise":
            cells.append(
                ManifestCell(f"exercise-{name}", "exercise", name, "code", stub, item.right, points=item.points)
            )
            check = f'with check("{name}"):\n    {name}'
            cells.append(ManifestCell(f"check-{name}", "check", name, "code", check, check, points=item.points))
        elif item.kind == "quiz":
            cells.append(ManifestCell(f"quiz-{name}", "quiz", name, "code", "x = None", item.right, points=item.points))
        else:
            cell = ManifestCell(f"answer-{name}", "answer", name, "markdown", "*here*", item.right, points=item.points)
            cells.append(replace(cell, scheme=SCHEME))
    return Manifest(ASSIGNMENT, NOTEBOOK, release, cells)


MANIFESTS = [sample_manifest()]


@pytest.fixture(scope="module")
def curriculum():
    return load_curriculum()


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A gradebook made once: nbgrader calls a program for each new one."""
    path = tmp_path_factory.mktemp("gradebook") / "gradebook.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/bin:/bin")  # where nbgrader does not find `alembic`
        open_gradebook(path).close()
    return path


@pytest.fixture
def path(empty, tmp_path):
    return Path(shutil.copy(empty, tmp_path / "gradebook.db"))


@pytest.fixture
def book(path):
    with open_gradebook(path) as opened:
        yield opened


def dump(path):
    """Everything in the database but the random ids."""
    with sqlite3.connect(path) as connection:
        query = """
            SELECT s.student_id, a.name, s.timestamp, s.extension, n.name, c.name, c.type, g.auto_score, g.manual_score,
                   g.extra_credit, g.needs_manual_grade, m.auto_comment, m.manual_comment, sn.late_submission_penalty
            FROM submitted_assignment s JOIN assignment a ON a.id = s.assignment_id
            JOIN submitted_notebook sn ON sn.assignment_id = s.id JOIN notebook n ON n.id = sn.notebook_id
            JOIN base_cell c ON c.notebook_id = n.id
            LEFT JOIN grade g ON g.cell_id = c.id AND g.notebook_id = sn.id
            LEFT JOIN comment m ON m.cell_id = c.id AND m.notebook_id = sn.id
            ORDER BY 1, 2, 5, 6, 7
        """
        return connection.execute(query).fetchall()


def test_every_score_of_a_class_arrives(book):
    records = sample_class()
    for record in records:
        write_record(book, record, MANIFESTS)
    assert len(book.students) == len(records)
    for record in records:
        submission = book.find_submission(ASSIGNMENT, safe_name(record.student))
        machine = sum(e.score for e in record.notebooks[0].exercises if e.status != "grader_error")
        assert submission.score == pytest.approx(machine)
        assert submission.max_score == 24
        waits = any(e.status in ("manual", "grader_error") for e in record.notebooks[0].exercises)
        assert bool(submission.needs_manual_grade) == waits
        for exercise in record.notebooks[0].exercises:
            cell = f"check-{exercise.name}" if exercise.kind == "exercise" else f"{exercise.kind}-{exercise.name}"
            grade = book.find_grade(cell, NOTEBOOK, ASSIGNMENT, safe_name(record.student))
            assert grade.max_score == exercise.points
            ours = exercise.status in ("manual", "grader_error")
            assert grade.auto_score == (None if ours else pytest.approx(exercise.score))


def test_writing_again_changes_nothing(book, path):
    records = sample_class()[:6]
    for record in records:
        write_record(book, record, MANIFESTS)
    before = dump(path)
    assert len(before) == 6 * sum(2 for _ in ITEMS)
    for record in records:
        write_record(book, record, MANIFESTS)
    with open_gradebook(path) as other:
        write_record(other, records[0], MANIFESTS)
    assert dump(path) == before


def test_grades_by_hand_stay(book, path):
    record = build_record("ada", 1)
    record.notebooks[0].exercises[-1] = exercise_result(ITEMS[-1], "manual")
    write_record(book, record, MANIFESTS)
    grade = book.find_grade("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada")
    grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 2.0, 0.5, False
    book.find_comment("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada").manual_comment = "Say why."
    override = book.find_grade("check-softmax", NOTEBOOK, ASSIGNMENT, "ada")
    override.manual_score, override.needs_manual_grade = 2.5, False
    book.db.commit()
    before = dump(path)
    write_record(book, record, MANIFESTS)
    assert dump(path) == before

    # A changed machine score on a cell that a person decided: the decision stays and is looked at again.
    record.notebooks[0].exercises[3] = exercise_result(ITEMS[3], "not_done")
    write_record(book, record, MANIFESTS)
    override = book.find_grade("check-softmax", NOTEBOOK, ASSIGNMENT, "ada")
    assert (override.auto_score, override.manual_score, override.score, override.needs_manual_grade) == (
        0.0,
        2.5,
        2.5,
        True,
    )
    answer = book.find_grade("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada")
    assert (answer.manual_score, answer.extra_credit, answer.needs_manual_grade) == (2.0, 0.5, False)

    # A corrected time of receipt is no other answer.
    record.received = "2027-02-05T21:00:00-08:00"
    write_record(book, record, MANIFESTS)
    assert not book.find_grade("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada").needs_manual_grade

    # Another file: every decision by hand is looked at again, whether or not somebody wrote down when it came.
    record.notebooks[0].sha256 = "a" * 64
    write_record(book, record, MANIFESTS)
    assert book.find_grade("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada").needs_manual_grade
    assert book.find_comment("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada").comment == "Say why."


def test_grades_by_hand_come_back_with_the_records(book):
    record = build_record("ada", 1)
    record.notebooks[0].exercises[-1] = exercise_result(ITEMS[-1], "manual")
    other = build_record("bob", 2)
    for each in (record, other):
        write_record(book, each, MANIFESTS)
    grade = book.find_grade("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada")
    grade.manual_score = 2.0
    book.find_comment("answer-why_max", NOTEBOOK, ASSIGNMENT, "ada").manual_comment = "Say why."
    book.db.commit()
    merged, untouched = with_manual_grades([record, other], book)
    answer = merged.notebooks[0].exercises[-1]
    assert (answer.score, answer.status, answer.message) == (2.0, "partial", "Say why.")
    assert merged.score == record.score + 2.0
    assert untouched == other
    assert record.notebooks[0].exercises[-1].status == "manual"


def test_a_fault_of_ours_is_never_a_silent_zero(book):
    record = build_record("ada", 1)
    record.notebooks[0].status = "grader_error"
    record.notebooks[0].exercises = [exercise_result(ITEMS[3], "grader_error", "broken")]
    write_record(book, record, MANIFESTS)
    for cell in ("check-softmax", "check-log_softmax"):
        grade = book.find_grade(cell, NOTEBOOK, ASSIGNMENT, "ada")
        assert (grade.auto_score, grade.needs_manual_grade) == (None, True)


def test_missing_work_is_a_zero(book):
    absent = make_record("ada", [exercise_result(item, "missing") for item in ITEMS], status="missing")
    bare = make_record("bob", [], status="unreadable")
    for record in (absent, bare):
        write_record(book, record, MANIFESTS)
        grades = book.find_submission_notebook(NOTEBOOK, ASSIGNMENT, record.student).grades
        assert len(grades) == len(ITEMS)
        assert {(g.auto_score, g.needs_manual_grade) for g in grades} == {(0.0, False)}


def test_all_of_a_submission_or_nothing(book, path, monkeypatch):
    first = build_record("ada", 1)
    write_record(book, first, MANIFESTS)
    before = dump(path)

    def breaks_in_the_middle(*_):
        raise KeyboardInterrupt

    # the grades have been written by then, and the comments not
    monkeypatch.setattr(gradebook_module, "_write_comments", breaks_in_the_middle)
    for record in (build_record("ada", 5), build_record("new", 2)):
        with pytest.raises(KeyboardInterrupt):
            write_record(book, record, MANIFESTS)
    assert dump(path) == before
    assert [s.id for s in book.students] == ["ada"]


def test_cells_follow_the_manifest(book, path):
    record = build_record("ada", 1)
    write_record(book, record, MANIFESTS)
    fewer = [replace(item, points=item.points + 1) for item in ITEMS if item.name != "softmax"]
    more = replace(ITEMS[1], name="added", points=5)
    write_assignment(book, [sample_manifest((*fewer, more), "cd" * 32)])
    names = {row[5] for row in dump(path)}
    assert "check-softmax" not in names
    assert "exercise-softmax" not in names
    assert book.find_grade("check-added", NOTEBOOK, ASSIGNMENT, "ada").max_score == 5
    assert book.find_submission(ASSIGNMENT, "ada").max_score == sum(i.points for i in fewer) + 5
    with sqlite3.connect(path) as connection:
        orphans = "SELECT COUNT(*) FROM {} WHERE cell_id NOT IN (SELECT id FROM base_cell)"
        assert connection.execute(orphans.format("grade")).fetchone() == (0,)
        assert connection.execute(orphans.format("comment")).fetchone() == (0,)


def test_locked_cells_carry_nbgraders_checksum(book):
    write_assignment(book, MANIFESTS)
    cell = book.find_source_cell("check-softmax", NOTEBOOK, ASSIGNMENT)
    from nbgrader.utils import compute_checksum

    from autograder.nbgrader_layout import notebook_cell

    assert cell.locked
    assert cell.checksum == compute_checksum(notebook_cell(MANIFESTS[0].cell("check-softmax")))
    assert not book.find_source_cell("exercise-softmax", NOTEBOOK, ASSIGNMENT).locked


def test_the_late_policy_arrives(book, curriculum):
    records = {record.student: record for record in sample_class()}
    due = curriculum.assignment(ASSIGNMENT).due
    for student in ("ada", "alan_t", "lovelace2", "cantor"):
        write_record(book, records[student], MANIFESTS, due)
    extensions = {("cantor", ASSIGNMENT): Extension("cantor", ASSIGNMENT, days=2)}
    decided = ledgers(records.values(), curriculum, extensions, datetime(2027, 3, 1, tzinfo=UTC))
    for _ in range(2):
        apply_policy(book, decided, curriculum)
        found = {s: book.find_submission(ASSIGNMENT, s) for s in ("ada", "alan_t", "lovelace2", "cantor")}
        assert found["ada"].timestamp == datetime(2027, 2, 6, 4, 0)
        assert found["ada"].assignment.duedate == datetime(2027, 2, 6, 7, 59)
        assert found["ada"].extension is None
        assert found["alan_t"].extension == timedelta(days=1)
        assert found["alan_t"].total_seconds_late == 0
        assert found["cantor"].extension == timedelta(days=2)
        assert not found["alan_t"].late_submission_penalty
        assert found["lovelace2"].late_submission_penalty == pytest.approx(found["lovelace2"].score)
        assert found["lovelace2"].score > 0


def test_graders_at_the_same_time(path):
    """Four writers, one of them with another release of the notebook, all records there and none half."""
    records = sample_class()[:12]
    problems: list[BaseException] = []

    def grade(mine, manifests):
        try:
            with open_gradebook(path) as opened:
                for record in mine:
                    write_record(opened, record, manifests)
        except BaseException as problem:
            problems.append(problem)

    other = [sample_manifest(release="ef" * 32)]
    threads = [threading.Thread(target=grade, args=(records[i::3], MANIFESTS)) for i in range(3)]
    threads.append(threading.Thread(target=grade, args=(records, other)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with open_gradebook(path) as opened:
        assert len(opened.students) == len(records)
        for record in records:
            machine = sum(e.score for e in record.notebooks[0].exercises if e.status != "grader_error")
            assert opened.find_submission(ASSIGNMENT, safe_name(record.student)).score == pytest.approx(machine)


@pytest.mark.slow
def test_two_graders_may_create_it_together(tmp_path):
    target = tmp_path / "new" / "gradebook.db"
    code = (
        "import sys; from autograder.gradebook import open_gradebook; "
        "book = open_gradebook(sys.argv[1]); print(len(book.students)); book.close()"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(target)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for run in runs:
        out, errors = run.communicate()
        assert (run.returncode, out.strip()) == (0, b"0"), errors.decode()
    assert [p.name for p in target.parent.iterdir()] == ["gradebook.db"]


def test_a_half_made_gradebook_is_completed(path):
    with sqlite3.connect(path) as connection:
        mark = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        connection.execute("DROP TABLE alembic_version")
    open_gradebook(path).close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [mark]


@pytest.mark.slow
def test_a_new_gradebook_is_what_nbgrader_would_make(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    theirs = tmp_path / "theirs.db"
    Gradebook(f"sqlite:///{theirs}", gradebook_module.COURSE_ID).close()

    def content(file):
        with sqlite3.connect(file) as connection:
            schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
            schema = [row for row in schema if "course_files" not in row[1]]  # ours, beside nbgrader's own
            schema = [
                (kind, name, " ".join((sql or "").split()).replace("IF NOT EXISTS ", "")) for kind, name, sql in schema
            ]
            return schema, connection.execute("SELECT * FROM alembic_version").fetchall()

    assert content(path) == content(theirs)


def test_a_locked_gradebook_is_waited_for_and_then_named(path, monkeypatch):
    record = build_record("ada", 1)
    with open_gradebook(path) as book:
        write_assignment(book, MANIFESTS)
        holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        holder.execute("BEGIN IMMEDIATE")
        release = threading.Timer(2.5, holder.rollback)
        release.start()
        write_record(book, record, MANIFESTS)
        release.join()
        assert book.find_submission(ASSIGNMENT, "ada").score > 0
        book.db.rollback()
        monkeypatch.setattr(gradebook_module, "WAIT_SECONDS", 0.1)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(CourseError, match=r"gradebook\.db has been locked.*run the same command again"):
            write_record(book, record, MANIFESTS)
        holder.rollback()
        holder.close()


def test_a_read_only_gradebook_is_named(book):
    @event.listens_for(book.engine, "begin")
    def _read_only(connection):
        connection.exec_driver_sql("PRAGMA query_only = 1")

    with pytest.raises(CourseError, match=r"cannot write to the gradebook.*readonly.*records on disk are complete"):
        write_record(book, build_record("ada", 1), MANIFESTS)


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("postgres+nothing://host/db", "no driver for the database"),
        ("oracle://me:secret@host/db", "no driver for the database"),
    ],
)
def test_a_database_that_cannot_be_reached_is_named_without_its_password(place, words):
    with pytest.raises(CourseError, match=words) as caught:
        open_gradebook(place)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "gradebook.db"
    path.write_text("not a database, but long enough to be taken for one " * 20)
    with pytest.raises(CourseError, match="file is not a database"):
        open_gradebook(path)


# What nbgrader's tools read


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_graded_notebooks_hold_nothing_that_runs(tmp_path, name):
    (path,) = write_notebooks(tmp_path, hostile_record(name), MANIFESTS)
    assert path.resolve().is_relative_to(tmp_path / "autograded" / safe_name(name))
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            assert output.output_type == "stream" or set(output.data) <= {"image/png", "image/jpeg"}
        if cell.cell_type == "markdown":
            check_markup(markdown2html_mistune(cell.source))


def check_markup(html):
    """Only what Markdown itself makes, and links that a reader sees and that run nothing."""
    for element in bs4.BeautifulSoup(html, "html.parser").find_all(True):
        assert element.name in {"p", "a", "code", "pre", "em", "strong", "div", "span", "ul", "ol", "li"}
        assert set(element.attrs) <= {"href", "class"}
        assert str(element.get("href", "https://")).startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>", "</pre><img src=x onerror=alert(1)>", "[x](javascript:alert(1))",
        "[x][y]\n\n[y]: javascript:alert(1)", "<javascript:alert(1)>", "$\\href{javascript:alert(1)}{x}$",
        "![x](http://evil.example/x.png)", "<!-- --><b>", "<?x", "`<b>`", "~~~\n<b>\n~~~",
        "<a\nhref=javascript:alert(1)>x</a>",
    ],
)  # fmt: skip
def test_markdown_of_a_student_is_harmless_as_nbgrader_renders_it(source):
    rendered = markdown2html_mistune(harmless_markdown(source))
    check_markup(rendered)
    assert "\\href" not in rendered
    assert harmless_markdown(source).replace("\u2060", "") == source


def test_the_mark_scheme_is_for_graders(tmp_path):
    from autograder.nbgrader_plugin import HideGraderCells

    (path,) = write_notebooks(tmp_path, build_record("ada", 1), MANIFESTS)
    notebook = nbformat.read(path, as_version=4)
    assert SCHEME in path.read_text()
    shown, _ = HideGraderCells().preprocess(notebook, {})
    assert SCHEME not in nbformat.writes(shown)
    assert [c.metadata.nbgrader.grade_id for c in shown.cells] == [c.grade_id for c in MANIFESTS[0].cells]


def test_a_notebook_that_is_gone_leaves_no_old_one(tmp_path):
    (path,) = write_notebooks(tmp_path, build_record("ada", 1), MANIFESTS)
    assert write_notebooks(tmp_path, make_record("ada", [], status="missing"), MANIFESTS) == []
    assert not path.exists()


def nbgrader(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(folder)}
    command = [sys.executable, "-m", "nbgrader", *arguments]
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stderr


def test_nbgraders_own_commands_work_on_the_result(path, curriculum):
    folder = path.parent
    students = ["ada", "alan_t", "åsa-öberg", HOSTILE_NAMES[0]]
    records = [record for record in sample_class() if record.student in students]
    with open_gradebook(path) as book:
        for record in records:
            write_record(book, record, MANIFESTS, curriculum.assignment(ASSIGNMENT).due)
            write_notebooks(folder, record, MANIFESTS)
    prepare_course_folder(folder, curriculum.assignments, submitted=folder / "handed_in")
    nbgrader(folder, "export", "--to=grades.csv")
    with (folder / "grades.csv").open(newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {safe_name(student) for student in students}
    for record in records:
        assert float(rows[safe_name(record.student)]["score"]) == pytest.approx(record.score)
    nbgrader(folder, "generate_feedback", ASSIGNMENT)
    for record in records:
        page = (folder / "feedback" / safe_name(record.student) / ASSIGNMENT / f"{NOTEBOOK}.html").read_text()
        assert SCHEME not in page
        assert "Minibatches: " in page
        parsed = bs4.BeautifulSoup(page, "html.parser")
        assert not [e for e in parsed.find_all(True) if any(name.startswith("on") for name in e.attrs)]
        assert not [e for e in parsed.find_all("script") if "alert" in e.text]


def test_course_grade_applies_the_late_policy(tmp_path):
    course, submitted, out = tmp_path / "course", tmp_path / "submitted", tmp_path / "out"
    shutil.copytree(mini_class.COURSE, course)
    toml = course / "course.toml"
    toml.write_text(toml.read_text().replace('name = "01_mini"\n', 'name = "01_mini"\ndue = 2027-02-05T12:00:00\n', 1))
    for student in ("ada", "bob"):
        (submitted / student / "01_mini").mkdir(parents=True)
        (submitted / student / "01_mini" / "mini.ipynb").write_text(json.dumps(mini_class.solved()))
    times = "".join(f"{student},01_mini,2027-02-07T09:00:00\n" for student in ("ada", "bob"))
    (submitted / "receipts.csv").write_text(f"student,assignment,received\n{times}")
    out.mkdir()
    (out / "extensions.toml").write_text('[[extension]]\nstudent = "bob"\nassignment = "01_mini"\ndays = 7\n')
    options = ["--course", str(toml), "--submitted", str(submitted), "--out", str(out)]
    result = CliRunner().invoke(cli, ["grade", "01_mini", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "2 slip" in next(line for line in result.output.splitlines() if line.strip().startswith("ada"))
    assert "slip" not in next(line for line in result.output.splitlines() if line.strip().startswith("bob"))
    with open_gradebook(out / "gradebook.db") as book:
        found = {student: book.find_submission("01_mini", student) for student in ("ada", "bob")}
        assert found["ada"].extension == timedelta(days=2)
        assert found["bob"].extension == timedelta(days=7)
        assert found["ada"].total_seconds_late == found["bob"].total_seconds_late == 0
