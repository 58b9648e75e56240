"""Grades for other systems: spreadsheets, Canvas, Gradescope, and an archive of the records."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autograder.curriculum import Curriculum
from autograder.errors import CourseError
from autograder.pages.words import label
from autograder.policy import (
    AssignmentGrade,
    Extensions,
    Lateness,
    SlipLedger,
    assignment_grades,
    course_grade,
    homework_fractions,
    mean_homework,
    slip_ledger,
)
from autograder.record import ExerciseResult, Record, TestResult
from autograder.records import printable, results_path, safe_name, tally, waiting_points, write_atomically

ARCHIVE_SCHEMA = 1
# What spreadsheets take for the start of a formula, the wide forms of East Asian keyboards included.
FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")
Cell = str | float | int | None


def safe_cell(value: Cell) -> str:
    """One cell of a CSV file that no spreadsheet runs as a formula.

    Text that would start one gets an apostrophe in front, which spreadsheets show as text; line ends and control
    characters become `�`. Numbers stay numbers.
    """
    if value is None:
        return ""
    if isinstance(value, int | float):
        return f"{round(value, 4):g}" if isinstance(value, float) else str(value)
    text = printable(value)
    return f"'{text}" if text.lstrip(" \u00a0\u3000\ufeff�").startswith(FORMULA_STARTS) else text


def _csv(rows: Iterable[Sequence[Cell]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerows([safe_cell(value) for value in row] for row in rows)
    return buffer.getvalue()


def assignments_csv(records: Iterable[Record], ledgers: Mapping[str, SlipLedger]) -> str:
    """One line per student and assignment: scores, what waits for a reader, and the late policy.

    Args:
        records: of any assignments.
        ledgers: student id to ledger.

    Returns:
        CSV text. `counted` is the score after the late policy, empty where the work is excused.
    """
    head = (
        "student",
        "assignment",
        "score",
        "points",
        "waiting_points",
        "counted",
        "received",
        "days_late",
        "slip_days",
        "late_policy",
    )
    rows: list[Sequence[Cell]] = [head]
    for record in records:
        decided = tally(record)
        lateness = ledgers[record.student].entries[record.assignment] if record.student in ledgers else None
        counted: Cell = decided.score
        if lateness is not None and not lateness.counts:
            counted = None if lateness.status == "excused" else 0.0
        rows.append(
            (
                record.student,
                record.assignment,
                decided.score,
                decided.points,
                waiting_points(record),
                counted,
                record.received,
                lateness.days_late if lateness else None,
                lateness.slip_days if lateness else None,
                lateness.status if lateness else None,
            )
        )
    return _csv(rows)


def exercises_csv(records: Iterable[Record]) -> str:
    """One line per student and exercise, for those who want to look closer."""
    rows: list[Sequence[Cell]] = [
        (
            "student",
            "assignment",
            "notebook",
            "kind",
            "exercise",
            "score",
            "points",
            "status",
            "seconds",
            "failed_tests",
        )
    ]
    for record in records:
        for notebook in record.notebooks:
            for e in notebook.exercises:
                failed = " ".join(test.name for test in e.tests if test.status != "passed")
                score = None if e.status == "manual" else e.score
                rows.append(
                    (
                        record.student,
                        record.assignment,
                        notebook.name,
                        e.kind,
                        e.name,
                        score,
                        e.points,
                        e.status,
                        e.seconds,
                        failed,
                    )
                )
    return _csv(rows)


def course_csv(records: Sequence[Record], curriculum: Curriculum, ledgers: Mapping[str, SlipLedger]) -> str:
    """One line per student: every assignment after the late policy, homework groups in percent, the course, slip days.

    Work that is excused, or whose deadline has not come, leaves its cell empty and stays out of the group.
    """
    totals = {record.assignment: tally(record, True).points for record in records}
    names = [assignment.name for assignment in curriculum.assignments if assignment.name in totals]
    groups = list(curriculum.homework)
    head = (
        "student",
        *names,
        *(f"{group}_percent" for group in groups),
        "homework_percent",
        "course_percent",
        "course_weight_graded",
        "slip_days_used",
        "slip_days_allowed",
    )
    rows: list[Sequence[Cell]] = [head]
    for student in sorted(ledgers, key=lambda s: (s.casefold(), s)):
        ledger = ledgers[student]
        grades = assignment_grades([r for r in records if r.student == student], ledger, totals)
        fractions = homework_fractions(curriculum, grades)
        homework = mean_homework(fractions)
        course = course_grade(
            curriculum.weights, {"homework": homework}
        )  # midterms and the project are graded elsewhere
        rows.append(
            (
                student,
                *(grades[name].score if name in grades and grades[name].enters else None for name in names),
                *(_percent(fractions[group]) for group in groups),
                _percent(homework),
                round(course.percent, 2) if course.percent is not None else None,
                round(course.weight_known, 2),
                ledger.used,
                ledger.allowed,
            )
        )
    return _csv(rows)


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else round(100 * fraction, 2)


CANVAS_IDENTITY = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")


def canvas_csv(
    records: Sequence[Record],
    curriculum: Curriculum,
    ledgers: Mapping[str, SlipLedger],
    roster: Path | None = None,
    extensions: Extensions | None = None,
) -> tuple[str, list[str]]:
    """A file for Canvas's grade import: identity columns, a column per assignment, a line with the points possible.

    Canvas knows a student by the columns of its own export. With a roster (that export) the lines are taken from it and
    matched by `SIS Login ID`, `SIS User ID` or `ID`; an assignment whose title heads a column there keeps its column
    with Canvas's number. Without one the student ids go out as `SIS Login ID`.

    Args:
        records: of any assignments.
        curriculum: the course.
        ledgers: student id to ledger.
        roster: Canvas's export of its gradebook.
        extensions: for students of the roster who handed in nothing.

    Returns:
        CSV text, and the students with records whom the roster does not have. Excused work is `EX`; work that is not
        due yet is empty.

    Raises:
        CourseError: the roster cannot be read, or lacks the identity columns.
    """
    totals = {record.assignment: tally(record, True).points for record in records}
    assignments = [assignment for assignment in curriculum.assignments if assignment.name in totals]
    by_student: dict[str, list[Record]] = {}
    for record in records:
        by_student.setdefault(record.student, []).append(record)
    lines: list[tuple[tuple[Cell, ...], str]]
    headings = [assignment.title for assignment in assignments]
    unmatched: list[str] = []
    if roster is None:
        students = sorted({*ledgers, *by_student}, key=lambda s: (s.casefold(), s))
        lines = [((student, "", "", student, ""), student) for student in students]
    else:
        headings, lines, unmatched = _match_roster(roster, headings, set(by_student) | set(ledgers))
    rows: list[Sequence[Cell]] = [
        (*CANVAS_IDENTITY, *headings),
        ("    Points Possible", "", "", "", "", *(totals[assignment.name] for assignment in assignments)),
    ]
    for identity, student in lines:
        ledger = ledgers.get(student) or slip_ledger(curriculum, student, {}, extensions or {})
        grades = assignment_grades(by_student.get(student, ()), ledger, totals)
        rows.append((*identity, *(_canvas_cell(grades[assignment.name]) for assignment in assignments)))
    # Canvas finds the second line by the spaces in front, and it is ours: nothing of a student stands in it.
    return _csv(rows), unmatched


def _canvas_cell(grade: AssignmentGrade) -> Cell:
    return {"excused": "EX", "open": None}.get(grade.lateness.status, grade.score)


def _match_roster(
    path: Path, titles: Sequence[str], students: set[str]
) -> tuple[list[str], list[tuple[tuple[Cell, ...], str]], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            heads = list(reader.fieldnames or [])
            people = [
                row
                for row in reader
                if (row.get("Student") or "").strip() not in ("", "Points Possible", "Student, Test")
            ]
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise CourseError(f"{path.name} is not a CSV file: {error}; export the gradebook from Canvas again") from error
    if "Student" not in heads or not {"ID", "SIS User ID", "SIS Login ID"} & set(heads):
        found = ", ".join(printable(head, 30) for head in heads[:5]) or "nothing"
        raise CourseError(
            f"{path.name} is not an export of Canvas's gradebook: expected the columns Student and ID, found {found}"
        )
    headings = []
    for title in titles:
        # Canvas heads its columns with the title and its own number: "Softmax regression (48213)".
        numbered = [head for head in heads if head.rpartition(" (")[0] == title and head.endswith(")")]
        headings.append(numbered[0] if len(numbered) == 1 else title)
    known = {student.casefold(): student for student in students}
    lines: list[tuple[tuple[Cell, ...], str]] = []
    matched: set[str] = set()
    for row in people:
        ids = [(row.get(key) or "").strip() for key in ("SIS Login ID", "SIS User ID", "ID")]
        student = next((known[i.casefold()] for i in ids if i and i.casefold() in known), next(filter(None, ids), ""))
        matched.add(student)
        lines.append((tuple(row.get(key) or "" for key in CANVAS_IDENTITY), student))
    return headings, lines, sorted(students - matched)


def json_archive(records: Iterable[Record], curriculum: Curriculum) -> str:
    """Every record as it is, in one document, for safe keeping and for programs."""
    document = {
        "schema": ARCHIVE_SCHEMA,
        "course": curriculum.name,
        "term": curriculum.term,
        "records": [asdict(record) for record in records],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"


def gradescope_results(
    record: Record, ledger: SlipLedger | None = None, visibility: str = "visible", notes: Sequence[str] = ()
) -> dict[str, Any]:
    """A record in the format of Gradescope's results.json.

    One entry per hidden test; an exercise without tests has one entry of its own, and so has an answer that waits for
    its reader (without a score: Gradescope adds those of a person itself). All text is plain, so nothing of a student
    is rendered as HTML.

    Args:
        record: of one submission.
        ledger: the student's term under the late policy; work that is too late scores 0.
        visibility: `visible`, `after_due_date`, `after_published` or `hidden`, for every entry.
        notes: sentences that go above the findings.

    Returns:
        A JSON-serialisable dict. `score` is the score of the submission; it takes precedence over those of the entries.
    """
    entries: list[dict[str, Any]] = []
    exercises = [(notebook, exercise) for notebook in record.notebooks for exercise in notebook.exercises]
    for number, (notebook, exercise) in enumerate(exercises, start=1):
        looked_at = notebook.status not in ("missing", "unreadable")
        tests: Sequence[TestResult | None] = (exercise.tests if looked_at else []) or [None]
        for position, test in enumerate(tests, start=1):
            entry = _gradescope_entry(exercise, test)
            entry["number"] = f"{number}.{position}" if len(tests) > 1 else f"{number}"
            entry["visibility"] = visibility
            entry["extra_data"] |= {"notebook": notebook.name, "exercise": exercise.name, "kind": exercise.kind}
            entries.append(entry)
    score = tally(record, waiting_points(record) == 0).score
    lines = [finding.message for notebook in record.notebooks for finding in notebook.findings if finding.for_student]
    lateness = ledger.entries.get(record.assignment) if ledger is not None else None
    lines[:0] = [*notes, *([ledger.sentence(record.assignment)] if ledger is not None else [])]
    return {
        "score": 0.0 if lateness is not None and lateness.status == "too_late" else round(score, 4),
        "execution_time": round(sum(notebook.seconds for notebook in record.notebooks), 3),
        "output": "\n".join(printable(line) for line in lines),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "tests": entries,
        "extra_data": {
            "student": record.student,
            "assignment": record.assignment,
            "points": tally(record).points,
            "waiting_points": waiting_points(record),
            "received": record.received,
            "graded_at": record.graded_at,
            "attempt": record.attempt,
            "isolation": record.isolation,
        }
        | _late_data(ledger, lateness),
    }


def _late_data(ledger: SlipLedger | None, lateness: Lateness | None) -> dict[str, Any]:
    if ledger is None or lateness is None:
        return {}
    return {
        "late_policy": lateness.status,
        "due": lateness.due.isoformat() if lateness.due is not None else None,
        "days_late": lateness.days_late,
        "slip_days": lateness.slip_days,
        "slip_days_used": ledger.used,
        "slip_days_allowed": ledger.allowed,
    }


def _gradescope_entry(exercise: ExerciseResult, test: TestResult | None) -> dict[str, Any]:
    if test is None:
        passed, score, most, name, status = (
            exercise.status == "passed",
            exercise.score,
            exercise.points,
            exercise.title,
            exercise.status,
        )
        said = [exercise.message or label(exercise.status)]
    else:
        passed, score, most, status = test.status == "passed", test.score, test.max_score, test.status
        name = f"{exercise.title}: {test.title}"
        said = (
            []
            if passed
            else list(dict.fromkeys(filter(None, [test.message, exercise.message, test.hint, exercise.likely])))
            or [label(status)]
        )
    entry: dict[str, Any] = {
        "name": printable(name),
        "output": "\n".join(printable(line) for line in "\n".join(said).splitlines()),
        "extra_data": {
            "test": test.name if test else None,
            "status": status,
            "seconds": test.seconds if test else exercise.seconds,
        },
    }
    if exercise.status != "manual":
        entry |= {"score": round(score, 4), "max_score": round(most, 4), "status": "passed" if passed else "failed"}
    return entry


def write_results(out: Path, record: Record, ledger: SlipLedger | None = None) -> Path:
    """Write `<out>/<student>/<assignment>.results.json`, atomically; what says the same already stays.

    Returns:
        The path of the file.
    """
    path = results_path(out, record.student, record.assignment)
    content = json.dumps(gradescope_results(record, ledger), ensure_ascii=False, allow_nan=False) + "\n"
    with contextlib.suppress(OSError):
        if path.read_bytes() == content.encode("utf-8", "replace"):
            return path
    write_atomically(path, content)
    return path


def results_zip(records: Iterable[Record], ledgers: Mapping[str, SlipLedger]) -> bytes:
    """A zip with `<assignment>/<student>/results.json` for every record."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for record in records:
            results = gradescope_results(record, ledgers.get(record.student))
            # A fixed date: the same records give the same bytes.
            info = zipfile.ZipInfo(
                f"{record.assignment}/{safe_name(record.student)}/results.json", (1980, 1, 1, 0, 0, 0)
            )
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(
                info, json.dumps(results, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")
            )
    return buffer.getvalue()
