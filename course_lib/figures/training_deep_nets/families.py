"""Many nets: sub-networks of dropout, settings that a search tries, and the ensemble table."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, drawn, legend_below, panels
from course_lib.kit.widgets import Slider, interactive


@interactive(keep=Slider(0.1, 1.0, 0.05, "probability of keeping"), draw=Slider(0, 20, label="draw"))
@drawn
def random_subnet(keep: float = 0.5, draw: int = 0) -> Figure:
    """One of the many nets that dropout trains: units that are out take their connections with them.

    Args:
        keep: probability of keeping a hidden unit.
        draw: number of the random draw.

    Returns:
        One panel.

    Source: lecture 7, dropout; every mask is a model. L07.23, L07.25.
    """
    rng = np.random.default_rng(draw)
    sizes = (4, 7, 7, 3)
    alive = [np.ones(4, bool), rng.random(7) < keep, rng.random(7) < keep, np.ones(3, bool)]
    heights = [np.linspace(-(n - 1) / 2, (n - 1) / 2, n) for n in sizes]
    figure, axes = panels(width=6.4, height=4.0)
    for layer in range(3):
        for i, start in enumerate(heights[layer]):
            for j, end in enumerate(heights[layer + 1]):
                if alive[layer][i] and alive[layer + 1][j]:
                    axes.plot([layer, layer + 1], [start, end], color=GREY, linewidth=0.7, zorder=1)
    for layer, (y, on) in enumerate(zip(heights, alive, strict=True)):
        axes.scatter(np.full(on.sum(), layer), y[on], s=130, color=BLUE, zorder=2)
        axes.scatter(np.full((~on).sum(), layer), y[~on], s=110, marker="x", color=ORANGE, zorder=2)
    kept = int(alive[1].sum() + alive[2].sum())
    axes.set(title=f"{kept} of 14 hidden units, one of 2¹⁴ = 16,384 nets", xlabel="layer", xticks=range(4), yticks=[])
    axes.grid(False)
    return figure


@interactive(
    per_axis=Slider(2, 8, label="grid values of each"),
    sharpness=Slider(0.2, 2.0, 0.1, "width of the good range (decades)"),
    draw=Slider(0, 20, label="draw"),
)
@drawn
def grid_and_random(per_axis: int = 5, sharpness: float = 0.6, draw: int = 0) -> Figure:
    """The same number of trials on a grid and at random, for a score that depends on the learning rate mostly.

    Args:
        per_axis: values of each hyperparameter on the grid.
        sharpness: standard deviation of the good range of learning rates, in factors of ten.
        draw: number of the random draw.

    Returns:
        Two panels; the area of a point is its score.

    Source: lecture 7, random search instead of a grid. L07.26.
    """
    rng = np.random.default_rng(draw)
    line = np.linspace(0, 1, per_axis)
    first, second = (side.ravel() for side in np.meshgrid(line, line))
    u, v = rng.random((2, per_axis**2))
    figure, grid = panels(2, width=8.6, height=3.9, sharey=True)
    for axes, rate, decay, name in (
        (grid[0], -5 + 4 * first, -5 + 5 * second, "grid"),
        (grid[1], -5 + 4 * u, -5 + 5 * v, "random"),
    ):
        score = np.exp(-0.5 * ((rate + 2.4) / sharpness) ** 2 - 0.02 * (decay + 3) ** 2)
        axes.axvspan(-2.4 - sharpness, -2.4 + sharpness, color=GREEN, alpha=0.16, linewidth=0, label="good range")
        axes.scatter(rate, decay, s=15 + 120 * score, color=BLUE, alpha=0.8)
        best = int(score.argmax())
        axes.plot(
            rate[best], decay[best], "o", color=MARK, markersize=15, fillstyle="none", linestyle="none", label="best"
        )
        title = f"{name}: {len(np.unique(rate.round(9)))} learning rates, best {score[best]:.2f}"
        axes.set(title=title, xlabel="log₁₀ learning rate", xlim=(-5.2, -0.8), ylim=(-5.3, 0.3))
    grid[0].set_ylabel("log₁₀ weight decay")
    legend_below(figure, grid[0])
    return figure


@drawn
def trials_plane(rounds: Mapping[str, Sequence[tuple[Mapping[str, float], float]]], across: str, up: str) -> Figure:
    """All trials of a search in the plane of two hyperparameters, coloured by their score.

    Args:
        rounds: for each round its trials, (settings, score), a score of NaN for a run that was ended.
        across: name of the hyperparameter on the horizontal axis.
        up: name of the other one.

    Returns:
        One panel a round, with logarithmic axes; the range of the last round is a box in the panels before.

    Source: lecture 7, from coarse to fine. L07.26.
    """
    figure, grid = panels(len(rounds), width=4.6 * len(rounds), height=3.9)
    last = list(rounds.values())[-1]
    box = [(min(s[name] for s, _ in last), max(s[name] for s, _ in last)) for name in (across, up)]
    for number, (axes, (name, trials)) in enumerate(zip(np.atleast_1d(grid), rounds.items(), strict=True)):
        x, y = (np.array([settings[key] for settings, _ in trials]) for key in (across, up))
        score = np.array([score for _, score in trials], dtype=float)
        ended = np.isnan(score)
        low = np.nanquantile(score, 0.25)  # few bad runs must not use up all colours
        points = axes.scatter(x[~ended], y[~ended], c=score[~ended], cmap="viridis", vmin=low, s=50, zorder=2)
        axes.scatter(x[ended], y[ended], marker="x", color=ORANGE, label="ended early", zorder=2)
        best = int(np.nanargmax(score))
        axes.plot(x[best], y[best], "o", color=MARK, markersize=14, fillstyle="none", linestyle="none", label="best")
        if number < len(rounds) - 1:
            corners = [box[0][k] for k in (0, 1, 1, 0, 0)], [box[1][k] for k in (0, 0, 1, 1, 0)]
            axes.plot(*corners, color=GREEN, linewidth=1, label="next round")
        axes.set(title=f"{name}: best {score[best]:.3f}", xscale="log", yscale="log", xlabel=across, ylabel=up)
        for axis, values in ((axes.xaxis, x), (axes.yaxis, y)):
            axis.set_minor_formatter(NullFormatter())  # its numbers would run into each other
            if values.max() < 100 * values.min():  # less than two powers of ten: two of them may be named, or none
                axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
                axis.set_major_formatter(lambda value, _: f"{value:g}")
        figure.colorbar(points, ax=axes, label="validation accuracy")
    legend_below(figure, *np.atleast_1d(grid))
    return figure


@drawn
def accuracy_bars(rows: Mapping[str, Sequence[float]], slide: Mapping[str, float]) -> Figure:
    """The ensemble table as bars, with standard errors over seeds, and the slide's numbers on their own scale.

    Args:
        rows: test accuracies of each row, one a seed, at least two.
        slide: the lecture's accuracies, on another data set.

    Returns:
        Two panels.

    Source: lecture 7, comparison of ensembles. L07.22.
    """
    figure, grid = panels(2, width=9.6, height=3.6)
    means = np.array([np.mean(values) for values in rows.values()])
    errors = np.array([np.std(values, ddof=1) / len(values) ** 0.5 for values in rows.values()])
    for axes, names, values, spread, title in (
        (grid[0], list(rows), means, errors, "here: digits"),
        (grid[1], list(slide), np.array(list(slide.values())), None, "slide: other data"),
    ):
        axes.barh(names, 100 * values, xerr=None if spread is None else 100 * spread, color=BLUE, ecolor=ORANGE)
        axes.invert_yaxis()
        axes.set_xlim(100 * values.min() - 1.5, 100 * values.max() + 1.5)
        axes.set(title=title, xlabel="test accuracy (%)")
    return figure
