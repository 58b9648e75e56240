"""What the commands that read a grading run share: its records, grades given by hand, and the late policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from autograder.curriculum import Curriculum, load_curriculum
from autograder.errors import CourseError
from autograder.policy import EXTENSIONS, Extension, SlipLedger, granted_extensions, ledgers
from autograder.record import Record
from autograder.records import load_records


@dataclass(frozen=True)
class GradedRun:
    """A grading run as the pages and exports show it."""

    records: list[Record]  # grades given by hand included
    curriculum: Curriculum
    ledgers: Mapping[str, SlipLedger]
    extensions: Mapping[tuple[str, str], Extension]
    term: list[Record]  # of every assignment


def graded_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that `load_run` takes."""
    folder = click.Path(path_type=Path, file_okay=False)
    file = click.Path(path_type=Path, dir_okay=False)
    for option in (
        click.option("--course", type=file, help="Another course.toml.", hidden=True),
        click.option("--gradebook", help="URL of the gradebook (default: gradebook.db in the output folder)."),
        click.option(
            "--extensions", type=file, help=f"Extensions and excused work, TOML or CSV (default: {EXTENSIONS})."
        ),
        click.option("--assignment", help="This assignment only."),
        click.option("--out", type=folder, required=True, help="The folder that `course grade --out` wrote."),
    ):
        command = option(command)
    return command


def load_run(
    out: Path,
    assignment: str | None = None,
    extensions: Path | None = None,
    gradebook: str | None = None,
    course: Path | None = None,
) -> GradedRun:
    """Read a grading run.

    Args:
        out: the folder that `course grade --out` wrote.
        assignment: keep the records of this one only; slip days are still counted over all that are there.
        extensions: file with extensions; without it `extensions.toml` in `out`, or the one beside course.toml.
        gradebook: URL of the gradebook; without it `<out>/gradebook.db`, where there is one.
        course: another course.toml.

    Raises:
        CourseError: no record, an unknown assignment, a file that cannot be read.
    """
    curriculum = load_curriculum(course)
    if assignment is not None:
        assignment = curriculum.assignment(assignment).name
    records = load_records(out)
    database = gradebook or (out / "gradebook.db" if (out / "gradebook.db").exists() else None)
    if database is not None:
        from autograder.gradebook import open_gradebook, with_manual_grades

        with open_gradebook(database) as opened:
            records = with_manual_grades(records, opened)
    granted = granted_extensions(out, curriculum, extensions)
    decided = ledgers(records, curriculum, granted)
    term = records
    if assignment is not None:
        records = [record for record in records if record.assignment == assignment]
        if not records:
            raise CourseError(f"no record of {assignment} in {out}; run `course grade {assignment} --out {out}` first")
    return GradedRun(records, curriculum, decided, granted, term)
