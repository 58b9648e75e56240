"""The pictures of `autograder.picture` as inline SVG; colours and signs come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from autograder.pages.charts import _line, _number, _rect, _svg, _text
from autograder.picture import MARKS, checked, described

CELL = 15.0
GAP = 2.0
KINDS = {".": "is-right", "~": "is-near", "x": "is-off", "n": "is-odd", "i": "is-odd"}
LABELS = {"x": "wrong", "~": "nearly right", ".": "right", "n": "nan", "i": "infinite"}


def figure(data: Any) -> Markup:
    """A picture with the sentence that describes it; empty where there is none, or none that may be shown."""
    picture = checked(data)
    if picture is None or (picture["kind"] == "entries" and set("".join(picture["rows"])) <= {"x", "~"}):
        return Markup("")  # wrong in every entry: the message says so, and no pattern is to be seen
    words = described(picture)
    drawing = {"entries": _entries, "curve": _curve, "shapes": _shapes}[picture["kind"]](picture, words)
    if picture["kind"] == "shapes":  # the message above it says the same
        return Markup('<figure class="picture">{}</figure>').format(drawing)
    return Markup('<figure class="picture">{}<figcaption>{} {}</figcaption></figure>').format(
        drawing, words, _legend(picture)
    )


def _sign(letter: str, x: float, y: float, width: float, height: float) -> list[Markup]:
    """The cell of one entry; what differs carries a sign, too, for those to whom colours look alike."""
    parts = [_rect(x, y, width, height, KINDS[letter], MARKS[letter])]
    a, b = x + 0.28 * width, x + 0.72 * width
    c, d = y + 0.28 * height, y + 0.72 * height
    if letter == "x":
        parts += [_line(a, c, b, d, "sign"), _line(a, d, b, c, "sign")]
    elif letter == "~":
        parts.append(_line(a, (c + d) / 2, b, (c + d) / 2, "sign"))
    elif letter in "ni":
        parts.append(_text(x + width / 2, y + height / 2 + 4, "?" if letter == "n" else "∞", kind="letter"))
    return parts


def _entries(picture: dict[str, Any], words: str) -> Markup:
    rows = picture["rows"]
    parts = [
        part
        for i, row in enumerate(rows)
        for j, letter in enumerate(row)
        for part in _sign(letter, 1 + j * CELL, 1 + i * CELL, CELL - GAP, CELL - GAP)
    ]
    return _sized(len(rows[0]) * CELL, len(rows) * CELL, words, parts)


def _curve(picture: dict[str, Any], words: str) -> Markup:
    heights, marks = picture["heights"], picture["marks"]
    step = max(7.0, min(24.0, 288.0 / len(heights)))
    tall, below = 70.0, 12.0
    width = step * len(heights)
    points: list[list[tuple[float, float]]] = [[]]
    for i, height in enumerate(heights):
        if height is None:
            points.append([])
        else:
            points[-1].append((step * (i + 0.5), 4 + (tall - 8) * (1 - height / 100)))
    parts = [_line(0, tall, width, tall, "grid")]
    for run in points:
        if len(run) > 1:
            path = " ".join(f"{_number(x)},{_number(y)}" for x, y in run)
            parts.append(Markup('<polyline class="curve" fill="none" points="{}"/>').format(path))
        for x, y in run:
            parts.append(Markup('<circle class="knot" cx="{}" cy="{}" r="2"/>').format(*map(_number, (x, y))))
    for i, letter in enumerate(marks):
        parts.append(_rect(step * i + 0.5, tall + 4, step - 1, below, KINDS[letter], MARKS[letter]))
        if letter == "x" and step >= 10:
            parts += _sign(letter, step * i + 0.5, tall + 4, step - 1, below)[1:]
    return _sized(width, tall + below + 6, words, parts)


def _shapes(picture: dict[str, Any], words: str) -> Markup:
    parts: list[Markup] = []
    x = 4.0
    height = 0.0
    for name, sizes, kind in (("yours", picture["found"], "is-off"), ("expected", picture["expected"], "is-right")):
        drawn, wide, tall = _box(sizes, x, kind)
        label = f"{name}: {' × '.join(map(str, sizes))}" if sizes else f"{name}: one number"
        needed = max(wide, 7.0 * len(label))
        parts += [*drawn, _text(x, 14, label, "start", "tick")]
        x += needed + 28
        height = max(height, tall)
    return _sized(x - 20, height + 30, words, parts)


def _box(sizes: list[int], x: float, kind: str) -> tuple[list[Markup], float, float]:
    """A box of one shape: the last axis across, the one before it down, those before it as sheets behind."""
    across = _length(sizes[-1]) if sizes else 10.0
    down = _length(sizes[-2]) if len(sizes) > 1 else 10.0
    sheets = 1 if len(sizes) < 3 else min(4, max(1, max(sizes[:-2])))
    parts = []
    for sheet in reversed(range(sheets)):
        front = f"{kind} sheet" if sheet == 0 else "sheet behind"
        parts.append(_rect(x + 5 * sheet, 24 + 5 * (sheets - 1 - sheet), across, down, front))
    top = 24 + 5 * (sheets - 1)
    for lines, along in ((sizes[-1] if sizes else 1, True), (sizes[-2] if len(sizes) > 1 else 1, False)):
        if 1 < lines <= 12:
            for k in range(1, lines):
                if along:
                    parts.append(_line(x + across * k / lines, top, x + across * k / lines, top + down, "rule"))
                else:
                    parts.append(_line(x, top + down * k / lines, x + across, top + down * k / lines, "rule"))
    return parts, across + 5 * (sheets - 1), down + 5 * (sheets - 1)


def _length(size: int) -> float:
    """Ten units an entry up to six of them; then more slowly, since only more or less can be seen."""
    if size == 0:
        return 2.0
    return 10.0 * size if size <= 6 else min(110.0, 60.0 + 8.0 * (size - 6) ** 0.5)


def _sized(width: float, height: float, words: str, parts: Iterable[Markup]) -> Markup:
    """A drawing shown at its own size, and smaller where there is no room."""
    drawing = _svg(width + 2, height + 2, words, list(parts))
    return Markup(
        str(drawing).replace(
            'class="chart"', f'class="drawing" width="{_number(width + 2)}" height="{_number(height + 2)}"', 1
        )
    )


def _legend(picture: dict[str, Any]) -> Markup:
    used = set("".join(picture.get("rows", [])) + picture.get("marks", ""))
    keys = [
        Markup('<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true">{}</svg> {}</span>').format(
            _rect(0, 0, 10, 10, KINDS[letter]), name
        )
        for letter, name in LABELS.items()
        if letter in used
    ]
    return Markup('<span class="legend">{}</span>').format(Markup(" ").join(keys))
