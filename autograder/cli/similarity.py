"""`course similarity`: pairs of submissions that share what few others wrote, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autograder.cli.graded import graded_options, load_run


@click.command()
@graded_options
def similarity(out: Path, **options: Any) -> None:
    """Write a page that shows the most similar pairs of submissions side by side."""
    from autograder.compiler.manifest import build_notebook
    from autograder.pages.similar import write_similarity

    run = load_run(out, **options)
    for name in dict.fromkeys(record.assignment for record in run.records):
        assignment = run.curriculum.assignment(name)
        manifests = {n.name: build_notebook(n, run.curriculum).manifest for n in assignment.notebooks}
        chosen = [record for record in run.records if record.assignment == name]
        path, pairs = write_similarity(out, chosen, run.curriculum, assignment, manifests)
        click.echo(f"{len(pairs)} pairs to look at (it names students): {path}")
