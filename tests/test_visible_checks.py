"""The checks that students see, tried on every wrong and every right answer that the hidden suite is tried on.

A check that passes wrong work teaches it. What only the grader can see, a call that an exercise forbids, is left out.
"""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

from autograder.compiler.manifest import Manifest, build_notebook
from autograder.curriculum import Notebook, load_curriculum
from autograder.validation import Example, read_examples

NOTEBOOKS = [notebook for notebook in load_curriculum().notebooks() if notebook.source.is_file()]

# The grader takes these classes, which keep their parameters elsewhere; the specification asks for `weights`, and the
# notebook draws them later on.
WITHOUT_WEIGHTS = {"separate_bias_vector", "autograd_inside", "transposed_numpy_weights"}


def exercises() -> list[Any]:
    found = []
    for notebook in NOTEBOOKS:
        manifest = build_notebook(notebook).manifest
        for cell in manifest.cells:
            if cell.kind == "exercise":
                found.append(pytest.param(notebook, manifest, cell.name, id=f"{notebook.name}-{cell.name}"))
    return found


def examples(notebook: Notebook, exercise: str) -> list[Example]:
    suite = notebook.root / "autograder" / "hidden_tests" / notebook.assignment
    return [e for e in read_examples(suite / f"misconceptions_{notebook.name}.py") if e.exercise == exercise]


def verdict(manifest: Manifest, exercise: str, answer: str) -> Exception | None:
    """What the check raises when one answer stands in an otherwise solved notebook."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    torch.manual_seed(0)
    try:
        for cell in manifest.cells:
            if cell.kind in ("setup", "exercise"):
                exec(compile(answer if cell.name == exercise else cell.solved, cell.grade_id, "exec"), namespace)
        check = next(cell for cell in manifest.cells if cell.kind == "check" and cell.name == exercise)
        exec(compile(check.solved, check.grade_id, "exec"), namespace)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(("notebook", "manifest", "exercise"), exercises())
def test_the_visible_check_agrees_with_the_examples(notebook: Notebook, manifest: Manifest, exercise: str) -> None:
    warnings.simplefilter("ignore")  # answers in NumPy's idiom bring NumPy's warnings
    tried = examples(notebook, exercise)
    assert tried
    seen_here = [e for e in tried if e.wrong and e.rejected_by != ("forbidden",)]
    let_through = [e.name for e in seen_here if not verdict(manifest, exercise, e.source)]
    assert not let_through, "these wrong answers pass the visible check"
    refused = {
        e.name: error
        for e in tried
        if not e.wrong and e.name not in WITHOUT_WEIGHTS and (error := verdict(manifest, exercise, e.source))
    }
    assert not refused, "these right answers fail the visible check"
