"""One writer of records into nbgrader's database.

Each record is one transaction: a reader sees all of a submission's scores or none. Writing a record again changes
nothing, grades and comments given by hand stay, and any number of graders may write into one database.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from alembic.script import ScriptDirectory
from nbgrader import api, utils
from nbgrader.api import Gradebook
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import Column, MetaData, String, Table, bindparam, event, insert, select, text
from sqlalchemy.exc import DatabaseError, IntegrityError, NoSuchModuleError, OperationalError, SQLAlchemyError

from autograder.curriculum import Assignment, Curriculum
from autograder.errors import CourseError
from autograder.nbgrader_layout import exercise_of, harmless_markdown, is_graded, is_solution, notebook_cell
from autograder.pages.outputs import plain_text
from autograder.policy import Lateness, SlipLedger, parse_time
from autograder.record import ExerciseResult, NotebookResult, Record
from autograder.records import safe_name

if TYPE_CHECKING:
    from autograder.compiler.manifest import Manifest

COURSE_ID = "deep_learning_by_hand"
KERNELSPEC = '{"display_name": "Python 3", "language": "python", "name": "python3"}'
WAIT_SECONDS = 60.0  # for another writer to finish
WRITES = "course_writes"  # execution option of connections that are going to write
ADVISORY_LOCK = 0x6B0CE71  # any number, the same in all graders

Result = TypeVar("Result")


def database_url(place: str | Path) -> str:
    """Make a database URL of a path; a URL stays as it is."""
    return place if isinstance(place, str) and "://" in place else f"sqlite:///{Path(place).resolve()}"


def open_gradebook(place: str | Path) -> Gradebook:
    """Open nbgrader's gradebook, and create it where there is none.

    Args:
        place: path of a SQLite file, or a database URL such as `sqlite:////srv/grades.db` or
        `postgresql+psycopg://user@host/grades`.

    Returns:
        nbgrader's own `Gradebook`; close it, or use it in a `with` statement.

    Raises:
        CourseError: the database cannot be reached, read or created.
    """
    url = database_url(place)
    shown = sqlalchemy.make_url(url).render_as_string(hide_password=True)
    try:
        with _creation_lock(url):
            if url.startswith("sqlite:///"):
                _create_sqlite(Path(url.removeprefix("sqlite:///")))
            else:
                _create_tables(url)
            gradebook = Gradebook(url, COURSE_ID)
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise CourseError(
            f"no driver for the database {shown} ({error}); for PostgreSQL: pip install 'psycopg[binary]'"
        ) from error
    except (SQLAlchemyError, OSError) as error:
        raise CourseError(f"cannot open the gradebook {shown}: {_reason(error)}") from error
    if gradebook.engine.dialect.name == "sqlite":
        _begin_immediate(gradebook)
    return gradebook


@contextlib.contextmanager
def _creation_lock(url: str) -> Iterator[None]:
    """Let one process at a time create tables."""
    if url.startswith("sqlite:///"):
        folder = Path(url.removeprefix("sqlite:///")).parent
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)  # on the folder itself: no lock file stays behind
            yield
        finally:
            os.close(handle)
        return
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
            yield
    finally:
        engine.dispose()


def _create_sqlite(path: Path) -> None:
    """Create the database under another name and rename it, so that a crash leaves no half-made one."""
    if path.exists() and path.stat().st_size > 0:
        _create_tables(f"sqlite:///{path}")
        return
    made = path.with_name(f".{path.name}.new")
    made.unlink(missing_ok=True)
    try:
        _create_tables(f"sqlite:///{made}")
        os.replace(made, path)
    finally:
        made.unlink(missing_ok=True)


def _create_tables(url: str) -> None:
    """Make nbgrader's tables and its version mark where they are missing.

    nbgrader would call the program `alembic` for the mark, which need not be on PATH, and fail with the tables
    half-made; its tools refuse tables without a mark.
    """
    engine = sqlalchemy.create_engine(url)
    try:
        api.Base.metadata.create_all(bind=engine)
        _FILES.metadata.create_all(bind=engine)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
            if not connection.execute(text("SELECT COUNT(*) FROM alembic_version")).scalar():
                head = ScriptDirectory(ALEMBIC_DIR).get_current_head()
                connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": head})
    finally:
        engine.dispose()


def _begin_immediate(gradebook: Gradebook) -> None:
    """Take SQLite's write lock at the start of a transaction that writes.

    A transaction that reads first and then writes fails at once when another one wrote in between; one that starts with
    the lock waits.
    """
    gradebook.db.remove()
    gradebook.engine.dispose()

    @event.listens_for(gradebook.engine, "connect")
    def _manual_transactions(connection: Any, _: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA busy_timeout = 2000")

    @event.listens_for(gradebook.engine, "begin")
    def _begin(connection: Any) -> None:
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _reason(error: BaseException) -> str:
    """The database's own words, without SQL and links."""
    original = getattr(error, "orig", None) or error
    words = str(original).strip().splitlines()
    return words[0] if words else type(error).__name__


def _transact(gradebook: Gradebook, work: Callable[[Any], Result]) -> Result:
    """Run `work` in one transaction, again and again while another writer is in the way."""
    until = time.monotonic() + WAIT_SECONDS
    where = gradebook.engine.url.render_as_string(hide_password=True)
    while True:
        session = gradebook.db
        try:
            session.rollback()
            session.connection(execution_options={WRITES: True})
            result = work(session)
            session.commit()
            return result
        except (OperationalError, IntegrityError) as error:
            session.rollback()
            reason = _reason(error)
            # Two writers that add the same row at the same time: the second one finds it in the next round.
            collision = isinstance(error, IntegrityError)
            busy = collision or any(word in reason.lower() for word in ("locked", "busy", "deadlock", "serialize"))
            if not busy:
                raise CourseError(
                    f"cannot write to the gradebook {where}: {reason}; the records on disk are complete"
                ) from error
            if time.monotonic() > until:
                raise CourseError(
                    f"the gradebook {where} has been locked for {WAIT_SECONDS:.0f} s ({reason}); close other graders "
                    "and the formgrader, then run the same command again: records on disk are kept and not graded twice"
                ) from error
            time.sleep(random.uniform(0.02, 0.2))
        except DatabaseError as error:
            session.rollback()
            raise CourseError(
                f"cannot write to the gradebook {where}: {_reason(error)}; the records on disk are complete"
            ) from error
        except BaseException:
            session.rollback()
            raise


def check_writable(gradebook: Gradebook) -> None:
    """Write what stands there already, so that a run learns now, and not after hours, that it cannot write.

    Raises:
        CourseError: the database is read-only, or locked for long.
    """
    _transact(gradebook, lambda session: session.execute(text("UPDATE alembic_version SET version_num = version_num")))


def write_assignment(gradebook: Gradebook, manifests: Sequence[Manifest], due: datetime | None = None) -> None:
    """Bring an assignment's notebooks and cells in the database to what the manifests say.

    Cells that are no longer there go, with the grades on them; new ones are added to submissions that exist.

    Args:
        gradebook: from `open_gradebook`.
        manifests: of every notebook of one assignment.
        due: the deadline for everyone, with a time zone.
    """
    _transact(gradebook, lambda session: _write_assignment(session, manifests, due))


def _write_assignment(session: Any, manifests: Sequence[Manifest], due: datetime | None) -> None:
    name = manifests[0].assignment
    assignment = session.query(api.Assignment).filter_by(name=name).one_or_none()
    if assignment is None:
        assignment = api.Assignment(name, course_id=COURSE_ID)
        session.add(assignment)
    if due is not None:
        assignment.duedate = _utc(due)
    session.flush()
    for manifest in manifests:
        notebook = (
            session.query(api.Notebook).filter_by(name=manifest.notebook, assignment_id=assignment.id).one_or_none()
        )
        if notebook is None:
            notebook = api.Notebook(name=manifest.notebook, assignment=assignment, kernelspec=KERNELSPEC)
            session.add(notebook)
        session.flush()
        _write_cells(session, notebook, manifest)
    for submission in session.query(api.SubmittedAssignment).filter_by(assignment_id=assignment.id):
        _mirror(session, submission)
    session.flush()


def _write_cells(session: Any, notebook: api.Notebook, manifest: Manifest) -> None:
    sources = {cell.name: cell for cell in session.query(api.SourceCell).filter_by(notebook_id=notebook.id)}
    graded = {cell.name: cell for cell in session.query(api.GradeCell).filter_by(notebook_id=notebook.id)}
    solved = {cell.name: cell for cell in session.query(api.SolutionCell).filter_by(notebook_id=notebook.id)}
    for cell in manifest.cells:
        source = sources.pop(cell.grade_id, None)
        if source is None:
            source = api.SourceCell(name=cell.grade_id, notebook_id=notebook.id, cell_type=cell.cell_type)
            session.add(source)
        node = notebook_cell(cell)
        source.cell_type, source.source = cell.cell_type, cell.released
        source.locked, source.checksum = node.metadata.nbgrader["locked"], utils.compute_checksum(node)
        if is_graded(cell):
            grade_cell = graded.pop(cell.grade_id, None)
            if grade_cell is None:
                grade_cell = api.GradeCell(name=cell.grade_id, notebook_id=notebook.id)
                session.add(grade_cell)
            grade_cell.max_score, grade_cell.cell_type = float(cell.points or 0.0), cell.cell_type
        if is_solution(cell) and solved.pop(cell.grade_id, None) is None:
            session.add(api.SolutionCell(name=cell.grade_id, notebook_id=notebook.id))
    for gone in graded.values():
        session.query(api.Grade).filter_by(cell_id=gone.id).delete()
    for gone in solved.values():
        session.query(api.Comment).filter_by(cell_id=gone.id).delete()
    for gone in (*sources.values(), *graded.values(), *solved.values()):
        session.delete(gone)
    session.flush()
    session.expire(notebook)


def _mirror(session: Any, submission: api.SubmittedAssignment) -> None:
    """Give a submission a row for every notebook, grade cell and solution cell of its assignment."""
    present = {mine.notebook_id for mine in submission.notebooks}
    for notebook in submission.assignment.notebooks:
        if notebook.id not in present:
            session.add(api.SubmittedNotebook(notebook=notebook, assignment=submission))
    session.flush()
    for mine in submission.notebooks:
        for rows, cells, values in (
            (_GRADES, api.GradeCell, {"needs_manual_grade": False}),
            (_COMMENTS, api.SolutionCell, {}),
        ):
            there = set(session.scalars(select(rows.c.cell_id).where(rows.c.notebook_id == mine.id)))
            wanted = session.scalars(select(cells.id).where(cells.notebook_id == mine.notebook_id))
            new = [{"cell_id": cell, "notebook_id": mine.id, **values} for cell in wanted if cell not in there]
            if new:
                session.execute(insert(rows), new)


def write_record(
    gradebook: Gradebook, record: Record, manifests: Iterable[Manifest], due: datetime | None = None
) -> None:
    """Write one submission's scores, all of them or none.

    Scores and comments given by hand stay. Where the student handed in again, or the score by machine changed, they are
    marked for a second look. A fault of the grader is no score: it waits for a person.

    Args:
        gradebook: from `open_gradebook`.
        record: of one student and assignment.
        manifests: of every notebook of the assignment.
        due: the deadline for everyone, written with the assignment.

    Raises:
        CourseError: the database cannot be written (locked for long, read-only, full).
    """
    manifests = tuple(manifests)
    version = (record.assignment, due, tuple(sorted((m.notebook, m.release) for m in manifests)))
    known: set[Any] = gradebook.__dict__.setdefault("course_versions", set())

    def work(session: Any) -> None:
        if version not in known:
            _write_assignment(session, manifests, due)
        _write_submission(session, record)

    _transact(gradebook, work)
    known.add(version)


def _write_submission(session: Any, record: Record) -> None:
    name = safe_name(record.student)
    if session.get(api.Student, name) is None:
        session.add(api.Student(id=name))
        session.flush()
    assignment = session.query(api.Assignment).filter_by(name=record.assignment).one()
    submission = (
        session.query(api.SubmittedAssignment).filter_by(assignment_id=assignment.id, student_id=name).one_or_none()
    )
    if submission is None:
        submission = api.SubmittedAssignment(assignment_id=assignment.id, student_id=name)
        session.add(submission)
        session.flush()
    _mirror(session, submission)
    submission.timestamp = _utc(parse_time(record.received, "UTC")) if record.received else None
    session.flush()
    results = {notebook.name: notebook for notebook in record.notebooks}
    for mine in submission.notebooks:
        result = results.get(mine.notebook.name)
        exercises: dict[tuple[str, str], ExerciseResult] = {}
        if result is not None:
            exercises = {(e.kind, e.name): e for e in result.exercises}
        again = _other_file(session, mine.id, result.sha256 if result is not None else "")
        _write_grades(session, mine.id, exercises, result, again)
        _write_comments(session, mine.id, exercises)


# Which file the scores of a notebook came from; nbgrader's own tables have no place for it, and leave this one alone.
_FILES = Table(
    "course_files",
    MetaData(),
    Column("notebook_id", String(32), primary_key=True),
    Column("sha256", String(64), nullable=False),
)


def _other_file(session: Any, mine: str, sha256: str) -> bool:
    """Whether the scores that stand there were those of another file; from now on they are those of this one."""
    before = session.scalar(select(_FILES.c.sha256).where(_FILES.c.notebook_id == mine))
    if before is None:
        session.execute(insert(_FILES).values(notebook_id=mine, sha256=sha256))
    elif before != sha256:
        session.execute(_FILES.update().where(_FILES.c.notebook_id == mine).values(sha256=sha256))
    return before is not None and before != sha256


# Rows are written through the tables: as objects of nbgrader's classes they take ten times as long.
_GRADES, _COMMENTS, _CELLS = api.Grade.__table__, api.Comment.__table__, api.BaseCell.__table__


def _write_grades(
    session: Any,
    mine: str,
    exercises: Mapping[tuple[str, str], ExerciseResult],
    notebook: NotebookResult | None,
    again: bool,
) -> None:
    columns = (_GRADES.c.id, _CELLS.c.name, _GRADES.c.auto_score, _GRADES.c.manual_score, _GRADES.c.needs_manual_grade)
    joined = _GRADES.join(_CELLS, _CELLS.c.id == _GRADES.c.cell_id)
    changes = []
    for row in session.execute(select(*columns).select_from(joined).where(_GRADES.c.notebook_id == mine)).all():
        score, waits = _score(exercises.get(exercise_of(row.name)), notebook)
        if row.manual_score is not None:  # what a person decided waits for a second look when its ground has moved
            waits = row.needs_manual_grade or row.auto_score != score or again
        if (row.auto_score, row.needs_manual_grade) != (score, waits):
            changes.append({"row": row.id, "score": score, "waits": waits})
    if changes:
        update = _GRADES.update().where(_GRADES.c.id == bindparam("row"))
        session.execute(update.values(auto_score=bindparam("score"), needs_manual_grade=bindparam("waits")), changes)


def _score(exercise: ExerciseResult | None, notebook: NotebookResult | None) -> tuple[float | None, bool]:
    """The score by machine, and whether a person has to decide."""
    if exercise is None:
        # Nothing is known about this cell: a zero where there was nothing to grade, a person decides where we failed.
        ours = notebook is not None and notebook.status == "grader_error"
        return (None, True) if ours else (0.0, False)
    if exercise.status in ("grader_error", "manual"):
        return None, True
    return exercise.score, False


def _write_comments(session: Any, mine: str, exercises: Mapping[tuple[str, str], ExerciseResult]) -> None:
    columns = (_COMMENTS.c.id, _CELLS.c.name, _COMMENTS.c.auto_comment)
    joined = _COMMENTS.join(_CELLS, _CELLS.c.id == _COMMENTS.c.cell_id)
    changes = []
    for row in session.execute(select(*columns).select_from(joined).where(_COMMENTS.c.notebook_id == mine)).all():
        exercise = exercises.get(exercise_of(row.name))
        comment = None if exercise is None else short_comment(exercise)
        if row.auto_comment != comment:
            changes.append({"row": row.id, "comment": comment})
    if changes:
        update = _COMMENTS.update().where(_COMMENTS.c.id == bindparam("row"))
        session.execute(update.values(auto_comment=bindparam("comment")), changes)


def short_comment(exercise: ExerciseResult) -> str | None:
    """What nbgrader's pages show beside a cell: each failed test in its own words."""
    if exercise.status in ("manual", "passed"):
        return None
    failed = [t for t in exercise.tests if t.status != "passed" and (t.message or t.title)]
    lines = [f"- {t.title} {t.message}".rstrip() for t in failed] if exercise.status in ("partial", "failed") else []
    if exercise.message:
        lines.insert(0, exercise.message)
    return harmless_markdown(plain_text("\n".join(lines), 4000)) or None


def apply_policy(gradebook: Gradebook, ledgers: Mapping[str, SlipLedger], curriculum: Curriculum) -> None:
    """Write what the late policy decided: extensions and slip days move a deadline, a penalty takes off late work.

    Args:
        gradebook: from `open_gradebook`, with the records written.
        ledgers: student id to ledger, from `autograder.policy.ledgers`.
        curriculum: the course.
    """
    by_student = {safe_name(student): ledger for student, ledger in ledgers.items()}

    def work(session: Any) -> None:
        known = api.SubmittedAssignment.student_id.in_(list(by_student))
        for submission in session.query(api.SubmittedAssignment).filter(known):
            ledger = by_student.get(submission.student_id)
            lateness = ledger.entries.get(submission.assignment.name) if ledger is not None else None
            if lateness is not None:
                _write_lateness(session, submission, lateness, curriculum.assignment(lateness.assignment))

    _transact(gradebook, work)


def _write_lateness(
    session: Any, submission: api.SubmittedAssignment, lateness: Lateness, assignment: Assignment
) -> None:
    if assignment.due is not None and lateness.due is not None:
        moved = lateness.due.astimezone(UTC) - assignment.due.astimezone(UTC) + timedelta(days=lateness.slip_days)
        submission.extension = moved if moved > timedelta(0) else None
    for mine in submission.notebooks:
        mine.late_submission_penalty = None  # nbgrader warns of a penalty of 0.0
        if lateness.status == "too_late":
            grades = session.query(api.Grade).filter_by(notebook_id=mine.id)
            mine.late_submission_penalty = sum((_given(grade) for grade in grades), 0.0)


def _given(grade: api.Grade) -> float:
    score = grade.manual_score if grade.manual_score is not None else grade.auto_score
    return float(score or 0.0) + float(grade.extra_credit or 0.0)


def _utc(moment: datetime) -> datetime:
    """nbgrader keeps times without a zone, meant as UTC."""
    return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).replace(tzinfo=None)


def with_manual_grades(records: Iterable[Record], gradebook: Gradebook) -> list[Record]:
    """Copy records with what a person graded in the formgrader: scores, and comments as messages.

    A score set by hand replaces the machine's; an answer that was read no longer has the status `manual`.

    Returns:
        New records in the same order; records without manual grades are equal to those given.

    Raises:
        CourseError: the database cannot be read (locked, damaged).
    """
    try:
        scores, comments = _grades_by_hand(gradebook)
    except DatabaseError as error:
        where = gradebook.engine.url.render_as_string(hide_password=True)
        raise CourseError(
            f"cannot read the gradebook {where}: {_reason(error)}; close other programs that use it and try again"
        ) from error
    return [_graded_by_hand(record, scores, comments) for record in records]


def _grades_by_hand(gradebook: Gradebook) -> tuple[dict[Any, float], dict[Any, str]]:
    """Scores and comments of persons, by (student, assignment, notebook, kind, name)."""
    session = gradebook.db
    rows = (
        session.query(
            api.SubmittedAssignment.student_id, api.Assignment.name, api.Notebook.name, api.BaseCell.name, api.Grade
        )
        .select_from(api.Grade)
        .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.id == api.Grade.notebook_id)
        .join(api.Notebook, api.Notebook.id == api.SubmittedNotebook.notebook_id)
        .join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .filter((api.Grade.manual_score.is_not(None)) | (api.Grade.extra_credit.is_not(None)))
    )
    scores = {
        (student, assignment, notebook, *exercise_of(cell)): _given(grade)
        for student, assignment, notebook, cell, grade in rows
    }
    notes = (
        session.query(
            api.SubmittedAssignment.student_id, api.Assignment.name, api.Notebook.name, api.BaseCell.name, api.Comment
        )
        .select_from(api.Comment)
        .join(api.BaseCell, api.BaseCell.id == api.Comment.cell_id)
        .join(api.SubmittedNotebook, api.SubmittedNotebook.id == api.Comment.notebook_id)
        .join(api.Notebook, api.Notebook.id == api.SubmittedNotebook.notebook_id)
        .join(api.SubmittedAssignment, api.SubmittedAssignment.id == api.SubmittedNotebook.assignment_id)
        .join(api.Assignment, api.Assignment.id == api.SubmittedAssignment.assignment_id)
        .filter(api.Comment.manual_comment.is_not(None))
    )
    comments = {
        (student, assignment, notebook, *exercise_of(cell)): row.manual_comment
        for student, assignment, notebook, cell, row in notes
    }
    session.rollback()
    return scores, comments


def _graded_by_hand(record: Record, scores: Mapping[Any, float], comments: Mapping[Any, str]) -> Record:
    record = copy.deepcopy(record)
    student = safe_name(record.student)
    for notebook in record.notebooks:
        for exercise in notebook.exercises:
            key = (student, record.assignment, notebook.name, exercise.kind, exercise.name)
            if comment := comments.get(key):
                exercise.message = (
                    f"{exercise.message}\n{comment}" if exercise.message and exercise.kind != "answer" else comment
                )
            if key not in scores:
                continue
            gain = scores[key] - exercise.score
            exercise.score = scores[key]
            exercise.status = (
                "passed" if exercise.score >= exercise.points else "partial" if exercise.score > 0 else "failed"
            )
            notebook.score, record.score = notebook.score + gain, record.score + gain
    return record
