"""Hostile and unlucky submissions get what a careful human would give them, and disturb nobody."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import mini_class
import pytest
from mini_class import FULL, POINTS, by_name, grade, handed_in, told
from threats import accidents, second_round
from threats.case import DESCEND, ENTROPY, SOFTMAX, WORKER, Case
from threats.forging import FORBIDDEN, FORGING, HONEST_BUT_UNUSUAL
from threats.harm import HARM, REACHING
from threats.traces import TRACES

from autograder.grading import Examiner
from autograder.record import NotebookResult, Record
from autograder.sandbox import isolation

CASES = [*FORGING, *FORBIDDEN, *HONEST_BUT_UNUSUAL, *HARM, *accidents.CASES, *TRACES, *second_round.CASES]


def check(case: Case, result: NotebookResult) -> None:
    """Points, statuses and words are those that the case deserves."""
    entries = by_name(result)
    wanted = {name: points - case.lost.get(name, 0.0) for name, points in POINTS.items()}
    found = {name: entry.score for name, entry in entries.items()}
    wanted |= {name: POINTS[name] for name in case.at_random if found[name] == POINTS[name]}
    assert found == wanted, [(e.name, e.status, e.message, [t.message for t in e.tests]) for e in entries.values()]
    assert result.status == "graded"
    for name, status in case.status.items():
        assert entries[name].status == status
    for name, text in case.says.items():
        said = " ".join([entries[name].message, *(t.message for t in entries[name].tests)])
        assert text in said
    if case.finding:
        assert case.finding in {f.kind for f in result.findings}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_submission_gets_what_it_deserves(case: Case, examiner: Examiner, tmp_path: Path) -> None:
    limits = mini_class.limits(**case.limits) if case.limits else None
    result = grade(examiner, handed_in(dict(case.cells), case.extras), tmp_path, limits)
    check(case, result)
    assert_fit_for_print(result)


def assert_fit_for_print(result: NotebookResult) -> None:
    """A record can be written, has words of bounded length, and no character that a terminal would act on."""
    record = Record("student", "01_mini", FULL, result.score, notebooks=[result])
    text = record.to_json()
    assert len(text.encode("utf-8")) < 5_000_000
    assert Record.from_json(text) == record
    for entry in result.exercises:
        for message in [entry.message, *(t.message for t in entry.tests), *(t.title for t in entry.tests)]:
            assert len(message) < 8_000
            assert all(c.isprintable() or c in "\n\t" for c in message), repr(message)


def test_the_next_submission_is_graded_as_usual(examiner: Examiner, tmp_path: Path) -> None:
    hostile = (
        "import os, time\nfor _ in range(20):\n    if os.fork() == 0:\n        os.setsid()\n        time.sleep(60)\n"
        + ENTROPY
    )
    left = {"Counter": "open('/tmp/note', 'w').write('for the next')\nopen('/dev/shm/note', 'w').write('x')"}
    grade(examiner, handed_in({"entropy": hostile, **left}), tmp_path)
    looking = """
import os
print("found", sorted(os.listdir("/tmp")), os.listdir("/dev/shm"), os.listdir("."))
others = 0
for number in range(2, 4000):
    try: os.kill(number, 0); others += number != os.getpid() and os.getpgid(number) != os.getpgid(0)
    except OSError: pass
print("others", others)
"""
    result = grade(examiner, handed_in({"entropy": looking + ENTROPY}), tmp_path)
    assert result.score == FULL
    output = by_name(result)["entropy"].outputs[0]["text"]
    assert f"found {mini_class.seen_in_tmp()} [] []" in output
    assert "others 0" in output or "others 1" in output  # the process that this one was forked from


def test_nothing_outside_can_be_reached(examiner: Examiner, tmp_path: Path) -> None:
    result = grade(examiner, handed_in({"entropy": REACHING + ENTROPY}), tmp_path)
    output = by_name(result)["entropy"].outputs[0]["text"]
    assert "tried everything" in output
    assert "REACHED" not in output
    assert result.score == FULL


LOOKING = """
import gc, inspect, linecache, os, sys
looked = 0
def look(*texts):
    global looked
    for text in texts:
        looked += 1
        text = text if isinstance(text, str) else repr(text)
        text = text[::-1]
        for word in WORDS:  # backwards, so that this search does not find itself
            if word in text: print("FOUND", word[::-1])
look(dict(os.environ), sys.argv, In)
for folder, folders, files in os.walk("/"):
    if folder.startswith(("/usr", "/dev")) or "site-packages" in folder or "/lib/python" in folder:
        folders.clear()
        continue
    for name in files:
        try:
            with open(os.path.join(folder, name), errors="replace") as file: look(folder + name, file.read(10**6))
        except OSError: pass
frame = sys._getframe().f_back
while frame is not None:
    look(*(value for value in frame.f_locals.values() if type(value) in (str, bytes)))
    frame = frame.f_back
for thing in gc.get_objects():
    if type(thing) in (dict, list, tuple):
        parts = thing.values() if type(thing) is dict else thing
        look(*[part for part in list(parts) if type(part) is str])
look(*("".join(lines[2]) for lines in list(linecache.cache.values()) if len(lines) > 2))
try: look(inspect.getsource(softmax), softmax.__doc__ or "")
except (OSError, TypeError): pass
print("looked at", looked)
"""


@pytest.mark.parametrize("name", ["entropy", "descend"])
def test_there_is_nothing_to_read(
    name: str, examiner: Examiner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files, environment, history, frames and memory hold no line of a hidden test or of the reference.

    Local names of a reference whose exercise has been judged stand in its compiled form; see docs/security.md.
    """
    monkeypatch.setenv("COURSE_SECRET", "do-not-tell")
    telling = [
        "powers_of_e / ",
        "share_of_mass * ",
        "place_on_the_slope - ",
        "test_softmax_values",
        "Categorical(",
        "do-not-tell",
    ]
    words = f"WORDS = {[word[::-1] for word in telling]}\n"
    cells = {"softmax": SOFTMAX, "entropy": ENTROPY, "descend": DESCEND}
    cells[name] = words + LOOKING + cells[name]
    result = grade(examiner, handed_in(cells), tmp_path, mini_class.limits(cell_seconds=60))
    output = "".join(o.get("text", "") for o in by_name(result)[name].outputs)
    assert "looked at" in output, (by_name(result)[name].message, output)
    assert int(output.rpartition("looked at")[2]) > 1_000
    assert "FOUND" not in output
    assert result.score == FULL


def test_words_of_a_worker_are_made_fit(examiner: Examiner, tmp_path: Path) -> None:
    """Escape codes, half characters, HTML, numbers for text and text without end: the record holds plain words."""
    cells = {
        "entropy": WORKER
        + """
def entropy(x):
    text = "\\ud800\\x1b]0;owned\\x07\\u202e<script>" + "m" * 10**6
    lines = [{"line": "l" * 10**5, "text": {}}, {"line": 3, "text": "\\x1b[31m"}]
    error = {"kind": "error", "type": "\\x1b[2JX" * 10_000, "message": text, "lines": lines, "bases": ["a" * 99] * 99}
    W.channel.send({"error": error})
    os._exit(0)
""",
        "Counter": WORKER
        + """
page = {"text/html": "<script>alert(1)</script>", "../x": "y", "image/png": 5}
outputs = [
    {"evil": 1}, 7, {"output_type": "stream", "name": [], "text": "z" * 10**6},
    {"output_type": "stream", "text": "\\ud800"}, {"output_type": "display_data", "data": page, "metadata": 3},
]
cell = {"error": {"type": ["x"], "message": {"a": 1}, "lines": 7}, "seconds": "long", "outputs": outputs}
W.channel.send({"cells": [cell], "shadowed": ["x" * 10**4] * 100})
os._exit(0)
""",
        "descend": WORKER + "\nW.channel.send({'cells': 5, 'shadowed': {}})\nos._exit(0)\n",
    }
    result = grade(examiner, handed_in(cells), tmp_path, mini_class.limits())
    assert_fit_for_print(result)
    assert result.score == POINTS["softmax"] + POINTS["fact"]
    for output in by_name(result)["Counter"].outputs:
        assert set(output) <= {"output_type", "name", "text", "data", "metadata"}
        assert all(isinstance(text, str) for text in output.get("data", {}).values())
    assert "<script>" in told(result)  # as text: the pages escape it


def test_forged_metadata_changes_nothing_and_is_named(examiner: Examiner, tmp_path: Path) -> None:
    content = mini_class.released()
    for cell in content["cells"]:
        nbgrader = cell["metadata"].get("nbgrader")
        cell["metadata"]["tags"] = ["remove_cell", "skip-execution", "otter_ignore"]
        if nbgrader and nbgrader["grade_id"].startswith(("exercise", "quiz", "check")):
            nbgrader |= {"points": 100, "grade": True, "solution": False, "locked": True, "task": True}
    for place, name in enumerate(("softmax", "entropy")):
        mini_class.find(content, name)["metadata"]["nbgrader"]["grade_id"] = f"renamed-{place}"
    result = grade(examiner, content, tmp_path)
    assert result.score == 0
    assert result.points == FULL + 3
    changed = [f.message for f in result.findings if f.kind == "metadata_changed"]
    assert any("Counter" in message for message in changed)


def test_renamed_cells_are_recognised_by_what_they_define(examiner: Examiner, tmp_path: Path) -> None:
    content = handed_in()
    for name in ("softmax", "fact"):
        cell = mini_class.find(content, name)
        cell["metadata"]["nbgrader"]["grade_id"] = "something-else"
        cell["id"] = f"x{name}"
    result = grade(examiner, content, tmp_path)
    assert result.score == FULL
    assert "recognised" in {f.kind for f in result.findings}


def test_a_cell_that_swaps_grade_ids_gains_nothing(examiner: Examiner, tmp_path: Path) -> None:
    content = handed_in({"entropy": "def entropy(x):\n    return 0"})
    quiz, exercise = mini_class.find(content, "fact"), mini_class.find(content, "entropy")
    quiz["metadata"]["nbgrader"]["grade_id"], exercise["metadata"]["nbgrader"]["grade_id"] = (
        "exercise-entropy",
        "quiz-fact",
    )
    result = grade(examiner, content, tmp_path)
    assert by_name(result)["entropy"].score == 0


def test_other_files_beside_the_notebook_are_not_used(examiner: Examiner, tmp_path: Path) -> None:
    for name in ("conftest.py", "sitecustomize.py", "usercustomize.py", "torch.py", "numpy.py", "course_lib.py"):
        (tmp_path / name).write_text("raise SystemExit('a file of the student was loaded')")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --collect-only -p no:anything")
    result = grade(examiner, handed_in(), tmp_path)
    assert result.score == FULL


def test_isolation_is_what_the_course_asks_for(examiner: Examiner) -> None:
    assert examiner.zygote.level == "bubblewrap"
    assert isolation.available_level() == "bubblewrap"


def test_less_isolation_than_asked_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder.errors import CourseError

    monkeypatch.setattr(isolation, "available_level", lambda: "process")
    monkeypatch.setattr(
        isolation, "why_no_bubblewrap", lambda: "bubblewrap is not installed (apt-get install bubblewrap)"
    )
    with pytest.raises(CourseError, match="apt-get install bubblewrap"):
        isolation.require("bubblewrap")
    assert isolation.require("process") == "process"


def test_a_course_installed_among_packages_is_covered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where hidden tests lie in a folder that the sandbox needs, they are covered."""
    packages = tmp_path / "lib" / "site-packages"
    for name in ("autograder", "course_lib"):
        (packages / name).mkdir(parents=True)
    monkeypatch.setattr(isolation, "PACKAGE", packages / "autograder")
    monkeypatch.setattr(isolation, "_python_folders", lambda: [str(tmp_path / "lib")])
    assert isolation._course_folders() == [str(packages / "autograder"), str(packages / "course_lib")]
    (packages / "course.toml").touch()
    assert isolation._course_folders() == [str(packages)]


def test_a_sandbox_leaves_no_process_and_no_folder(tmp_path: Path) -> None:
    with mini_class.open_examiner() as examiner:
        pid = examiner.zygote.process.pid
        folder = examiner.zygote.process.folder
        assert folder.exists()
        grade(
            examiner,
            handed_in({"entropy": "import os, time\nif os.fork() == 0: time.sleep(1000)\n" + ENTROPY}),
            tmp_path,
        )
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_students_code_gets_none_of_the_drivers_environment(examiner: Examiner, tmp_path: Path) -> None:
    result = grade(
        examiner, handed_in({"entropy": "import json, os\nprint(json.dumps(dict(os.environ)))\n" + ENTROPY}), tmp_path
    )
    found: dict[str, Any] = json.loads(by_name(result)["entropy"].outputs[0]["text"])
    ours = set(isolation.environment()) | {"PYTHONPATH", "PWD", "TORCHINDUCTOR_CACHE_DIR", "LC_CTYPE"}
    assert set(found) <= ours
