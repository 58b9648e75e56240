"""`course demo`: an invented class hands in, is graded in the sandbox and gets its pages."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shlex
import shutil
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.curriculum import Assignment, Curriculum, load_curriculum
from autograder.demo_cast import EVIL_ID, KINDS
from autograder.demo_class import ASSIGNMENT, NOTEBOOK, STUDENTS, Played, all_differences, play_class
from autograder.errors import CourseError
from autograder.records import printable, results_path

MARKER = ".made-by-course-demo"
SECRET = (
    "the secret of the invented class"  # so that the hidden inputs, and with them all results, are the same everywhere
)
# Hostile code is stopped sooner than in a real run; the honest notebooks need a second or less per cell and test.
LIMITS = {"cell_seconds": 8.0, "test_seconds": 8.0, "memory_mb": 1024}
PAGES = (
    ("omar.haddad", "A feedback page: exponentials that overflow"),
    ("ruth.adeyemi", "Another, with a figure that the student drew"),
    (EVIL_ID, "And a hostile one: scripts in the name, the outputs and the answers"),
)


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("build/demo"),
    show_default=True,
    help="Folder for everything that the demo makes; an earlier demo in it is replaced.",
)
@click.option(
    "--students", type=click.IntRange(1, 2000), default=STUDENTS, show_default=True, help="Size of the class."
)
@click.option("--seed", default=0, show_default=True, help="Of what is drawn about the class.")
@click.option("--open", "open_report", is_flag=True, help="Open the report in the browser at the end.")
@click.pass_context
def demo(ctx: click.Context, out: Path, students: int, seed: int, open_report: bool) -> int:
    """Play a small invented class: release, hand in, grade in the sandbox, feedback and report.

    The status is 1 when somebody did not get what they deserve.
    """
    from autograder.cli.grade import grade_class
    from autograder.sandbox import isolation

    started = time.monotonic()
    curriculum = load_curriculum()
    assignment = demo_assignment(curriculum)
    isolation.require(curriculum.isolation)
    console = Console()
    console.width = min(console.width, 100)
    _clear(out)
    submitted, graded = out / "submitted", out / "graded"

    _heading(console, 1, "Release", "the notebook with holes, a library without answers")
    released = _release(ctx, out)

    _heading(console, 2, "Hand in", f"{students} invented students, in nbgrader's layout: {submitted}")
    played = play_class(submitted, students, seed, curriculum, released)
    console.print(_kinds(played))

    _heading(console, 3, "Grade", "each in a sandbox of its own, by the hidden tests")
    with _secret():
        grade_class(curriculum, assignment, submitted, graded)

    _heading(console, 4, "Feedback and report", "")
    report = _pages(graded, console)
    unjust = _check(graded, played, console)

    _heading(console, 5, "Have a look", "")
    for words, place in _places(out, graded, report, played):
        console.print(f"  {words}", highlight=False)
        click.echo(f"    {place}")  # in one piece, to be copied
    console.print(f"\nThe demo took {time.monotonic() - started:.0f} seconds.")
    if open_report:
        click.launch(str(report))
    return 1 if unjust else 0


def _heading(console: Console, number: int, title: str, rest: str) -> None:
    console.print(f"\n[bold cyan]{number}  {title}[/]  [dim]{escape(rest)}[/]", highlight=False)


def demo_assignment(curriculum: Curriculum) -> Assignment:
    """The assignment with the one notebook that is played, and the limits of the demo where course.toml has higher."""
    assignment = curriculum.assignment(ASSIGNMENT)
    notebook = assignment.notebook(NOTEBOOK)
    limits = {key: min(value, getattr(notebook.limits, key)) for key, value in LIMITS.items()}
    notebook = dataclasses.replace(notebook, limits=dataclasses.replace(notebook.limits, **limits))
    return dataclasses.replace(assignment, notebooks=(notebook,))


def _clear(out: Path) -> None:
    """Make the folder empty, if all that is in it came from an earlier demo.

    Raises:
        CourseError: it holds something else, or cannot be written.
    """
    try:
        if out.exists() and any(out.iterdir()):
            if not (out / MARKER).exists():
                raise CourseError(f"{out} holds files that no demo made; give --out a new or an empty folder")
            shutil.rmtree(out)
        out.mkdir(parents=True, exist_ok=True)
        (out / MARKER).write_text("`course demo` made this folder and may empty it.\n", encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{out} cannot be used ({error.strerror}); give --out another folder") from None


def _release(ctx: click.Context, out: Path) -> str:
    """Make the zip that students get, and take the notebook out of it."""
    from autograder.cli.release import release

    ctx.invoke(release, assignment=ASSIGNMENT, out=out, course=None)
    with zipfile.ZipFile(out / f"{ASSIGNMENT}.zip") as archive:
        return archive.read(f"{ASSIGNMENT}/{NOTEBOOK}.ipynb").decode()


@contextlib.contextmanager
def _secret() -> Iterator[None]:
    """Put the demo's secret in the place of the course's own."""
    before = os.environ.get("COURSE_SECRET")
    os.environ["COURSE_SECRET"] = SECRET
    try:
        yield
    finally:
        if before is None:
            del os.environ["COURSE_SECRET"]
        else:
            os.environ["COURSE_SECRET"] = before


def _kinds(played: list[Played]) -> Table:
    counts = Counter(p.kind for p in played)
    table = _list_table()
    for kind, words in KINDS.items():
        if counts[kind]:
            table.add_row(f"{counts[kind]:4}", words)
    return table


def _list_table() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def _pages(graded: Path, console: Console) -> Path:
    """Write the pages as `course feedback` and `course report` do; returns the report's path."""
    from autograder.cli.graded import load_run
    from autograder.pages.feedback import write_feedback
    from autograder.pages.report import write_report

    run = load_run(graded, ASSIGNMENT)
    pages = write_feedback(graded, run.records, run.curriculum, run.ledgers)
    (report,) = write_report(graded, run.records, run.curriculum, run.ledgers)
    console.print(f"{len(pages)} feedback pages and the report of the class are written.")
    return report


def _check(graded: Path, played: list[Played], console: Console) -> list[str]:
    """Compare what everybody got with what they deserve, and say so."""
    from autograder.cli.graded import load_run

    run = load_run(graded, ASSIGNMENT)
    unjust = all_differences(played, run.records, run.ledgers)
    if not unjust:
        console.print(f"All {len(played)} students got the points and the words that they deserve.")
        return unjust
    console.print("[red]Not everybody got what they deserve:[/]")
    for line in unjust[:20]:
        console.print(f"  {escape(printable(line))}")
    if len(unjust) > 20:
        console.print(f"  and {len(unjust) - 20} more")
    return unjust


def _places(out: Path, graded: Path, report: Path, played: list[Played]) -> Iterator[tuple[str, str]]:
    """What is worth opening, and where it lies."""
    from autograder.pages.feedback import feedback_path

    there = {p.student for p in played}
    yield "The class at a glance, with plots", str(report)
    for student, words in PAGES:
        if student in there:
            yield words, str(feedback_path(graded, student, ASSIGNMENT))
    yield "What Gradescope reads", str(results_path(graded, played[0].student, ASSIGNMENT))
    yield "What students got", str(out / f"{ASSIGNMENT}.zip")
    yield "Written answers, to be marked (menu Nbgrader, Formgrader)", _lab_command(graded)


def _lab_command(folder: Path) -> str:
    """What starts JupyterLab in a folder, whether or not the environment is active."""
    program = Path(sys.executable).with_name("jupyter")
    words = [os.path.relpath(program, folder.resolve()), "lab", *(["--allow-root"] if os.geteuid() == 0 else [])]
    return f"cd {shlex.quote(str(folder))} && {shlex.join(words)}"
