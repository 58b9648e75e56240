"""Walking through one submission: cells in order, a snapshot before each, the reference in place of what has been judged.

The order keeps a promise: the reference of an exercise enters the sandbox only after that exercise has been judged, so nothing that
runs in there can copy it. An exercise that builds on earlier ones finds the reference in their place and is judged on its
own merit.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from autograder.compiler.manifest import Manifest, ManifestCell, reference_source
from autograder.curriculum import Limits
from autograder.intake import Submission, is_untouched
from autograder.judge.forbidden import forbidden_uses
from autograder.judge.handles import Student, describe_lines
from autograder.judge.problems import Crashed, Forbidden, GraderFault, NotDone, StudentProblem, TimedOut, Undefined
from autograder.judge.seeds import SeedSource
from autograder.sandbox.client import Process, ProcessGone, ProcessTimeout, Sandbox, SandboxFault, Zygote

# How the namespace of an exercise is prepared. The first is what the notebook does when it is run from the top; the
# others are tried when an exercise does not get full marks that way, and the best counts.
AS_IS, RESTORED, HELPERS_FIRST = "as_is", "restored", "helpers_first"


@dataclass
class Stage:
    """One exercise, opened: the student's cell has run in a snapshot, which tests can fork."""

    cell: ManifestCell
    process: Process | None = None
    problem: StudentProblem | None = None  # why no test can pass
    cell_problem: str = ""  # what the cell itself stopped with, in words
    outputs: list[dict[str, Any]] = field(default_factory=list)
    shadowed: list[str] = field(default_factory=list)
    first_test: int = 0
    seconds: float = 0.0


class GradingSession:
    """One notebook of one submission in one sandbox.

    Args:
        zygote: makes the sandbox.
        manifest: what was released, with the reference.
        submission: what was handed in.
        limits: of this notebook.
        seeds: where seeds come from; student: whose work it is (only for seeds).
    """

    def __init__(
        self, zygote: Zygote, manifest: Manifest, submission: Submission, limits: Limits, seeds: SeedSource, student: str
    ):
        self.manifest = manifest
        self.submission = submission
        self.limits = limits
        self.seeds = seeds
        self.student_name = student
        self.zygote = zygote
        self.spent = 0.0
        self.entries = [c for c in manifest.cells if c.kind in ("exercise", "quiz")]
        self.setup = [{"source": c.solved} for c in manifest.cells if c.kind == "setup"]
        self._names = {name for c in manifest.cells for name in c.defines}
        self._sandbox: Sandbox | None = None
        self._snapshots: list[tuple[Process, int]] = []  # (process, number of entries whose reference it holds)
        self._next = 0

    # -- life ------------------------------------------------------------------------------------------------

    def __enter__(self) -> GradingSession:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def close(self) -> None:
        """End everything of this submission."""
        for process, _ in self._snapshots:
            process.close()
        self._snapshots.clear()
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _base(self) -> Process:
        """A living snapshot that holds the reference of every entry before the current one."""
        while self._snapshots:
            process, done = self._snapshots[-1]
            if process.alive:
                try:
                    self._overlay(process, done)
                except (ProcessGone, ProcessTimeout):
                    pass
                else:
                    self._snapshots[-1] = (process, self._next)
                    return process
            self._snapshots.pop()
        if self._sandbox is None:
            self._sandbox = self.zygote.sandbox(self.limits)
        process = self._sandbox.base()
        reply, _ = process.request({"op": "setup", "cells": self.setup}, seconds=self.limits.cell_seconds)
        for cell in reply["cells"]:
            if cell["error"] is not None:
                raise GraderFault(f"a released set-up cell stopped with {cell['error']['type']}: {cell['error']['message']}")
        self._overlay(process, 0)
        self._snapshots = [(process, self._next)]
        return process

    def _overlay(self, process: Process, done: int) -> None:
        cells = [
            {"source": reference_source(entry), "names": entry.defines}
            for entry in self.entries[done : self._next]
            if entry.kind == "exercise"
        ]
        if not cells:
            return
        reply, _ = process.request({"op": "overlay", "cells": cells}, seconds=self.limits.cell_seconds)
        if reply.get("failed"):
            raise GraderFault(f"the reference does not run: {reply['failed'][0]}")

    # -- exercises -------------------------------------------------------------------------------------------

    def answered(self, cell: ManifestCell) -> bool:
        """Whether the student has written anything for this entry."""
        return any(source.strip() and not is_untouched(source, cell) for source in self.submission.cells.get(cell.name, []))

    def skip_to(self, cell: ManifestCell) -> None:
        """Begin at this entry, with the reference in the place of every one before it."""
        self._next = next(i for i, entry in enumerate(self.entries) if entry.name == cell.name)

    def open_stage(self, cell: ManifestCell, variant: str = AS_IS) -> Stage:
        """Run the student's cell of one entry in a fresh snapshot; what goes wrong is kept, not raised."""
        stage = Stage(cell)
        if cell.name not in self.submission.cells:
            stage.problem = Undefined("The cell of this exercise is not in the notebook that was handed in.")
            return stage
        if not self.answered(cell):
            stage.problem = NotDone("Not done yet: this cell is as it was handed out.")
            return stage
        uses = forbidden_uses(self.submission.source(cell.name), cell.forbids, self._names)
        if uses:
            stage.problem = Forbidden(
                f"This exercise asks you to build it yourself, and your cell uses {', '.join(uses[:3])}."
            )
            return stage
        started = time.monotonic()
        try:
            self._run_cell(stage, variant)
        except ProcessTimeout as error:
            stage.problem = TimedOut(f"Your cell was stopped after {error.seconds:g} seconds, before any test could run.")
        except ProcessGone:
            stage.problem = Crashed("Your cell ended the whole process (exit(), os._exit(), or a crash in compiled code).")
        finally:
            stage.seconds = time.monotonic() - started
            self.spent += stage.seconds
        return stage

    def _run_cell(self, stage: Stage, variant: str) -> None:
        base = self._base()
        if self.spent >= self.limits.submission_seconds:
            raise ProcessTimeout(self.limits.submission_seconds)
        stage.process = process = base.fork()
        sources = self.submission.cells[stage.cell.name]
        if variant == HELPERS_FIRST:
            helpers = [source for _, source in self.submission.extras]
        else:
            helpers = [source for name, source in self.submission.extras if name == stage.cell.name]
        if variant == RESTORED:
            process.request({"op": "restore"}, seconds=self.limits.cell_seconds)
        seconds = min(self.limits.cell_seconds, self.limits.submission_seconds - self.spent)
        try:
            reply, _ = process.request({"op": "run", "sources": [*helpers, *sources]}, seconds=seconds)
        except (ProcessGone, ProcessTimeout):
            stage.process = None
            raise
        replies = [r for r in reply.get("cells", []) if isinstance(r, dict)][len(helpers) :]
        for answer in replies:
            outputs = answer.get("outputs")
            stage.outputs += outputs if isinstance(outputs, list) else []
            error = answer.get("error")
            if isinstance(error, dict):
                stage.cell_problem = f"Your cell stopped with {error.get('type')}: {error.get('message')}{describe_lines(error.get('lines'))}"
        shadowed = reply.get("shadowed")
        stage.shadowed = [str(name)[:80] for name in shadowed][:20] if isinstance(shadowed, list) else []

    def skip(self, cell: ManifestCell) -> None:
        """Go on after an entry that could not be judged."""
        while self._next < len(self.entries) and self.entries[self._next].position <= cell.position:
            self._next += 1

    def earlier(self, cell: ManifestCell) -> list[str]:
        """Earlier exercises of the notebook, which stand there as the reference."""
        return [e.name for e in self.entries if e.kind == "exercise" and e.position < cell.position]

    @staticmethod
    def hang_up(stage: Stage) -> None:
        """Let go of a stage whose process is older than one that goes on."""
        if stage.process is not None:
            stage.process.close()
            stage.process = None

    def discard_stage(self, stage: Stage) -> None:
        """End the snapshot of a stage without letting later exercises build on it."""
        if stage.process is not None:
            stage.process.end()
            stage.process = None

    def close_stage(self, stage: Stage) -> None:
        """Go on to the next entry: on top of the student's cell where it is alive, beside it where it is not."""
        if stage.process is not None and stage.process.alive:
            if stage.first_test and self._sandbox is not None:
                self._sandbox.release(stage.first_test)
            self._snapshots.append((stage.process, self._next))
        self._next += 1

    def variants(self, stage: Stage) -> list[str]:
        """Other ways to prepare the namespace that could be fairer to this stage."""
        names = [RESTORED] if stage.shadowed else []
        later = {name for name, _ in self.submission.extras} - {stage.cell.name}
        return [*names, HELPERS_FIRST] if later else names

    @contextlib.contextmanager
    def student(self, stage: Stage, test: str) -> Iterator[Student]:
        """A snapshot for one hidden test, seeded for it.

        Raises:
            StudentProblem: no test of this exercise can run. GraderFault: the sandbox does not work.
        """
        if stage.problem is not None:
            raise stage.problem
        assert stage.process is not None
        if self.spent >= self.limits.submission_seconds:
            raise TimedOut(
                f"The submission had used its {self.limits.submission_seconds:g} seconds before this test could run."
            )
        started = time.monotonic()
        try:
            process = stage.process.fork()
        except (ProcessGone, ProcessTimeout):
            raise Crashed("The process of your cell had ended before this test could run.") from None
        except SandboxFault as error:
            raise GraderFault(str(error)) from None
        stage.first_test = stage.first_test or process.pid
        seconds = stage.cell.seconds or self.limits.test_seconds
        student = Student(process, min(seconds, self.limits.submission_seconds - self.spent), stage.cell_problem)
        try:
            student.seed(self.seed(stage.cell, test, "worker"))
            if stage.cell.forbids:
                student.guard(stage.cell.forbids)
            yield student
        finally:
            process.close()
            self.spent += time.monotonic() - started

    def seed(self, cell: ManifestCell, test: str, purpose: str = "test") -> int:
        """The seed of one test of this student."""
        return self.seeds.seed(self.student_name, self.manifest.assignment, cell.name, test, purpose)
