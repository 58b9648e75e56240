"""`course feedback` and `course report`: pages for students and for instructors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autograder.cli.graded import graded_options, load_run


@click.command()
@graded_options
def feedback(out: Path, **options: Any) -> None:
    """Write a feedback page for each student, into the student's folder."""
    from autograder.pages.feedback import write_feedback

    run = load_run(out, **options)
    written = write_feedback(out, run.records, run.curriculum, run.ledgers, run.term)
    click.echo(f"{len(written)} feedback pages in {out}, for example {written[0]}")


@click.command()
@graded_options
def report(out: Path, **options: Any) -> None:
    """Write the report of the class, with plots, one page per assignment."""
    from autograder.pages.report import write_report

    run = load_run(out, **options)
    for path in write_report(out, run.records, run.curriculum, run.ledgers):
        click.echo(f"report for instructors (it names students): {path}")
