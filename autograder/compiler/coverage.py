"""Which rows of the syllabus a notebook and its library teach, and which are still missing."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from autograder.compiler.holes import Module
from autograder.compiler.manifest import build_notebook
from autograder.compiler.syllabus import Row, syllabus
from autograder.curriculum import Assignment, Curriculum, Notebook
from autograder.errors import CourseError

_ROW_ID = re.compile(r"\bL\d\d\.\d\d\b")


@dataclass(frozen=True)
class Coverage:
    """The rows that one notebook answers for."""

    notebook: Notebook
    rows: tuple[Row, ...]  # of its lectures, restricted to its topics
    taught: dict[str, tuple[str, ...]]  # id -> "exercise log_softmax", "library softmax", ...

    @property
    def missing(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.id not in self.taught)


def coverage_of(notebook: Notebook, curriculum: Curriculum) -> Coverage:
    """Count what a notebook teaches: `lecture=` keys of its cells and ids in docstrings of its library module.

    Raises:
        CourseError: a source cannot be used, or a docstring names an id that the syllabus does not have.
    """
    taught: dict[str, list[str]] = {}
    for cell in build_notebook(notebook, curriculum).manifest.cells:
        for row in cell.lecture:
            taught.setdefault(row, []).append(f"{cell.kind} {cell.name}")
    for name, row in _library_ids(notebook.library, curriculum.root):
        taught.setdefault(row, []).append(f"library {name}")
    rows = tuple(
        row
        for row in syllabus().values()
        if row.lecture in notebook.lectures and (not notebook.topics or row.topic in notebook.topics)
    )
    return Coverage(notebook, rows, {row: tuple(dict.fromkeys(by)) for row, by in taught.items()})


def _library_ids(library: Path, root: Path) -> list[tuple[str, str]]:
    """(object, id) for each id in the docstring of a function or class; a module's docstring may name ranges."""
    found = []
    for path in sorted(library.rglob("*.py")) if library.is_dir() else [library]:
        if not path.is_file():
            continue
        label = path.relative_to(root).as_posix()
        for node in ast.walk(Module(path.read_text(encoding="utf-8"), label).tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                for row in _ROW_ID.findall(ast.get_docstring(node) or ""):
                    if row not in syllabus():
                        raise CourseError(f"{label}, {node.name}: {row} is not in the syllabus; correct the docstring")
                    found.append((node.name, row))
    return found


def print_coverage(curriculum: Curriculum, chosen: tuple[Assignment, ...], console: Console) -> None:
    """Print a table for each lecture of each chosen notebook, and how many rows are still missing."""
    for assignment in chosen:
        for notebook in assignment.notebooks:
            _print_one(coverage_of(notebook, curriculum), console)


def _print_one(coverage: Coverage, console: Console) -> None:
    notebook = coverage.notebook
    console.print(f"[bold]{notebook.assignment}/{notebook.name}[/bold], topics {', '.join(notebook.topics) or 'all'}")
    for lecture in notebook.lectures:
        rows = [row for row in coverage.rows if row.lecture == lecture]
        present = sum(row.id in coverage.taught for row in rows)
        table = Table(
            box=None, pad_edge=False, title=f"{lecture}: {present} of {len(rows)} taught", title_justify="left"
        )
        table.add_column("id", no_wrap=True)
        table.add_column("row")
        table.add_column("taught by")
        for row in rows:
            by = coverage.taught.get(row.id)
            table.add_row(row.id, row.title, ", ".join(by) if by else "[bold red]missing[/bold red]")
        console.print(table)
    missing = ", ".join(row.id for row in coverage.missing)
    console.print(f"missing: {missing}" if missing else "every row is taught")
