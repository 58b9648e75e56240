"""`course export`: grades for other systems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autograder.cli.graded import GradedRun, graded_options, load_run

FILES = {
    "csv": "grades.csv",
    "canvas": "canvas.csv",
    "json": "records.json",
    "results": "results.zip",
    "gradescope": "gradescope.zip",
}


@click.command()
@graded_options
@click.option(
    "--format", "form", type=click.Choice(list(FILES)), default="csv", show_default=True, help="What to write."
)
@click.option(
    "--to", type=click.Path(path_type=Path, dir_okay=False), help="The file (default: a name of its own in --out)."
)
@click.option(
    "--detail",
    type=click.Choice(["assignments", "exercises", "course"]),
    default="assignments",
    show_default=True,
    help="For csv: a line per student and assignment, per exercise, or per student.",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False),
    help="For canvas: Canvas's own export of the gradebook, to match students and columns.",
)
def export(out: Path, form: str, to: Path | None, detail: str, roster: Path | None, **options: Any) -> None:
    """Write grades as CSV, for Canvas, or as an archive of all records; or this grader as a zip for Gradescope.

    results: every student's results in Gradescope's format. gradescope: the zip to upload under "Configure
    Autograder"; it needs --assignment and no grades.
    """
    from autograder.records import write_atomically

    path = to or out / FILES[form]
    if form == "gradescope":
        write_atomically(path, _autograder(options["assignment"], options["course"]))
        click.echo(f"{path}: for instructors alone, it holds the hidden tests and the course secret")
        return
    run = load_run(out, **options)
    write_atomically(path, _content(run, form, detail, roster))
    click.echo(f"{len(run.records)} records: {path}")


def _autograder(assignment: str | None, course: Path | None) -> bytes:
    from autograder.curriculum import load_curriculum
    from autograder.errors import CourseError
    from autograder.gradescope import autograder_zip
    from autograder.judge.seeds import course_secret

    if assignment is None:
        raise CourseError("a zip for Gradescope is of one assignment; name it with --assignment")
    curriculum = load_curriculum(course)
    return autograder_zip(curriculum, curriculum.assignment(assignment), course_secret(curriculum.root))


def _content(run: GradedRun, form: str, detail: str, roster: Path | None) -> str | bytes:
    from autograder import exports

    if form == "json":
        return exports.json_archive(run.records, run.curriculum)
    if form == "results":
        return exports.results_zip(run.records, run.ledgers)
    if form == "canvas":
        content, unmatched = exports.canvas_csv(run.records, run.curriculum, run.ledgers, roster, run.extensions)
        for student in unmatched:
            click.echo(f"not in the roster: {exports.printable(student, 60)}", err=True)
        return content
    if detail == "exercises":
        return exports.exercises_csv(run.records)
    if detail == "course":
        return exports.course_csv(run.records, run.curriculum, run.ledgers)
    return exports.assignments_csv(run.records, run.ledgers)
