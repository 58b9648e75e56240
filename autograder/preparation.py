"""What grading an assignment needs, made once: manifests, the student edition of the library, the list of suites.

The driver prepares a folder; lanes, which may be other processes, read it.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from autograder.compiler.manifest import Manifest, build_notebook
from autograder.curriculum import Assignment, Curriculum
from autograder.errors import CourseError
from autograder.jobs import suite_version
from autograder.judge.seeds import SeedSource
from autograder.misconceptions import Pattern, read_patterns

if TYPE_CHECKING:
    from autograder.grading import Examiner
    from autograder.judge.suite import Suite
    from autograder.sandbox.launch import ZygoteProcess

T = TypeVar("T")


@dataclass(frozen=True)
class Prepared:
    """An assignment, ready to be graded."""

    curriculum: Curriculum
    assignment: Assignment
    manifests: dict[str, Manifest]
    library: Path
    warm: tuple[str, ...]

    @property
    def suites(self) -> list[Path]:
        return [n.suite for n in self.assignment.notebooks]

    @property
    def version(self) -> str:
        return suite_version(self.suites)


def prepare(curriculum: Curriculum, assignment: Assignment, folder: Path) -> Prepared:
    """Compile an assignment into an empty folder.

    Raises:
        CourseError: a source has a mistake, or a hidden suite is missing.
    """
    from autograder.compiler.release import student_edition  # lanes only read what it has made

    for notebook in assignment.notebooks:
        if not notebook.suite.exists():
            raise CourseError(
                f"{notebook.suite.relative_to(curriculum.root)} is missing: {notebook.name} cannot be graded"
            )
    manifests = {n.name: build_notebook(n, curriculum).manifest for n in assignment.notebooks}
    for name, manifest in manifests.items():
        path = folder / f"{name}.manifest.json"
        path.touch(mode=0o600)  # it holds the answers
        path.write_text(manifest.to_json(), encoding="utf-8")
    library = library_folder(folder)
    library.mkdir(exist_ok=True)  # a sandbox may wait for it already
    student_edition(curriculum, assignment, library)
    return Prepared(curriculum, assignment, manifests, library, _warm(manifests))


def library_folder(folder: Path) -> Path:
    """Where `prepare` puts the student edition of the library."""
    return folder / "library"


def load_prepared(curriculum: Curriculum, assignment: Assignment, folder: Path) -> Prepared:
    """What `prepare` left in a folder."""
    manifests = {
        n.name: Manifest.from_json((folder / f"{n.name}.manifest.json").read_text(encoding="utf-8"))
        for n in assignment.notebooks
    }
    return Prepared(curriculum, assignment, manifests, library_folder(folder), _warm(manifests))


def with_examiner(
    prepared: Prepared,
    level: str,
    seeds: SeedSource,
    work: Callable[[Examiner], T],
    sandbox: ZygoteProcess | None = None,
) -> T:
    """Start a zygote (or take the one that has been started), collect the suites and call `work`.

    Raises:
        CourseError: the machine offers less isolation than `level`. GraderFault, SandboxFault: something of ours
        failed.
    """
    from autograder.grading import Examiner  # torch: whoever only prepares does without
    from autograder.judge.suite import with_suite
    from autograder.sandbox.client import Zygote

    with Zygote(
        prepared.library, level, prepared.warm, sandbox
    ) as zygote:  # it gets warm while the suites are collected

        def start(suite: Suite) -> T:
            zygote.wait()
            patterns = _patterns(prepared.assignment)
            return work(Examiner(zygote, suite, prepared.manifests, seeds, prepared.version, patterns))

        return with_suite(prepared.suites, start)


def _patterns(assignment: Assignment) -> dict[str, list[Pattern]]:
    return {notebook.name: read_patterns(notebook.misconceptions) for notebook in assignment.notebooks}


def _warm(manifests: dict[str, Manifest]) -> tuple[str, ...]:
    """Modules that the released set-up cells import, to be imported once in the zygote."""
    found: dict[str, None] = {}
    for manifest in manifests.values():
        for cell in manifest.cells:
            if cell.kind != "setup":
                continue
            try:
                tree = ast.parse(cell.solved)
            except SyntaxError:  # magics: what they import is imported later
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    found.update((alias.name, None) for alias in node.names)
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    found[node.module] = None
                    found.update((f"{node.module}.{alias.name}", None) for alias in node.names)
    return tuple(found)
