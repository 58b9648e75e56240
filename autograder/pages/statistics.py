"""Figures of a class: how hard each exercise was, how well it tells strong work from weak, what went wrong most."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from autograder.record import ExerciseResult, Record, Status
from autograder.records import judged

FEWEST_FOR_CORRELATION = 8  # students; below that a correlation says next to nothing
# The student worked on the exercise, whatever came of it.
ATTEMPTED: frozenset[Status] = frozenset(
    {"passed", "partial", "failed", "error", "timeout", "memory", "crashed", "forbidden"}
)
STOPPED: frozenset[Status] = frozenset({"error", "timeout", "memory", "crashed", "forbidden"})


@dataclass(frozen=True)
class ExerciseFigures:
    """One exercise over the class; answers that a person reads have none until they are graded."""

    notebook: str
    name: str
    title: str
    kind: str
    points: float
    students: int  # whose work on this notebook was graded
    mean: float | None  # of the share of the points, in [0, 1]
    full: int
    discrimination: float | None  # in [-1, 1]
    statuses: Counter[Status]
    median_seconds: float | None
    late_seconds: float | None  # nine of ten students need less

    @property
    def doubt(self) -> str:
        """What an instructor should look at, in one phrase; empty where nothing stands out."""
        if self.discrimination is not None and self.discrimination < 0:
            return "strong students lose points here: check the tests and the wording"
        if self.mean is not None and self.students >= FEWEST_FOR_CORRELATION and self.mean < 0.3:
            return "hard for most: more hints, or another example"
        if self.discrimination is not None and self.discrimination < 0.1 and self.mean is not None and self.mean < 0.9:
            return "tells strong from weak work poorly"
        return ""


@dataclass
class FailedTest:
    """A hidden test that students did not pass, with what it said most often."""

    notebook: str
    exercise: str
    exercise_title: str
    name: str
    title: str
    attempts: int = 0
    students: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    @property
    def share(self) -> float:
        return len(self.students) / self.attempts if self.attempts else 0.0

    @property
    def example(self) -> str:
        """The first message of the most frequent kind."""
        return self.examples[self.messages.most_common(1)[0][0]] if self.messages else ""


def corrected_item_total(item: Sequence[float], total: Sequence[float]) -> float | None:
    """Correlate an item's scores with the sum of the other items' scores.

    Taking the item out of the total keeps it from correlating with itself; for an item that is all or nothing this is
    the point-biserial correlation.

    Args:
        item: `(N,)` scores of one item.
        total: `(N,)` scores of all items together, this one included.

    Returns:
        A value in [-1, 1]; None for fewer than eight students, or where one of the two does not vary.
    """
    scores = np.asarray(item, dtype=float)
    rest = np.asarray(total, dtype=float) - scores
    if len(scores) < FEWEST_FOR_CORRELATION or np.ptp(scores) < 1e-12 or np.ptp(rest) < 1e-12:
        return None
    return float(np.corrcoef(scores, rest)[0, 1])


def cronbach_alpha(scores: Sequence[Sequence[float]]) -> float | None:
    """Internal consistency of a set of items.

    Args:
        scores: `(N, K)`, students by items.

    Returns:
        At most 1 (negative where items contradict each other); None for fewer than eight students or two items, or
        without variation.
    """
    table = np.asarray(scores, dtype=float)
    if table.ndim != 2 or len(table) < FEWEST_FOR_CORRELATION or table.shape[1] < 2:
        return None
    items, whole = table.var(axis=0, ddof=1).sum(), table.sum(axis=1).var(ddof=1)
    return None if whole < 1e-12 else float(table.shape[1] / (table.shape[1] - 1) * (1 - items / whole))


def _keys(records: Iterable[Record]) -> list[tuple[str, str, str]]:
    """(notebook, kind, name) of every exercise in the order of the notebook, also where some records lack some."""
    order: dict[tuple[str, str, str], None] = {}
    for record in sorted(records, key=lambda r: -sum(len(n.exercises) for n in r.notebooks)):
        for notebook in record.notebooks:
            for exercise in notebook.exercises:
                order.setdefault((notebook.name, exercise.kind, exercise.name))
    return list(order)


def exercise_figures(records: Sequence[Record]) -> list[ExerciseFigures]:
    """Figures of every exercise of one assignment, over the students whose notebook was graded."""
    found: dict[tuple[str, str, str], dict[str, ExerciseResult]] = defaultdict(dict)
    totals: dict[str, float] = {}
    for record in records:
        for notebook in record.notebooks:
            if judged(notebook):
                totals[record.student] = totals.get(record.student, 0.0) + notebook.score
                for exercise in notebook.exercises:
                    found[notebook.name, exercise.kind, exercise.name][record.student] = exercise
    return [_figures(key, found[key], totals) for key in _keys(records) if found[key]]


def _figures(
    key: tuple[str, str, str], results: dict[str, ExerciseResult], totals: dict[str, float]
) -> ExerciseFigures:
    first = next(iter(results.values()))
    # A fault of ours says nothing about the exercise, and an answer that waits for its reader has no score yet.
    judged = {s: r for s, r in results.items() if r.status not in ("grader_error", "manual")}
    if (
        all(r.status in ("manual", "not_done", "missing", "grader_error") for r in results.values())
        and first.kind == "answer"
    ):
        judged = {}
    scores = [r.score for r in judged.values()]
    seconds = [r.seconds for r in results.values() if r.status in ATTEMPTED and r.seconds > 0]
    timed = bool(seconds) and first.kind != "answer"
    return ExerciseFigures(
        notebook=key[0],
        name=key[2],
        title=first.title,
        kind=first.kind,
        points=first.points,
        students=len(results),
        mean=float(np.mean(scores)) / first.points if scores and first.points > 0 else None,
        full=sum(r.status == "passed" for r in results.values()),
        discrimination=corrected_item_total(scores, [totals[student] for student in judged]),
        statuses=Counter(r.status for r in results.values()),
        median_seconds=float(np.median(seconds)) if timed else None,
        late_seconds=float(np.quantile(seconds, 0.9)) if timed else None,
    )


def reliability(records: Sequence[Record]) -> float | None:
    """Cronbach's alpha over what machines grade; students with an unreadable or missing notebook are left out."""
    keys = [key for key in _keys(records) if key[1] != "answer"]
    rows = []
    for record in records:
        if record.notebooks and all(judged(notebook) for notebook in record.notebooks):
            scores: dict[tuple[str, str, str], float]
            scores = {(n.name, e.kind, e.name): e.score for n in record.notebooks for e in n.exercises}
            rows.append([scores.get(key, 0.0) for key in keys])
    return cronbach_alpha(rows)


def failed_tests(records: Iterable[Record]) -> list[FailedTest]:
    """Tests that said no to an answer, the most frequent first.

    Exercises that were not started, were stopped or met a fault of ours do not count: no misconception is known there.
    """
    found: dict[tuple[str, str, str], FailedTest] = {}
    for record in records:
        for notebook in record.notebooks:
            for exercise in notebook.exercises:
                if exercise.status not in ("passed", "partial", "failed"):
                    continue
                for test in exercise.tests:
                    key = (notebook.name, exercise.name, test.name)
                    entry = found.setdefault(
                        key, FailedTest(notebook.name, exercise.name, exercise.title, test.name, test.title)
                    )
                    entry.attempts += 1
                    if test.status not in ("passed", "grader_error", "manual"):
                        entry.students.append(record.student)
                        # Numbers are drawn for each student: without them equal mistakes have equal messages.
                        kind = re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "0", test.message)
                        entry.messages[kind] += 1
                        entry.examples.setdefault(kind, test.message)
    failed = [entry for entry in found.values() if entry.students]
    return sorted(failed, key=lambda e: (-len(e.students), -e.share, e.exercise, e.name))


@dataclass(frozen=True)
class Concern:
    """A submission that a person should look at; a lower rank is more pressing."""

    student: str
    rank: int
    reason: str


def concerns(records: Iterable[Record]) -> list[Concern]:
    """What an instructor should look at, the most pressing first."""
    found: list[Concern] = []
    for record in records:
        for notebook in record.notebooks:
            ours = [e.title for e in notebook.exercises if e.status == "grader_error"]
            if notebook.status == "grader_error" and not judged(notebook):
                found.append(Concern(record.student, 0, f"the grader failed on {notebook.title}"))
            elif notebook.status == "unreadable":
                found.append(Concern(record.student, 1, f"{notebook.title} could not be read"))
            elif ours:
                found.append(Concern(record.student, 0, f"a test of ours failed: {', '.join(ours)}"))
            forbidden = [e.title for e in notebook.exercises if e.status == "forbidden"]
            if forbidden:
                found.append(Concern(record.student, 3, f"a call that is ruled out: {', '.join(forbidden)}"))
            ended = [e.title for e in notebook.exercises if e.status in ("crashed", "memory")]
            if ended:
                found.append(Concern(record.student, 4, f"ended the process or ran out of memory: {', '.join(ended)}"))
            for finding in notebook.findings:
                if notebook.status != "unreadable":
                    found.append(Concern(record.student, 2 if not finding.for_student else 5, finding.message))
    return sorted(found, key=lambda c: (c.rank, c.student))
