"""Small charts as inline SVG whose colours come from the page's style sheet, so that they suit a light and a dark page.

Texts are 12 units high in drawings of 380 units, which keeps them readable on a narrow screen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

WIDTH = 380


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> Markup:
    inside = Markup("<title>{}</title>").format(title) if title else Markup("")
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}">{}</rect>').format(
        kind, _number(x), _number(y), _number(max(width, 0)), _number(max(height, 0)), inside
    )


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "tick") -> Markup:
    return Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        kind, _number(x), _number(y), anchor, text
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, *map(_number, (x1, y1, x2, y2)))


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        _number(width), _number(height), title, Markup("").join(parts)
    )


def ring(score: float, total: float, title: str) -> Markup:
    """A ring that is filled by the share of the points."""
    radius = 52.0
    around = 2 * math.pi * radius
    share = min(1.0, max(0.0, score / total)) if total > 0 else 0.0
    arc = Markup('<circle class="{}" cx="60" cy="60" r="52" fill="none" stroke-width="11"{}/>')
    dashes = Markup(' stroke-dasharray="{} {}" transform="rotate(-90 60 60)"').format(
        _number(share * around), _number(around)
    )
    parts = [arc.format("ring-track", "")]
    if share > 0:
        parts.append(arc.format("ring-fill", dashes))
    number = _number(round(score, 2))
    parts.append(_text(60, 58, number, kind="ring-score" if len(number) <= 4 else "ring-score long"))
    parts.append(_text(60, 78, f"of {_number(round(total, 2))}", kind="ring-total"))
    return _svg(120, 120, title, parts)


def bar(share: float, kind: str = "good") -> Markup:
    """A horizontal bar for a table cell, filled by a share in [0, 1]; the number stands beside it in the table."""
    share = min(1.0, max(0.0, share))
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}{}</svg>'
    ).format(_rect(0, 0, 100, 10, "track"), _rect(0, 0, 100 * share, 10, kind))


def stacked_bar(parts: Sequence[tuple[str, int, str]]) -> Markup:
    """A horizontal bar of several parts.

    Args:
        parts: (class of the style sheet, count, what it is called) each.
    """
    total = sum(count for _, count, _ in parts)
    words = ", ".join(f"{count} {name}" for _, count, name in parts if count)
    rects, x = [], 0.0
    for kind, count, name in parts:
        if count:
            width = 100 * count / total
            rects.append(_rect(x, 0, width - (0.5 if x + width < 99.9 else 0), 10, kind, f"{count} {name}"))
            x += width
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
    ).format(words or "nobody", Markup("").join(rects))


def histogram(values: Sequence[float], total: float, median: float | None = None) -> Markup:
    """Students by score in about ten bins of a round width, with a line at the median."""
    height, left, bottom, top = 200, 30, 40, 22
    width = _round_width(total / 10)
    bins = max(1, math.ceil(total / width - 1e-9))
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int(value / width + 1e-9)))] += 1
    most = max(1, *counts)
    step = max(1, math.ceil(most / 4))
    most = step * math.ceil(most / step)
    plot_width, plot_height = WIDTH - left - 8, height - bottom - top
    parts: list[Markup] = []
    for count in range(0, most + 1, step):
        y = top + plot_height * (1 - count / most)
        parts += [_line(left, y, WIDTH - 8, y, "grid"), _text(left - 6, y + 4, str(count), "end")]
    for i, count in enumerate(counts):
        x, wide, tall = left + plot_width * i / bins, plot_width / bins, plot_height * count / most
        title = f"from {_number(width * i)} to {_number(min(total, width * (i + 1)))} points: {count}"
        parts.append(_rect(x + 1.5, top + plot_height - tall, wide - 3, tall, "main", title))
    for i in range(0, bins + 1, 1 if bins <= 8 else 2):
        parts.append(_text(left + plot_width * i / bins, height - bottom + 16, _number(width * i)))
    parts.append(_text(left + plot_width / 2, height - 6, "points"))
    if median is not None and total > 0:
        x = left + plot_width * min(1.0, max(0.0, median / (bins * width)))
        parts.append(_line(x, top - 4, x, top + plot_height, "marker"))
        anchor = "end" if median > total / 2 else "start"
        parts.append(_text(x + (-4 if anchor == "end" else 4), top - 6, f"median {_number(round(median, 1))}", anchor))
    return _svg(WIDTH, height, f"Number of students by score; median {median}", parts)


def _round_width(width: float) -> float:
    """The next number from `width` on among 1, 2, 2.5 and 5 times a power of ten."""
    if width <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(width) + 1e-9)
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= width * (1 - 1e-9))


def scatter(points: Sequence[tuple[str, str, float, float]], x_name: str, y_name: str) -> Markup:
    """Numbered points: mean score in percent across, discrimination up.

    Args:
        points: (mark inside the point, name, x in [0, 1], y in [-1, 1]) each.
        x_name: name of the horizontal axis.
        y_name: name of the vertical axis.
    """
    height, left, bottom, top = 240, 38, 40, 26
    low = min([0.0, *(y for *_, y in points)])
    low = -0.2 * math.ceil(-low / 0.2) if low < 0 else 0.0
    # Where all exercises are easy, the left of the drawing would stay empty and the points would crowd.
    first = min(60, 20 * math.floor(5 * min([1.0, *(x for _, _, x, _ in points)])))
    plot_width, plot_height = WIDTH - left - 22, height - bottom - top
    parts: list[Markup] = []
    ticks = [low + 0.2 * i for i in range(round((1 - low) / 0.2) + 1)]
    for tick in ticks:
        y = top + plot_height * (1 - (tick - low) / (1 - low))
        parts += [
            _line(left, y, WIDTH - 22, y, "zero" if abs(tick) < 1e-9 else "grid"),
            _text(left - 6, y + 4, f"{tick:.1f}", "end"),
        ]
    for percent in range(first, 101, 20 if first < 40 else 10):
        across = (percent - first) / (100 - first)
        parts.append(_text(left + plot_width * across, height - bottom + 18, f"{percent} %"))
    parts.append(_text(left + plot_width / 2, height - 4, x_name))
    parts.append(_text(left - 32, 12, y_name, "start"))
    for number, name, across, up in points:
        title = f"{name}: {x_name} {across:.0%}, {y_name} {up:.2f}"
        x = left + plot_width * (100 * across - first) / (100 - first)
        y = top + plot_height * (1 - (up - low) / (1 - low))
        dot = Markup('<circle class="dot" cx="{}" cy="{}" r="9"><title>{}</title></circle>')
        parts += [dot.format(_number(x), _number(y), title), _text(x, y + 4, number, kind="dot-label")]
    return _svg(WIDTH, height, f"{x_name} and {y_name} of each exercise", parts)


def span(low: float, middle: float, high: float, smallest: float, largest: float) -> Markup:
    """Where most values (all > 0) lie, on a logarithmic scale: a band from `low` to `high`, a mark at `middle`."""

    def place(value: float) -> float:
        value = min(max(value, smallest), largest)
        return 100 * math.log(value / smallest) / math.log(largest / smallest) if largest > smallest else 0.0

    start, stop = place(low), place(high)
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">{}{}{}</svg>'
    ).format(
        _rect(0, 4.5, 100, 1, "track"),
        _rect(start, 2, max(stop - start, 1), 6, "band"),
        _rect(place(middle) - 0.6, 0, 1.2, 10, "main"),
    )


def legend(entries: Sequence[tuple[str, str]]) -> Markup:
    """Colours and their names, as text."""
    items = [
        Markup('<span class="key"><svg viewBox="0 0 10 10" aria-hidden="true">{}</svg> {}</span>').format(
            _rect(0, 0, 10, 10, kind), escape(name)
        )
        for kind, name in entries
    ]
    return Markup('<p class="legend">{}</p>').format(Markup(" ").join(items))
