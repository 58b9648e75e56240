"""`course build`: compile the notebook sources, or say what is stale or leaks."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from autograder.compiler.manifest import Built, build_notebook
from autograder.compiler.start_page import build_start_page
from autograder.curriculum import Assignment, Curriculum, load_curriculum


@click.command()
@click.argument("assignments", nargs=-1, metavar="[ASSIGNMENT]...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file is stale or something leaks.")
@click.option(
    "--coverage", is_flag=True, help="List the syllabus ids that the notebooks teach and those that they miss."
)
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False), help="Another course.toml.", hidden=True)
@click.pass_context
def build(ctx: click.Context, assignments: tuple[str, ...], check: bool, coverage: bool, course: Path | None) -> None:
    """Compile the notebook sources into assignments/, and the solved notebooks and manifests into build/."""
    curriculum = load_curriculum(course)
    chosen = curriculum.select(assignments)
    if coverage:
        from autograder.compiler.coverage import print_coverage

        print_coverage(curriculum, chosen, Console())
        return
    built = [build_notebook(notebook, curriculum) for item in chosen for notebook in item.notebooks]
    start_page = build_start_page(curriculum)
    if not check:
        for page in start_page:
            write_text(page.notebook.released, page.student_text)
        _summary(built, [_write_all(item) for item in built])
        return
    problems = [line for item in [*built, *start_page] for line in _stale(item)] + _strangers(curriculum, chosen)
    problems += _leaks(curriculum, chosen, built)
    for line in problems:
        click.echo(line, err=True)
    if problems:
        ctx.exit(1)
    click.echo(f"{len(built)} notebook{'s' if len(built) != 1 else ''} up to date, no leak found.")


def solved_path(built: Built) -> Path:
    notebook = built.notebook
    return notebook.root / "build" / "solved" / notebook.assignment / f"{notebook.name}.ipynb"


def manifest_path(built: Built) -> Path:
    notebook = built.notebook
    return notebook.root / "build" / "manifests" / notebook.assignment / f"{notebook.name}.json"


def _write_all(built: Built) -> bool:
    changed = write_text(built.notebook.released, built.student_text)
    write_text(solved_path(built), built.solved_text)
    write_text(manifest_path(built), built.manifest.to_json())
    return changed


def write_text(path: Path, text: str) -> bool:
    """Write a file whole or not at all, and only when it changes; says whether it did."""
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    return True


def _summary(built: list[Built], changed: list[bool]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("notebook", overflow="fold")
    for name in ("exercises", "points", "minutes"):
        table.add_column(name, justify="right")
    table.add_column("")
    for item, new in zip(built, changed, strict=True):
        cells = item.manifest.cells
        exercises = sum(cell.kind == "exercise" for cell in cells)
        table.add_row(
            item.notebook.released.relative_to(item.notebook.root).as_posix(),
            str(exercises),
            f"{item.manifest.points:g}",
            str(sum(cell.minutes or 0 for cell in cells)),
            "written" if new else "unchanged",
        )
    Console().print(table)


def _stale(built: Built) -> list[str]:
    path = built.notebook.released
    shown = path.relative_to(built.notebook.root).as_posix()
    if not path.is_file():
        return [f"stale: {shown} is missing; run `course build`"]
    if path.read_bytes() != built.student_text.encode():
        return [f"stale: {shown} differs from what its source and the library give now; run `course build`"]
    return []


def _strangers(curriculum: Curriculum, chosen: tuple[Assignment, ...]) -> list[str]:
    """Notebooks that lie among the released ones and that course.toml does not know."""
    lines = []
    for item in chosen:
        known = {notebook.released for notebook in item.notebooks}
        for path in sorted((curriculum.root / "assignments" / item.name).glob("**/*.ipynb")):
            if path not in known and ".ipynb_checkpoints" not in path.parts:
                shown = path.relative_to(curriculum.root).as_posix()
                lines.append(f"stale: {shown} belongs to no notebook of course.toml; remove it or list it there")
    return lines


def _leaks(curriculum: Curriculum, chosen: tuple[Assignment, ...], built: list[Built]) -> list[str]:
    from autograder.compiler.leaks import find_leaks

    return find_leaks(curriculum, chosen, built)
