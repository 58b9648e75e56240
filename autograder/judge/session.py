"""Walking through one submission: cells in order, a snapshot before each, the reference in place of what has been
judged.

There are two ways through an exercise. What the cell defines is *quiet* (`autograder.judge.quiet`) where no call of it
can leave anything behind; then its tests run in the process in which the cell has run, side by side
(`autograder.judge.company`), and so do those of the next exercise: the whole notebook in one process, the *line*.
Everything else is judged in forks, which are snapshots: the tests of an exercise share one as long as they pass, and
what does not pass is tried again in a fork of its own, so that no test can be spoilt by another. From the first cell on
that is not quiet, all that follow are judged in forks.

A cell that ends its process costs a replay of the cells before it; once a replay would cost more than
`REPLAY_SECONDS`, a snapshot is taken before each cell, and the last `SNAPSHOTS` of them are kept.

The order keeps a promise: the reference of an exercise enters the sandbox only after that exercise has been judged,
so nothing that runs in there can copy it. An exercise that builds on earlier ones finds the reference in their place
and is judged on its own merit.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from autograder.cell_source import has_type_hints
from autograder.compiler.manifest import Manifest, ManifestCell, reference_source
from autograder.curriculum import Limits
from autograder.intake import Submission, definitions_of, is_untouched
from autograder.judge import received
from autograder.judge.company import Company
from autograder.judge.forbidden import forbidden_uses, keeps_company, may_tamper
from autograder.judge.handles import TOGETHER, Globals, Student
from autograder.judge.problems import (
    Crashed,
    Forbidden,
    GraderFault,
    Missing,
    NotDone,
    OutOfMemory,
    StudentProblem,
    TimedOut,
)
from autograder.judge.quiet import NOTHING, Names, quiet_names, released_names
from autograder.judge.sealed import sealed
from autograder.judge.seeds import SeedSource
from autograder.record import Status
from autograder.sandbox.client import Process, ProcessGone, ProcessTimeout, Sandbox, SandboxFault, Twin

if TYPE_CHECKING:
    from autograder.judge.suite import Patience

# How the namespace of an exercise is prepared. The first is what the notebook does when it is run from the top; the
# others are tried when an exercise does not get full marks that way, and the best counts.
AS_IS, RESTORED, HELPERS_FIRST, HINTS_UNREAD, ALONE = "as_is", "restored", "helpers_first", "hints_unread", "alone"
LAZILY = "from __future__ import annotations\n"  # type hints are not evaluated
REPLAY_SECONDS = 0.3
# Kept at a time: the last, and one to go back to. All of them, with what they have not yet buried of their tests on a
# busy machine, would use up the processes that a submission may have, and the last exercises would seem to crash.
SNAPSHOTS = 2
ABRUPT: tuple[Status, ...] = ("crashed", "memory")  # ends that say more about a process than about one call in it


@dataclass
class Snapshot:
    """A process that later exercises can build on, and how far into the notebook it is."""

    process: Process
    cells: int = 0  # entries whose student cell it has run (or passed over)
    references: int = 0  # entries whose reference it holds
    ours: bool = True  # nothing of the student's has run in it


@dataclass
class Stage:
    """One exercise, opened: the student's cell has run in a snapshot, which tests can fork."""

    cell: ManifestCell
    process: Process | None = None
    problem: StudentProblem | None = None  # why no test can pass
    cell_problem: str = ""  # what the cell itself stopped with, in words
    short_of_memory: bool = False  # whether it was memory
    outputs: list[dict[str, Any]] = field(default_factory=list)
    shadowed: list[str] = field(default_factory=list)
    globals: Globals = field(default_factory=Globals)  # what has become of the names that it defines
    quiet: Names | None = None  # what later cells may use of it, if calling it leaves nothing behind
    in_line: bool = False  # tests run in the process itself
    shared: Process | None = None  # the fork that tests share while they pass
    left_behind: int = 0  # processes that its code had started and not ended
    seconds: float = 0.0  # from opening the stage until its cell had run
    replay_seconds: float = 0.0  # of the cell alone
    alone: bool = False  # run apart from earlier cells, with the forbidden calls shut from the start


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
        self,
        zygote: Twin,
        manifest: Manifest,
        submission: Submission,
        limits: Limits,
        seeds: SeedSource,
        student: str,
    ):
        self.manifest = manifest
        self.submission = submission
        self.limits = limits
        self.seeds = seeds
        self.student_name = student
        self.zygote = zygote
        self.spent = 0.0
        self.entries = [c for c in manifest.cells if c.kind in ("exercise", "quiz")]
        self.setup = [c.solved for c in manifest.cells if c.kind == "setup"]
        self._names = {name for c in manifest.cells for name in c.defines}
        exercises = [c for c in self.entries if c.kind == "exercise"]
        self._known, added = released_names(
            tuple(self.setup),
            tuple((reference_source(c), tuple(c.defines)) for c in exercises),
        )
        self._references = dict(zip((c.name for c in exercises), added, strict=True))
        self._noisy = False  # a cell has run that may act on later ones
        self._sandbox: Sandbox | None = None
        self._snapshots: list[Snapshot] = []
        self._healthy: dict[int, float] = {}  # entries whose cell ran to its end, and the seconds that it took
        self._next = 0

    # -- life ------------------------------------------------------------------------------------------------

    def __enter__(self) -> GradingSession:
        return self

    def __exit__(self, *unused: Any) -> None:
        self.close()

    def close(self) -> None:
        """End everything of this submission."""
        for snapshot in self._snapshots:
            snapshot.process.close()
        self._snapshots.clear()
        if self._sandbox is not None:
            self._sandbox.close()
            self._sandbox = None

    def _base(self, on_top: bool = True) -> Snapshot:
        """A living snapshot that has everything before the current entry: the student's cells, and the reference on
        top, unless the caller brings what is lacking of it."""
        while self._snapshots:
            snapshot = self._snapshots[-1]
            if snapshot.process.alive:
                try:
                    self._catch_up(snapshot, on_top)
                except (ProcessGone, ProcessTimeout):
                    pass
                else:
                    return snapshot
            self._snapshots.pop()
        snapshot = self._fresh()
        try:
            self._catch_up(snapshot, on_top)
        except (ProcessGone, ProcessTimeout):  # a replay that fails where the first run did not: go on without it
            snapshot = self._fresh(cells=self._next)
            self._catch_up(snapshot, on_top)
        self._snapshots.append(snapshot)
        return snapshot

    def _fresh(self, cells: int = 0) -> Snapshot:
        """A process in which only the released set-up has run; `cells` entries of the notebook are passed over."""
        used = self._sandbox is not None
        snapshot, problem = self._set_up(cells)
        if problem and used:  # what the student's code has left in there, a full disk say, is in the way: a new sandbox
            self.close()
            snapshot, problem = self._set_up(cells)
        if problem:
            raise GraderFault(f"a released set-up cell stopped with {problem}")
        return snapshot

    def _set_up(self, cells: int) -> tuple[Snapshot, str]:
        """A new process in which the set-up has run, and what went wrong with that."""
        if self._sandbox is None:
            self._sandbox = self.zygote.prepared(tuple(self.setup)).sandbox(self.limits)
        snapshot = Snapshot(self._sandbox.base(), cells=cells)
        reply, _ = snapshot.process.request({"op": "setup", "sources": self.setup}, seconds=self.limits.cell_seconds)
        errors = [cell["error"] for cell in reply["cells"] if cell["error"] is not None]
        return snapshot, f"{errors[0]['type']}: {errors[0]['message']}" if errors else ""

    def _catch_up(self, snapshot: Snapshot, on_top: bool) -> None:
        """Run what a snapshot lacks: each student cell that is known to be harmless, then its reference."""
        while snapshot.cells < self._next:
            self._overlay(snapshot, snapshot.cells)
            if snapshot.cells in self._healthy:
                snapshot.ours = False
                snapshot.process.request(
                    self._run_request(self.entries[snapshot.cells], AS_IS), seconds=self.limits.cell_seconds
                )
            snapshot.cells += 1
        if on_top:
            self._overlay(snapshot, self._next)

    def _lacking(self, snapshot: Snapshot, end: int) -> tuple[list[list[str]], list[bytes]]:
        """Names and code of the references of the entries before `end` that a snapshot is about to get."""
        entries = [e for e in self.entries[snapshot.references : end] if e.kind == "exercise"]
        snapshot.references = max(end, snapshot.references)
        return [e.defines for e in entries], [sealed(reference_source(e), "<reference>") for e in entries]

    def _overlay(self, snapshot: Snapshot, end: int) -> None:
        """Put the references of the entries before `end` into a snapshot."""
        names, code = self._lacking(snapshot, end)
        if not names:
            return
        request = {"op": "overlay", "overlay": names}
        reply, _ = snapshot.process.request(request, code, seconds=self.limits.cell_seconds)
        if reply.get("failed") and not snapshot.ours:  # what the student's code did to the process, or says it did
            snapshot.process.end()
            raise ProcessGone("the reference does not run on top of the student's cells")
        if reply.get("failed"):
            raise GraderFault(f"the reference does not run: {reply['failed'][0]}")

    def _sources(self, cell: ManifestCell, variant: str) -> list[str]:
        """The student's helpers that belong before a cell, and the cell."""
        extras = self.submission.extras
        helpers = [source for name, source in extras if variant == HELPERS_FIRST or name == cell.name]
        own = self.submission.cells[cell.name]
        return [*helpers, *(LAZILY + source if variant == HINTS_UNREAD else source for source in own)]

    def _run_request(self, cell: ManifestCell, variant: str) -> dict[str, Any]:
        """Seeded, so that a replay and a regrade draw the same random numbers."""
        sources, seed = self._sources(cell, variant), self.seed(cell, "", "cell")
        return {"op": "run", "sources": sources, "seed": seed, "names": cell.defines}

    # -- exercises -------------------------------------------------------------------------------------------

    def answered(self, cell: ManifestCell) -> bool:
        """Whether the student has written anything for this entry."""
        return any(
            source.strip() and not is_untouched(source, cell) for source in self.submission.cells.get(cell.name, [])
        )

    def skip_to(self, cell: ManifestCell) -> None:
        """Begin at this entry, with the reference in the place of every one before it."""
        while self.entries[self._next].name != cell.name:
            self._pass_entry(NOTHING)

    def _pass_entry(self, names: Names) -> None:
        """Go on to the next entry: the student's cell has added names, and the reference comes on top."""
        self._known |= names
        self._known |= self._references.get(self.entries[self._next].name, NOTHING)
        self._next += 1

    def open_stage(self, cell: ManifestCell, variant: str = AS_IS) -> Stage:
        """Run the student's cell of one entry in a fresh snapshot; what goes wrong is kept, not raised."""
        stage = Stage(cell)
        if cell.name not in self.submission.cells:
            stage.problem = Missing("The cell of this exercise is not in the notebook that was handed in.")
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
            stage.problem = TimedOut(
                f"Your cell was stopped after {error.seconds:g} seconds, before any test could run."
            )
        except ProcessGone:
            if self._sandbox is not None and self._sandbox.out_of_memory():
                stage.problem = OutOfMemory(TOGETHER)
            else:
                stage.problem = Crashed(
                    "Your cell ended the whole process (exit(), os._exit(), or a crash in compiled code)."
                )
        finally:
            stage.seconds = time.monotonic() - started
            self.spent += stage.seconds
        return stage

    def _run_cell(self, stage: Stage, variant: str) -> None:
        if self.spent >= self.limits.submission_seconds:
            raise ProcessTimeout(self.limits.submission_seconds)
        earlier = self._earlier_sources(stage.cell)
        judged_once = bool(stage.cell.forbids) or stage.cell.kind == "quiz"
        secretive = bool(stage.cell.forbids) and any(map(keeps_company, self.submission.cells[stage.cell.name]))
        stage.alone = variant == ALONE or secretive or (judged_once and self._distrusts(stage.cell))
        overlay: tuple[list[list[str]], list[bytes]] = ([], [])
        if stage.alone:
            process = self._apart(stage.cell, earlier)
        elif variant != AS_IS or sum(self._healthy.values()) > REPLAY_SECONDS:
            process = self._base().process.fork()
        else:
            snapshot = self._base(on_top=self._noisy)
            overlay = self._lacking(snapshot, self._next)
            process = self._snapshots.pop().process
        stage.process = process
        stage.quiet = self._read(stage.cell, variant)
        stage.in_line = stage.quiet is not None and variant == AS_IS and not (stage.alone or self._noisy)
        if variant == RESTORED:
            process.request({"op": "restore"}, seconds=self.limits.cell_seconds)
        seconds = min(self.limits.cell_seconds, self.limits.submission_seconds - self.spent)
        sources = self._sources(stage.cell, variant)
        try:
            request = self._run_request(stage.cell, variant) | {"overlay": overlay[0]}
            reply, data = process.request(request, overlay[1], seconds=seconds)
        except (ProcessGone, ProcessTimeout):
            stage.process = None
            raise
        if overlay[0] and reply.get("failed"):  # or so it says: in another process, one after the other
            process.end()
            self._noisy = True
            self._run_cell(stage, variant)
            return
        if isinstance(reply.get("values"), dict):
            stage.globals = Globals(reply["values"], data)
        answers = reply.get("cells")
        answers = [a for a in answers if isinstance(a, dict)] if isinstance(answers, list) else []
        times = [a.get("seconds") for a in answers]
        stage.replay_seconds = sum(t for t in times if isinstance(t, float) and t > 0)
        if stage.cell.forbids and self._sandbox is not None and not stage.in_line:  # another knows of no guard
            stage.left_behind = self._sandbox.sweep()
        helpers = len(sources) - len(self.submission.cells[stage.cell.name])
        room = int(self.limits.output_kb) << 10
        for answer in answers[helpers:]:
            stage.outputs += received.outputs(answer.get("outputs"), room)
            error = answer.get("error")
            if isinstance(error, dict):
                kind, text = received.words(error.get("type"), 80), received.words(error.get("message"))
                stage.short_of_memory = error.get("kind") == "memory"
                stage.cell_problem = f"Your cell stopped with {kind}: {text}{received.lines(error.get('lines'))}"
        stage.shadowed = received.names(reply.get("shadowed"))

    def _read(self, cell: ManifestCell, variant: str) -> Names | None:
        """What a cell and its helpers add to the names that quiet cells may use; None if they are not quiet."""
        names = NOTHING
        asked = tuple(cell.defines) if cell.kind == "exercise" else ()
        for source in self._sources(cell, variant):
            found = quiet_names(source, self._known | names, asked)
            if found is None:
                return None
            names |= found
        return names

    def _earlier_sources(self, cell: ManifestCell) -> list[str]:
        """Everything of the student that may run before the cell of an exercise."""
        sources = [source for _, source in self.submission.extras]
        for entry in self.entries:
            if entry.position < cell.position and self.answered(entry):
                sources += self.submission.cells[entry.name]
        return sources

    def _apart(self, cell: ManifestCell, earlier: list[str]) -> Process:
        """A process in which the forbidden calls were shut before anything of the student's ran.

        Of the earlier cells it holds only the definitions, which the cell may need.
        """
        snapshot = self._fresh(cells=self._next)
        self._overlay(snapshot, self._next)
        if cell.forbids:
            snapshot.process.request({"op": "shut", "forbids": cell.forbids}, seconds=self.limits.cell_seconds)
        definitions = [definitions_of(source, patches=False) for source in earlier]
        request = {"op": "run", "sources": [d for d in definitions if d], "seed": self.seed(cell, "", "cell")}
        snapshot.ours = False
        snapshot.process.request(request, seconds=self.limits.cell_seconds)
        snapshot.references = 0  # the definitions may have the student's earlier answers among them
        self._overlay(snapshot, self._next)
        return snapshot.process

    def skip(self, cell: ManifestCell) -> None:
        """Go on after an entry that could not be judged."""
        while self._next < len(self.entries) and self.entries[self._next].position <= cell.position:
            self._pass_entry(NOTHING)

    @staticmethod
    def hang_up(stage: Stage) -> None:
        """Let go of a stage; its processes end by themselves."""
        for process in (stage.shared, stage.process):
            if process is not None:
                process.close()
        stage.process = stage.shared = None

    def close_stage(self, stage: Stage) -> None:
        """Go on to the next entry, on top of the student's cell where its process is alive."""
        if stage.shared is not None:
            stage.shared.close()
            stage.shared = None
        if stage.process is not None and (stage.process.alive or stage.in_line):
            self._healthy[self._next] = stage.replay_seconds
            self._noisy |= stage.quiet is None
        if stage.process is not None and stage.process.alive:
            if stage.alone:
                stage.process.close()
            else:
                self._snapshots.append(Snapshot(stage.process, self._next + 1, self._next, ours=False))
                while len(self._snapshots) > SNAPSHOTS:
                    self._snapshots.pop(0).process.close()
        if self._sandbox is not None and not stage.in_line:  # what it leaves behind acts on none of those that follow
            stage.left_behind += self._sandbox.sweep()
        self._pass_entry(stage.quiet or NOTHING)

    def variants(self, stage: Stage) -> list[str]:
        """Other ways to prepare the namespace that could be fairer to this stage.

        None for a quiz: a cell that knows how often it has run could give another answer each time.
        """
        ended = isinstance(stage.problem, Crashed | TimedOut | OutOfMemory)
        if stage.cell.kind == "quiz" or (stage.problem is not None and not ended):
            return []
        names = [RESTORED] if stage.shadowed and not ended else []
        if not ended and {name for name, _ in self.submission.extras} - {stage.cell.name}:
            names.append(HELPERS_FIRST)
        if " NameError: " in stage.cell_problem and any(map(has_type_hints, self.submission.cells[stage.cell.name])):
            names.append(HINTS_UNREAD)
        in_company = isinstance(stage.problem, Crashed) and bool(self._earlier_sources(stage.cell))
        if not stage.alone and (in_company or self._distrusts(stage.cell)):
            names.append(ALONE)
        return names

    def _distrusts(self, cell: ManifestCell) -> bool:
        """Whether something of the student's that runs before a cell may change what the cell does."""
        return any(may_tamper(source, cell.forbids) for source in self._earlier_sources(cell))

    def company(self, stage: Stage, patience: Patience) -> Company[Any] | None:
        """What runs the tests of a stage side by side; None where they have to be run one after the other."""
        usual = stage.cell.seconds is None  # an exercise with a limit of its own is a slow one
        if stage.in_line and usual and stage.process is not None and stage.process.alive:
            return Company(stage.process, self.limits.submission_seconds - self.spent, patience)
        return None

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """What happens inside counts as time of the submission."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.spent += time.monotonic() - started

    @contextlib.contextmanager
    def student(self, stage: Stage, test: str, company: Company[Any] | None = None, who: int = 0) -> Iterator[Student]:
        """The student's namespace for one hidden test, seeded for it, in the fork that the tests of a stage share.

        Args:
            stage: opened. test: its name.
            company: the tests that run side by side with it, whose time is counted for all of them together.
            who: its number among them.

        Raises:
            StudentProblem: no test of this exercise can run. GraderFault: the sandbox does not work.
        """
        if stage.problem is not None:
            raise stage.problem
        if self.spent >= self.limits.submission_seconds:
            raise TimedOut(
                f"The submission had used its {self.limits.submission_seconds:g} seconds before this test could run."
            )
        with self.timed() if company is None else contextlib.nullcontext():
            process = self._test_process(stage)
            seconds = stage.cell.seconds or self.limits.test_seconds
            student = Student(
                process,
                min(seconds, self.limits.submission_seconds - self.spent),
                self.seed(stage.cell, test, "worker"),
                [] if stage.alone else stage.cell.forbids,
                stage.globals,
                stage.cell_problem,
                stage.short_of_memory,
                copy=functools.partial(self._copy, stage) if stage.in_line else None,
                quiet=stage.in_line,
                company=company,
                who=who,
            )
            try:
                yield student
            finally:
                student.hang_up()

    def _test_process(self, stage: Stage) -> Process:
        """Where the next test of a stage runs."""
        assert stage.process is not None
        if stage.in_line:
            if not stage.process.alive:
                self._leave_line(stage)
            else:
                return stage.process
        if stage.shared is None or not stage.shared.alive:
            stage.shared = self._copy(stage)
        return stage.shared

    @staticmethod
    def _copy(stage: Stage) -> Process:
        assert stage.process is not None
        try:
            return stage.process.fork()
        except (ProcessGone, ProcessTimeout):
            if stage.process.sandbox.out_of_memory():
                raise OutOfMemory(TOGETHER) from None
            raise Crashed("The process of your cell had ended before this test could run.") from None
        except SandboxFault as error:
            raise GraderFault(str(error)) from None

    def _leave_line(self, stage: Stage) -> None:
        """Judge the rest of a stage in forks, of a process in which its cell has run afresh."""
        assert stage.process is not None
        stage.in_line = False
        stage.process.close()
        self._base()
        stage.process = self._snapshots.pop().process
        with contextlib.suppress(ProcessGone, ProcessTimeout):
            stage.process.request(self._run_request(stage.cell, AS_IS), seconds=self.limits.cell_seconds)

    def shares(self, stage: Stage) -> bool:
        """Whether the next test of a stage runs in a process that other tests have run in."""
        return stage.in_line or (stage.shared is not None and stage.shared.alive)

    def renew(self, stage: Stage, status: Status) -> bool:
        """After a test that has not passed in company: let the next one begin in a fork of its own.

        Returns:
            False if that cannot make a difference: what the last test found is what it would find again.
        """
        if stage.in_line:
            if status not in ABRUPT:
                return False
            self._leave_line(stage)
        elif stage.shared is not None:
            stage.shared.close()
            stage.shared = None
        return True

    def seed(self, cell: ManifestCell, test: str, purpose: str) -> int:
        """A seed for one test of this file: who hands in again, after errors that told the inputs, meets others."""
        return self.seeds.seed(*self._names_of(cell, test, purpose))

    def random_bytes(self, cell: ManifestCell, test: str, size: int) -> bytes:
        """What the inputs of one test of this file are drawn from."""
        return self.seeds.digest(*self._names_of(cell, test, "test"), size=size)

    def _names_of(self, cell: ManifestCell, test: str, purpose: str) -> list[str]:
        names = [self.student_name, self.manifest.assignment, cell.name, test, purpose]
        return [*names, self.submission.sha256] if self.submission.sha256 else names
