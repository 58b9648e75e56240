"""The look of all figures, on light and dark pages alike, and the three figures that every experiment needs.

A function that makes a figure is decorated with `styled` and returns the figure:

    @styled
    def parabola() -> Figure:
        figure, axes = plt.subplots()
        ...
        return figure

As the last value of a cell the figure is shown, once; elsewhere it is an ordinary Matplotlib figure.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# The page shows through, so text and lines must be read on white and on near-black: this grey has a contrast above 4
# on both, the colours above 3. They differ in lightness too, for readers who do not see red and green apart.
GREY = "#7a7a7a"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#4c4cff")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1, 1, 1, 1, 1)))

STYLE: Any = {  # Matplotlib types its keys as one long list of literals
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "figure.dpi": 110,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.08,  # inches; a title would touch the edge of the picture
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.titlecolor": GREY,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=COLOURS),
    "axes.grid": False,
    "text.color": GREY,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.labelcolor": GREY,
    "lines.linewidth": 1.8,
    "image.interpolation": "nearest",
}

P = ParamSpec("P")

# Cells of a confusion matrix, from few to many: pale to strong, since an empty cell is left to the page.
_RIGHT = LinearSegmentedColormap.from_list("right", ["#d3e5f1", COLOURS[0]])
_WRONG = LinearSegmentedColormap.from_list("wrong", ["#f8dfcc", COLOURS[1]])


def use_style() -> None:
    """Use the course's look for all figures of this session, those that a student draws included."""
    plt.rcParams.update(STYLE)


def styled(make_figure: Callable[P, Figure]) -> Callable[P, Figure]:
    """Decorate a function that returns a figure: it runs in the course's look, and the figure is shown only once.

    pyplot would show its open figures at the end of the cell, besides the one that the cell returns, and keep them in
    memory; so the figure is taken away from it. It can still be shown, saved and changed.
    """

    @functools.wraps(make_figure)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with plt.rc_context(STYLE):
            figure = make_figure(*args, **kwargs)
            interactive = plt.isinteractive()
        # The first figure of a session loads Jupyter's backend, which turns interactive mode on. The context has just
        # turned it off again, and figures that a student draws with pyplot would not appear.
        matplotlib.interactive(interactive)
        plt.close(figure)
        return figure

    return wrapper


@styled
def learning_curves(
    curves: Mapping[str, Sequence[float]],
    title: str = "Learning curves",
    xlabel: str = "epoch",
    ylabel: str = "loss (nats)",
    log: bool = False,
) -> Figure:
    """Draw one line for each series of numbers, for example the losses of the epochs.

    Args:
        curves: name in the legend, and the numbers in order; they are drawn at 1, 2, 3, ...
        title: of the figure.
        xlabel: of the horizontal axis.
        ylabel: of the vertical axis, with the unit.
        log: logarithmic vertical axis.

    Returns:
        The figure.
    """
    figure, axes = plt.subplots(figsize=(6, 3.5))
    for number, (name, values) in enumerate(curves.items()):
        steps = np.arange(1, len(values) + 1)
        marker = "o" if len(values) == 1 else ""  # a line needs two points
        dash = DASHES[number % len(DASHES)]
        axes.plot(steps, np.asarray(values, dtype=float), linestyle=dash, marker=marker, label=name)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if log:
        axes.set_yscale("log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    if len(curves) > 2:  # inside, it would lie over one of them
        columns = max(1, min(len(curves), 80 // (9 + max(map(len, curves)))))  # 80 characters, 9 of them for a line
        figure.legend(loc="outside lower center", ncols=columns, handlelength=3)
    elif len(curves) == 2:
        axes.legend()
    return figure


@styled
def show_images(
    images: torch.Tensor,
    titles: Sequence[str] | None = None,
    columns: int = 10,
    signed: bool = False,
    title: str = "",
    size: float = 1.0,
) -> Figure:
    """Draw grey images in a grid, all on one scale.

    Args:
        images: shape (N, height, width), or (N, 1, height, width).
        titles: one short text above each image.
        columns: images in a row of the grid.
        signed: for numbers of both signs, such as weights: 0 is white, positive purple, negative orange, with a scale.
        title: of the figure.
        size: width of one image in inches.

    Returns:
        The figure.

    Raises:
        ValueError: there is no image, or the shape or the number of titles does not fit.
    """
    if images.ndim == 4 and images.shape[1] == 1:
        images = images.squeeze(1)
    if images.ndim != 3 or len(images) == 0:
        raise ValueError(f"images have shape {tuple(images.shape)}, expected (N, height, width) with N >= 1")
    if titles is not None and len(titles) != len(images):
        raise ValueError(f"found {len(titles)} titles for {len(images)} images, expected one for each")
    pixels = images.detach().cpu().float().numpy()
    if signed:
        limit = float(np.abs(pixels).max()) or 1.0
        look = {"cmap": "PuOr", "vmin": -limit, "vmax": limit}
    else:
        look = {"cmap": "gray", "vmin": float(pixels.min()), "vmax": float(pixels.max())}

    columns = min(columns, len(pixels))
    rows = -(-len(pixels) // columns)
    height = size * pixels.shape[1] / pixels.shape[2] + (0.25 if titles is not None else 0)
    extra = 0.35 if title else 0
    figure, grid = plt.subplots(rows, columns, figsize=(columns * size, rows * height + extra), squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for number, (axes, image) in enumerate(zip(grid.flat, pixels, strict=False)):
        drawn = axes.imshow(image, **look)
        if titles is not None:
            axes.set_title(titles[number], fontsize="small")
    if signed:
        figure.colorbar(drawn, ax=grid, shrink=0.8)
    if title:
        figure.suptitle(title)
    return figure


@styled
def confusion_matrix(
    labels: torch.Tensor,
    predictions: torch.Tensor,
    class_names: Sequence[str],
    title: str = "Confusion matrix",
) -> Figure:
    """Count how often each class was taken for each class.

    Args:
        labels: true classes, integers, shape (N,).
        predictions: predicted classes, integers, shape (N,).
        class_names: C names, in the order of the labels.
        title: of the figure.

    Returns:
        The figure: a row for each true class, a column for each predicted class, counts in the cells; right answers
        blue, mistakes orange, each the stronger the more frequent.
    """
    classes = len(class_names)
    pairs = labels.cpu().long() * classes + predictions.cpu().long()
    counts = torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).numpy()
    right = np.eye(classes, dtype=bool)
    most_right, most_wrong = (max(counts[part].max(initial=0), 1) for part in (right, ~right))

    side = 1.6 + 0.42 * classes
    figure, axes = plt.subplots(figsize=(side, side))
    # Counts of mistakes are small: the square root lets a second one show beside a frequent one.
    shades = np.where(
        right[..., None], _RIGHT(counts / most_right), _WRONG(np.sqrt(np.where(right, 0, counts) / most_wrong))
    )
    shades[counts == 0] = 0  # transparent
    axes.imshow(shades)
    for row, column in zip(*np.nonzero(counts), strict=True):
        _write(axes, row, column, str(counts[row, column]), shades[row, column])
    names = range(classes)
    turned: dict[str, Any] = {"rotation": 45, "ha": "right"} if max(map(len, class_names)) > 2 else {}
    axes.set_xticks(names, class_names, **turned)
    axes.set_yticks(names, class_names)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    correct = int(np.trace(counts))
    axes.set(
        title=f"{title}: {correct} of {counts.sum()} right",
        xlabel="predicted class",
        ylabel="true class",
    )
    return figure


def _write(axes: Axes, row: int, column: int, text: str, background: np.ndarray) -> None:
    lightness = background[:3] @ (0.2126, 0.7152, 0.0722)
    axes.text(
        column, row, text, ha="center", va="center", fontsize="small", color="black" if lightness > 0.45 else "white"
    )
