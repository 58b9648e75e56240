"""What nbgrader's own commands load from this course (nbgrader_config.py names these classes).

`nbgrader autograde` finds, converts and writes as it always does, but two things are ours. It never opens a student's
file: each conversion starts from the notebook as released. And where it would run the cells in a kernel, the submission
goes to the same judge and sandbox as with `course grade`, and from there to the same record and the same gradebook.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
from nbconvert.exporters import NotebookExporter
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.exchange.default import ExchangeCollect
from nbgrader.plugins import CsvExportPlugin, FileNameCollectorPlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import List

from autograder import runs
from autograder.curriculum import Assignment, Curriculum, load_curriculum
from autograder.gradebook import open_gradebook, write_record
from autograder.intake import find_notebook
from autograder.judge.seeds import course_secret
from autograder.late_work import write_lateness
from autograder.nbgrader_layout import GRADER_ONLY, graded_notebook, write_notebooks
from autograder.policy import parse_time
from autograder.preparation import prepare
from autograder.record import Record
from autograder.records import SUFFIX, printable, safe_name
from autograder.runs import note_receipt
from autograder.sandbox import isolation
from autograder.schedule import WarmLane

IDLE_SECONDS = 30.0  # after which a server (the formgrader's) lets go of its sandbox and of the output folder


class QuietPreprocessor(NbGraderPreprocessor):
    """A preprocessor of ours, with the setting that nbgrader gives to all of them and misses with a warning."""

    display_data_priority = List(["text/html", "image/svg+xml", "image/png", "text/plain"]).tag(config=True)


class CollectWithReceipts(ExchangeCollect):
    """`nbgrader collect`, which also writes into `receipts.csv` when each submission came in.

    The time is the one at which the file system of the exchange last saw a change of the submission. A student can
    write any `timestamp.txt` and any time of modification, but cannot set this clock back.
    """

    def do_copy(self, src: str, dest: str, log: Any = None) -> None:
        received = max(path.lstat().st_ctime for path in (Path(src), *Path(src).rglob("*")))
        super().do_copy(src, dest, log)
        folder = Path(dest).parent
        zone = ZoneInfo(load_curriculum().timezone)
        note_receipt(folder.parent, Path(dest).name, folder.name, datetime.fromtimestamp(received, zone))


class NamesWithReceipts(FileNameCollectorPlugin):
    """Reads the names of files for `nbgrader zip_collect`, and writes the times in them into `receipts.csv`.

    They are those of the learning platform, which names the files. A time without an offset is meant in the course's
    time zone; of several files of one student the latest counts.
    """

    def __init__(self, **options: Any):
        super().__init__(**options)
        self._latest: dict[str, datetime] = {}

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        found: dict[str, str] | None = super().collect(submitted_file)
        if found and found.get("student_id") and found.get("timestamp"):
            student, coursedir = found["student_id"], self.parent.coursedir
            moment = _platform_time(found["timestamp"], load_curriculum().timezone)
            # nbgrader keeps the later of two files by this, and takes it for UTC.
            found["timestamp"] = moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            if student not in self._latest or moment > self._latest[student]:
                self._latest[student] = moment
                submitted = Path(coursedir.root) / coursedir.submitted_directory
                note_receipt(submitted, coursedir.assignment_id, student, moment)
        return found


def _platform_time(text: str, timezone: str) -> datetime:
    """Read the time in a file's name, `2027-02-05-20-00-00` or an ISO time.

    Raises:
        CourseError: it is neither.
    """
    numbers = re.findall(r"\d+", text)
    if re.fullmatch(r"[\d\-_. ]+", text) and len(numbers) in (5, 6):
        try:
            return datetime(*map(int, numbers), tzinfo=ZoneInfo(timezone))  # type: ignore[arg-type, misc]
        except ValueError:
            pass
    return parse_time(text, timezone)


class ExportWithLateness(CsvExportPlugin):
    """`nbgrader export` with the penalties and extensions that hold now, grades given by hand included."""

    def export(self, gradebook: Gradebook) -> None:
        _settle_lateness(Path(self.parent.coursedir.root), self.parent.coursedir.db_url)
        gradebook.db.expire_all()
        super().export(gradebook)


def _settle_lateness(out: Path, database: str, folder: str | None = None) -> None:
    """Apply the late policy once more: extensions and grades given by hand may have come since grading."""
    place, pattern = (out, f"*/*{SUFFIX}") if folder is None else (out / folder, f"*{SUFFIX}")
    if next(place.glob(pattern), None) is not None:
        with open_gradebook(database) as gradebook:
            write_lateness(out, load_curriculum(), gradebook, folder)


class HideGraderCells(QuietPreprocessor):
    """Leave out the mark schemes, which are for the person who grades; `nbgrader generate_feedback` runs this first."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        nb.cells = [cell for cell in nb.cells if GRADER_ONLY not in cell.metadata.get("tags", [])]
        return nb, resources


class SettleLateness(QuietPreprocessor):
    """Bring a submission's penalty and extension up to date before `nbgrader generate_feedback` reads them."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        _settle_lateness(Path(self.parent.parent.coursedir.root), names["db_url"], names["student"])
        return nb, resources


class FromRelease(NotebookExporter):
    """Start every conversion from the notebook as released, so that no broken or hostile file is read in here."""

    def from_filename(self, filename: str, resources: Any = None, **unused: Any) -> tuple[Any, Any]:
        names = resources["nbgrader"]
        assignment = load_curriculum().assignment(names["assignment"])
        path = next(n.released for n in assignment.notebooks if n.name == names["notebook"])
        return self.from_notebook_node(nbformat.read(path, as_version=4), resources=resources)


class GradeInSandbox(QuietPreprocessor):
    """Take the place of nbgrader's execution: grade the submission, write its record and its scores.

    What has a record of the same file, release, suite and seed is not graded again; `course grade --regrade` does that.
    """

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        names = resources["nbgrader"]
        coursedir = self.parent.parent.coursedir
        out = Path(coursedir.root)
        submitted = out / coursedir.submitted_directory
        kept = _kept_grader(out, names["assignment"], names["db_url"])
        record = kept.grade(submitted, names["student"])
        result = next(n for n in record.notebooks if n.name == names["notebook"])
        for finding in result.findings:
            self.log.warning("%s: %s", printable(names["student"], 80), printable(finding.message))
        self.log.info("%s: %g of %g points by machine", printable(names["student"], 80), record.score, record.points)
        return graded_notebook(result, kept.prepared.manifests[result.name], kept.released[result.name]), resources


class KeptGrader:
    """What is kept from one submission to the next: the prepared assignment, a warm lane, the open gradebook.

    Args:
        out: the course folder in which nbgrader works. assignment: its name. database: URL of nbgrader's gradebook.

    Raises:
        CourseError: the assignment is not in course.toml, the machine offers less isolation than course.toml demands,
        or another grader is writing to the folder.
    """

    def __init__(self, out: Path, assignment: str, database: str):
        self.key = (out, assignment, database)
        self.out = out
        self.curriculum: Curriculum = load_curriculum()
        isolation.require(self.curriculum.isolation)
        self.assignment: Assignment = self.curriculum.assignment(assignment)
        self.released = {n.name: n.released for n in self.assignment.notebooks}
        self.records: dict[str, Record] = {}
        self.seeds = course_secret(self.curriculum.root)
        self._idle: threading.Timer | None = None
        self._turn = threading.Lock()
        with contextlib.ExitStack() as stack:
            stack.enter_context(runs.run_lock(out, self.assignment))
            folder = stack.enter_context(runs.work_folder(out, self.assignment))
            self.prepared = prepare(self.curriculum, self.assignment, folder)
            self.lane = WarmLane(self.prepared, folder, self.seeds, self.curriculum.isolation)
            stack.callback(self.lane.close)
            self.gradebook = stack.enter_context(contextlib.closing(open_gradebook(database)))
            self._stack = stack.pop_all()

    def grade(self, submitted: Path, student: str) -> Record:
        """Grade one student's submission, if it is not graded already, and put the record where `course grade` does."""
        with self._turn:
            self._wait(False)
            jobs = runs.find_jobs(submitted, self.assignment, self.curriculum.timezone, student)
            left, done = runs.to_grade(self.out, jobs, self.prepared, self.seeds, again=False)
            for job in left:
                done[job.student] = self.lane.grade(job)
                runs.keep_record(self.out, done[job.student])
            record = self.records[student] = done[student]
            write_record(self.gradebook, record, list(self.prepared.manifests.values()), self.assignment.due)
            write_lateness(self.out, self.curriculum, self.gradebook, safe_name(student))
            self._wait(True)
            return record

    def _wait(self, begin: bool) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if begin:
            self._idle = threading.Timer(IDLE_SECONDS, _let_go, [self])
            self._idle.daemon = True
            self._idle.start()

    def close(self) -> None:
        """End the lane and give the folder free."""
        with self._turn:
            self._wait(False)
            self._stack.close()


_kept: KeptGrader | None = None


def _kept_grader(out: Path, assignment: str, database: str) -> KeptGrader:
    global _kept
    if _kept is not None and _kept.key != (out, assignment, database):
        _let_go(_kept)
    if _kept is None:
        _kept = KeptGrader(out, assignment, database)
    return _kept


def _let_go(grader: KeptGrader | None = None) -> None:
    global _kept
    grader = grader or _kept
    if grader is not None:
        if grader is _kept:
            _kept = None
        grader.close()


atexit.register(_let_go)


# -- hooks of `nbgrader autograde`, called for each submission; the working folder is the course folder ---------------


def settle_names(assignment: str, student: str, notebooks: list[str]) -> None:
    """Before a submission: name the notebooks as they were released, as `course grade` recognises them.

    nbgrader skips what it does not know by name, and gives up on a submission in which nothing is left.

    Args:
        assignment: its name. student: the pattern that nbgrader was given; not used.
        notebooks: paths of one submission; changed in place.
    """
    folder = Path(notebooks[0]).parent
    expected = load_curriculum().assignment(assignment).notebooks
    names = [n.name for n in expected if find_notebook(folder, n.name, len(expected) == 1)[0] is not None]
    # Where nothing can be read (links, say), the first is graded all the same: its record says that it is missing.
    notebooks[:] = [str(folder / f"{name}.ipynb") for name in names or [expected[0].name]]


def settle_results(assignment: str, student: str, notebooks: list[str]) -> None:
    """After a submission: leave in `autograded/` and in the gradebook what `course grade` would have left.

    A notebook that could not be read has no graded one, and a student whose id is not fit to name a folder goes by
    the name that `course grade` gives.

    Args:
        assignment: its name. student: the pattern that nbgrader was given; not used.
        notebooks: paths of one submission.
    """
    if _kept is None:
        return
    who = Path(notebooks[0]).parent.parent.name
    if safe_name(who) != who:
        shutil.rmtree(_kept.out / "autograded" / who / assignment, ignore_errors=True)
        with contextlib.suppress(OSError):
            (_kept.out / "autograded" / who).rmdir()
        with Gradebook(_kept.key[2]) as gradebook, contextlib.suppress(MissingEntry):
            gradebook.remove_submission(assignment, who)
            gradebook.remove_student(who)
    write_notebooks(_kept.out, _kept.records[who], _kept.prepared.manifests.values(), _kept.released)
