"""What `course grade` prints about one notebook, and about the changes that a regrade would make."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autograder.record import NotebookResult
from autograder.records import printable
from autograder.runs import Change

_MARKS = {
    "passed": "[green]passed[/]",
    "partial": "[yellow]partly[/]",
    "not_done": "[dim]not done[/]",
    "manual": "[dim]by hand[/]",
}


def print_record(result: NotebookResult, console: Console) -> None:
    """The report of one notebook: a line per exercise, and below it what failed and why."""
    console.print(
        f"[bold]{escape(result.title)}[/]: {result.score:g} of {result.points:g} points, {result.seconds:.1f} s"
    )
    for finding in result.findings:
        console.print(f"  note: {escape(printable(finding.message))}")
    if result.status in ("missing", "unreadable"):
        console.print(f"  Nothing to grade: none of the {len(result.exercises)} exercises could be looked at.")
        return
    for entry in result.exercises:
        mark = _MARKS.get(entry.status, f"[red]{entry.status.replace('_', ' ')}[/]")
        console.print(f"  {entry.score:5.2f} / {entry.points:<4g} {escape(entry.name):<28} {mark}")
        if entry.message and entry.status not in ("passed", "manual", "not_done"):
            console.print(_indented(entry.message, 8))
        if entry.status in ("not_done", "manual", "forbidden"):
            continue
        for test in entry.tests:
            if test.status != "passed":
                console.print(_indented(f"✗ {test.title}", 8))
                console.print(
                    _indented(test.message, 10) if test.message != entry.message else "",
                    end="\n" if test.message else "",
                )
        if entry.likely:
            console.print(_indented(entry.likely, 8))


def _indented(text: str, width: int) -> str:
    return "\n".join(" " * width + escape(printable(line)) for line in text.splitlines())


def print_changes(found: list[Change], console: Console) -> None:
    """A table of the scores that a regrade changes."""
    if not found:
        console.print("No score changes.")
        return
    found = sorted(found, key=lambda change: (change.student.casefold(), change.student))  # they came as they ended
    table = Table(title="1 score changes" if len(found) == 1 else f"{len(found)} scores change")
    for column in ("student", "exercise", "before", "after", "why"):
        table.add_column(column, justify="right" if column in ("before", "after") else "left")
    for change in found:
        names = (escape(printable(change.student)), change.exercise)
        table.add_row(*names, f"{change.before:g}", f"{change.after:g}", escape(change.reason))
    console.print(table)
