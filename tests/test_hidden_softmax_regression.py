"""The hidden suites of the first assignment, tested: nonsense gets nothing, misconceptions are caught, the references
pass."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograder.compiler.manifest import build_notebook
from autograder.curriculum import Curriculum, Notebook, load_curriculum
from autograder.grading import Examiner
from autograder.judge.seeds import SeedSource
from autograder.preparation import prepare, with_examiner
from autograder.record import NotebookResult
from autograder.validation import read_examples, solved_submission, validate

ASSIGNMENT, NAMES = "01_softmax_regression", ("softmax_regression", "bias_variance")

# Answers that deserve nothing, for any exercise. `{name}` is what the cell must define.
NONSENSE = {
    "nothing": "def {name}(*args, **kwargs):\n    return None",
    "first_argument": "def {name}(*args, **kwargs):\n    return args[0]",
    "last_argument": "def {name}(*args, **kwargs):\n    return args[-1]",
    "zero": "def {name}(*args, **kwargs):\n    return 0.0",
    "zeros": "def {name}(*args, **kwargs):\n    return args[0] * 0 if torch.is_tensor(args[0]) else torch.zeros(3)",
    "text": "def {name}(*args, **kwargs):\n    return 'softmax'",
    "empty": "def {name}(*args, **kwargs):\n    return []",
    "error": "def {name}(*args, **kwargs):\n    raise ValueError('no')",
    "empty_class": "class {name}:\n    def __init__(self, *args, **kwargs):\n        pass",
}


@pytest.fixture(scope="module")
def curriculum() -> Curriculum:
    return load_curriculum()


def find(curriculum: Curriculum, name: str) -> Notebook:
    assignment = next(a for a in curriculum.assignments if a.name == ASSIGNMENT)
    return next(n for n in assignment.notebooks if n.name == name)


@pytest.fixture(scope="module", params=NAMES)
def notebook(curriculum: Curriculum, request: pytest.FixtureRequest) -> Notebook:
    return find(curriculum, request.param)


@pytest.fixture(scope="module")
def examine(
    curriculum: Curriculum, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Callable[[Examiner], Any]], Any]:
    """Run a function with an examiner of this assignment, in the sandbox that grading uses."""
    assignment = next(a for a in curriculum.assignments if a.name == ASSIGNMENT)
    prepared = prepare(curriculum, assignment, tmp_path_factory.mktemp("prepared"))
    return lambda work: with_examiner(prepared, curriculum.isolation, SeedSource(b"tests of the suite"), work)


def test_nonsense_gets_no_points_and_trips_no_test(notebook: Notebook, examine: Callable[..., Any]) -> None:
    def work(examiner: Examiner) -> dict[str, NotebookResult]:
        manifest = examiner.manifests[notebook.name]
        return {
            label: examiner.grade_submission(
                notebook,
                solved_submission(
                    manifest,
                    **{c.name: source.format(name=c.defines[0]) for c in manifest.cells if c.kind == "exercise"},
                ),
                label,
            )
            for label, source in NONSENSE.items()
        }

    accepted, tripped = [], []
    for label, result in examine(work).items():
        for entry in result.exercises:
            tests = [(f"{label}: {test.name}", test) for test in entry.tests if entry.kind == "exercise"]
            accepted += [name for name, test in tests if test.status == "passed"]
            tripped += [name for name, test in tests if "could not work with" in test.message]
            tripped += [name for name, test in tests if test.status == "grader_error"]
    assert accepted == []
    assert tripped == [], "write a check that says what is wrong"


def test_every_exercise_has_enough_tests_with_words_for_students(
    notebook: Notebook, examine: Callable[..., Any]
) -> None:
    def work(examiner: Examiner) -> dict[str, list[Any]]:
        names = [c.name for c in examiner.manifests[notebook.name].cells if c.kind in ("exercise", "quiz")]
        return {name: examiner.suite.skeleton(notebook.name, name) for name in names}

    for name, tests in examine(work).items():
        assert 3 <= len(tests) <= 10, f"{name} has {len(tests)} hidden tests"
        for test in tests:
            assert len(test.title) > 40, f"{test.name} says too little: {test.title!r}"


def test_neighbours_seldom_share_a_shuffled_batch() -> None:
    # What test_indices_are_shuffled relies on: it fails a shuffle in which 60 or more of 119 neighbours share a batch.
    rng, batch_of, worst = np.random.default_rng(0), np.empty(120, dtype=int), 0
    for _ in range(20_000):
        batch_of[rng.permutation(120)] = np.arange(120) // 10
        worst = max(worst, int((batch_of[1:] == batch_of[:-1]).sum()))
    assert worst < 30


def _judge(path: Path, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", f"autograder/hidden_tests/{ASSIGNMENT}", "--submission", str(path), "-q"]
    return subprocess.run([*command, "-p", "no:cacheprovider"], cwd=root, capture_output=True, text=True, timeout=300)


def test_the_suite_runs_under_pytest_itself(curriculum: Curriculum, root: Path, tmp_path: Path) -> None:
    built = build_notebook(find(curriculum, "softmax_regression"), curriculum)
    path = tmp_path / "softmax_regression.ipynb"
    path.write_text(built.solved_text, encoding="utf-8")
    solved = _judge(path, root)
    assert solved.returncode == 0, solved.stdout[-2000:]
    document = json.loads(built.solved_text)
    for cell in document["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "exercise-binary_weights":
            cell["source"] = "def binary_weights(theta_1, theta_2):\n    return theta_2 - theta_1\n"
    path.write_text(json.dumps(document), encoding="utf-8")
    reversed_sign = _judge(path, root)
    assert reversed_sign.returncode == 1
    assert "the difference has the wrong sign" in reversed_sign.stdout, "pytest shows the title that students read"
    assert "test_swapping_the_classes" not in reversed_sign.stdout, "one slip costs its own share"


@pytest.mark.slow
def test_reference_passes_and_every_example_is_judged_rightly(notebook: Notebook, examine: Callable[..., Any]) -> None:
    def work(examiner: Examiner) -> Any:
        report = None
        for _, report in validate(examiner, notebook, seeds=50):  # noqa: B007
            pass
        return report

    report = examine(work)
    assert [finding.what for finding in report.findings] == []
    examples = read_examples(notebook.misconceptions)
    assert report.seeds == 50
    assert report.wrong + report.right == len(examples)
