"""Small pictures of what a test found, as data that a record can hold: bounded, checked, and described in words.

Three kinds, each a dictionary:

* ``{"kind": "entries", "shape": [6, 10], "rows": ["..x...", …]}``: which entries of a result differ. One letter is one
  entry, or a block of them that is as bad as its worst entry: `.` right, `~` nearly right, `x` wrong, `n` nan, `i`
  infinite.
* ``{"kind": "curve", "length": 200, "heights": [0, 7, …], "marks": "..~xx"}``: a result with one axis, the student's
  own values from 0 (lowest) to 100, and the same letters below.
* ``{"kind": "shapes", "found": [3, 1], "expected": [3]}``.

Nothing in them tells an expected value: where something differs and whether by much, never in which direction.
"""

from __future__ import annotations

import math
import re
from typing import Any

MARKS = {".": "right", "~": "nearly right", "x": "wrong", "n": "not a number", "i": "infinite"}
MOST_ROWS, MOST_COLUMNS = 12, 24
MOST_POINTS = 48
MOST_AXES = 8
_LETTERS = re.compile(f"[{re.escape(''.join(MARKS))}]+")


def checked(data: Any) -> dict[str, Any] | None:
    """The picture if it is one of those above and within its bounds, else None; records come from files."""
    if not isinstance(data, dict):
        return None
    kind: Any = data.get("kind")
    if kind == "entries":
        rows: Any = data.get("rows")
        good = isinstance(rows, list) and 1 <= len(rows) <= MOST_ROWS and all(map(_letters, rows))
        good = good and len({len(row) for row in rows}) == 1 and len(rows[0]) <= MOST_COLUMNS
        return data if good and _sizes(data.get("shape")) else None
    if kind == "curve":
        heights: Any = data.get("heights")
        marks: Any = data.get("marks")
        good = isinstance(heights, list) and 2 <= len(heights) <= MOST_POINTS and _letters(marks)
        good = good and len(marks) == len(heights)
        good = good and all(h is None or (type(h) is int and 0 <= h <= 100) for h in heights)
        return data if good and _sizes([data.get("length")]) else None
    if kind == "shapes":
        return data if _sizes(data.get("found")) and _sizes(data.get("expected")) else None
    return None


def _letters(text: Any) -> bool:
    return isinstance(text, str) and _LETTERS.fullmatch(text) is not None


def _sizes(shape: Any) -> bool:
    return (
        isinstance(shape, list) and len(shape) <= MOST_AXES and all(type(n) is int and 0 <= n < 10**12 for n in shape)
    )


def described(data: dict[str, Any]) -> str:
    """A picture that is `checked` in one sentence, for those who do not see it and for the line below it."""
    if data["kind"] == "shapes":
        return f"Your result has the shape {_shape(data['found'])}; {_shape(data['expected'])} was expected."
    if data["kind"] == "curve":
        where = _where_along(data["marks"], data["length"])
        return f"Your values along the axis of {data['length']} entries, from the lowest to the highest; {where}."
    rows, shape = data["rows"], data["shape"]
    blocks = math.prod(shape) > len(rows) * len(rows[0])
    where = _where(rows, "block of rows" if blocks else "row", "block of columns" if blocks else "column")
    return f"Where your result of shape {_shape(shape)} differs: {where}."


def _shape(sizes: list[int]) -> str:
    return f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})" if sizes else "() (one number)"


def _where_along(marks: str, length: int) -> str:
    bad = [i for i, mark in enumerate(marks) if mark != "."]
    if not bad:
        return "all of them are right"
    if len(bad) == len(marks):
        return "all of them differ"
    first, last = bad[0] * length // len(marks), ((bad[-1] + 1) * length - 1) // len(marks)
    if first == last:
        return f"entry {first} differs"
    if bad == list(range(bad[0], bad[-1] + 1)):
        return f"those from entry {first} to entry {last} differ"
    return f"those that differ lie between entry {first} and entry {last}"


def _where(rows: list[str], row: str, column: str) -> str:
    """The pattern of what differs, where it has one that a person would name."""
    bad = {(i, j) for i, row in enumerate(rows) for j, mark in enumerate(row) if mark != "."}
    height, width = len(rows), len(rows[0])
    if len(bad) == height * width:
        return "everywhere"
    if height > 1 and width > 1:
        in_rows, in_columns = {i for i, _ in bad}, {j for _, j in bad}
        if len(in_rows) == 1 and height > 2:
            return _place(row, in_rows.pop(), height)
        if len(in_columns) == 1 and width > 2:
            return _place(column, in_columns.pop(), width)
        if len(bad) == len(in_rows) * width:
            return f"everywhere in {_share(len(in_rows), height)} of the rows"
        if len(bad) == len(in_columns) * height:
            return f"everywhere in {_share(len(in_columns), width)} of the columns"
        diagonal = {(i, i) for i in range(min(height, width))}
        if height == width and height > 2 and bad == diagonal:
            return "on the diagonal"
        if height == width and height > 2 and not bad & diagonal and len(bad) == height * (height - 1):
            return "everywhere but on the diagonal"
        if height == width and height > 2 and all(i < j for i, j in bad):
            return "above the diagonal"
        if height == width and height > 2 and all(i > j for i, j in bad):
            return "below the diagonal"
    share = len(bad) / (height * width)
    return "in most places" if share > 0.5 else "in some places" if share > 0.1 else "in a few places"


def _share(some: int, count: int) -> str:
    return "most" if some > count / 2 else "some"


def _place(what: str, index: int, count: int) -> str:
    name = "first" if index == 0 else "last" if index == count - 1 else ""
    return f"only in the {name} {what}" if name else f"only in one {what}"
