"""The mini course (tests/mini_course) as the tests of the engine use it: notebooks to hand in, and an examiner."""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import queue
import tempfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from autograder.compiler.manifest import Built, Manifest, build_notebook
from autograder.curriculum import Assignment, Curriculum, Limits, Notebook, load_curriculum
from autograder.grading import Examiner
from autograder.judge.seeds import SeedSource
from autograder.preparation import prepare, with_examiner
from autograder.record import ExerciseResult, NotebookResult
from autograder.sandbox import isolation as isolation

COURSE = Path(__file__).resolve().parent / "mini_course"
POINTS = {
    "softmax": 4.0,
    "entropy": 2.0,
    "Counter": 2.0,
    "descend": 2.0,
    "fact": 1.0,
    "why": 0.0,
}  # what a machine can give
FULL = sum(POINTS.values())
SECRET = SeedSource(b"a secret of the tests")

# Lines of the reference and of the hidden suite that nobody else would write.
TELLING = ("powers_of_e", "share_of_mass", "place_on_the_slope", "test_softmax_values", "Categorical(logits")


@functools.lru_cache(maxsize=1)
def curriculum() -> Curriculum:
    return load_curriculum(COURSE / "course.toml")


def assignment() -> Assignment:
    return curriculum().assignments[0]


def notebook() -> Notebook:
    return assignment().notebooks[0]


@functools.lru_cache(maxsize=1)
def built() -> Built:
    return build_notebook(notebook(), curriculum())


def manifest() -> Manifest:
    return built().manifest


def solved() -> dict[str, Any]:
    """The solved notebook as JSON that may be changed."""
    return copy.deepcopy(json.loads(built().solved_text))


def released() -> dict[str, Any]:
    """The notebook as handed out, as JSON that may be changed."""
    return copy.deepcopy(json.loads(built().student_text))


def find(content: dict[str, Any], name: str) -> dict[str, Any]:
    """The student's cell of an exercise, quiz or answer."""
    for cell in content["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if grade_id in (f"exercise-{name}", f"quiz-{name}", f"answer-{name}"):
            return cell
    raise KeyError(name)


def code_cell(source: str, **metadata: Any) -> dict[str, Any]:
    """A cell of the student's own."""
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def handed_in(
    cells: dict[str, str] | None = None, extras: Sequence[tuple[str, str]] = (), start: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The solved notebook with other answers.

    Args:
        cells: name of an exercise or quiz -> the student's cell.
        extras: cells of the student's own, as (name of the exercise before which it stands or "" for the end, source).
        start: another notebook to begin with.
    """
    content = solved() if start is None else start
    for name, source in (cells or {}).items():
        find(content, name)["source"] = source
    for before, source in extras:
        place = content["cells"].index(find(content, before)) if before else len(content["cells"])
        content["cells"].insert(place, code_cell(source))
    return content


def limits(**changed: float) -> Limits:
    """Limits for code that runs into them: short, and long enough for honest cells on a busy machine."""
    return Limits(**({"cell_seconds": 6, "test_seconds": 4, "memory_mb": 1024} | changed))  # type: ignore[arg-type]


def seen_in_tmp() -> list[str]:
    """What every submission finds in its fresh /tmp: nothing, or the way to an environment that lies below it."""
    kept = isolation.inside_of_covered(isolation._python_folders())
    return sorted({Path(folder).parts[2] for folder in kept if folder.startswith("/tmp/")})


@contextlib.contextmanager
def open_examiner(level: str = "bubblewrap", course: Curriculum | None = None) -> Iterator[Examiner]:
    """An examiner of the first assignment of the mini course, or of another one, with a warm zygote.

    The hidden tests live in a pytest session of their own, which has to last: it waits in a thread meanwhile.
    """
    with tempfile.TemporaryDirectory(prefix="mini-") as folder:
        course = course or curriculum()
        prepared = prepare(course, course.assignments[0], Path(folder))
        answers: queue.Queue[Examiner | BaseException] = queue.Queue()
        done = threading.Event()

        def work(examiner: Examiner) -> None:
            answers.put(examiner)
            done.wait()

        def session() -> None:
            try:
                with_examiner(prepared, level, SECRET, work)
            except BaseException as error:
                answers.put(error)

        thread = threading.Thread(target=session, name="judge")
        thread.start()
        try:
            answer = answers.get()
            if isinstance(answer, BaseException):
                raise answer
            yield answer
        finally:
            done.set()
            thread.join()


def grade(examiner: Examiner, content: Any, folder: Path, limits: Limits | None = None) -> NotebookResult:
    """Grade a notebook given as JSON data, text or bytes."""
    path = folder / "mini.ipynb"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    result = examiner.grade(notebook(), path, "student", limits)
    assert_complete(result)
    return result


def assert_complete(result: NotebookResult) -> None:
    """Every exercise has an entry with a status, points within bounds, and words where it did not pass."""
    assert [e.name for e in result.exercises] == list(POINTS)
    for entry in result.exercises:
        assert entry.status
        assert 0 <= entry.score <= entry.points
        if entry.kind != "answer":
            assert entry.tests
        if entry.status not in ("passed", "manual"):
            said = [entry.message, *(t.message for t in entry.tests), *(f.message for f in result.findings)]
            assert any(said), f"{entry.name} is {entry.status} without a word"


def by_name(result: NotebookResult) -> dict[str, ExerciseResult]:
    return {entry.name: entry for entry in result.exercises}


def told(result: NotebookResult) -> str:
    """Everything in a result that a student can come to read."""
    parts = [f.message for f in result.findings if f.for_student]
    for entry in result.exercises:
        parts += [entry.message, json.dumps(entry.outputs, ensure_ascii=False)]
        parts += [t.message for t in entry.tests]
    return "\n".join(parts)
