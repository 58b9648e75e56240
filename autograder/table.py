"""The gradebook as a table on a terminal, readable in 80 columns and without colour."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from autograder.curriculum import Curriculum
from autograder.pages.render import points
from autograder.pages.words import STATUSES, Tone
from autograder.policy import Lateness, SlipLedger
from autograder.record import Record
from autograder.records import judged, printable, tally, waiting_points

WIDTH = 100
NAME, SCORE, BAR, LATE = 22, 11, 8, 8  # widths of columns
SHORT_NAME = 18
NOTE = 24  # a narrower note says too little; the notes stand below the table then
MOST_SIGNS = 40
STYLES: dict[Tone, str] = {"good": "green", "part": "yellow", "bad": "red", "none": "dim", "wait": "magenta"}


def print_table(
    records: Sequence[Record],
    curriculum: Curriculum,
    ledgers: Mapping[str, SlipLedger] | None = None,
    console: Console | None = None,
) -> None:
    """Print one line per student, one table per assignment, and what the signs mean.

    Args:
        records: of any assignments.
        curriculum: the course.
        ledgers: student id to ledger of slip days; without it the column is left out.
        console: where to print (default: standard output, at most 100 columns wide).
    """
    if console is None:
        console = Console(file=sys.stdout)
        # A pipe or a log has no width of its own; what is read there later is read best at ours.
        console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    for assignment in curriculum.assignments:
        mine = [record for record in records if record.assignment == assignment.name]
        if mine:
            shape = _shape(mine, ledgers is not None, console.width)
            console.print(_table(assignment.title, mine, ledgers, shape))
            if not shape.note:
                for line in _notes(mine, shape.name):
                    console.print(line)
            for line in _legend(mine, console.width):
                console.print(line)
            console.print(Text(_summary(mine)))
            console.print()


def _table(title: str, records: Sequence[Record], ledgers: Mapping[str, SlipLedger] | None, shape: _Shape) -> Table:
    read = all(waiting_points(record) == 0 for record in records)
    table = Table(
        box=box.SIMPLE_HEAD, title=Text(title, style="bold"), title_justify="left", pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.add_column("student", no_wrap=True, width=shape.name, overflow="ellipsis")
    table.add_column("score", justify="right", no_wrap=True, width=SCORE)
    if shape.bar:
        table.add_column("", no_wrap=True, width=BAR)
    table.add_column("exercises", width=shape.signs, overflow="fold")
    if ledgers is not None:
        table.add_column("late", no_wrap=True, width=LATE)
    if shape.note:
        table.add_column("note", no_wrap=True, overflow="ellipsis", width=shape.note)
    for record in records:
        decided = tally(record, read)
        share = decided.score / decided.points if decided.points > 0 else 0.0
        cells = [
            Text(printable(record.student, shape.name)),
            Text(f"{points(decided.score)} / {points(decided.points)}"),
            *([_bar(share)] if shape.bar else []),
            _marks(record),
        ]
        if ledgers is not None:
            ledger = ledgers.get(record.student)
            cells.append(_late(ledger.entries.get(record.assignment) if ledger is not None else None))
        table.add_row(*cells, *([Text(_note(record))] if shape.note else []))
    return table


@dataclass(frozen=True)
class _Shape:
    """Widths of the columns that a terminal has room for; 0 where a column is left out."""

    name: int
    signs: int
    bar: bool
    note: int


def _shape(records: Sequence[Record], late: bool, width: int) -> _Shape:
    """The signs stay whole and fold in very long assignments; first the notes go below the table, then the bar goes."""
    signs = min(MOST_SIGNS, max([len("exercises"), *(len(_marks(record)) for record in records)]))
    gap, edges = 2, 2
    taken = edges + gap + SCORE + gap + signs + (gap + LATE if late else 0)
    for name in (NAME, SHORT_NAME):
        left = width - taken - name - gap - BAR - gap
        if left >= NOTE:
            return _Shape(name, signs, True, left)
    names = [name for name in (NAME, SHORT_NAME) if width >= taken + name + gap + BAR]
    return _Shape(names[0] if names else SHORT_NAME, signs, bool(names), 0)


def _bar(share: float) -> Text:
    full = round(min(1.0, max(0.0, share)) * BAR)
    return Text("█" * full, style="cyan") + Text("░" * (BAR - full), style="dim")


def _marks(record: Record) -> Text:
    """One sign per exercise in the order of the notebook, a space between notebooks."""
    text = Text()
    for number, notebook in enumerate(record.notebooks):
        if number:
            text.append(" ")
        for exercise in notebook.exercises:
            _, tone, sign = STATUSES[exercise.status]
            text.append(sign, style=STYLES[tone])
    return text


def _late(lateness: Lateness | None) -> Text:
    if lateness is None:
        return Text("")
    words = {"slip": f"{lateness.slip_days} slip", "too_late": "too late", "excused": "excused", "missing": "missing"}
    styles = {"slip": "yellow", "too_late": "red", "missing": "red"}
    return Text(words.get(lateness.status, ""), style=styles.get(lateness.status, ""))


def _note(record: Record) -> str:
    """The most important thing to know about a submission, in a few words."""
    notes = []
    for notebook in record.notebooks:
        if notebook.status == "missing":
            notes.append("not handed in")
        elif notebook.status == "unreadable":
            notes.append("unreadable file")
        elif notebook.status == "grader_error" and not judged(notebook):
            notes.append("the grader failed")
    faults = sum(e.status == "grader_error" for n in record.notebooks if judged(n) for e in n.exercises)
    if faults:
        notes.append("a test of ours failed" if faults == 1 else f"{faults} tests of ours failed")
    findings = [
        finding for notebook in record.notebooks if notebook.status == "graded" for finding in notebook.findings
    ]
    if findings:
        kinds = list(dict.fromkeys(finding.kind.replace("_", " ") for finding in findings))
        notes.append(", ".join(kinds))
    return printable("; ".join(notes), 80)


def _notes(records: Sequence[Record], width: int) -> list[Text]:
    """The notes as lines of their own, for a table that has no room for them."""
    noted = [(printable(record.student, width), _note(record)) for record in records]
    lines = [Text(f" {student:{width}}  {note}") for student, note in noted if note]
    return [*lines, Text("")] if lines else []


def _legend(records: Sequence[Record], width: int) -> list[Text]:
    """The signs that occur and what they mean, in lines that break between entries."""
    used = {e.status for r in records for n in r.notebooks for e in n.exercises}
    lines = [Text("")]
    for status, (label, tone, sign) in STATUSES.items():
        if status not in used:
            continue
        entry = Text(" ").append(sign, style=STYLES[tone]).append(f" {label} ")
        if len(lines[-1]) + len(entry) > width:
            lines.append(Text(""))
        lines[-1].append_text(entry)
    return lines


def _summary(records: Sequence[Record]) -> str:
    graded = [record for record in records if any(judged(notebook) for notebook in record.notebooks)]
    read = all(waiting_points(record) == 0 for record in records)
    scores = [tally(record, read).score for record in graded]
    line = f" {len(records)} {'student' if len(records) == 1 else 'students'}, {len(graded)} graded"
    if scores:
        total = max(tally(record, read).points for record in records)
        line += (
            f"; mean {points(statistics.fmean(scores))}, median {points(statistics.median(scores))} of {points(total)}"
        )
    answers = sum(e.status == "manual" for r in records for n in r.notebooks for e in n.exercises)
    if answers:
        line += f"; {answers} written {'answer waits' if answers == 1 else 'answers wait'} for a reader"
    return line + "."
