"""`course release`: the zip that students get."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from autograder.compiler.leaks import build_all, scan_for
from autograder.compiler.release import release_files, zip_bytes
from autograder.curriculum import load_curriculum


@click.command()
@click.argument("assignment")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the zip.")
@click.option("--course", type=click.Path(path_type=Path, dir_okay=False), help="Another course.toml.", hidden=True)
@click.pass_context
def release(ctx: click.Context, assignment: str, out: Path, course: Path | None) -> None:
    """Write ASSIGNMENT.zip: notebooks, the student edition of course_lib, the environment.

    The zip is searched for solutions and hidden tests first; when something leaks, nothing is written and the status
    is 1.
    """
    curriculum = load_curriculum(course)
    chosen = curriculum.assignment(assignment)
    built = build_all(curriculum)
    files = release_files(curriculum, chosen, built)
    data = zip_bytes(files)
    leaks = list(scan_for(curriculum, chosen, built).file(f"{chosen.name}.zip", data))
    for line in leaks:
        click.echo(line, err=True)
    if leaks:
        click.echo(f"{chosen.name}.zip was not written.", err=True)
        ctx.exit(1)
    out.mkdir(parents=True, exist_ok=True)
    target = out / f"{chosen.name}.zip"
    _write(target, data)
    notebooks = ", ".join(notebook.name for notebook in chosen.notebooks)
    click.echo(f"{target}: {len(files)} files, {len(data) / 1024:.0f} KiB; notebooks: {notebooks}; no leak found.")


def _write(target: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise
