"""What the driver knows of a submission, and the record of one: data, without anything that judges.

The driver and its pages are light because this module, unlike `autograder.grading`, imports no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from autograder.compiler.manifest import Manifest
from autograder.curriculum import Assignment
from autograder.intake import GRADED
from autograder.record import ExerciseResult, Finding, NotebookResult, Record

NOT_GRADED = "This exercise could not be graded. Your instructor has been told; it does not count against you."


def suite_version(paths: Sequence[Path]) -> str:
    """A short hash of hidden suites, to tell by which version a record was made."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Job:
    """One submission of one assignment, as the collector found it.

    Attributes:
        notebooks: notebook name -> file, or None where it was not handed in.
        received: ISO time at the collector, if known.
        notes: what the collector noticed, by notebook name.
    """

    student: str
    notebooks: dict[str, str | None]
    received: str | None = None
    attempt: int = 1
    notes: dict[str, list[Finding]] = field(default_factory=dict)


def job_to_json(job: Job) -> str:
    return json.dumps(dataclasses.asdict(job))


def job_from_json(text: str) -> Job:
    data: dict[str, Any] = json.loads(text)
    notes = {name: [Finding(**f) for f in findings] for name, findings in data.pop("notes").items()}
    return Job(**data, notes=notes)


def make_record(assignment: Assignment, job: Job, results: list[NotebookResult], isolation: str, seed: str) -> Record:
    """Put the results of a submission's notebooks together."""
    manual = math.fsum(e.points for r in results for e in r.exercises if e.kind == "answer")
    return Record(
        student=job.student,
        assignment=assignment.name,
        points=math.fsum(r.points for r in results),
        score=round(math.fsum(r.score for r in results), 4),
        manual_points=manual,
        notebooks=results,
        isolation=isolation,
        seed=seed,
        limits=assignment.notebooks[0].limits.as_dict() if assignment.notebooks else {},
        received=job.received,
        graded_at=datetime.now(UTC).isoformat(timespec="seconds"),
        attempt=job.attempt,
    )


def faulty_record(assignment: Assignment, manifests: dict[str, Manifest], job: Job, reason: str) -> Record:
    """A complete record of a submission that the grader could not grade: nothing counts, everything is named."""
    results = []
    for notebook in assignment.notebooks:
        manifest = manifests[notebook.name]
        result = NotebookResult(notebook.name, notebook.title, "grader_error", manifest.points, 0.0)
        result.findings.append(Finding("grader_fault", reason, for_student=False))
        result.exercises = [
            ExerciseResult(
                name=c.name,
                kind=c.kind,  # type: ignore[arg-type]
                title=c.title or c.name,
                points=c.points,
                score=0.0,
                status="manual" if c.kind == "answer" else "grader_error",
                message=NOT_GRADED,
                lecture=list(c.lecture),
            )
            for c in manifest.cells
            if c.kind in GRADED
        ]
        results.append(result)
    return make_record(assignment, job, results, "", "")
