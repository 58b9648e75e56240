"""What the interactive figures share: the course's style, panels, pixels, a few colours.

They are made without pyplot: a slider that moves draws a hundred figures, and none of them may stay in memory.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.kit import plots
from course_lib.kit.widgets import css_pixels, figure_png

P = ParamSpec("P")

GREY = plots.GREY
BLUE, ORANGE, GREEN, PINK, VIOLET = CYCLE = plots.COLOURS
MARK = "#cf3d8f"  # "you are here": a contrast of 4 on white and near-black, and far from blue, orange and green
SHADE = 0.16  # strength of a shaded region


class Picture(Figure):
    """A figure that a notebook shows as the value of a cell, also before pyplot has been used there."""

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display

        display(Image(figure_png(self), width=css_pixels(self)))


def drawn(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a figure function in the style of the course, with a grid."""

    @wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context({**plots.STYLE, "axes.grid": True}):
            return function(*args, **kwargs)

    return styled


def panels(columns: int = 1, rows: int = 1, *, width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """Make a figure with panels.

    Args:
        columns: panels beside each other.
        rows: panels above each other.
        width: inches.
        height: inches.
        grid: `sharex`, `sharey`, `width_ratios` or `height_ratios`.

    Returns:
        The figure and its axes: one, or an array of them.
    """
    figure = Picture(figsize=(width, height))
    return figure, figure.subplots(rows, columns, **grid)


def legend_below(figure: Figure, *axes: Axes, columns: int = 4, **options: Any) -> None:
    """Put one legend under the panels: inside, it would cover what some position of a slider draws there.

    Args:
        figure: the figure.
        axes: whose series are named; of the same name, the first.
        columns: entries beside each other.
        options: of `Figure.legend`.
    """
    named: dict[str, Any] = {}
    for one in axes:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    figure.legend(list(named.values()), list(named), loc="outside lower center", ncols=columns, **options)


def show_pixels(axes: Axes, image: np.ndarray) -> None:
    """Draw an image, 0 black to 1 white."""
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
