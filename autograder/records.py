"""Where records lie on disk, and how they get there whole.

A grading run writes `<out>/<student>/<assignment>.record.json` and, beside it, `<assignment>.results.json`. A student's
id is whatever the collector found, so it never becomes a path as it is: `safe_name` makes the name of the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from autograder.errors import CourseError
from autograder.record import NotebookResult, Record

# Folders and files that nbgrader and this grader keep beside the students' folders.
RESERVED = frozenset({"autograded", "feedback", "release", "solution", "source", "source_with_tests", "submitted"})
LONGEST_NAME = 64
SUFFIX = ".record.json"
RESULTS_SUFFIX = ".results.json"


def safe_name(student: str) -> str:
    """Turn a student's id into the name of one folder, the same one every time and a different one for every id.

    Letters and digits of any script, and `.`, `_`, `-`, `@` stay as they are. An id with anything else in it, with a
    leading dot or hyphen, with a reserved name or of more than 64 characters becomes `<what is left of it>~<hash of the
    id>`; the `~` stands in no plain id, so a plain id never meets a rewritten one.

    Args:
        student: the id as the collector found it, any text.

    Returns:
        A name without separators, not hidden, not `.` or `..`, at most 64 characters long.
    """
    plain = bool(student) and len(student) <= LONGEST_NAME and all(c.isalnum() or c in "._-@" for c in student)
    plain = plain and student[0] not in ".-" and student[-1] != "." and student.lower() not in RESERVED
    # Two spellings of one visible name (composed, decomposed) must not share a folder where the file system normalises.
    plain = plain and student == unicodedata.normalize("NFC", student) and len(student.encode()) <= 128
    if plain:
        return student
    digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    left = re.sub(r"[^A-Za-z0-9]+", "-", student)[:32].strip("-")
    return f"{left or 'student'}~{digest}"


def printable(text: str, limit: int | None = None) -> str:
    """Make text fit for one line of a terminal, a table or a page title.

    Control characters, line ends, marks that turn the writing direction and lone surrogates become `�`; with a limit,
    longer text ends in `…`.
    """
    if not text.isprintable():
        text = "".join("�" if _acts(c) else c for c in text)
    if limit is not None and len(text) > limit:
        return text[: limit - 1] + "…"
    return text


def _acts(character: str) -> bool:
    """Whether a character does something in place of being seen, or means nothing."""
    acting = character in BIDIRECTIONAL or character in "\u2028\u2029"
    return acting or unicodedata.category(character) in {"Cc", "Cs", "Co", "Cn"}


BIDIRECTIONAL = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def student_folder(out: Path, student: str) -> Path:
    """The folder of one student below the output folder of a grading run."""
    return out / safe_name(student)


def record_path(out: Path, student: str, assignment: str) -> Path:
    """Where the record of a student's submission of an assignment lies."""
    return student_folder(out, student) / f"{assignment}{SUFFIX}"


def results_path(out: Path, student: str, assignment: str) -> Path:
    """Where the results of a student's submission of an assignment lie, in Gradescope's format."""
    return student_folder(out, student) / f"{assignment}{RESULTS_SUFFIX}"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that readers, and a restart after a crash, see the old content or the new and nothing between.

    Raises:
        CourseError: the file cannot be written (no space, no permission, a folder in its place).
    """
    # A lone surrogate, which JSON in a hostile notebook can carry, has no UTF-8: it becomes a question mark.
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
        temporary = None
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise CourseError(f"cannot write {path}: {error.strerror}; free some space or choose another --out") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)


def write_record_file(out: Path, record: Record) -> Path:
    """Write a record to its place, atomically.

    Returns:
        The path that was written.
    """
    path = record_path(out, record.student, record.assignment)
    write_atomically(path, record.to_json() + "\n")
    return path


def read_record_file(path: Path) -> Record:
    """Read one record.

    Raises:
        CourseError: the file is missing or is not a record of a schema that this version reads.
    """
    try:
        return Record.from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise CourseError(f"{path} is not a grading record ({error}); grade this submission again") from error


def load_records(
    out: Path, assignment: str | None = None, folder: str | None = None, outline: bool = False
) -> list[Record]:
    """Read every record of a grading run, ordered by assignment, then by student.

    Args:
        out: the folder that `course grade --out` wrote.
        assignment: read the records of this one only.
        folder: read the records in this student's folder only (its name, from `safe_name`).
        outline: keep no more of each than `Record.outline` does.

    Returns:
        The records, one at least.

    Raises:
        CourseError: the folder is missing, holds no record, or holds one that cannot be read.
    """
    if not out.is_dir():
        raise CourseError(f"{out} is not a folder; give the folder that `course grade --out` wrote")
    places = [out / folder] if folder is not None else sorted(out.glob("*/"))
    paths = [path for place in places for path in sorted(place.glob(f"{assignment or '*'}{SUFFIX}"))]
    read = map(read_record_file, paths)
    records = [record.outline() for record in read] if outline else list(read)
    if not records:
        what = f"record of {assignment}" if assignment else "record"
        raise CourseError(f"no {what} in {out}; run `course grade` with --out {out} first")
    return sorted(records, key=lambda r: (r.assignment, r.student.casefold(), r.student))


@dataclass(frozen=True)
class Tally:
    """Points that are decided."""

    score: float
    points: float


def waiting_points(record: Record) -> float:
    """Points of written answers that no person has read yet."""
    return sum(e.points for n in record.notebooks for e in n.exercises if e.status == "manual")


def tally(record: Record, with_answers: bool | None = None) -> Tally:
    """Add up what is decided: everything once the written answers are read, and before that what machines grade.

    Args:
        record: of one submission.
        with_answers: whether written answers enter (default: when none of this record waits for its reader). A table of
        a class
            needs the same choice for every student.
    """
    if with_answers is None:
        with_answers = waiting_points(record) == 0
    answers = [e for n in record.notebooks for e in n.exercises if e.kind == "answer"]
    if with_answers:
        return Tally(record.score, record.points)
    return Tally(record.score - sum(e.score for e in answers), record.points - sum(e.points for e in answers))


def judged(notebook: NotebookResult) -> bool:
    """Whether tests looked at this notebook (a fault of the grader at one exercise leaves the others judged)."""
    if notebook.status not in ("graded", "grader_error"):
        return False
    machine = [e for e in notebook.exercises if e.kind != "answer"]
    return notebook.status == "graded" or any(e.status not in ("grader_error", "missing") for e in machine)
