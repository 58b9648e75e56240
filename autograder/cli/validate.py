"""`course validate`: solutions get full marks, releases get zero, misconceptions are rejected, alternatives
accepted."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from autograder.curriculum import Assignment, Curriculum, load_curriculum
from autograder.errors import CourseError
from autograder.grading import Examiner
from autograder.judge.seeds import SeedSource
from autograder.preparation import prepare, with_examiner
from autograder.validation import Report, read_examples
from autograder.validation import validate as validate_notebook

SEEDS_WORTH_A_TABLE = 10


@click.command()
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@click.option(
    "--seeds",
    default=3,
    show_default=True,
    type=click.IntRange(1),
    help="Draws that solutions, and answers marked as stochastic, are tried on.",
)
@click.option("--everything", is_flag=True, help="Try every misconception and alternative on all of these draws.")
@click.option("--only", default="", help="This exercise only.")
@click.option("--notebook", default="", help="This notebook only.")
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False), help="Another course.toml.", hidden=True)
@click.pass_context
def validate(
    ctx: click.Context,
    assignments: tuple[str, ...],
    seeds: int,
    everything: bool,
    only: str,
    notebook: str,
    course: Path | None,
) -> None:
    """Try the graders on solutions, untouched releases, misconceptions and alternatives."""
    curriculum = load_curriculum(course)
    reports: list[Report] = []
    for assignment in curriculum.select(assignments):
        reports += validate_assignment(curriculum, assignment, seeds, only, notebook, everything)
    if only and not reports:
        raise CourseError(f"no notebook here has an exercise {only!r}")
    for report in reports:
        if seeds >= SEEDS_WORTH_A_TABLE or any("/" in label for label in report.counts):
            print_counts(report)
    found = [finding for report in reports for finding in report.findings]
    for finding in found:
        click.echo(f"{finding.notebook}: {finding.what}", err=True)
    for report in reports:
        click.echo(
            f"{report.notebook}: {report.exercises} exercises and quizzes, solution on {report.seeds} seeds, "
            f"{report.wrong} misconceptions, {report.right} alternatives, {len(report.findings)} misjudged"
        )
    ctx.exit(1 if found else 0)


def print_counts(report: Report) -> None:
    """Print how often the solution, and what is marked as stochastic, got what it deserves."""
    table = Table(title=f"{report.notebook}: verdicts over the seeds", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("answer", overflow="fold")
    table.add_column("deserves")
    for name in ("got it", "of", "needed"):
        table.add_column(name, justify="right")
    for label, count in report.counts.items():
        answer = label if "/" in label else f"{label} (solution)"
        style = "" if count.enough else "red"
        table.add_row(answer, count.verdict, str(count.right), str(count.tried), str(count.needed), style=style)
    console = Console(file=sys.stdout)
    console.width = console.width if console.is_terminal else 100
    console.print(table)


def validate_assignment(
    curriculum: Curriculum,
    assignment: Assignment,
    seeds: int,
    only: str = "",
    notebook: str = "",
    everything: bool = False,
) -> list[Report]:
    """Validate the notebooks of one assignment, with a progress bar."""
    columns = (TextColumn("{task.description:<44.44}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    def work(examiner: Examiner) -> list[Report]:
        reports = []
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            for book in assignment.notebooks:
                names = {cell.name for cell in examiner.manifests[book.name].cells}
                if (notebook and book.name != notebook) or (only and only not in names):
                    continue
                examples = [e for e in read_examples(book.misconceptions) if not only or e.exercise == only]
                task = progress.add_task(book.name, total=seeds + 1 + len(examples))
                report = Report(book.name)
                for what, report in validate_notebook(examiner, book, seeds, only, everything):  # noqa: B007
                    progress.update(task, advance=1, description=f"{book.name}: {what}")
                reports.append(report)
        return reports

    with tempfile.TemporaryDirectory(prefix="course-validate-") as folder:
        prepared = prepare(curriculum, assignment, Path(folder))
        return with_examiner(prepared, curriculum.isolation, SeedSource(b"validation"), work)
