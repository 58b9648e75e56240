"""`course grade`: one notebook on the spot, or a class into records, gradebook and results."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from autograder.curriculum import Assignment, Curriculum, Notebook, load_curriculum
from autograder.errors import CourseError
from autograder.jobs import Job
from autograder.judge.seeds import course_secret
from autograder.policy import SlipLedger
from autograder.preparation import Prepared, prepare, with_examiner
from autograder.record import Record
from autograder.sandbox import isolation


@click.command()
@click.argument("what", metavar="ASSIGNMENT|NOTEBOOK.ipynb")
@click.option("--submitted", type=click.Path(path_type=Path), help="Folder with <student>/<assignment>/*.ipynb.")
@click.option("--out", type=click.Path(path_type=Path), help="Where records, results and the gradebook go.")
@click.option("--workers", default=0, type=click.IntRange(0), help="Submissions at a time; default: the cores.")
@click.option("--student", default="", help="Grade this student only.")
@click.option("--regrade", is_flag=True, help="Grade everything again, and show what would change before writing it.")
@click.option("--yes", is_flag=True, help="With --regrade: write the changes without asking.")
@click.option("--db", default="", help="URL of the gradebook's database; default: sqlite in --out.")
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False), help="Another course.toml.", hidden=True)
def grade(
    what: str,
    submitted: Path | None,
    out: Path | None,
    workers: int,
    student: str,
    regrade: bool,
    yes: bool,
    db: str,
    course: Path | None,
) -> int:
    """Grade one notebook and print its report, or grade everything that was handed in for an assignment."""
    curriculum = load_curriculum(course)
    isolation.require(curriculum.isolation)
    if what.endswith(".ipynb"):
        return _grade_one(curriculum, Path(what), student or "student")
    assignment = curriculum.assignment(what)
    if submitted is None or out is None:
        raise CourseError(f"grading {what} needs --submitted DIR (what was handed in) and --out DIR (where results go)")
    return grade_class(curriculum, assignment, submitted, out, workers, student, regrade, yes, db)


def _grade_one(curriculum: Curriculum, path: Path, student: str) -> int:
    from autograder.cli.words import print_record

    if not path.is_file():
        raise CourseError(
            f"{path} is not a file; give a notebook, or the name of an assignment with --submitted and --out"
        )
    assignment = _assignment_of(curriculum, path)
    with tempfile.TemporaryDirectory(prefix="course-grade-") as folder:
        prepared = prepare(curriculum, assignment, Path(folder))
        notebook = next((n for n in assignment.notebooks if n.name == path.stem), None) or _best_match(prepared, path)
        result = with_examiner(
            prepared,
            curriculum.isolation,
            course_secret(curriculum.root),
            lambda examiner: examiner.grade(notebook, path, student),
        )
    print_record(result, Console())
    return 0


def _assignment_of(curriculum: Curriculum, path: Path) -> Assignment:
    """The assignment that a notebook belongs to: by its name, by the name of its folder, or by its cells."""
    for assignment in curriculum.assignments:
        if any(n.name == path.stem for n in assignment.notebooks):
            return assignment
    for assignment in curriculum.assignments:
        if assignment.name in path.resolve().parts:
            return assignment
    text = path.read_text(encoding="utf-8", errors="replace")
    scores = {a.name: _recognised(a, text) for a in curriculum.assignments}
    best = max(scores, key=lambda name: scores[name])
    if not scores[best]:
        known = ", ".join(n.name for n in curriculum.notebooks())
        raise CourseError(f"{path.name} is no notebook of this course; name it after one of: {known}")
    return curriculum.assignment(best)


def _recognised(assignment: Assignment, text: str) -> int:
    from autograder.compiler.manifest import build_notebook

    return sum(
        c.grade_id in text
        for n in assignment.notebooks
        for c in build_notebook(n).manifest.cells
        if c.kind == "exercise"
    )


def _best_match(prepared: Prepared, path: Path) -> Notebook:
    from autograder.intake import read_submission

    return max(
        prepared.assignment.notebooks, key=lambda n: len(read_submission(path, prepared.manifests[n.name]).cells)
    )


def grade_class(
    curriculum: Curriculum,
    assignment: Assignment,
    submitted: Path,
    out: Path,
    workers: int = 0,
    student: str = "",
    regrade: bool = False,
    yes: bool = False,
    database: str = "",
) -> int:
    """Grade everything that was handed in for an assignment; see `course grade --help`."""
    from autograder import runs
    from autograder.cli.words import print_changes
    from autograder.records import read_record_file, record_path, write_atomically
    from autograder.schedule import Office, settings_of
    from autograder.table import print_table

    console = Console()
    jobs = runs.find_jobs(submitted, assignment, curriculum.timezone, student)
    seeds = course_secret(curriculum.root)
    with contextlib.ExitStack() as stack:
        stack.enter_context(runs.run_lock(out, assignment))
        folder = stack.enter_context(runs.work_folder(out, assignment))
        office = None
        if regrade or not all(record_path(out, job.student, assignment.name).exists() for job in jobs):
            office = stack.enter_context(Office(curriculum.root, folder, curriculum.isolation))  # warms up meanwhile
        prepared = prepare(curriculum, assignment, folder)
        if office is not None:
            office.tell(settings_of(prepared, folder, seeds, curriculum.isolation))
        left, done = runs.to_grade(out, jobs, prepared, seeds, again=regrade)
        if done:
            console.print(f"{len(done)} of {len(jobs)} submissions are graded already and unchanged.")
        publisher = _Publisher(curriculum, prepared, out, submitted, database)
        outlines: list[Record] = []  # whole records of a large class would fill the memory
        waiting: list[Path] = []  # whole, until somebody says that they are to be written
        found = []
        for record in _with_progress(
            runs.grade_jobs(prepared, folder, left, seeds, curriculum.isolation, workers, office), left
        ):
            if regrade:
                before = next((runs.previous(out, j, assignment) for j in left if j.student == record.student), None)
                found += runs.changes(before, record) if before is not None else []
                waiting.append(folder / f"regraded-{len(waiting)}.json")
                write_atomically(waiting[-1], record.to_json())
            else:
                runs.keep_record(out, record)
                publisher.publish(record)
            outlines.append(record.outline())
        if regrade:
            print_changes(found, console)
            if found and not (yes or click.confirm("Write these changes?")):
                console.print("Nothing was written.")
                return 1
            for path in waiting:
                record = read_record_file(path)
                runs.keep_record(out, record)
                publisher.publish(record)
        while done:
            record = done.popitem()[1]
            publisher.publish(record)
            outlines.append(record.outline())
        records = sorted(outlines, key=lambda r: r.student)
        decided = publisher.close()
    print_table(records, curriculum, decided, console)
    console.print(
        f"\nRecords, results and gradebook.db are in {out}. "
        f"Next: course feedback --out {out}; course report --out {out}"
    )
    return 0


def _with_progress(records: Iterable[Record], jobs: list[Job]) -> Iterator[Record]:
    """Pass records on, and show how many are done, how fast and how long it will take."""
    columns = (
        TextColumn("grading"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("grading", total=len(jobs), rate="")
        for record in records:
            yield record
            progress.advance(task)
            elapsed = progress.tasks[0].elapsed or 0.0
            rate = progress.tasks[0].completed / elapsed if elapsed > 0 else 0.0
            shown = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.0f} a minute"
            progress.update(task, rate=shown)


class _Publisher:
    """Puts a record where people and other programs look for it; all of it can be made again from the record."""

    def __init__(self, curriculum: Curriculum, prepared: Prepared, out: Path, submitted: Path, database: str):
        from autograder.gradebook import check_writable, open_gradebook
        from autograder.nbgrader_layout import prepare_course_folder
        from autograder.policy import granted_extensions

        self.curriculum = curriculum
        granted_extensions(out, curriculum)  # a mistake in the file is told now, and not after hours
        self.prepared = prepared
        self.out = out
        self.manifests = list(prepared.manifests.values())
        self.released = {n.name: n.released for n in prepared.assignment.notebooks}
        prepare_course_folder(out, [prepared.assignment], submitted, database or None)
        self.gradebook = open_gradebook(database or out / "gradebook.db")
        check_writable(self.gradebook)

    def publish(self, record: Record) -> None:
        from autograder.exports import write_results
        from autograder.gradebook import write_record
        from autograder.nbgrader_layout import write_notebooks

        write_results(self.out, record)  # lateness comes in at the end, when the whole term is known
        write_notebooks(self.out, record, self.manifests, self.released)
        write_record(self.gradebook, record, self.manifests, self.prepared.assignment.due)

    def close(self) -> dict[str, SlipLedger]:
        """Write what the late policy says about everything that was ever graded into this folder; returns it."""
        from autograder.late_work import write_lateness

        try:
            return write_lateness(self.out, self.curriculum, self.gradebook)
        finally:
            self.gradebook.close()
