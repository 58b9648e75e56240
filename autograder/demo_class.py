"""An invented class that hands in notebooks, in nbgrader's layout, and knows what each of its students deserves.

`play_class` plays the cast of `course demo` (see `autograder.demo_cast`) and, where more students are asked for, honest
ones who are drawn; `honest_class` plays honest ones only, for benchmarks. `differences` compares a grading record with
what its student deserves: with it the demo checks itself, and the tests check the whole system.
"""

from __future__ import annotations

import copy
import csv
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from autograder.compiler.manifest import Manifest, ManifestCell, build_notebook
from autograder.curriculum import Assignment, Curriculum, load_curriculum
from autograder.demo_cast import (
    BY_HAND,
    CAST,
    FIRST_NAMES,
    FORBIDDEN,
    FULL,
    LAST_NAMES,
    MISSING,
    NOT_DONE,
    NOTEBOOK_FILE,
    SHORTLY_ANSWERED,
    VAGUELY_ANSWERED,
    WELL_ANSWERED,
    Cell,
    Character,
    Deserved,
    Kind,
    Wrong,
)
from autograder.errors import CourseError
from autograder.policy import LateStatus, SlipLedger
from autograder.record import ExerciseResult, Record
from autograder.runs import RECEIPTS
from autograder.validation import Example, read_examples

ASSIGNMENT = "01_softmax_regression"
NOTEBOOK = "softmax_regression"
STUDENTS = len(CAST)


@dataclass(frozen=True)
class Played:
    """One student who has handed something in.

    Attributes:
        student: the id, which is the name of the folder. story: what was done, in a few words.
        exercises: every exercise, quiz and written answer, and what it deserves.
        notebook: status that the notebook deserves. findings: kinds that the record must name.
        late: what the late policy must say, one of these.
    """

    student: str
    kind: Kind
    story: str
    exercises: Mapping[str, Deserved]
    notebook: Literal["graded", "missing", "unreadable"] = "graded"
    findings: tuple[str, ...] = ()
    late: tuple[LateStatus, ...] = ("on_time",)


class Paper:
    """A released notebook in a student's hands: JSON that can be written into and damaged."""

    def __init__(self, text: str):
        self.notebook: dict[str, Any] = json.loads(text)

    @property
    def cells(self) -> list[dict[str, Any]]:
        return self.notebook["cells"]

    def position(self, grade_id: str) -> int:
        return next(
            i for i, c in enumerate(self.cells) if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
        )

    def write(self, grade_id: str, source: str) -> None:
        """Replace what stands in a cell."""
        self.cells[self.position(grade_id)]["source"] = source.strip("\n")

    def delete(self, grade_id: str) -> None:
        del self.cells[self.position(grade_id)]

    def insert_before(self, grade_id: str, source: str) -> None:
        """A new cell of the student's own."""
        self.cells.insert(self.position(grade_id), self._own_cell(source))

    def append(self, source: str) -> None:
        self.cells.append(self._own_cell(source))

    def insert_copy_before(self, grade_id: str, source: str) -> None:
        """A copy of a cell, metadata and all, with another text."""
        position = self.position(grade_id)
        twin = copy.deepcopy(self.cells[position]) | {"id": f"copy-{position}", "source": source.strip("\n")}
        self.cells.insert(position, twin)

    def move_before(self, grade_id: str, other: str) -> None:
        cell = self.cells.pop(self.position(grade_id))
        self.cells.insert(self.position(other), cell)

    def _own_cell(self, source: str) -> dict[str, Any]:
        return {
            "cell_type": "code",
            "execution_count": None,
            "id": f"own-{len(self.cells)}",
            "metadata": {},
            "outputs": [],
            "source": source.strip("\n"),
        }

    def text(self) -> str:
        return json.dumps(self.notebook, indent=1, ensure_ascii=False) + "\n"

    def in_format_3(self) -> dict[str, Any]:
        """The same notebook as programs before 2015 wrote it: worksheets, `input`, no ids."""
        cells = []
        for cell in self.cells:
            old = {"cell_type": cell["cell_type"], "metadata": cell["metadata"]}
            if cell["cell_type"] == "code":
                old |= {"input": cell["source"], "language": "python", "outputs": [], "collapsed": False}
            else:
                old["source"] = cell["source"]
            cells.append(old)
        return {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}


@dataclass
class _Class:
    """What playing needs to know of the assignment, and what has been played."""

    folder: Path
    assignment: Assignment
    manifest: Manifest
    released: str
    examples: list[Example]
    receipts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def worked(self) -> list[ManifestCell]:
        return [c for c in self.manifest.cells if c.kind in ("exercise", "quiz")]

    @property
    def answers(self) -> list[ManifestCell]:
        return [c for c in self.manifest.cells if c.kind == "answer"]

    def example(self, exercise: str, name: str) -> Example:
        for example in self.examples:
            if (example.exercise, example.name) == (exercise, name):
                return example
        raise CourseError(
            f"the misconceptions file has no {exercise}/{name}, which the demo uses; name another one there"
        )

    def right(self, cell: ManifestCell, style: tuple[str, ...], rng: random.Random) -> str:
        """A right answer: one whose name has a word of the style, else a drawn one."""
        right = [e for e in self.examples if e.exercise == cell.name and not e.wrong]
        if cell.kind == "quiz" or not right:
            return cell.solved
        drawn = rng.choice(right)
        preferred = [e for word in style for e in right if word in e.name]
        return (preferred or [drawn])[0].source

    def hand_in(self, character: Character, rng: random.Random) -> Played:
        """Write one student's folder."""
        paper = Paper(self.released)
        deserved: dict[str, Deserved] = {}
        stopped = character.stops_after == ""
        for cell in self.worked:
            deserved[cell.name] = NOT_DONE
            right = self.right(cell, character.style, rng)  # drawn for everyone, so that one story does not move others
            if stopped:
                continue
            own = character.cells.get(cell.name)
            if isinstance(own, Cell):
                source, deserved[cell.name] = own.source, own.deserved
            elif own is not None:
                source, deserved[cell.name] = self._wrong(cell, own)
            else:
                source, deserved[cell.name] = right, FULL
            paper.write(cell.grade_id, source)
            stopped = cell.name == character.stops_after
        for cell in self.answers:
            text = character.answers.get(cell.name)
            deserved[cell.name] = BY_HAND if text else NOT_DONE
            if text:
                paper.write(cell.grade_id, text)
        if character.edit is not None:
            character.edit(paper)
        deserved |= character.others
        if character.notebook != "graded":
            deserved = dict.fromkeys(deserved, MISSING)
        self._save(character, paper)
        return Played(
            character.student,
            character.kind,
            character.story,
            deserved,
            character.notebook,
            character.findings,
            character.late,
        )

    def _wrong(self, cell: ManifestCell, wrong: Wrong) -> tuple[str, Deserved]:
        example = self.example(cell.name, wrong.name)
        if "forbidden" in example.rejected_by:
            return example.source, FORBIDDEN
        statuses = ("partial",) if wrong.low > 0 else ("partial", "failed", "error")
        return example.source, Deserved(statuses, wrong.low, wrong.high, example.rejected_by, example.says)  # type: ignore[arg-type]

    def _save(self, character: Character, paper: Paper) -> None:
        folder = self.folder / character.student / self.assignment.name
        folder.mkdir(parents=True)
        if character.save is not None:
            character.save(folder, paper)
        else:
            (folder / NOTEBOOK_FILE).write_text(paper.text(), encoding="utf-8")
        if self.assignment.due is not None:
            received = self.assignment.due + timedelta(hours=character.hours)
            self.receipts.append((character.student, received.isoformat(timespec="seconds")))

    def write_receipts(self) -> None:
        with (self.folder / RECEIPTS).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(("student", "assignment", "received"))
            rows.writerows((student, self.assignment.name, received) for student, received in self.receipts)


def _open_class(folder: Path, curriculum: Curriculum | None, released: str | None) -> _Class:
    if folder.exists() and any(folder.iterdir()):
        raise CourseError(f"{folder} is not empty; the invented class needs an empty folder to hand in to")
    folder.mkdir(parents=True, exist_ok=True)
    curriculum = curriculum or load_curriculum()
    assignment = curriculum.assignment(ASSIGNMENT)
    notebook = assignment.notebook(NOTEBOOK)
    built = build_notebook(notebook, curriculum)
    return _Class(
        folder, assignment, built.manifest, released or built.student_text, read_examples(notebook.misconceptions)
    )


def play_class(
    folder: Path,
    students: int = STUDENTS,
    seed: int = 0,
    curriculum: Curriculum | None = None,
    released: str | None = None,
) -> list[Played]:
    """Let the invented class of the demo hand in its work for the first notebook of 01_softmax_regression.

    Args:
        folder: where to, missing or empty; gets `<student>/01_softmax_regression/...` and `receipts.csv`.
        students: how many; the first of the cast, and after them honest ones who are drawn.
        seed: of everything that is drawn: the same seed writes the same bytes.
        curriculum: the course (default: this repository's).
        released: text of the notebook that students got (default: as compiled now).

    Returns:
        What everybody has done and deserves.

    Raises:
        CourseError: the folder is not empty, or the misconceptions file lacks a cell that the cast uses.
    """
    played = _open_class(folder, curriculum, released)
    rng = random.Random(seed)
    characters = [*CAST[:students], *_honest_characters(played, students - len(CAST), rng)]
    found = [played.hand_in(character, rng) for character in characters]
    played.write_receipts()
    return found


def honest_class(
    folder: Path, n: int, seed: int = 0, curriculum: Curriculum | None = None, released: str | None = None
) -> list[Played]:
    """Let `n` honest students hand in: right, wrong and missing answers, mixed by an ability that is drawn for each.

    Args, returns and errors are those of `play_class`.
    """
    played = _open_class(folder, curriculum, released)
    rng = random.Random(seed)
    found = [played.hand_in(character, rng) for character in _honest_characters(played, n, rng)]
    played.write_receipts()
    return found


def invented_name(number: int) -> str:
    """The name of the honest student of this number, another one for each."""
    round_number, rest = divmod(number, len(FIRST_NAMES) * len(LAST_NAMES))
    row, column = divmod(rest, len(FIRST_NAMES))
    name = f"{FIRST_NAMES[column]}.{LAST_NAMES[(row + 7 * column) % len(LAST_NAMES)]}"
    return f"{name}.{round_number + 1}" if round_number else name


def _honest_characters(played: _Class, n: int, rng: random.Random) -> Iterable[Character]:
    """Honest students: what each writes depends on an ability between 0.35 and 1."""
    for number in range(n):
        ability = 0.35 + 0.65 * rng.betavariate(3, 1.3)
        cells: dict[str, Cell | Wrong] = {}
        for cell in played.worked:
            luck = rng.random()
            wrong = [e for e in played.examples if e.exercise == cell.name and e.wrong and not e.name.startswith("by_")]
            if luck < ability or not wrong:
                continue
            if rng.random() < 0.15:
                cells[cell.name] = Cell(cell.released, NOT_DONE)
            else:
                cells[cell.name] = Wrong(rng.choice(wrong).name, 0.0, 0.99)
        worked = played.worked
        stops = worked[rng.randrange(len(worked) // 2, len(worked))].name if rng.random() > ability + 0.4 else None
        late = rng.random() < 0.12
        hours = rng.uniform(0.2, 23.0) if late else -rng.uniform(0.1, 96.0)
        yield Character(
            invented_name(number),
            "right" if not cells and stops is None else "wrong",
            "an honest student, drawn",
            cells=cells,
            answers=rng.choice((WELL_ANSWERED, SHORTLY_ANSWERED, VAGUELY_ANSWERED, {})),
            stops_after=stops,
            hours=round(hours, 2),
            late=("slip",) if late else ("on_time",),
        )


# -- what was given against what is deserved ----------------------------------------------------------------------


def differences(played: Played, record: Record, ledger: SlipLedger | None = None) -> list[str]:
    """Where a record is not what its student deserves, one sentence each; an empty list is what one hopes for."""
    notebook = record.notebooks[0]
    found = []
    if notebook.status != played.notebook:
        found.append(f"the notebook is {notebook.status}, deserved is {played.notebook}")
    kinds = {finding.kind for finding in notebook.findings}
    found += [f"the finding {kind} is missing" for kind in played.findings if kind not in kinds]
    if "grader_fault" in kinds:
        found += [f.message for f in notebook.findings if f.kind == "grader_fault"]
    entries = {entry.name: entry for entry in notebook.exercises}
    if entries.keys() != played.exercises.keys():
        found.append(f"the record has {sorted(entries.keys() ^ played.exercises.keys())} too many or too few")
    for name, deserved in played.exercises.items():
        if name in entries:
            found += [f"{name}: {text}" for text in _unjust(entries[name], deserved)]
    if abs(record.score - sum(e.score for e in notebook.exercises)) > 1e-3:
        found.append(f"the score {record.score:g} is not the sum of the exercises")
    if ledger is not None:
        late = ledger.entries[record.assignment].status
        if late not in played.late:
            found.append(f"the late policy says {late}, deserved is {' or '.join(played.late)}")
    return found


def _unjust(entry: ExerciseResult, deserved: Deserved) -> Iterable[str]:
    if entry.status not in deserved.statuses:
        yield f"status {entry.status} ({entry.message[:200]!r}), deserved is {' or '.join(deserved.statuses)}"
    share = entry.score / entry.points
    if not deserved.low - 1e-3 <= share <= deserved.high + 1e-3:
        yield f"{share:.0%} of the points, deserved are {deserved.low:.0%} to {deserved.high:.0%}"
    for wanted in deserved.rejected_by:
        if not any(t.name.split("[")[0] == wanted and t.status != "passed" for t in entry.tests):
            yield f"{wanted} did not reject it"
    said = " ".join([entry.message, *(f"{t.title} {t.message} {t.hint}" for t in entry.tests if t.status != "passed")])
    if deserved.says.lower() not in said.lower():
        yield f"no message says {deserved.says!r}"


def all_differences(
    played: Iterable[Played], records: Iterable[Record], ledgers: Mapping[str, SlipLedger]
) -> list[str]:
    """`differences` of a class, each with the name of its student; a student without a record is one as well."""
    by_student = {record.student: record for record in records}
    found = []
    for student in played:
        record = by_student.get(student.student)
        if record is None:
            found.append(f"{student.student}: there is no record")
        else:
            found += [f"{student.student}: {d}" for d in differences(student, record, ledgers.get(student.student))]
    return found
