"""The release manifest: what a released notebook asks for, with the answers; the instructor keeps it."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autograder.curriculum import Curriculum, Notebook
from autograder.errors import CourseError

if TYPE_CHECKING:
    from nbformat import NotebookNode

SCHEMA = 1


@functools.lru_cache(maxsize=256)
def normalise(source: str) -> str:
    """A source without the differences that editors make: line ends, trailing blanks, surrounding blank lines."""
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(line.rstrip() for line in lines).strip("\n")


@functools.lru_cache(maxsize=256)
def fingerprint(source: str) -> str:
    """Tells a released cell from one that a student has written or changed."""
    return hashlib.sha256(normalise(source).encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(frozen=True)
class ManifestCell:
    """One cell that is run or graded."""

    grade_id: str  # exercise-log_softmax
    kind: str  # setup, exercise, check, quiz or answer
    name: str
    cell_type: str  # code or markdown
    released: str  # the student's source
    solved: str  # the solution's source
    defines: list[str] = field(default_factory=list)  # names that the cell binds
    points: float = 0.0
    minutes: int | None = None
    difficulty: int | None = None
    lecture: list[str] = field(default_factory=list)
    forbids: list[str] = field(default_factory=list)
    seconds: float | None = None
    scheme: str | None = None  # mark scheme of a written question
    position: int = 0  # of the cell in the released notebook
    module: str | None = None  # where the library defines what the exercise asks for
    title: str = ""


@dataclass(frozen=True)
class Manifest:
    """One released notebook."""

    assignment: str
    notebook: str
    release: str  # SHA-256 of the student's .ipynb
    cells: list[ManifestCell]
    passages: list[str] = field(default_factory=list)  # fingerprints of the released code cells that are not in `cells`
    schema: int = SCHEMA

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), indent=1, ensure_ascii=False, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Rebuild a manifest; keys of later versions are ignored.

        Raises:
            CourseError: the text is not a manifest of a schema that this version reads.
        """
        try:
            data: Any = json.loads(text)
        except ValueError as error:
            raise CourseError(f"not a release manifest: {error}; run `course build` to make it again") from None
        found = data.get("schema") if isinstance(data, dict) else type(data).__name__
        if found != SCHEMA:
            raise CourseError(f"not a release manifest of schema {SCHEMA}: found {found!r}; run `course build`")
        known = {f.name for f in dataclasses.fields(ManifestCell)}
        try:
            cells = [ManifestCell(**{k: v for k, v in cell.items() if k in known}) for cell in data["cells"]]
            return cls(data["assignment"], data["notebook"], data["release"], cells, data.get("passages", []))
        except (KeyError, TypeError, AttributeError) as error:
            raise CourseError(
                f"the release manifest is incomplete ({error}); run `course build` to make it again"
            ) from None

    def cell(self, grade_id: str) -> ManifestCell:
        """The cell of this grade id.

        Raises:
            KeyError: the notebook has no such cell.
        """
        for cell in self.cells:
            if cell.grade_id == grade_id:
                return cell
        raise KeyError(grade_id)

    @property
    def points(self) -> float:
        """What the whole notebook is worth (an exercise's points stand on two entries and count once)."""
        return sum(cell.points for cell in self.cells if cell.kind != "check")


@dataclass(frozen=True)
class Built:
    """One compiled notebook."""

    notebook: Notebook
    student: NotebookNode
    solved: NotebookNode
    manifest: Manifest
    student_text: str  # the files, byte for byte
    solved_text: str


def reference_source(cell: ManifestCell) -> str:
    """The solution of one cell, ready to be run in the place of a student's."""
    return cell.solved


def build_notebook(notebook: Notebook, curriculum: Curriculum | None = None) -> Built:
    """Compile one notebook source.

    Args:
        notebook: one of course.toml; its root says where sources and library lie.
        curriculum: the course that it belongs to; default: read from course.toml at the notebook's root.

    Returns:
        The student's and the solved notebook and the manifest. Nothing is written.

    Raises:
        CourseError: a mistake in the source or in the library, named by file and cell.
    """
    from autograder.compiler.notebooks import compile_notebook

    return compile_notebook(notebook, curriculum)
