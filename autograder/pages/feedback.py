"""The page that a student reads: what works, what does not yet and why, with their own code and figures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from markupsafe import Markup

from autograder.curriculum import Assignment, Curriculum
from autograder.pages.charts import ring
from autograder.pages.outputs import SafeOutput, plain_text, safe_outputs
from autograder.pages.render import inline, moment, points, render
from autograder.pages.words import ADVICE, STATUSES
from autograder.policy import SlipLedger, standing
from autograder.record import ExerciseResult, NotebookResult, Record, TestResult
from autograder.records import judged, printable, student_folder, tally, waiting_points, write_atomically

# A test says something of its own about the answer; with the others the exercise as a whole came to nothing.
ANSWERED = ("passed", "partial", "failed")
UNTOUCHED = ("not_done", "missing")
NEXT_STEPS = 3


@dataclass(frozen=True)
class ExerciseView:
    """One exercise as the template shows it."""

    result: ExerciseResult
    anchor: str
    label: str
    tone: str
    advice: str
    message: str
    passed: list[TestResult]
    failed: list[TestResult]
    judged: bool  # the tests looked at an answer
    outputs: list[SafeOutput]

    @property
    def gain(self) -> float:
        return max(0.0, self.result.points - self.result.score)


@dataclass(frozen=True)
class NotebookView:
    result: NotebookResult
    exercises: list[ExerciseView]
    findings: list[str]
    absent: str = ""  # in place of exercises that nobody could look at


def feedback_path(out: Path, student: str, assignment: str) -> Path:
    """Where the page of a student and assignment lies."""
    return student_folder(out, student) / f"{assignment}.feedback.html"


def write_feedback(
    out: Path,
    records: Iterable[Record],
    curriculum: Curriculum,
    ledgers: Mapping[str, SlipLedger] | None = None,
    term: Iterable[Record] = (),
) -> list[Path]:
    """Write one page for each record.

    Args:
        out: the output folder of the grading run.
        records: of any students and assignments.
        curriculum: the course.
        ledgers: student id to ledger of slip days; without it the pages say nothing about lateness.
        term: every record of the term, for where a student stands; without them the pages do not say it.

    Returns:
        The paths written, in the order of the records.
    """
    written = []
    term = list(term)
    totals = {record.assignment: tally(record, True).points for record in term}
    of_student: dict[str, list[Record]] = {}
    for record in term:
        of_student.setdefault(record.student, []).append(record)
    for record in records:
        path = feedback_path(out, record.student, record.assignment)
        ledger = (ledgers or {}).get(record.student)
        stands = standing(curriculum, of_student.get(record.student, ()), ledger, totals) if ledger is not None else ""
        write_atomically(path, feedback_page(record, curriculum, ledger, stands))
        written.append(path)
    return written


def feedback_page(record: Record, curriculum: Curriculum, ledger: SlipLedger | None = None, stands: str = "") -> str:
    """The page as one HTML document without scripts and without anything to fetch.

    Args:
        record: one graded submission.
        curriculum: the course, for names and times.
        ledger: the student's slip days.
        stands: where the student stands in the homework.
    """
    assignment = curriculum.assignment(record.assignment)
    lateness = ledger.entries.get(record.assignment) if ledger is not None else None
    notebooks = [_notebook_view(notebook, number) for number, notebook in enumerate(record.notebooks)]
    decided = tally(record)
    return render(
        "feedback.html.j2",
        course=curriculum,
        assignment=assignment,
        record=record,
        student=printable(record.student, 80),
        ring=ring(decided.score, decided.points, f"{points(decided.score)} of {points(decided.points)} points"),
        headline=_headline(record),
        notebooks=notebooks,
        waiting=waiting_points(record),
        steps=_next_steps(notebooks),
        slip=_slip_line(ledger, assignment),
        stands=stands,
        too_late=lateness is not None and lateness.status == "too_late",
        received=moment(record.received, curriculum.timezone),
        graded=moment(record.graded_at, curriculum.timezone),
    )


def _notebook_view(notebook: NotebookResult, number: int) -> NotebookView:
    exercises = [_exercise_view(e, f"n{number}-e{position}") for position, e in enumerate(notebook.exercises)]
    findings = [finding.message for finding in notebook.findings if finding.for_student]
    if notebook.status not in ("missing", "unreadable"):
        return NotebookView(notebook, exercises, findings)
    why = "was not handed in" if notebook.status == "missing" else "could not be read"
    absent = f"This notebook {why}, so none of its {len(exercises)} exercises counts: {points(notebook.points)} points."
    return NotebookView(notebook, [], findings, absent)


def _exercise_view(result: ExerciseResult, anchor: str) -> ExerciseView:
    label, tone, _ = STATUSES[result.status]
    failed = [test for test in result.tests if test.status != "passed"]
    message, messages = plain_text(result.message, 2000), {test.message for test in failed if test.message}
    if not message and result.status not in ANSWERED and len(messages) == 1:
        message = plain_text(messages.pop(), 2000)
    if message:  # what was said about the exercise is not said again for every test, nor what followed from it
        said = (message, result.message)
        failed = [replace(test, message="") if test.message.endswith(said) else test for test in failed]
    told = any(test.message for test in failed) and result.status not in UNTOUCHED
    return ExerciseView(
        result=result,
        anchor=anchor,
        label=label,
        tone=tone,
        advice=ADVICE.get(result.status, ""),
        message=message,
        passed=[test for test in result.tests if test.status == "passed"],
        failed=failed,
        judged=result.status in ANSWERED or told,
        outputs=safe_outputs(result.outputs),
    )


def _headline(record: Record) -> str:
    graded = [exercise for notebook in record.notebooks for exercise in notebook.exercises if exercise.kind != "answer"]
    full = sum(exercise.status == "passed" for exercise in graded)
    if not any(judged(notebook) for notebook in record.notebooks):
        if any(notebook.status == "unreadable" for notebook in record.notebooks):
            return "The file that you handed in could not be read, so there is nothing to grade yet."
        if any(notebook.status == "grader_error" for notebook in record.notebooks):
            return "Our grader failed on this file. That is not your mistake, and your instructor has been told."
        return "No notebook was handed in for this assignment."
    if graded and full == len(graded):
        return "Every exercise that a machine grades has full marks."
    return f"{full} of {len(graded)} exercises have full marks."


def _next_steps(notebooks: list[NotebookView]) -> list[Markup]:
    """The first things to work on, in the order of the notebook, since later exercises build on earlier ones."""
    steps: list[Markup] = []
    for notebook in notebooks:
        title = notebook.result.title
        if notebook.result.status == "missing":
            steps.append(Markup("Hand in the notebook <strong>{}</strong>; it was not in your folder.").format(title))
        elif notebook.result.status == "unreadable":
            steps.append(
                Markup(
                    "Open <strong>{}</strong> in JupyterLab, save it, check that it opens again, hand it in once more."
                ).format(title)
            )
    todo = [
        v for n in notebooks for v in n.exercises if v.tone in ("part", "bad", "none") and v.result.status != "missing"
    ]
    steps += [_step(view) for view in todo]
    if not steps:
        steps.append(Markup("Read your written answers once more, and go on to the next notebook."))
    return steps[:NEXT_STEPS]


def _step(view: ExerciseView) -> Markup:
    link = Markup('<a href="#{}">{}</a>').format(view.anchor, inline(view.result.title))
    first = view.failed[0].title if view.failed and view.result.status in ANSWERED else ""
    if view.result.status == "not_done":
        rest = "not started yet."
    elif first:
        rest = inline(first)
    else:
        rest = f"{view.label}."
    gain = Markup(' <span class="gain">+{} to gain</span>').format(points(view.gain))
    lectures = (
        f" (lecture {', '.join(view.result.lecture)})"
        if view.result.status == "not_done" and view.result.lecture
        else ""
    )
    return Markup("{}: {}{}{}").format(link, rest, lectures, gain)


def _slip_line(ledger: SlipLedger | None, assignment: Assignment) -> str:
    if ledger is None:
        return ""
    line = ledger.sentence(assignment.name)
    if not assignment.slip_days_allowed:
        line += " This assignment takes no slip days."
    return line
