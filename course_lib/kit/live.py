"""A curve that grows while something is learning, where somebody watches."""

from __future__ import annotations

import sys
import time
from typing import Any

from matplotlib.figure import Figure

from course_lib.kit import plots
from course_lib.kit.progress import somebody_watches


class LiveCurve:
    """Draws the numbers that it is called with, at most twice a second. Hand it to a training loop as its callback.

    Outside of a notebook, and with COURSE_FAST=1, it only keeps the numbers. The last drawing is taken away when
    `close` is called or the object goes, so that a final figure can stand alone.

    >>> live = LiveCurve("Learning", "batch", "mean return")
    >>> for update, value in enumerate([1.0, 3.0]):
    ...     live(update, value)
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
        self._last = 0.0
        ipython = sys.modules.get("IPython")
        shell = ipython.get_ipython() if ipython is not None else None
        self._seen = somebody_watches() and shell is not None

    def __call__(self, step: int, value: float) -> None:
        """Add a number; the step is its place in the series and need not be looked at."""
        self.values.append(float(value))
        if self._seen and time.monotonic() - self._last > self.every:
            self._draw()

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
