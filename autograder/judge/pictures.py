"""Making the pictures of `autograder.picture` from what a checker compared."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograder.picture import MOST_AXES, MOST_COLUMNS, MOST_POINTS, MOST_ROWS

SMALLEST = 4  # entries; fewer are told in words, and a picture of one would tell whether a guess was near
CURVE_FROM = 6  # entries of a result with one axis
NEAR = 1e-2  # relative difference up to which an entry is nearly right
_LETTERS = np.array([".", "~", "x", "i", "n"])  # from harmless to worst


def of_shapes(found: tuple[int, ...], expected: tuple[int, ...]) -> dict[str, Any] | None:
    """Two shapes that differ."""
    if max(len(found), len(expected)) > MOST_AXES:
        return None
    return {"kind": "shapes", "found": list(found), "expected": list(expected)}


def of_entries(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], bad: Any, atol: float) -> Any:
    """Which entries of two arrays of one shape differ.

    Args:
        found, wanted: of any shape, numbers.
        bad: where they differ, as the checker decided.
        atol: what the checker calls nothing.
    """
    if found.size < SMALLEST or found.ndim > MOST_AXES or not bad.any():
        return None
    near = _near(found, wanted, atol)
    levels = np.where(bad, np.where(near, 1, 2), 0)
    if found.dtype.kind in "fc":
        levels[bad & np.isinf(found)] = 3
        levels[bad & np.isnan(found)] = 4
    if found.ndim == 1 and found.size >= CURVE_FROM and found.dtype.kind in "fiu":
        return _curve(found.astype(np.float64), levels)
    table = levels.reshape(-1, levels.shape[-1])
    table = _worst(_worst(table, MOST_ROWS, 0), MOST_COLUMNS, 1)
    return {"kind": "entries", "shape": list(found.shape), "rows": ["".join(_LETTERS[row]) for row in table]}


def _near(found: Any, wanted: Any, atol: float) -> Any:
    with np.errstate(all="ignore"):
        return np.abs(found - wanted) <= NEAR * np.abs(wanted) + atol


def _worst(levels: Any, most: int, axis: int) -> Any:
    """At most so many blocks along an axis, each as bad as its worst entry."""
    count = levels.shape[axis]
    if count <= most:
        return levels
    return np.maximum.reduceat(levels, np.arange(most) * count // most, axis=axis)


def _curve(found: Any, levels: Any) -> dict[str, Any]:
    count = min(found.size, MOST_POINTS)
    starts = np.arange(count) * found.size // count
    with np.errstate(all="ignore"):
        means = np.add.reduceat(found, starts) / np.diff([*starts, found.size])
    finite = means[np.isfinite(means)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
    if not np.isfinite(high - low):
        low, high = low / 4, high / 4
        means = means / 4
    spread = high - low if high > low else 1.0
    heights = [round(100 * float((m - low) / spread)) if np.isfinite(m) else None for m in means]
    letters = _LETTERS[_worst(levels, MOST_POINTS, 0)]
    return {"kind": "curve", "length": int(found.size), "heights": heights, "marks": "".join(letters)}
