"""course.toml as data: assignments, notebooks, dates, policy, limits and weights.

No other file of the repository lists them.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from autograder.errors import CourseError

ROOT = Path(__file__).resolve().parent.parent
ISOLATION_LEVELS = ("process", "bubblewrap")  # weakest first


@dataclass(frozen=True)
class Limits:
    """What one submission may use; each field can be overridden for a notebook in course.toml."""

    cell_seconds: float = 20.0  # wall clock of one cell of the student
    test_seconds: float = 10.0  # wall clock that the student's code gets in one hidden test
    submission_seconds: float = 180.0  # wall clock of one notebook, everything together
    memory_mb: int = 2048  # address space of a process beyond the warm start
    processes: int = 32  # processes and threads of one submission
    file_mb: int = 64  # largest file, and size of the work folder
    output_kb: int = 512  # printed and displayed by one cell

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


@dataclass(frozen=True)
class Notebook:
    """One notebook of one assignment; the paths follow from the two names."""

    assignment: str
    name: str
    title: str
    lectures: tuple[str, ...]
    topics: tuple[str, ...]
    limits: Limits
    root: Path

    @property
    def source(self) -> Path:
        return self.root / "solutions" / self.assignment / f"{self.name}.py"

    @property
    def released(self) -> Path:
        return self.root / "assignments" / self.assignment / f"{self.name}.ipynb"

    @property
    def library(self) -> Path:
        module = self.root / "course_lib" / f"{self.name}.py"
        return module if module.exists() else self.root / "course_lib" / self.name

    @property
    def suite(self) -> Path:
        return self.root / "autograder" / "hidden_tests" / self.assignment / f"test_{self.name}.py"

    @property
    def misconceptions(self) -> Path:
        return self.suite.with_name(f"misconceptions_{self.name}.py")


@dataclass(frozen=True)
class Assignment:
    name: str
    title: str
    due: datetime | None
    slip_days_allowed: bool
    notebooks: tuple[Notebook, ...]
    files: tuple[str, ...] = ()  # of assignments/<name>/ that students get beside the notebooks

    def notebook(self, name: str) -> Notebook:
        for notebook in self.notebooks:
            if notebook.name == name:
                return notebook
        known = ", ".join(n.name for n in self.notebooks)
        raise CourseError(f"no notebook {name!r} in {self.name}; course.toml lists: {known}")


@dataclass(frozen=True)
class Curriculum:
    """The whole of course.toml, checked."""

    root: Path
    name: str
    term: str
    timezone: str
    repository: str
    slip_days: int
    weights: Mapping[str, float]
    isolation: str
    limits: Limits
    homework: Mapping[str, tuple[str, ...]]
    assignments: tuple[Assignment, ...]

    def assignment(self, name: str) -> Assignment:
        for assignment in self.assignments:
            if assignment.name == name:
                return assignment
        known = ", ".join(a.name for a in self.assignments)
        raise CourseError(f"no assignment {name!r}; course.toml lists: {known}")

    def select(self, names: tuple[str, ...] | list[str]) -> tuple[Assignment, ...]:
        """The named assignments in the order of the syllabus; all of them when no name is given."""
        if not names:
            return self.assignments
        chosen = {self.assignment(name).name for name in names}
        return tuple(a for a in self.assignments if a.name in chosen)

    def notebooks(self) -> tuple[Notebook, ...]:
        return tuple(n for a in self.assignments for n in a.notebooks)


def load_curriculum(path: Path | None = None) -> Curriculum:
    """Read and check a course.toml (default: the one at the root of the repository).

    Raises:
        CourseError: the file is missing, is not TOML, or has a key or value that cannot be used.
    """
    return _load((path or ROOT / "course.toml").resolve())


@functools.lru_cache(maxsize=8)
def _load(path: Path) -> Curriculum:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(f"{path} not found; run inside the course repository, or give its folder") from None
    except tomllib.TOMLDecodeError as error:
        raise CourseError(f"{path.name} is not valid TOML: {error}") from None
    try:
        return _build(path.parent, data)
    except KeyError as error:
        raise CourseError(f"{path.name}: the key {error} is missing") from None


def _limits(base: Limits, overrides: Mapping[str, Any], where: str) -> Limits:
    known = {field.name for field in fields(Limits)}
    for key, value in overrides.items():
        if key not in known:
            raise CourseError(f"course.toml, {where}: unknown limit {key!r}; known are {', '.join(sorted(known))}")
        if not isinstance(value, int | float) or value <= 0:
            raise CourseError(f"course.toml, {where}: {key} must be a positive number, found {value!r}")
    return replace(base, **overrides)


def _build(root: Path, data: Mapping[str, Any]) -> Curriculum:
    course, policy, grading = data["course"], data["policy"], data["grading"]
    zone = ZoneInfo(course["timezone"])
    limits = _limits(Limits(), data.get("limits", {}), "[limits]")
    if grading["isolation"] not in ISOLATION_LEVELS:
        raise CourseError(
            f"course.toml: isolation must be one of {', '.join(ISOLATION_LEVELS)}, found {grading['isolation']!r}"
        )
    assignments = []
    for entry in data["assignment"]:
        due = entry.get("due")
        notebooks = tuple(
            Notebook(
                assignment=entry["name"],
                name=n["name"],
                title=n["title"],
                lectures=tuple(n["lectures"]),
                topics=tuple(n.get("topics", ())),
                limits=_limits(limits, n.get("limits", {}), n["name"]),
                root=root,
            )
            for n in entry.get("notebook", ())
        )
        assignments.append(
            Assignment(
                name=entry["name"],
                title=entry["title"],
                due=due.replace(tzinfo=zone) if due is not None and due.tzinfo is None else due,
                slip_days_allowed=entry.get("slip_days_allowed", True),
                notebooks=notebooks,
                files=tuple(entry.get("files", ())),
            )
        )
    names = [n.name for a in assignments for n in a.notebooks]
    for name in names:
        if names.count(name) > 1:
            raise CourseError(f"course.toml: the notebook name {name!r} is used twice; names are unique in the course")
    return Curriculum(
        root=root,
        name=course["name"],
        term=course["term"],
        timezone=course["timezone"],
        repository=course.get("repository", "").rstrip("/"),
        slip_days=policy["slip_days"],
        weights=dict(policy["weights"]),
        isolation=grading["isolation"],
        limits=limits,
        homework={h["name"]: tuple(h["assignments"]) for h in data.get("homework", ())},
        assignments=tuple(assignments),
    )
