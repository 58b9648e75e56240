"""`{{points_table}}`, `{{built_table}}` and `{{colab_badge}}`: what the compiler fills into prose."""

from __future__ import annotations

import re

from autograder.compiler.holes import first_sentence
from autograder.compiler.pieces import Piece
from autograder.compiler.source import Cell
from autograder.curriculum import Curriculum, Notebook

_PLACEHOLDER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class Placeholders:
    """`{{points_table}}`, `{{built_table}}` and `{{colab_badge}}` in prose."""

    def __init__(self, notebook: Notebook, curriculum: Curriculum, pieces: list[Piece]) -> None:
        self._values = {
            "points_table": _points_table(pieces),
            "built_table": _built_table(pieces),
            "colab_badge": _colab_badge(notebook, curriculum.repository),
        }

    def __call__(self, cell: Cell, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name not in self._values:
                if "_" in name:  # anything else is doubled braces of a formula
                    cell.fail(f"unknown placeholder {match.group(0)}; known are {', '.join(sorted(self._values))}")
                return match.group(0)
            return self._values[name]

        return re.sub(r"\n{3,}", "\n\n", _PLACEHOLDER.sub(value, text)).strip("\n") if "{{" in text else text


def _amount(value: float) -> str:
    return f"{value:g}"


def _points_table(pieces: list[Piece]) -> str:
    rows = ["| task | what | points | minutes | difficulty | lecture |", "|---|---|--:|--:|---|---|"]
    kinds = {"exercise": "exercise", "quiz": "quiz", "answer": "written question"}
    total = minutes = 0.0
    for piece in pieces:
        cell = piece.cell
        if cell.kind in kinds:
            total, minutes = total + cell.points, minutes + (cell.minutes or 0)
            stars = "●" * (cell.difficulty or 0)
            name = f"`{cell.name}`" if cell.kind == "exercise" else cell.title
            rows.append(
                f"| {name} | {kinds[cell.kind]} | {_amount(cell.points)} | {cell.minutes or ''} | {stars} "
                f"| {', '.join(piece.lecture)} |"
            )
    rows.append(f"| **together** | | **{_amount(total)}** | **{_amount(minutes)}** | | |")
    return "\n".join(rows)


def _built_table(pieces: list[Piece]) -> str:
    rows = ["| what you built | what it does | where it lives |", "|---|---|---|"]
    for piece in pieces:
        for found in piece.objects:
            purpose = re.sub(r"([|*<$])", r"\\\1", first_sentence(found.source))  # plain text, not Markdown
            rows.append(f"| `{found.name}` | {purpose} | `{found.module}` |")
    return "\n".join(rows)


def _colab_badge(notebook: Notebook, repository: str) -> str:
    if not repository:
        return ""
    place = re.sub(r"^https?://github\.com/", "", repository)
    link = f"https://colab.research.google.com/github/{place}/blob/main/assignments/{notebook.assignment}/{notebook.name}.ipynb"
    return f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]({link})"
