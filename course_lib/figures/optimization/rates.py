"""Lecture 4: minibatches, learning rates, and pictures of the loss of a real net."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, CYCLE, GREY, MARK, ORANGE, drawn, legend_below, panels
from course_lib.figures.optimization.points import DEPTH
from course_lib.kit.plots import DASHES
from course_lib.kit.widgets import Choice, Slider, Toggle, interactive


@interactive(batch_size=Slider(1.0, 200.0, label="batch size", log=True))
@drawn
def gradient_spread(estimates: Mapping[int, torch.Tensor], full: float, batch_size: float = 8.0) -> Figure:
    """One entry of the gradient, estimated from many minibatches.

    Args:
        estimates: batch size -> many estimates of the entry, shape (draws,).
        full: the entry of the gradient of all the data.
        batch_size: the nearest of the batch sizes is shown.

    Returns:
        Two panels: a histogram, and the standard deviation by batch size.

    Source: lecture 4, the minibatch gradient. L04.14.
    """
    size = min(estimates, key=lambda size: abs(np.log(size) - np.log(batch_size)))
    widest = estimates[min(estimates)]
    low, high = float(widest.quantile(0.005)), float(widest.quantile(0.995))
    shown = estimates[size].clamp(low, high)
    figure, (left, right) = panels(2, width=9, height=3.3)
    left.hist(shown.numpy(), bins=np.linspace(low, high, 41), color=BLUE, alpha=0.7, label="estimates")
    left.axvline(full, color=ORANGE, lw=2, label="gradient of all data")
    left.axvline(float(estimates[size].mean()), color=MARK, lw=2, ls="--", label="mean of the estimates")
    left.set(xlabel="one entry of the gradient", ylabel="number of batches", title=f"Batches of {size}")
    sizes = np.array(sorted(estimates))
    spreads = np.array([float(estimates[int(s)].std()) for s in sizes])
    right.plot(sizes, spreads, "o-", color=BLUE, label="measured")
    right.plot(sizes, spreads[0] * (sizes[0] / sizes) ** 0.5, "--", color=ORANGE, label="1 / √B")
    right.plot(size, spreads[list(sizes).index(size)], "o", ms=9, color=MARK)
    right.set(xscale="log", yscale="log", xlabel="batch size B", ylabel="standard deviation")
    right.set_title(f"Spread {spreads[list(sizes).index(size)]:.2g}")
    legend_below(figure, left, right, columns=5, fontsize=8)
    return figure


@drawn
def curves(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str,
    xlabel: str,
    ylabel: str = "mean NLL (nats)",
    log: bool = True,
    top: float | None = None,
) -> Figure:
    """Lines that need positions of their own, such as losses by the number of samples seen.

    Args:
        series: name -> positions and values, of equal length. Values that are not finite are left out.
        title: of the panel.
        xlabel: of the horizontal axis.
        ylabel: of the vertical axis.
        log: whether the vertical axis is logarithmic.
        top: upper end of the vertical axis.

    Returns:
        One panel.

    Source: lecture 4, stochastic gradient descent and learning rates. L04.15, L04.16.
    """
    figure, axes = panels(width=6.8, height=3.6)
    for number, (name, (positions, values)) in enumerate(series.items()):
        finite = np.where(np.isfinite(np.asarray(values, float)), np.asarray(values, float), np.nan)
        colour = (*CYCLE, MARK)[number % 6]
        axes.plot(np.asarray(positions, float), finite, color=colour, ls=DASHES[number % len(DASHES)], label=name)
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    if log:
        axes.set_yscale("log")
    if top is not None:
        axes.set_ylim(top=top)
    axes.legend(fontsize=8)
    return figure


@drawn
def sweep(
    finals: Mapping[str, Mapping[float, float]], title: str = "Which learning rates work", ceiling: float = 3.0
) -> Figure:
    """The final loss by learning rate, one line an optimizer.

    Args:
        finals: name -> learning rate -> final loss; infinity for a run that diverged.
        title: of the panel.
        ceiling: larger losses are drawn here.

    Returns:
        One panel with two logarithmic axes.

    Source: lecture 4, the effect of the learning rate. L04.16.
    """
    figure, axes = panels(width=6.8, height=3.7)
    for number, (name, by_rate) in enumerate(finals.items()):
        rates, losses = np.array(list(by_rate)), np.minimum(list(by_rate.values()), ceiling)
        colour = (*CYCLE, MARK)[number % 6]
        axes.plot(rates, losses, "o", ls=DASHES[number % len(DASHES)], ms=4, color=colour, label=name)
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="final training loss (nats)", title=title)
    axes.axhline(np.log(10), color=GREY, lw=1, ls=":", label="guessing: log 10")
    axes.legend(fontsize=8)
    return figure


@cache
def _noisy_descent(
    kind: str, rate: float, factor: float, every: int, updates: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """Rates, and the mean loss over 200 runs of SGD on θ² / 2 with gradient noise of standard deviation 1."""
    k = np.arange(updates)
    rates = {
        "constant": np.full(updates, rate),
        "staircase": rate * factor ** (k // every),
        "cosine": rate * (1 + np.cos(np.pi * k / updates)) / 2,
        "warm-up, then cosine": rate * (1 + np.cos(np.pi * k / updates)) / 2 * np.minimum(1, (k + 1) / 40),
    }[kind]
    noise = np.random.default_rng(0).normal(size=(updates, 200))
    theta, losses = np.full(200, 5.0), []
    for step in range(updates):
        losses.append((theta**2).mean() / 2)
        theta = theta - rates[step] * (theta + noise[step])
    return rates, np.array(losses)


@interactive(
    kind=Choice(("constant", "staircase", "cosine", "warm-up, then cosine"), "schedule"),
    rate=Slider(0.01, 1.0, label="first learning rate", log=True),
    factor=Slider(0.1, 1.0, 0.05, "factor of a stair"),
    every=Slider(20, 200, 20, "updates of a stair"),
)
@drawn
def schedules(kind: str = "staircase", rate: float = 0.3, factor: float = 0.3, every: int = 100) -> Figure:
    """A learning-rate schedule, and what it does to a loss with noisy gradients.

    Args:
        kind: which schedule.
        rate: of the first update.
        factor: of the staircase.
        every: of the staircase.

    Returns:
        Two panels: the learning rate, and the loss beside that of the constant rate.

    Source: lecture 4, learning-rate decay. L04.17.
    """
    rates, losses = _noisy_descent(kind, rate, factor, every)
    _, constant = _noisy_descent("constant", rate, 1.0, 1)
    figure, (left, right) = panels(2, width=9, height=3.3)
    left.plot(rates, color=BLUE)
    left.set(xlabel="update", ylabel="learning rate", ylim=(0, 1.1 * rate), title=kind.capitalize())
    right.plot(constant, color=GREY, ls="--", label=f"constant: ends at {constant[-50:].mean():.2g}")
    right.plot(losses, color=BLUE, label=f"{kind}: ends at {losses[-50:].mean():.2g}")
    right.axhline(rate / (2 * (2 - rate)), color=ORANGE, lw=1, ls=":", label="floor of the constant rate, α / (4 − 2α)")
    right.set(
        xlabel="update",
        ylabel="mean loss of 200 runs",
        yscale="log",
        title="Noise sets a floor; the rate sets its height",
    )
    right.legend(fontsize=8)
    return figure


@interactive(skips=Toggle("skip connections"), solid=Toggle("as a surface"))
@drawn
def net_surfaces(
    surfaces: Mapping[bool, np.ndarray], grid: np.ndarray, skips: bool = False, solid: bool = True
) -> Figure:
    """The loss of a trained net on a plane through its parameters.

    Args:
        surfaces: with skip connections or not -> losses, shape (G, G).
        grid: positions along both directions, shape (G,), in lengths of the filters.
        skips: which of the two nets.
        solid: a surface in three dimensions, or level lines of both nets beside each other.

    Returns:
        One panel, or two.

    Source: lecture 4, loss landscapes. L04.03.
    """
    heights = {key: np.log10(np.maximum(surface, 1e-3)) for key, surface in surfaces.items()}
    low, high = min(h.min() for h in heights.values()), max(h.max() for h in heights.values())
    words = {True: "with skip connections", False: "without skip connections"}
    if not solid:
        figure, both = panels(2, width=9.2, height=4, sharey=True)
        for axes, key in zip(both, (False, True), strict=True):
            levels = np.linspace(low, high, 16)
            shown = axes.contourf(grid, grid, heights[key], levels=levels, cmap=DEPTH)
            axes.contour(grid, grid, heights[key], levels=levels, colors=GREY, linewidths=0.6, linestyles="-")
            axes.plot(0, 0, "*", ms=13, color=ORANGE, mec="white", mew=0.6, label="trained net")
            axes.set(title=words[key].capitalize() + (" (chosen)" if key == skips else ""), xlabel="first direction")
            axes.grid(False)
        both[0].set_ylabel("second direction")
        both[0].legend(loc="lower right", fontsize=8)
        figure.colorbar(shown, ax=both).set_label("log₁₀ of the loss")
        return figure
    figure, axes = panels(width=6.4, height=4.6)
    place = axes.get_subplotspec()
    axes.remove()
    space = figure.add_subplot(place, projection="3d")
    across, up = np.meshgrid(grid, grid)
    space.plot_surface(
        across, up, heights[skips], color=BLUE, alpha=0.5, linewidth=0.2, edgecolor=GREY, rcount=60, ccount=60
    )
    space.set(xlabel="first direction", ylabel="second direction", zlabel="log₁₀ of the loss", zlim=(low, high))
    space.set_title(words[skips].capitalize())
    space.view_init(32, -60)
    for axis in (space.xaxis, space.yaxis, space.zaxis):
        axis.pane.set_alpha(0.0)
        axis.set_tick_params(labelsize=7)
    return figure
