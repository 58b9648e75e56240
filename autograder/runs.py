"""A grading run: what was handed in, what of it still has to be graded, and where each record goes.

The record file is the commit point: it is written whole or not at all, and everything else (results, gradebook,
notebooks to look at) can be made again from it. A run that was killed goes on where it stopped, because what has a
record of the same file, release, suite and seed is not graded again.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import fcntl
import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

from autograder.curriculum import Assignment
from autograder.errors import CourseError
from autograder.intake import file_hash, find_notebook
from autograder.jobs import Job
from autograder.judge.seeds import SeedSource
from autograder.policy import parse_time
from autograder.preparation import Prepared
from autograder.record import Record
from autograder.records import read_record_file, record_path, student_folder, write_atomically, write_record_file
from autograder.schedule import Office, grade_all

RECEIPT_COLUMNS = ("student", "assignment", "received")
RECEIPTS = "receipts.csv"  # of these columns: written by whoever collects, never by a student


@dataclass(frozen=True)
class Change:
    """One exercise whose score a regrade changes."""

    student: str
    exercise: str
    before: float
    after: float
    reason: str


def read_receipts(submitted: Path, assignment: str, timezone: str) -> dict[str, str]:
    """When each student's work came in, as ISO times, from the collector's `receipts.csv`; empty without one.

    Raises:
        CourseError: a column is missing, or a time cannot be read.
    """
    path = submitted / RECEIPTS
    if not path.exists():
        return {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _receipts(file, path)
        times: dict[str, str] = {}
        for row in rows:
            if row["assignment"] != assignment:
                continue
            if not row["student"] or not row["received"]:
                raise CourseError(f"{path}, line {rows.line_num}: a student and a time are needed, found {row}")
            times[row["student"]] = parse_time(row["received"], timezone).isoformat()
        return times


def _receipts(file: IO[str], path: Path) -> csv.DictReader[str]:
    rows = csv.DictReader(file)
    if missing := set(RECEIPT_COLUMNS) - set(rows.fieldnames or ()):
        raise CourseError(f"{path} has no column {', '.join(sorted(missing))}; expected {','.join(RECEIPT_COLUMNS)}")
    return rows


def note_receipt(submitted: Path, assignment: str, student: str, received: datetime) -> None:
    """Write into `receipts.csv` when a student's work came in, in place of what stands there about it.

    Args:
        submitted: the folder with what was handed in.
        assignment: its name.
        student: the name of the student's folder.
        received: with a time zone.

    Raises:
        CourseError: the file is there and has other columns, or cannot be written.
    """
    path = submitted / RECEIPTS
    columns = list(RECEIPT_COLUMNS)
    rows: list[dict[str, str]] = []
    if path.exists() and path.stat().st_size:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = _receipts(file, path)
            rows = [row for row in reader if (row["student"], row["assignment"]) != (student, assignment)]
            columns = list(reader.fieldnames or columns)
    rows.append({"student": student, "assignment": assignment, "received": received.isoformat(timespec="seconds")})
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def find_jobs(submitted: Path, assignment: Assignment, timezone: str, only: str = "") -> list[Job]:
    """Everybody's submission of one assignment in nbgrader's layout, `<submitted>/<student>/<assignment>/*.ipynb`.

    A student whose folder is there and whose notebook is not gets a job without a file.

    Raises:
        CourseError: the folder is missing or empty, or the student that is asked for is not there.
    """
    if not submitted.is_dir():
        raise CourseError(f"{submitted} is not a folder; expected <student>/{assignment.name}/*.ipynb in it")
    submitted = submitted.absolute()  # the judges work in another folder
    receipts = read_receipts(submitted, assignment.name, timezone)
    jobs = []
    for folder in sorted(submitted.iterdir()):
        if not folder.is_dir() or folder.name.startswith(".") or (only and folder.name != only):
            continue
        notebooks: dict[str, str | None] = {}
        notes = {}
        for notebook in assignment.notebooks:
            path, findings = find_notebook(folder / assignment.name, notebook.name, len(assignment.notebooks) == 1)
            notebooks[notebook.name] = str(path) if path is not None else None
            if findings:
                notes[notebook.name] = findings
        jobs.append(Job(folder.name, notebooks, receipts.get(folder.name), notes=notes))
    if not jobs:
        what = f"the student {only!r}" if only else "any student's folder"
        raise CourseError(f"{submitted} does not hold {what}; expected {submitted}/<student>/{assignment.name}/*.ipynb")
    return jobs


def _sha256(path: str | None) -> str:
    return "" if path is None else file_hash(Path(path))


def is_current(record: Record, job: Job, prepared: Prepared, seeds: SeedSource) -> bool:
    """Whether a record was made from the same files by the same release, suite and seed, and the grader was not at
    fault."""
    by_name = {n.name: n for n in record.notebooks}
    if record.seed != seeds.fingerprint() or set(by_name) != set(prepared.manifests):
        return False
    return all(
        n.sha256 == _sha256(job.notebooks.get(name))
        and n.release == prepared.manifests[name].release
        and n.suite == prepared.version
        and n.status != "grader_error"
        for name, n in by_name.items()
    )


def previous(out: Path, job: Job, assignment: Assignment) -> Record | None:
    """The record that an earlier run left, if it can be read."""
    path = record_path(out, job.student, assignment.name)
    if not path.exists():
        return None
    try:
        return read_record_file(path)
    except CourseError:
        return None


@contextlib.contextmanager
def run_lock(out: Path, assignment: Assignment) -> Iterator[None]:
    """One grader at a time for an assignment and an output folder; released by the kernel when a process dies.

    Raises:
        CourseError: another one is at work, or the folder cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        file = (out / f".{assignment.name}.lock").open("w")
    except OSError as error:
        raise CourseError(f"cannot write to {out}: {error.strerror}; choose another --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CourseError(
                f"another `course grade {assignment.name}` is writing to {out}; wait for it to end"
            ) from None
        yield


@contextlib.contextmanager
def work_folder(out: Path, assignment: Assignment) -> Iterator[Path]:
    """A folder for the time of a run, below the output folder; what a run that was killed left there is removed.

    The caller holds `run_lock`.
    """
    out = out.absolute()  # the judges work in another folder
    for left in out.glob(f".work-{assignment.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    places = ("*/.{}.*", "*/attempts/.{}.*", "autograded/*/{}/.*.ipynb.*")
    halves = [half for place in places for half in out.glob(place.format(assignment.name))]
    for half in halves:  # of a file that was being written
        with contextlib.suppress(OSError):
            half.unlink()
    with tempfile.TemporaryDirectory(prefix=f".work-{assignment.name}-", dir=out, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def to_grade(
    out: Path, jobs: list[Job], prepared: Prepared, seeds: SeedSource, again: bool
) -> tuple[list[Job], dict[str, Record]]:
    """Split jobs into those that have to be graded (with their attempt number) and the current records of the
    others."""
    left: list[Job] = []
    done: dict[str, Record] = {}
    for job in jobs:
        before = previous(out, job, prepared.assignment)
        if before is not None and not again and is_current(before, job, prepared, seeds):
            done[job.student] = before
            continue
        attempt = 1
        if before is not None:
            same_files = all(n.sha256 == _sha256(job.notebooks.get(n.name)) for n in before.notebooks)
            attempt = before.attempt if same_files else before.attempt + 1
        left.append(dataclasses.replace(job, attempt=attempt))
    return left, done


def keep_record(out: Path, record: Record) -> None:
    """Write a record; the one of an earlier attempt is kept beside it under `attempts/`."""
    path = record_path(out, record.student, record.assignment)
    if path.exists():
        with contextlib.suppress(CourseError):
            before = read_record_file(path)
            if before.attempt != record.attempt or before.notebooks != record.notebooks:
                number = f"{before.attempt}.{before.graded_at.replace(':', '')}"
                archive = student_folder(out, record.student) / "attempts" / f"{record.assignment}.{number}.json"
                write_atomically(archive, before.to_json() + "\n")
    write_record_file(out, record)


def grade_jobs(
    prepared: Prepared,
    folder: Path,
    jobs: list[Job],
    seeds: SeedSource,
    level: str,
    workers: int,
    office: Office | None = None,
) -> Iterator[Record]:
    """Grade jobs on all cores; see `autograder.schedule.grade_all`."""
    yield from grade_all(prepared, folder, jobs, seeds, level, workers, office)


def changes(before: Record, after: Record) -> list[Change]:
    """Exercises whose score differs between two records of one submission, and why, as far as the records tell."""
    old = {(n.name, e.name): (n, e) for n in before.notebooks for e in n.exercises}
    found = []
    for notebook in after.notebooks:
        for entry in notebook.exercises:
            if (notebook.name, entry.name) not in old:
                found.append(Change(after.student, entry.name, 0.0, entry.score, "new exercise"))
                continue
            earlier, was = old[notebook.name, entry.name]
            if abs(was.score - entry.score) < 1e-9:
                continue
            passed = {t.name for t in was.tests if t.status == "passed"}
            now = {t.name for t in entry.tests if t.status == "passed"}
            reasons = []
            if earlier.sha256 != notebook.sha256:
                reasons.append("another file was handed in")
            if lost := sorted(passed - now & {t.name for t in entry.tests}):
                reasons.append(f"no longer passes {', '.join(lost)}")
            if won := sorted(now - passed):
                reasons.append(f"now passes {', '.join(won)}")
            if earlier.suite != notebook.suite and not (lost or won):
                reasons.append("weights or points were changed")
            found.append(Change(after.student, entry.name, was.score, entry.score, "; ".join(reasons)))
    return found


def as_json(found: list[Change]) -> str:
    return json.dumps([dataclasses.asdict(c) for c in found], indent=1)
