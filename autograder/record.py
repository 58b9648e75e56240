"""The result of grading one submission: plain data, one JSON document, complete whatever the code did.

A `Record` holds one `NotebookResult` per notebook of the assignment, which holds one `ExerciseResult` per exercise,
quiz and written answer, which holds one `TestResult` per hidden test.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
import typing
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = 1

Status = Literal[
    "passed",  # full marks
    "partial",  # an exercise: some tests passed
    "failed",  # a test said no
    "error",  # the student's code raised
    "timeout",  # a limit on time was hit
    "memory",  # the limit on memory was hit
    "crashed",  # the process ended: os._exit, a segmentation fault, a kill
    "forbidden",  # a call was used that the exercise forbids
    "not_done",  # the released stub is untouched
    "missing",  # the cell or the whole notebook is not there
    "manual",  # graded by hand
    "grader_error",  # our fault: shown to the instructor, and never silently a zero
]


@dataclass
class TestResult:
    """One hidden test."""

    name: str  # the function's name, e.g. test_survives_large_logits (never its source)
    title: str  # first paragraph of its docstring, shown to the student
    status: Status
    score: float
    max_score: float
    message: str = ""  # what was found, in words, for the student
    hint: str = ""  # further paragraphs of the docstring
    seconds: float = 0.0
    picture: dict[str, Any] | None = None  # what was found, as autograder.picture describes it

    __test__ = False  # not a test class of pytest


@dataclass
class ExerciseResult:
    """One exercise, quiz or written answer."""

    name: str  # e.g. log_softmax
    kind: Literal["exercise", "quiz", "answer"]
    title: str
    points: float
    score: float
    status: Status
    message: str = ""
    lecture: list[str] = field(default_factory=list)
    seconds: float = 0.0
    source: str = ""  # the student's cell
    outputs: list[dict[str, Any]] = field(default_factory=list)  # nbformat outputs of the student's cell
    tests: list[TestResult] = field(default_factory=list)
    used_reference_for: list[str] = field(default_factory=list)  # earlier exercises replaced by the reference
    likely: str = ""  # the misconception that this pattern of failures points to, as a sentence


@dataclass
class Finding:
    """Something that was noticed about a submission and does not by itself cost points."""

    kind: str  # e.g. duplicated_cell, metadata_changed, old_release
    message: str  # one sentence
    for_student: bool = True


@dataclass
class NotebookResult:
    name: str
    title: str
    status: Literal["graded", "missing", "unreadable", "grader_error"]
    points: float
    score: float
    sha256: str = ""  # of the file that was handed in
    release: str = ""  # of the release it was graded against
    suite: str = ""  # of the hidden suite
    exercises: list[ExerciseResult] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0
    limits: dict[str, float] = field(default_factory=dict)  # that held for this notebook


@dataclass
class Record:
    """One graded submission. `score` counts what machines graded; points of `manual` answers are in `manual_points`."""

    student: str
    assignment: str
    points: float
    score: float
    manual_points: float = 0.0
    notebooks: list[NotebookResult] = field(default_factory=list)
    isolation: str = ""  # the level that did run
    seed: str = ""  # fingerprint of the seed, to tell whether a regrade used the same one
    limits: dict[str, float] = field(default_factory=dict)  # of the first notebook; each has its own beside it
    received: str | None = None  # ISO time at the collector, never from the submission
    graded_at: str = ""
    attempt: int = 1
    schema: int = SCHEMA

    def to_json(self) -> str:
        """One line of JSON. Keys are sorted, so that equal records are equal as text."""
        return json.dumps(self, default=vars, ensure_ascii=False, sort_keys=True)

    def outline(self) -> Record:
        """A copy without words, code, outputs and tests: what tables and the late policy need of a whole class.

        It takes a tenth of the memory; what is left out is shared by all its parts, so it is to be read only.
        """
        none: list[Any] = []
        less: dict[str, Any] = {"title": "", "message": "", "source": "", "likely": ""}
        less |= {"lecture": none, "outputs": none, "tests": none, "used_reference_for": none}
        notebooks = []
        for notebook in self.notebooks:
            bare = [dataclasses.replace(e, name=sys.intern(e.name), **less) for e in notebook.exercises]
            notebooks.append(dataclasses.replace(notebook, exercises=bare, limits={}))
        return dataclasses.replace(self, notebooks=notebooks, limits={})

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Rebuild a record; unknown keys of later versions are ignored.

        Raises:
            ValueError: the text is not a record of a schema that this version reads.
        """
        data = json.loads(text)
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            found = data.get("schema") if isinstance(data, dict) else type(data).__name__
            raise ValueError(f"not a grading record of schema {SCHEMA}: found schema {found!r}")
        return _revive(cls, data)


def _revive(kind: type, data: Any) -> Any:
    """Turn decoded JSON back into the dataclass `kind`, and what it holds lists of into theirs."""
    if not isinstance(data, dict):
        raise ValueError(f"a {kind.__name__} was expected, found {type(data).__name__}")
    inner = _inner_kinds(kind)
    return kind(
        **{
            key: value if inner[key] is None else [_revive(inner[key], item) for item in value]
            for key, value in data.items()
            if key in inner
        }
    )


@functools.cache
def _inner_kinds(kind: type) -> dict[str, Any]:
    """For each field of a dataclass the dataclass that it holds a list of, or None where it is plain data."""
    hints = typing.get_type_hints(kind)
    items = {f.name: typing.get_args(hints[f.name])[:1] for f in dataclasses.fields(kind)}
    return {name: item[0] if item and dataclasses.is_dataclass(item[0]) else None for name, item in items.items()}
