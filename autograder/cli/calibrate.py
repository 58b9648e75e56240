"""`course calibrate`: the distribution of the numbers that hidden tests compare with a bound, over seeds."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder.calibration import Calibration
from autograder.calibration import calibrate as calibrate_exercise
from autograder.curriculum import load_curriculum
from autograder.errors import CourseError
from autograder.grading import Examiner
from autograder.judge.seeds import SeedSource
from autograder.preparation import prepare, with_examiner
from autograder.validation import read_examples


@click.command()
@click.argument("assignment")
@click.option("--only", required=True, help="The exercise.")
@click.option("--notebook", default="", help="The notebook, where the assignment has several.")
@click.option("--seeds", default=20, show_default=True, type=click.IntRange(1), help="Grading seeds.")
@click.option("--wrong", is_flag=True, help="Also the misconceptions of the exercise.")
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False), help="Another course.toml.", hidden=True)
def calibrate(assignment: str, only: str, notebook: str, seeds: int, wrong: bool, course: Path | None) -> None:
    """Measure what the solution, and mistakes, reach where a hidden test has a bound."""
    curriculum = load_curriculum(course)
    (chosen,) = curriculum.select((assignment,))
    books = [book for book in chosen.notebooks if not notebook or book.name == notebook]
    if len(books) != 1:
        names = ", ".join(book.name for book in chosen.notebooks)
        raise CourseError(f"say which notebook of {assignment} with --notebook: {names}")
    columns = (TextColumn("{task.description:<44.44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    def work(examiner: Examiner) -> Calibration:
        found = Calibration()
        answers = 1 + wrong * sum(e.wrong and e.exercise == only for e in read_examples(books[0].misconceptions))
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task(only, total=seeds * answers)
            for what, found in calibrate_exercise(examiner, books[0], only, seeds, wrong):  # noqa: B007
                progress.update(task, advance=1, description=what)
        return found

    with tempfile.TemporaryDirectory(prefix="course-calibrate-") as folder:
        prepared = prepare(curriculum, chosen, Path(folder))
        found = with_examiner(prepared, curriculum.isolation, SeedSource(b"calibration"), work)
    print_calibration(found, seeds)


def print_calibration(found: Calibration, seeds: int) -> None:
    """Print one table for each answer."""
    console = Console(file=sys.stdout)
    console.width = console.width if console.is_terminal else 120
    for (exercise, answer), passed in found.passed.items():
        took = found.median_seconds(exercise, answer)
        title = f"{exercise}, {answer}: full marks on {passed} of {seeds} seeds, {took:.1f} s each"
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        table.add_column("test", overflow="fold")
        table.add_column("what", overflow="fold")
        for name in ("bound", "held", "worst", "5 %", "median", "95 %", "best"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in found.distributions.values():
            if (row.exercise, row.answer) != (exercise, answer):
                continue
            shares = (1, 0.95, 0.5, 0.05, 0) if row.bound.startswith("≤") else (0, 0.05, 0.5, 0.95, 1)
            held = f"{row.held}/{len(row.values)}" if row.bound else ""
            table.add_row(row.test, row.what, row.bound, held, *(f"{row.quantile(share):.4g}" for share in shares))
        console.print(table)
