"""This grader inside Gradescope: the zip that an instructor uploads, and what runs in the container.

The zip holds the course with its hidden suites and its secret, so it is for instructors alone. In the container what is
trusted belongs to root and is closed to others. The student's code runs as nobody, in bubblewrap where the container
lets it make namespaces, and the record says which. When the grader itself fails no results are written, and Gradescope
reports that to the instructor: a fault of ours is not a zero.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autograder.curriculum import Assignment, Curriculum, load_curriculum
from autograder.errors import CourseError
from autograder.exports import gradescope_results
from autograder.judge.seeds import SeedSource
from autograder.policy import parse_time, whole_days_late
from autograder.record import Record
from autograder.records import write_atomically

ENGINE = Path(__file__).resolve().parent
HOME = Path("/autograder")  # where Gradescope puts everything
LARGEST_METADATA = 10_000_000  # bytes
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold: the same course gives the same bytes
_LEFT_OUT = {"__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".ruff_cache", ".pytest_cache"}

SETUP = """#!/usr/bin/env bash
# Runs once, when Gradescope builds the image: Python with the pinned packages, and bubblewrap for the sandbox.
set -euo pipefail
cd /autograder/source
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv bubblewrap
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' \\
  || { echo "Python 3.11 or newer is needed: choose the newest Ubuntu image in Gradescope" >&2; exit 1; }
python3 -m venv /autograder/environment
/autograder/environment/bin/pip install --no-cache-dir -c constraints.txt -r requirements.txt
# What only the judge may read: the user that runs the student's code is another one.
chmod -R go-rwx autograder/hidden_tests course_lib solutions .course_secret
"""

RUN = """#!/usr/bin/env bash
# Runs for every submission.
set -euo pipefail
umask 022
cd /autograder/source
chmod -R go-rwx autograder/hidden_tests course_lib solutions .course_secret
chmod -R go-rwx /autograder/results /autograder/submission_metadata.json
exec /autograder/environment/bin/python -P -m autograder.gradescope {assignment}
"""


def autograder_zip(curriculum: Curriculum, assignment: Assignment, seeds: SeedSource) -> bytes:
    """The zip for Gradescope's "Configure Autograder", of one assignment.

    Args:
        curriculum: the course.
        assignment: what students hand in there.
        seeds: hold the course secret, so that hidden inputs are those of `course grade`.

    Returns:
        The bytes of the zip, the same each time for the same files.

    Raises:
        CourseError: a file of the course is missing.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in _files(curriculum, assignment, seeds):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def _files(curriculum: Curriculum, assignment: Assignment, seeds: SeedSource) -> Iterator[tuple[str, bytes, int]]:
    """(path in the zip, content, mode) of everything, in a fixed order."""
    root, project = curriculum.root, ENGINE.parent
    yield "setup.sh", SETUP.encode(), 0o755
    yield "run_autograder", RUN.format(assignment=assignment.name).encode(), 0o755
    yield "requirements.txt", _requirements(project).encode(), 0o644
    yield ".course_secret", seeds.secret + b"\n", 0o600
    yield "course.toml", _content(root / "course.toml"), 0o644
    yield "constraints.txt", _content(project / "constraints.txt"), 0o644
    for name, content in _tree(ENGINE, ENGINE.parent):
        if not name.startswith("autograder/hidden_tests/"):
            yield name, content, 0o644
    for folder in ("course_lib", "autograder/hidden_tests", f"solutions/{assignment.name}"):
        if not (root / folder).is_dir():
            raise CourseError(f"no folder {folder} beside course.toml; the zip for Gradescope needs it")
        for name, content in _tree(root / folder, root):
            # The suites of other assignments stay at home; what lies beside their folders is shared.
            parts = name.split("/")
            if folder != "autograder/hidden_tests" or len(parts) == 3 or parts[2] == assignment.name:
                yield name, content, 0o644


def _tree(folder: Path, root: Path) -> Iterator[tuple[str, bytes]]:
    """(path below the root, content) of every file in a folder, in a fixed order."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and not _LEFT_OUT & set(parts):
            yield "/".join(parts), _content(path)


def _requirements(root: Path) -> str:
    """What the container installs: the packages of pyproject.toml, with torch's build for machines without a GPU."""
    project = tomllib.loads(_content(root / "pyproject.toml").decode())["project"]
    return "\n".join([*project["dependencies"], *project["optional-dependencies"]["grading"]]) + "\n"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path} is needed for the zip and cannot be read: {error.strerror}") from error


def student_of(metadata: Mapping[str, Any]) -> str:
    """Who handed in: the e-mail address that Gradescope has, of a group all of them.

    Raises:
        CourseError: Gradescope's metadata names nobody.
    """
    users = metadata.get("users")
    known = [user for user in users if isinstance(user, dict)] if isinstance(users, list) else []
    names = [str(user.get("email") or user.get("id") or "") for user in known]
    if not any(names):
        raise CourseError("submission_metadata.json names no user; expected users with email or id")
    return "+".join(sorted(filter(None, names)))


def grade_submission(assignment_name: str, home: Path = HOME, course: Path | None = None) -> Record:
    """Grade what lies in `<home>/submission` and write `<home>/results/results.json`.

    Args:
        assignment_name: one of course.toml.
        home: Gradescope's folder.
        course: another course.toml.

    Returns:
        The record.

    Raises:
        CourseError: the metadata cannot be read, or the course cannot be graded.
    """
    from autograder.grading import grade_job
    from autograder.intake import find_notebook
    from autograder.jobs import Job
    from autograder.judge.seeds import course_secret
    from autograder.preparation import prepare, with_examiner
    from autograder.sandbox import isolation

    curriculum = load_curriculum(course)
    assignment = curriculum.assignment(assignment_name)
    metadata = _metadata(home / "submission_metadata.json")
    notebooks: dict[str, str | None] = {}
    notes = {}
    for notebook in assignment.notebooks:
        path, findings = find_notebook(home / "submission", notebook.name, len(assignment.notebooks) == 1)
        notebooks[notebook.name] = str(path) if path is not None else None
        if findings:
            notes[notebook.name] = findings
    created = metadata.get("created_at")
    received = parse_time(created, curriculum.timezone).isoformat() if isinstance(created, str) else None
    attempt = 1 + len(previous) if isinstance(previous := metadata.get("previous_submissions"), list) else 1
    job = Job(student_of(metadata), notebooks, received, attempt, notes)
    # One submission has the container to itself, so what the container offers is taken, and named in the record.
    level = isolation.available_level()
    with tempfile.TemporaryDirectory(prefix="course-grade-") as folder:
        prepared = prepare(curriculum, assignment, Path(folder))
        seeds = course_secret(curriculum.root)
        record = with_examiner(prepared, level, seeds, lambda examiner: grade_job(examiner, assignment, job))
    if any(notebook.status == "grader_error" for notebook in record.notebooks):
        details = [f.message for n in record.notebooks for f in n.findings if not f.for_student]
        raise CourseError("the grader failed on this submission: " + "; ".join(details or ["no details"]))
    late = _lateness(curriculum, assignment, received)
    results = json.dumps(gradescope_results(record, notes=late), ensure_ascii=False, indent=1, allow_nan=False)
    write_atomically(home / "results" / "results.json", results + "\n")
    return record


def _lateness(curriculum: Curriculum, assignment: Assignment, received: str | None) -> list[str]:
    """How late a submission is; what that costs depends on the whole term, which nobody knows in here."""
    if assignment.due is None or received is None:
        return []
    days = whole_days_late(assignment.due, parse_time(received, curriculum.timezone))
    if not days:
        return []
    late = f"Received {days} day{'s' if days > 1 else ''} late, unless you have an extension."
    if not assignment.slip_days_allowed:
        return [f"{late} This assignment takes no slip days."]
    return [f"{late} Slip days ({curriculum.slip_days} a term) are counted when the grades are put together."]


def _metadata(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > LARGEST_METADATA:
            raise CourseError(f"{path} is larger than {LARGEST_METADATA:,} bytes; it is not Gradescope's")
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CourseError(f"cannot read {path}: {error.strerror}; Gradescope writes it for every submission") from error
    except ValueError as error:
        raise CourseError(f"{path} is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise CourseError(f"{path} holds no JSON object, but {type(data).__name__}")
    return data


def main(arguments: list[str]) -> int:
    """Entry point of run_autograder; what is printed here is shown to instructors only."""
    try:
        record = grade_submission(arguments[0], Path(os.environ.get("GRADESCOPE_HOME", HOME)))
    except CourseError as error:
        print(f"course: {error}", file=sys.stderr)
        return 2
    print(f"{record.student}: {record.score:g} of {record.points:g} points, isolation {record.isolation}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
