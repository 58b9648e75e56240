"""The similarity report: pairs of submissions that share rare passages, side by side, for a person to judge."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from autograder.compiler.manifest import Manifest
from autograder.curriculum import Assignment, Curriculum
from autograder.pages.render import printable_text, render
from autograder.record import Record
from autograder.records import write_atomically
from autograder.similarity import Pair, compare

EXERCISES_SHOWN = 4


def write_similarity(
    out: Path,
    records: Sequence[Record],
    curriculum: Curriculum,
    assignment: Assignment,
    manifests: Mapping[str, Manifest],
) -> tuple[Path, list[Pair]]:
    """Write `<out>/<assignment>.similarity.html`; returns its path and the pairs."""
    pairs = compare(records, manifests, most=30)
    views = [
        (
            pair,
            [(shared.exercise, *marked(shared.left, shared.right)) for shared in pair.exercises[:EXERCISES_SHOWN]],
        )
        for pair in pairs
    ]
    page = render(
        "similarity.html.j2",
        course=curriculum,
        assignment=assignment,
        pairs=views,
        students=len({r.student for r in records}),
    )
    path = out / f"{assignment.name}.similarity.html"
    write_atomically(path, page)
    return path, pairs


def marked(left: str, right: str) -> tuple[Markup, Markup]:
    """Two sources as HTML for a `<pre>`, with the lines that both have in `<mark>`."""
    a, b = printable_text(left).split("\n"), printable_text(right).split("\n")
    bare_a, bare_b = [line.strip() for line in a], [line.strip() for line in b]
    same_a: set[int] = set()
    same_b: set[int] = set()
    for block in difflib.SequenceMatcher(None, bare_a, bare_b, autojunk=False).get_matching_blocks():
        same_a.update(range(block.a, block.a + block.size))
        same_b.update(range(block.b, block.b + block.size))
    return _lines(a, same_a), _lines(b, same_b)


def _lines(lines: list[str], same: set[int]) -> Markup:
    html = [
        Markup("<mark>{}</mark>").format(line) if i in same and line.strip() else escape(line)
        for i, line in enumerate(lines)
    ]
    return Markup("\n").join(html)
