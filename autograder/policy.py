"""Late days, extensions, excused work and the weights of the course, as plain arithmetic on data.

The rules: a student has `slip_days` whole days a term. Work received after its deadline uses one of them for each day
begun, in the order of the deadlines. Where too few are left, or the assignment takes none, the work counts as not
handed in and uses none. An extension moves one student's deadline; excused work leaves the average. The receipt time
comes from the collector.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from autograder.curriculum import Assignment, Curriculum
from autograder.errors import CourseError
from autograder.record import Record
from autograder.records import tally

LateStatus = Literal["on_time", "slip", "too_late", "open", "missing", "excused"]


@dataclass(frozen=True)
class Extension:
    """One student's own deadline for one assignment, or the assignment excused."""

    student: str
    assignment: str
    days: int = 0  # added to the deadline of everyone
    until: datetime | None = None  # or a deadline of its own
    excused: bool = False

    def deadline(self, due: datetime) -> datetime:
        return self.until if self.until is not None else due + timedelta(days=self.days)


Extensions = Mapping[tuple[str, str], Extension]  # by (student, assignment)
NO_EXTENSIONS: Extensions = {}
EXTENSIONS = "extensions.toml"


@dataclass(frozen=True)
class Lateness:
    """What the late policy says about one student's work on one assignment."""

    assignment: str
    status: LateStatus
    due: datetime | None = None  # extension included
    received: datetime | None = None
    days_late: int = 0
    slip_days: int = 0  # used by this assignment
    extended: bool = False

    @property
    def counts(self) -> bool:
        """Whether the score enters the grade as it is (excused work does not enter at all)."""
        return self.status in ("on_time", "slip")

    def sentence(self) -> str:
        """One line for the student; empty where there is nothing to say."""
        if self.status == "slip":
            return f"received {_days(self.days_late)} late, covered by {_days(self.slip_days, 'slip day')}"
        if self.status == "too_late":
            return f"received {_days(self.days_late)} late, more than the slip days left: it does not count"
        if self.status == "excused":
            return "excused: left out of your average"
        if self.status == "missing":
            return "not handed in by the deadline"
        return "on time, with your extension" if self.extended and self.status == "on_time" else ""


@dataclass(frozen=True)
class SlipLedger:
    """A student's term: every assignment with what it used."""

    allowed: int
    entries: Mapping[str, Lateness] = field(default_factory=dict)

    @property
    def used(self) -> int:
        return sum(entry.slip_days for entry in self.entries.values())

    def sentence(self, assignment: str) -> str:
        """What the late policy says about one assignment and the term, for the student."""
        entry = self.entries.get(assignment)
        own = entry.sentence() if entry is not None else ""
        return f"This work: {own}. {self}." if own else f"{self}."

    def __str__(self) -> str:
        return f"{self.used} of {self.allowed} slip days used"


def _days(count: int, noun: str = "day") -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def parse_time(text: str, timezone: str) -> datetime:
    """Read an ISO time; without an offset it is meant in the course's time zone.

    Raises:
        CourseError: the text is not an ISO time.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise CourseError(f"{text!r} is not a time; expected ISO format, e.g. 2027-02-05T23:59:00-08:00") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZoneInfo(timezone))


def whole_days_late(due: datetime, received: datetime) -> int:
    """Count the days begun after a deadline: 0 up to it, 1 up to the same clock time of the next day, and so on.

    Days follow the clock on the wall of the deadline's time zone, so the night when clocks change is one day as well.
    """
    late = received.astimezone(UTC) - due.astimezone(UTC)
    if late <= timedelta(0):
        return 0
    days = max(1, late.days - 1)
    while received.astimezone(UTC) > (due + timedelta(days=days)).astimezone(UTC):
        days += 1
    return days


def slip_ledger(
    curriculum: Curriculum,
    student: str,
    received: Mapping[str, datetime | None],
    extensions: Extensions = NO_EXTENSIONS,
    now: datetime | None = None,
) -> SlipLedger:
    """Apply the late policy to everything that one student handed in, in the order of the deadlines.

    Args:
        curriculum: the course, with deadlines and the number of slip days.
        student: the id.
        received: assignment name to the collector's receipt time; None where work is there but its time is not known,
        which
            counts as on time. An assignment that is not a key was not handed in.
        extensions: by (student, assignment).
        now: assignments that are not there yet count as missing when their deadline lies before this time (default: the
        present).

    Returns:
        The ledger with an entry for every assignment of the course.
    """
    now = now or datetime.now(UTC)
    left = curriculum.slip_days
    entries: dict[str, Lateness] = {}
    far = datetime.max.replace(tzinfo=UTC) - timedelta(days=2)

    def deadline(assignment: Assignment) -> datetime | None:
        own = extensions.get((student, assignment.name))
        return assignment.due if own is None or assignment.due is None else own.deadline(assignment.due)

    for assignment in sorted(curriculum.assignments, key=lambda a: (deadline(a) or far).astimezone(UTC)):
        due, own = deadline(assignment), extensions.get((student, assignment.name))
        extended = own is not None and due != assignment.due
        moment = received.get(assignment.name)
        handed_in = assignment.name in received
        days = whole_days_late(due, moment) if due is not None and moment is not None else 0
        used = 0
        status: LateStatus
        if own is not None and own.excused:
            status = "excused"
        elif not handed_in:
            status = "missing" if due is not None and now > due else "open"
        elif days == 0:
            status = "on_time"
        elif assignment.slip_days_allowed and days <= left:
            status, used = "slip", days
            left -= days
        else:
            status = "too_late"
        entries[assignment.name] = Lateness(assignment.name, status, due, moment, days, used, extended)
    return SlipLedger(curriculum.slip_days, entries)


def ledgers(
    records: Iterable[Record],
    curriculum: Curriculum,
    extensions: Extensions = NO_EXTENSIONS,
    now: datetime | None = None,
) -> dict[str, SlipLedger]:
    """Make the ledger of every student of a class.

    Args:
        records: of any assignments; a student's receipt times are read from them.

    Returns:
        Student id to ledger; students who are known from an extension only are in it too.
    """
    received: dict[str, dict[str, datetime | None]] = {student: {} for student, _ in extensions}
    for record in records:
        moment = parse_time(record.received, curriculum.timezone) if record.received else None
        handed_in = any(notebook.status != "missing" for notebook in record.notebooks)
        times = received.setdefault(record.student, {})
        if handed_in:
            times[record.assignment] = moment
    return {s: slip_ledger(curriculum, s, times, extensions, now) for s, times in received.items()}


def granted_extensions(out: Path, curriculum: Curriculum, file: Path | None = None) -> dict[tuple[str, str], Extension]:
    """Extensions and excused work: from `file`, from `extensions.toml` in `out`, or from the one beside course.toml."""
    places = [folder / EXTENSIONS for folder in (out, curriculum.root)]
    found = file or next((path for path in places if path.exists()), None)
    return load_extensions(found, curriculum) if found is not None else {}


def load_extensions(path: Path, curriculum: Curriculum) -> dict[tuple[str, str], Extension]:
    """Read extensions and excused work from a TOML or CSV file.

    TOML has `[[extension]]` tables, CSV has a header line; the keys are `student`, `assignment` and one of `days`,
    `until` (a time or a date, whose last minute is meant) and `excused`. A `reason` is allowed and not read.

    Raises:
        CourseError: the file is missing or malformed, or names an unknown assignment.
    """
    try:
        if path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows: list[dict[str, Any]] = list(csv.DictReader(file))
        else:
            rows = tomllib.loads(path.read_text(encoding="utf-8")).get("extension", [])
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, csv.Error) as error:
        raise CourseError(f"{path.name} cannot be read: {error}") from error
    found: dict[tuple[str, str], Extension] = {}
    for number, row in enumerate(rows, start=1):
        extension = _extension(row, curriculum, f"{path.name}, entry {number}")
        key = (extension.student, extension.assignment)
        if key in found:
            raise CourseError(f"{path.name}, entry {number}: {key[0]} has a second entry for {key[1]}; keep one")
        found[key] = extension
    return found


def _extension(row: Mapping[str, Any], curriculum: Curriculum, where: str) -> Extension:
    # An empty field of a CSV line means that the key is not given.
    given = {key: value for key, value in row.items() if value not in (None, "")}
    unknown = set(given) - {"student", "assignment", "days", "until", "excused", "reason"}
    if unknown:
        raise CourseError(
            f"{where}: unknown key {sorted(map(str, unknown))[0]!r}; known: student, assignment, days, until, excused"
        )
    for key in ("student", "assignment"):
        if not isinstance(given.get(key), str):
            raise CourseError(f"{where}: {key} must be text, found {given.get(key)!r}")
    assignment = curriculum.assignment(given["assignment"])
    excused = given.get("excused", False)
    if isinstance(excused, str):
        excused = excused.strip().lower() in {"true", "yes", "1", "x"}
    kinds = [key for key in ("days", "until") if key in given] + (["excused"] if excused else [])
    if len(kinds) != 1:
        raise CourseError(f"{where}: expected one of days, until, excused = true; found {', '.join(kinds) or 'none'}")
    days = 0
    if "days" in given:
        try:
            days = int(given["days"])
        except (TypeError, ValueError):
            days = 0
        if days < 1 or isinstance(given["days"], float):
            raise CourseError(f"{where}: days must be a whole number from 1 on, found {given['days']!r}")
    return Extension(
        given["student"], assignment.name, days, _until(given.get("until"), curriculum, where), bool(excused)
    )


def _until(value: Any, curriculum: Curriculum, where: str) -> datetime | None:
    zone = ZoneInfo(curriculum.timezone)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value.strip())
        except ValueError:
            return parse_time(value, curriculum.timezone)
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=zone)
    if isinstance(value, date):
        return datetime.combine(value, time(23, 59), tzinfo=zone)
    raise CourseError(f"{where}: until must be a date or a time, found {value!r}")


@dataclass(frozen=True)
class AssignmentGrade:
    """What one assignment brings to a student's grade."""

    assignment: str
    score: float  # after the late policy
    points: float
    lateness: Lateness

    @property
    def enters(self) -> bool:
        """Excused work and work whose deadline has not come stay out of the average."""
        return self.lateness.status not in ("excused", "open")


def assignment_grades(
    records: Iterable[Record], ledger: SlipLedger, points: Mapping[str, float] | None = None
) -> dict[str, AssignmentGrade]:
    """Bring a student's records and ledger together: too late is zero, missing is zero, excused stays out.

    Args:
        records: the student's, one per assignment.
        ledger: the student's.
        points: assignment name to the points that can be had, for assignments without a record.

    Returns:
        Assignment name to grade, for every assignment whose points are known.
    """
    by_name = {record.assignment: record for record in records}
    grades: dict[str, AssignmentGrade] = {}
    for name, lateness in ledger.entries.items():
        record = by_name.get(name)
        decided = tally(record) if record is not None else None
        total = decided.points if decided is not None else (points or {}).get(name)
        if total is not None:
            score = decided.score if decided is not None and lateness.counts else 0.0
            grades[name] = AssignmentGrade(name, score, total, lateness)
    return grades


def homework_fractions(curriculum: Curriculum, grades: Mapping[str, AssignmentGrade]) -> dict[str, float | None]:
    """Share of the points of each homework group.

    Returns:
        Group name to a value in [0, 1], or None while nothing of the group enters the average.
    """
    fractions: dict[str, float | None] = {}
    for group, names in curriculum.homework.items():
        entering = [grades[name] for name in names if name in grades and grades[name].enters]
        points = sum(grade.points for grade in entering)
        fractions[group] = sum(grade.score for grade in entering) / points if points > 0 else None
    return fractions


@dataclass(frozen=True)
class CourseGrade:
    """The weighted grade so far: `percent` of the share `weight_known` (in percent) of the course that is graded."""

    percent: float | None
    weight_known: float


def course_grade(weights: Mapping[str, float], fractions: Mapping[str, float | None]) -> CourseGrade:
    """Combine midterms, homework and project by the course's weights; what is not graded yet stays out.

    Args:
        weights: component to weight; they are scaled to add up to 100.
        fractions: component to a value in [0, 1], or None where nothing is graded.

    Returns:
        The grade in percent, None while no component is graded.
    """
    total = sum(weights.values())
    known = {name: value for name, value in fractions.items() if value is not None and name in weights}
    weight = sum(weights[name] for name in known)
    if not weight:
        return CourseGrade(None, 0.0)
    percent = 100 * sum(weights[name] * value for name, value in known.items()) / weight
    return CourseGrade(percent, 100 * weight / total)


def mean_homework(fractions: Mapping[str, float | None]) -> float | None:
    """Average of the homework groups that are graded, each with the same weight."""
    known = [value for value in fractions.values() if value is not None]
    return sum(known) / len(known) if known else None


def standing(curriculum: Curriculum, records: Iterable[Record], ledger: SlipLedger, points: Mapping[str, float]) -> str:
    """Where a student stands in the homework, and what it weighs in the course, in two sentences.

    Args:
        curriculum: the course.
        records: all of the student's.
        ledger: the student's.
        points: assignment name to the points that can be had.

    Returns:
        Empty while nothing of the homework enters the average.
    """
    fractions = homework_fractions(curriculum, assignment_grades(records, ledger, points))
    groups = [(group.replace("_", " "), share) for group, share in fractions.items() if share is not None]
    if not groups:
        return ""
    shares = ", ".join(f"{group} {100 * share:.0f} %" for group, share in groups)
    mean = mean_homework(fractions)
    together = f", together {100 * mean:.0f} %" if len(groups) > 1 and mean is not None else ""
    weights = ", ".join(f"{name} {weight:g}" for name, weight in curriculum.weights.items())
    return f"Homework so far: {shares}{together}. In the course count: {weights}."
