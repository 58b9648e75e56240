"""Trying the graders: a test suite that is itself tested.

For every notebook: the solution gets full marks on many seeds, the untouched release gets zero with kind messages,
every named misconception is rejected by the test that names it (and by the message it promises), every alternative
solution gets full marks. What depends on luck is tried on as many seeds as the solution.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import jupytext

from autograder.compiler.manifest import Manifest, ManifestCell
from autograder.curriculum import Notebook
from autograder.errors import CourseError
from autograder.grading import Examiner
from autograder.intake import Submission
from autograder.judge.seeds import SeedSource
from autograder.record import ExerciseResult

Complain = Callable[[str], None]
SEEDS_FOR_ONE_ESCAPE = 50  # a stochastic misconception may be accepted on one seed in so many


@dataclass(frozen=True)
class Example:
    """One cell of a misconceptions file: a wrong or a right answer to one exercise."""

    exercise: str
    name: str
    wrong: bool
    source: str
    rejected_by: tuple[str, ...] = ()
    says: str = ""
    stochastic: bool = False  # its fate depends on luck: tried on every seed
    tells: str = ""  # what feedback may say where this answer's pattern of failures is met


@dataclass
class Finding:
    """Something that a suite got wrong."""

    notebook: str
    what: str


@dataclass
class Report:
    """What one notebook's validation did and found."""

    notebook: str
    seeds: int = 0
    wrong: int = 0
    right: int = 0
    exercises: int = 0
    findings: list[Finding] = field(default_factory=list)
    caught_by: dict[str, list[str]] = field(default_factory=dict)  # misconception -> tests that failed
    counts: dict[str, Count] = field(default_factory=dict)  # "exercise" or "exercise/example" -> what became of it


@dataclass
class Count:
    """How often an answer that was graded on several seeds got what it deserves."""

    verdict: str  # "full marks" or "rejected"
    tried: int = 0
    right: int = 0
    needed: int = 0

    @property
    def enough(self) -> bool:
        """Whether that was often enough."""
        return self.right >= self.needed


def read_examples(path: Path) -> list[Example]:
    """Read a misconceptions file.

    Raises:
        CourseError: a cell has no `wrong=` or `right=`, a name is used twice, or a wrong answer names no test.
    """
    if not path.exists():
        raise CourseError(f"{path.name} is missing: every exercise has named misconceptions and alternatives")
    examples: list[Example] = []
    for number, cell in enumerate(jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent").cells):
        meta = cell.metadata
        if cell.cell_type != "code" or not cell.source.strip() or not ({"wrong", "right"} & set(meta)):
            if cell.cell_type == "code" and cell.source.strip() and number > 0:
                raise CourseError(
                    f'{path.name}, cell {number + 1}: add wrong="exercise" or right="exercise" to its header'
                )
            continue
        wrong = "wrong" in meta
        exercise = str(meta["wrong" if wrong else "right"])
        name = str(meta.get("name", ""))
        tests = tuple(str(meta.get("rejected_by", "")).split())
        if not name or any(e.name == name and e.exercise == exercise for e in examples):
            raise CourseError(f"{path.name}, cell {number + 1} ({exercise}): every example needs a name of its own")
        if wrong and not tests:
            raise CourseError(f"{path.name}, {exercise}/{name}: say which test must reject it with rejected_by=")
        source = re.sub(r"(\n#[^\n]*)+\s*\Z", "\n", cell.source)  # headings of the file between two examples
        stochastic = _is_yes(meta.get("stochastic", "no"), f"{path.name}, {exercise}/{name}")
        says, tells = str(meta.get("says", "")), str(meta.get("tells", ""))
        examples.append(Example(exercise, name, wrong, source, tests, says, stochastic, tells))
    return examples


def _is_yes(value: object, where: str) -> bool:
    if str(value).lower() not in ("yes", "no"):
        raise CourseError(f'{where}: stochastic is "yes" or "no", found {value!r}')
    return str(value).lower() == "yes"


def solved_submission(manifest: Manifest, **replaced: str) -> Submission:
    """The solved notebook as a submission, with some answers replaced."""
    cells = {
        c.name: [replaced.get(c.name, c.solved)] for c in manifest.cells if c.kind in ("exercise", "quiz", "answer")
    }
    return Submission(cells=cells)


def released_submission(manifest: Manifest) -> Submission:
    """The untouched release as a submission."""
    return Submission(cells={c.name: [c.released] for c in manifest.cells if c.kind in ("exercise", "quiz", "answer")})


def validate(
    examiner: Examiner, notebook: Notebook, seeds: int = 3, only: str = "", everything: bool = False
) -> Iterator[tuple[str, Report]]:
    """Validate one notebook; yields (what has just been tried, the report so far) after every step.

    Args:
        examiner: with the suite of this notebook.
        seeds: how many draws of hidden inputs the solution must pass, and every answer that is marked as stochastic.
        only: look at this exercise alone.
        everything: treat every answer as if it were marked as stochastic.
    """
    manifest = examiner.manifests[notebook.name]
    report = Report(notebook.name)
    graded = [c for c in manifest.cells if c.kind in ("exercise", "quiz")]
    report.exercises = len(graded)

    def complain(what: str) -> None:
        report.findings.append(Finding(notebook.name, what))

    for cell in graded:
        if not examiner.suite.tests(notebook.name, cell.name):
            complain(f"{cell.name} has no hidden test")
    for name in examiner.suite.exercises(notebook.name):
        if all(cell.name != name for cell in graded):
            complain(f"the hidden suite judges {name!r}, which is not in the notebook")
    if only and all(cell.name != only for cell in graded):
        raise CourseError(f"{notebook.name} has no exercise {only!r}; it has {', '.join(c.name for c in graded)}")
    for number in range(seeds):
        examiner.seeds = _seeds(number)
        student = f"reference-{number}"
        if only:
            entries = [examiner.grade_one(notebook, solved_submission(manifest), only, student)]
        else:
            entries = examiner.grade_submission(notebook, solved_submission(manifest), student).exercises
        report.seeds += 1
        for entry in entries:
            if entry.kind == "answer":
                continue
            count = report.counts.setdefault(entry.name, Count("full marks", needed=seeds))
            count.tried += 1
            count.right += entry.status == "passed"
            if entry.status != "passed":
                complain(f"the solution of {entry.name} does not get full marks with seed {number}: {_why(entry)}")
        yield f"solution, seed {number}", report
    _check_release(examiner, notebook, manifest, complain)
    yield "untouched release", report
    examples = read_examples(notebook.misconceptions)
    _check_counts(examples, graded, complain)
    if everything:
        examples = [dataclasses.replace(example, stochastic=True) for example in examples]
    for example in examples:
        if only and example.exercise != only:
            continue
        if all(cell.name != example.exercise for cell in graded):
            complain(f"{example.exercise}/{example.name}: no such exercise in the notebook")
            continue
        _try_example(examiner, notebook, manifest, example, report, seeds, complain)
        yield f"{example.exercise}/{example.name}", report


def _seeds(number: int) -> SeedSource:
    return SeedSource(f"validation {number}".encode())


def _why(entry: ExerciseResult) -> str:
    test = next((t for t in entry.tests if t.status != "passed"), None)
    return f"{test.name}: {test.status}, {test.message}" if test is not None else entry.status


def _check_release(examiner: Examiner, notebook: Notebook, manifest: Manifest, complain: Complain) -> None:
    result = examiner.grade_submission(notebook, released_submission(manifest), "untouched")
    if result.score != 0:
        complain(f"the untouched release gets {result.score:g} points")
    for entry in result.exercises:
        if entry.status != "not_done" or ("not done yet" not in entry.message.lower() and entry.kind != "answer"):
            complain(
                f"the untouched {entry.name} is called {entry.status!r} ({entry.message!r}), not kindly 'not done yet'"
            )


def _check_counts(examples: list[Example], graded: list[ManifestCell], complain: Complain) -> None:
    for cell in graded:
        if cell.kind != "exercise":
            continue
        wrong = sum(e.wrong for e in examples if e.exercise == cell.name)
        right = sum(not e.wrong for e in examples if e.exercise == cell.name)
        if wrong < 3 or right < 2:
            complain(f"{cell.name} has {wrong} misconceptions and {right} alternatives; at least 3 and 2 are asked for")


def _try_example(
    examiner: Examiner,
    notebook: Notebook,
    manifest: Manifest,
    example: Example,
    report: Report,
    seeds: int,
    complain: Complain,
) -> None:
    label = f"{example.exercise}/{example.name}"
    submission = solved_submission(manifest, **{example.exercise: example.source})
    report.wrong += example.wrong
    report.right += not example.wrong
    tries = seeds if example.stochastic else 1
    count = Count("rejected" if example.wrong else "full marks", needed=tries)
    if example.wrong:
        count.needed -= tries // SEEDS_FOR_ONE_ESCAPE
    misjudged: list[str] = []
    for number in range(tries):
        if example.stochastic:
            examiner.seeds = _seeds(number)
        # Only this exercise is judged: earlier ones stand there as the reference in any case.
        entry = examiner.grade_one(notebook, submission, example.exercise, "validation")
        if example.wrong:
            failed = {t.name for t in entry.tests if t.status != "passed"}
            report.caught_by[label] = sorted({*report.caught_by.get(label, []), *failed})
        complaints = list(_complaints(example, entry))
        count.tried += 1
        count.right += not complaints
        where = f" (seed {number})" if example.stochastic else ""
        misjudged += [f"{label}: {complaint}{where}" for complaint in complaints]
    if example.stochastic:
        report.counts[label] = count
    if not count.enough:
        for complaint in misjudged:
            complain(complaint)


def _complaints(example: Example, entry: ExerciseResult) -> Iterator[str]:
    """What is wrong with the verdict on an example; nothing if it is right."""
    failed = {t.name: t for t in entry.tests if t.status != "passed"}
    if not example.wrong:
        if entry.status != "passed":
            yield f"a right answer does not get full marks: {_why(entry)} {entry.message}"
        return
    for wanted in example.rejected_by:
        if wanted == "forbidden":
            if entry.status != "forbidden" or entry.score:
                yield f"the forbidden call was not noticed (status {entry.status}, {entry.score:g} points)"
        elif wanted in ("error", "timeout", "crashed", "memory"):
            if entry.status != wanted:
                yield f"status {wanted} was expected, found {entry.status}"
        elif wanted not in {t.name.split("[")[0] for t in failed.values()} | set(failed):
            known = any(t.name.split("[")[0] == wanted for t in entry.tests)
            verdict = "accepts it" if known else "is not a test of this exercise"
            yield f"{wanted} {verdict}; failed: {sorted(failed)}"
    said = " ".join([entry.message, *(f"{t.title} {t.message} {t.hint}" for t in failed.values())])
    told = f"This often happens when {example.tells}." if example.tells else ""
    if entry.likely not in ("", told) or (told and not entry.likely):
        yield f"feedback names another misconception: {entry.likely or 'none'!r} in place of {told!r}"
    if example.says and example.says.lower() not in said.lower():
        yield f"no message says {example.says!r}; they say: {said[:300]}"
