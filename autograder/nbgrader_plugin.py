"""What nbgrader's own commands load from this course (nbgrader_config.py names these classes)."""

from __future__ import annotations

from typing import Any

from nbformat import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.nbgrader_layout import GRADER_ONLY


class HideGraderCells(NbGraderPreprocessor):
    """Leave out the mark schemes, which are for the person who grades; `nbgrader generate_feedback` runs this first."""

    def preprocess(self, nb: NotebookNode, resources: dict[str, Any]) -> tuple[NotebookNode, dict[str, Any]]:
        nb.cells = [cell for cell in nb.cells if GRADER_ONLY not in cell.metadata.get("tags", [])]
        return nb, resources
