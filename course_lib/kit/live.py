"""A curve that grows while something is learning, where somebody watches."""

from __future__ import annotations

import math
import sys
import time
from typing import Any, Self

from matplotlib.figure import Figure

from course_lib.kit import plots
from course_lib.kit.progress import somebody_watches


class LiveCurve:
    """Draws the numbers that it is called with, at most twice a second. Hand it to a training loop as its callback.

    Outside of a notebook, and with COURSE_FAST=1, it only keeps the numbers. At the end of the `with` block the drawing
    is taken away, so that a final figure can stand alone; it stays where the block ends with an exception, that of the
    stop button for example.

    >>> with LiveCurve("Learning", "batch", "mean return") as live:
    ...     for update, value in enumerate([1.0, 3.0]):
    ...         live(update, value)
    >>> live.values
    [1.0, 3.0]
    """

    def __init__(self, title: str, xlabel: str, ylabel: str, every: float = 0.5) -> None:
        """Start with nothing drawn.

        Args:
            title: of the figure.
            xlabel: of the horizontal axis.
            ylabel: of the vertical axis, with the unit.
            every: seconds between two drawings, at least.
        """
        self.title, self.xlabel, self.ylabel, self.every = title, xlabel, ylabel, every
        self.values: list[float] = []
        self._handle: Any = None
        self._last = -math.inf
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        self._seen = somebody_watches() and shell is not None

    def __call__(self, step: int, value: float) -> None:
        """Add a number; the step is its place in the series and need not be looked at."""
        self.values.append(float(value))
        if self._seen and time.monotonic() - self._last > self.every:
            self._draw()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def close(self) -> None:
        """Take the drawing away; the numbers stay."""
        from IPython.display import HTML

        if self._handle is not None:
            self._handle.update(HTML(""))
            self._handle = None

    @property
    def figure(self) -> Figure:
        """The curve so far."""
        return plots.learning_curves({self.title: self.values}, self.title, self.xlabel, self.ylabel)

    def _draw(self) -> None:
        from IPython.display import display

        if self._handle is None:
            self._handle = display(self.figure, display_id=True)
        else:
            self._handle.update(self.figure)
        self._last = time.monotonic()
