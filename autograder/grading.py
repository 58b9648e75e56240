"""Submission in, record out: grading one notebook is a function of manifest, suite, submission, seed and limits.

Nothing here knows of databases, schedules or pages. `Examiner` holds what is warm (the zygote and the collected
suites) and grades one notebook after the other; whatever a submission does, the answer is a complete
`NotebookResult`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autograder.compiler.manifest import Manifest, ManifestCell
from autograder.curriculum import Assignment, Limits, Notebook
from autograder.intake import GRADED, Submission, read_submission
from autograder.jobs import NOT_GRADED, Job, make_record
from autograder.judge.problems import GraderFault
from autograder.judge.seeds import SeedSource
from autograder.judge.session import ALONE, AS_IS, HELPERS_FIRST, HINTS_UNREAD, RESTORED, GradingSession, Stage
from autograder.judge.suite import Outcome, Suite
from autograder.misconceptions import Pattern, likely
from autograder.record import ExerciseResult, Finding, NotebookResult, Record, Status, TestResult
from autograder.sandbox.client import SandboxFault, Twin

STATUS_ORDER: tuple[Status, ...] = (
    "grader_error", "forbidden", "crashed", "memory", "timeout", "error", "not_done", "missing", "failed",
)  # fmt: skip


@dataclass
class Examiner:
    """Grades notebooks of one assignment with a warm zygote and collected suites.

    Args:
        zygote: makes the sandboxes.
        suite: the collected hidden tests.
        manifests: by notebook name.
        seeds: where the seeds of hidden inputs come from.
        version: of the hidden suites.
        patterns: of misconceptions that feedback may name, by notebook name.
    """

    zygote: Twin
    suite: Suite
    manifests: dict[str, Manifest]
    seeds: SeedSource
    version: str = ""
    patterns: Mapping[str, Sequence[Pattern]] = field(default_factory=dict)

    def grade(
        self, notebook: Notebook, path: Path | None, student: str, limits: Limits | None = None
    ) -> NotebookResult:
        """Grade one file; None stands for a notebook that was not handed in."""
        manifest = self.manifests[notebook.name]
        submission = read_submission(path, manifest) if path is not None else Submission(readable=False)
        result = self.grade_submission(notebook, submission, student, limits)
        if path is None:
            result.status = "missing"
            result.findings.append(
                Finding("missing_notebook", f"The notebook {notebook.name}.ipynb was not handed in.")
            )
        return result

    def grade_submission(
        self, notebook: Notebook, submission: Submission, student: str, limits: Limits | None = None
    ) -> NotebookResult:
        """Grade what was read from a file."""
        started = time.perf_counter()
        manifest, limits = self.manifests[notebook.name], limits or notebook.limits
        result = NotebookResult(
            name=notebook.name,
            title=notebook.title,
            status="graded" if submission.readable else "unreadable",
            points=manifest.points,
            score=0.0,
            sha256=submission.sha256,
            release=manifest.release,
            suite=self.version,
            findings=list(submission.findings),
            limits=limits.as_dict(),
        )
        cells = [c for c in manifest.cells if c.kind in GRADED]
        if not submission.readable:
            result.exercises = [
                self._unanswered(notebook, c, "missing", "Nothing could be read for this exercise.") for c in cells
            ]
            return result
        session = GradingSession(self.zygote, manifest, submission, limits, self.seeds, student)
        with session:
            for cell in cells:
                result.exercises.append(self._grade_entry(notebook, cell, session, submission, result))
        result.score = math.fsum(e.score for e in result.exercises)
        if any(e.status == "grader_error" for e in result.exercises):
            result.status = "grader_error"
        result.seconds = round(time.perf_counter() - started, 3)
        return result

    def grade_one(
        self, notebook: Notebook, submission: Submission, name: str, student: str, limits: Limits | None = None
    ) -> ExerciseResult:
        """Grade one exercise or quiz of a submission; those before it stand there as the reference."""
        manifest = self.manifests[notebook.name]
        cell = next(c for c in manifest.cells if c.name == name and c.kind in ("exercise", "quiz"))
        scratch = NotebookResult(notebook.name, notebook.title, "graded", cell.points, 0.0)
        limits = limits or notebook.limits
        with GradingSession(self.zygote, manifest, submission, limits, self.seeds, student) as session:
            session.skip_to(cell)
            return self._judge(notebook, cell, session, submission, scratch)

    # -- one entry --------------------------------------------------------------------------------------------

    def _grade_entry(
        self,
        notebook: Notebook,
        cell: ManifestCell,
        session: GradingSession,
        submission: Submission,
        result: NotebookResult,
    ) -> ExerciseResult:
        if cell.kind == "answer":
            entry = self._unanswered(notebook, cell, "manual", "")
            entry.source = submission.source(cell.name)
            if not session.answered(cell):
                entry.status, entry.message = "not_done", "Nothing is written here yet."
            return entry
        try:
            return self._judge(notebook, cell, session, submission, result)
        except (GraderFault, SandboxFault) as fault:
            session.close()
            result.findings.append(Finding("grader_fault", f"{cell.name}: {fault}", for_student=False))
            entry = self._unanswered(notebook, cell, "grader_error", NOT_GRADED)
            entry.source = submission.source(cell.name)
            session.skip(cell)
            return entry

    def _judge(
        self,
        notebook: Notebook,
        cell: ManifestCell,
        session: GradingSession,
        submission: Submission,
        result: NotebookResult,
    ) -> ExerciseResult:
        stage, outcomes = self._attempt(notebook, cell, session, AS_IS)
        best, used, shadowed = outcomes, AS_IS, stage.shadowed
        if _total(outcomes) < _possible(outcomes):
            for variant in session.variants(stage):
                other, again = self._attempt(notebook, cell, session, variant)
                if _total(again) > _total(best):
                    session.hang_up(stage)
                    stage, best, used = other, again, variant
                else:
                    session.hang_up(other)
                if _total(best) == _possible(best):
                    break
        self._explain_variant(cell, used, shadowed, result)
        for outcome in best:
            if outcome.fault:
                text = f"{cell.name}, {outcome.result.name}: {outcome.fault}"
                result.findings.append(Finding("test_stumbled", text[:500], for_student=False))
        session.close_stage(stage)
        if stage.left_behind:
            text = f"{cell.name} left processes running in the background ({stage.left_behind}); they were ended."
            result.findings.append(Finding("left_behind", text))
        entry = _entry(cell, [o.result for o in best], submission.source(cell.name))
        entry.outputs = stage.outputs
        entry.seconds = round(stage.seconds + sum(t.seconds for t in entry.tests), 3)
        if stage.cell_problem and entry.status not in ("passed", "not_done"):
            entry.message = stage.cell_problem
        elif stage.problem is not None:
            entry.message = str(stage.problem)
        entry.used_reference_for = _reference_used(entry.source, result.exercises)
        if entry.status in ("failed", "partial"):
            entry.likely = likely(self.patterns.get(notebook.name, ()), cell.name, entry.tests)
        return entry

    def _attempt(
        self, notebook: Notebook, cell: ManifestCell, session: GradingSession, variant: str
    ) -> tuple[Stage, list[Outcome]]:
        stage = session.open_stage(cell, variant)
        outcomes = self.suite.run(notebook.name, stage, session)
        if not outcomes:
            raise GraderFault(f"the hidden suite has no test for {cell.name}")
        return stage, outcomes

    @staticmethod
    def _explain_variant(cell: ManifestCell, used: str, shadowed: list[str], result: NotebookResult) -> None:
        if used == RESTORED:
            names = ", ".join(shadowed)
            text = f"An earlier cell gave {names} another meaning; {cell.name} was graded with the usual meaning."
            result.findings.append(Finding("shadowed_name", text))
        elif used == HELPERS_FIRST:
            text = (
                f"{cell.name} uses something that a later cell defines; it was graded with that defined first. "
                "Run the notebook from the top to see it fail."
            )
            result.findings.append(Finding("out_of_order", text))
        elif used == HINTS_UNREAD:
            text = f"A type hint of {cell.name} names something that is not imported; it was graded without its hints."
            result.findings.append(Finding("type_hints", text))
        elif used == ALONE:
            text = f"An earlier cell changes how other code works; {cell.name} was graded apart from it."
            result.findings.append(Finding("graded_apart", text))

    def _unanswered(self, notebook: Notebook, cell: ManifestCell, status: Status, message: str) -> ExerciseResult:
        tests = self.suite.skeleton(notebook.name, cell.name)
        for test in tests:
            test.status = status
        entry = _entry(cell, tests, "")
        entry.status, entry.message = status, message
        return entry


def _total(outcomes: list[Outcome]) -> float:
    return sum(o.result.score for o in outcomes)


def _possible(outcomes: list[Outcome]) -> float:
    return sum(o.result.max_score for o in outcomes)


def _reference_used(source: str, judged: list[ExerciseResult]) -> list[str]:
    """Earlier exercises that a cell builds on and that are not right in the student's own version."""
    words = set(re.findall(r"[^\W\d]\w*", source))
    return [e.name for e in judged if e.kind == "exercise" and e.status != "passed" and e.name in words]


def _entry(cell: ManifestCell, tests: list[TestResult], source: str) -> ExerciseResult:
    """Points of an exercise from its tests: shared out by weight; a forbidden call costs them all."""
    weights = sum(t.max_score for t in tests)
    for test in tests:
        share = cell.points * test.max_score / weights
        test.max_score = round(share, 4)
        test.score = round(share, 4) if test.status == "passed" else 0.0
    statuses = {t.status for t in tests}
    if "forbidden" in statuses:
        for test in tests:
            test.score = 0.0
    score = cell.points if statuses == {"passed"} else math.fsum(t.score for t in tests)
    status: Status
    if statuses == {"passed"}:
        status = "passed"
    elif "forbidden" in statuses or "grader_error" in statuses:
        status = "forbidden" if "forbidden" in statuses else "grader_error"
    elif "passed" in statuses:
        status = "partial"
    else:
        status = next((s for s in STATUS_ORDER if s in statuses), "failed")
    message = next((t.message for t in tests if t.status == status and t.message), "")
    return ExerciseResult(
        name=cell.name,
        kind=cell.kind,  # type: ignore[arg-type]
        title=cell.title or cell.name.replace("_", " "),
        points=cell.points,
        score=round(score, 4),
        status=status,
        message=message if status in ("forbidden", "not_done") else "",
        lecture=list(cell.lecture),
        source=source,
        tests=tests,
    )


def grade_job(examiner: Examiner, assignment: Assignment, job: Job) -> Record:
    """Grade every notebook of one submission."""
    results = []
    for notebook in assignment.notebooks:
        path = job.notebooks.get(notebook.name)
        result = examiner.grade(notebook, Path(path) if path else None, job.student)
        result.findings[:0] = job.notes.get(notebook.name, [])
        results.append(result)
    return make_record(assignment, job, results, examiner.zygote.level, examiner.seeds.fingerprint())
