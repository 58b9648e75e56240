"""The class at a glance, for instructors: scores, exercises, misconceptions, and the submissions that need a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
from markupsafe import Markup

from autograder.curriculum import Curriculum
from autograder.errors import CourseError
from autograder.pages.charts import bar, histogram, legend, scatter, span, stacked_bar
from autograder.pages.feedback import feedback_path
from autograder.pages.render import moment, points, render
from autograder.pages.statistics import (
    STOPPED,
    Concern,
    ExerciseFigures,
    concerns,
    exercise_figures,
    failed_tests,
    reliability,
)
from autograder.pages.words import STATUSES, label, mark
from autograder.policy import SlipLedger
from autograder.record import Record, Status
from autograder.records import Tally, judged, printable, safe_name, tally, waiting_points, write_atomically

MOST_FAILED_TESTS = 12
STUDENTS_NAMED = 6

# The parts of the stacked bars: (class of the style sheet, what it is called, the statuses in it).
PARTS: tuple[tuple[str, str, tuple[Status, ...]], ...] = (
    ("good", "full marks", ("passed",)),
    ("part", "partly there", ("partial",)),
    ("bad", "not yet", ("failed",)),
    ("stop", "stopped (error, time, memory, crash, ruled out)", tuple(sorted(STOPPED))),
    ("none", "not started or missing", ("not_done", "missing")),
    ("wait", "waits for a person", ("manual", "grader_error")),
)


@dataclass(frozen=True)
class ExerciseRow:
    number: int
    figures: ExerciseFigures
    outcome: Markup
    mean: Markup | None
    time: Markup | None


@dataclass(frozen=True)
class StudentRow:
    name: str
    link: str
    tally: Tally
    marks: str
    received: str
    slip: str
    state: str


def report_path(out: Path, assignment: str) -> Path:
    """Where the report of an assignment lies."""
    return out / f"{assignment}.report.html"


def write_report(
    out: Path, records: Sequence[Record], curriculum: Curriculum, ledgers: Mapping[str, SlipLedger] | None = None
) -> list[Path]:
    """Write one report for each assignment among the records.

    Returns:
        The paths written, in the order of the syllabus.
    """
    written = []
    for assignment in curriculum.assignments:
        mine = [record for record in records if record.assignment == assignment.name]
        if mine:
            path = report_path(out, assignment.name)
            write_atomically(path, report_page(mine, curriculum, ledgers))
            written.append(path)
    return written


def report_page(
    records: Sequence[Record], curriculum: Curriculum, ledgers: Mapping[str, SlipLedger] | None = None
) -> str:
    """The report of one assignment as one HTML document without scripts and without anything to fetch.

    Args:
        records: one per student, all of one assignment.
        curriculum: the course.
        ledgers: student id to ledger of slip days.

    Raises:
        CourseError: no record, or records of several assignments.
    """
    names = {record.assignment for record in records}
    if len(names) != 1:
        raise CourseError(f"a report is about one assignment; found {', '.join(sorted(names)) or 'no record'}")
    assignment = curriculum.assignment(names.pop())
    handed_in = [record for record in records if _state(record) != "missing"]
    graded = [record for record in handed_in if _state(record) == "graded"]
    read = all(waiting_points(record) == 0 for record in records)
    tallies = [tally(record, read) for record in graded]
    scores = np.array([decided.score for decided in tallies], dtype=float)
    total = max((tally(record, read).points for record in records), default=0.0)
    figures = exercise_figures(records)
    rows = _exercise_rows(figures)
    quartiles = np.quantile(scores, [0.25, 0.5, 0.75]) if len(scores) else None
    failed = failed_tests(records)
    look = concerns(records)
    return render(
        "report.html.j2",
        course=curriculum,
        assignment=assignment,
        tiles=_tiles(records, handed_in, scores, total, {concern.student for concern in look}),
        histogram=histogram(scores.tolist(), total, float(quartiles[1]) if quartiles is not None else None),
        quartiles=[points(float(q)) for q in quartiles] if quartiles is not None else None,
        spread=points(float(scores.std(ddof=1))) if len(scores) > 1 else None,
        alpha=reliability(records),
        scatter=_scatter(rows),
        rows=rows,
        legend=legend([(kind, name) for kind, name, _ in PARTS]),
        notebooks=list(dict.fromkeys(row.figures.notebook for row in rows)),
        failed=failed[:MOST_FAILED_TESTS],
        failed_more=max(0, len(failed) - MOST_FAILED_TESTS),
        stopped=_stopped(records),
        concerns=_by_student(look, assignment.name),
        waiting=sum(e.status == "manual" for r in records for n in r.notebooks for e in n.exercises),
        waiting_points=sum(waiting_points(r) for r in records),
        read=read,
        students=[_student_row(record, read, curriculum, (ledgers or {}).get(record.student)) for record in records],
        marks=[(sign, name) for name, _, sign in STATUSES.values()],
        isolation=sorted({record.isolation for record in records if record.isolation}),
        suites=sorted({notebook.suite[:12] for record in records for notebook in record.notebooks if notebook.suite}),
        graded_at=moment(max((record.graded_at for record in records), default=""), curriculum.timezone),
        students_named=STUDENTS_NAMED,
        name=lambda student: printable(student, 40),
        link=lambda student: _link(student, assignment.name),
    )


def _state(record: Record) -> str:
    """How a whole submission stands: graded when one notebook is, else the state of its notebooks."""
    if any(judged(notebook) for notebook in record.notebooks):
        return "graded"
    states = {notebook.status for notebook in record.notebooks}
    for state in ("grader_error", "unreadable"):
        if state in states:
            return state
    return "missing"


def _link(student: str, assignment: str) -> str:
    """The student's feedback page, seen from the folder of the report."""
    page = feedback_path(Path(), student, assignment)
    return f"{quote(safe_name(student))}/{quote(page.name)}"


def _tiles(
    records: Sequence[Record], handed_in: Sequence[Record], scores: np.ndarray, total: float, look: set[str]
) -> list[tuple[str, str]]:
    full = int(np.sum(scores >= total - 1e-9)) if len(scores) else 0
    mean = f"{points(float(scores.mean()))} of {points(total)}" if len(scores) else "–"
    return [
        (f"{len(handed_in)} of {len(records)}", "handed in"),
        (mean, "mean score"),
        (str(full), "with all points"),
        (str(len(look)), "to look at"),
    ]


def _exercise_rows(figures: Sequence[ExerciseFigures]) -> list[ExerciseRow]:
    times = [f.median_seconds for f in figures if f.median_seconds] + [
        f.late_seconds for f in figures if f.late_seconds
    ]
    smallest, largest = (min(times) / 1.5, max(times) * 1.5) if times else (0.01, 10.0)
    rows = []
    for number, f in enumerate(figures, start=1):
        parts = [(kind, sum(f.statuses[s] for s in statuses), name.split(" (")[0]) for kind, name, statuses in PARTS]
        time = None
        if f.median_seconds is not None and f.late_seconds is not None:
            time = span(f.median_seconds, f.median_seconds, f.late_seconds, smallest, largest)
        rows.append(ExerciseRow(number, f, stacked_bar(parts), None if f.mean is None else bar(f.mean, "main"), time))
    return rows


def _scatter(rows: Sequence[ExerciseRow]) -> Markup | None:
    marks = [
        (str(row.number), row.figures.title, row.figures.mean, row.figures.discrimination)
        for row in rows if row.figures.mean is not None and row.figures.discrimination is not None
    ]  # fmt: skip
    return scatter(marks, "mean score", "discrimination") if marks else None


def _stopped(records: Sequence[Record]) -> list[tuple[str, str, list[str]]]:
    """(what happened, exercise, students), the most frequent first."""
    found: dict[tuple[str, str], list[str]] = {}
    for record in records:
        for notebook in record.notebooks:
            for exercise in notebook.exercises:
                if exercise.status in STOPPED:
                    found.setdefault((label(exercise.status), exercise.title), []).append(record.student)
    return [
        (what, title, students) for (what, title), students in sorted(found.items(), key=lambda e: (-len(e[1]), e[0]))
    ]


def _by_student(found: Sequence[Concern], assignment: str) -> list[tuple[str, str, list[str]]]:
    """(name, link, reasons) for each student, in the order of the most pressing reason."""
    reasons: dict[str, list[str]] = {}
    for concern in found:
        reasons.setdefault(concern.student, []).append(printable(concern.reason, 300))
    return [
        (printable(student, 60), _link(student, assignment), list(dict.fromkeys(why)))
        for student, why in reasons.items()
    ]


def _student_row(record: Record, read: bool, curriculum: Curriculum, ledger: SlipLedger | None) -> StudentRow:
    lateness = ledger.entries.get(record.assignment) if ledger is not None else None
    slip = ""
    if lateness is not None:
        slip = {"slip": f"{lateness.slip_days} slip", "too_late": "too late", "excused": "excused"}.get(
            lateness.status, ""
        )
    return StudentRow(
        name=printable(record.student, 48),
        link=_link(record.student, record.assignment),
        tally=tally(record, read),
        marks="".join(mark(e.status) for n in record.notebooks for e in n.exercises),
        received=moment(record.received, curriculum.timezone),
        slip=slip,
        state=_state(record),
    )
