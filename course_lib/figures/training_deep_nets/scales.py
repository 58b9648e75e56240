"""Scales: of inputs, of activations and gradients by depth, of batch statistics, of gradients that are clipped."""

import math

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, VIOLET, drawn, panels
from course_lib.kit.widgets import Choice, Slider, Toggle, interactive
from course_lib.training_deep_nets.initialization import gradient_statistics, normal_layers

_ACTIVATIONS = {"none (linear)": lambda z: z, "tanh": torch.tanh, "ReLU": torch.relu}


@interactive(scale=Slider(1.0, 12.0, 0.5, "scale of x₁"), steps=Slider(1, 60, label="steps"))
@drawn
def scaled_inputs(scale: float = 6.0, steps: int = 20) -> Figure:
    """Descent on the squared error of a line, with one input on another scale, and after standardization.

    Args:
        scale: standard deviation of the first input; the second has 1.
        steps: of gradient descent, each panel at its own best safe learning rate.

    Returns:
        Two panels with contours of the loss and the path.

    Source: lecture 7, an easy and a hard case. L07.01.
    """
    figure, grid = panels(2, width=8.6, height=3.8)
    for axes, factor, name in zip(grid, (scale, 1.0), ("as measured", "standardized"), strict=True):
        curvature = np.array([factor**2, 1.0])
        best = np.array([1.0 / factor, 1.0])  # the same line in either unit
        theta, path = np.zeros(2), [np.zeros(2)]
        for _ in range(steps):
            theta = theta - curvature * (theta - best) / curvature.max()
            path.append(theta)
        trail = np.array(path)
        first, second = np.meshgrid(np.linspace(-1.5, 2.5, 101), np.linspace(-1.5, 2.5, 101))
        loss = 0.5 * (curvature[0] * (first - best[0]) ** 2 + curvature[1] * (second - best[1]) ** 2)
        axes.contour(first, second, np.log10(loss + 1e-3), levels=10, colors=GREY, linewidths=0.8, linestyles="solid")
        axes.plot(trail[:, 0], trail[:, 1], "o-", color=BLUE, markersize=3, label="descent")
        axes.plot(*best, "*", color=MARK, markersize=12, linestyle="none", label="minimum")
        left = float(0.5 * (curvature * (theta - best) ** 2).sum())
        axes.set(title=f"{name}: loss {left:.2g} after {steps}", xlabel="θ₁", ylabel="θ₂")
        axes.legend(loc="lower right")
    return figure


@interactive(
    gain=Slider(0.2, 2.5, 0.05, "weight deviation × √units"),
    activation=Choice(tuple(_ACTIVATIONS), "activation"),
    depth=Slider(2, 30, label="layers"),
)
@drawn
def statistics_by_depth(gain: float = 1.0, activation: str = "tanh", depth: int = 10) -> Figure:
    """The size of activations and of weight gradients, layer by layer.

    Args:
        gain: standard deviation of the weights times the root of the number of units; 1 is Xavier, 1.41 is He, and
            0.22 is the slide's N(0, 0.0001) with 500 units.
        activation: behind every layer.
        depth: number of layers, of 100 units each.

    Returns:
        Two panels with logarithmic axes: the standard deviation of the activations, the size of dL/dW.

    Source: lecture 7, activations by depth. L07.08, L07.10, L07.11.
    """
    draw = torch.Generator().manual_seed(0)
    weights = normal_layers(depth, 100, gain / 10, draw)
    x, upstream = (torch.randn(100, 100, generator=draw) for _ in range(2))
    bend = _ACTIVATIONS[activation]
    found, a = [x.std(correction=0).item()], x
    for weight in weights:
        a = bend(a @ weight.T)
        found.append(a.std(correction=0).item())
    gradients = gradient_statistics(weights, x, bend, upstream).double().numpy()
    floor = 1e-12  # a unit that has died is drawn at the edge, for a logarithm has no zero
    figure, grid = panels(2, width=8.8, height=3.7)
    grid[0].semilogy(np.arange(depth + 1), np.maximum(found, floor), "o-", color=BLUE)
    grid[0].axhline(1, color=GREY, linewidth=0.8)
    grid[0].set(title=f"activations: {found[-1]:.2g} at the end", xlabel="layer", ylabel="standard deviation")
    grid[1].semilogy(np.arange(1, depth + 1), np.maximum(gradients, floor), "s-", color=ORANGE)
    grid[1].set(title=f"gradients: {gradients[0]:.2g} at layer 1", xlabel="layer", ylabel="root mean square of dL/dW")
    for axes, values in zip(grid, (np.array(found), gradients), strict=True):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        low, high = max(values.min(), floor), max(values.max(), floor)
        axes.set_ylim(min(low / 3, high / 100), max(high * 3, low * 100))
    return figure


@interactive(batch_size=Slider(2, 128, label="batch size"), unbiased=Toggle("variance divided by N − 1 instead of N"))
@drawn
def batch_statistics(batch_size: int = 8, unbiased: bool = False) -> Figure:
    """How far mean and variance of a batch are from those of the population.

    Args:
        batch_size: samples in a batch.
        unbiased: which variance.

    Returns:
        Two panels with histograms over 2000 batches from a normal distribution of mean 0 and variance 1.

    Source: lecture 7, batch normalization and its inference statistics. L07.04.
    """
    batches = np.random.default_rng(0).normal(size=(2000, batch_size))
    means, variances = batches.mean(1), batches.var(1, ddof=int(unbiased))
    figure, grid = panels(2, width=8.6, height=3.4)
    for axes, values, name, truth, span in (
        (grid[0], means, "mean of a batch", 0.0, (-2.0, 2.0)),
        (grid[1], variances, "variance of a batch", 1.0, (0.0, 4.0)),
    ):
        axes.hist(np.clip(values, *span), bins=50, range=span, color=BLUE, label="2000 batches")
        axes.axvline(truth, color=MARK, label="population")
        axes.axvline(values.mean(), color=ORANGE, linestyle="--", label=f"average {values.mean():.2f}")
        axes.set(title=f"{name}: deviation {values.std():.2f}", xlabel=name)
        axes.set_ylim(0, 1.4 * axes.get_ylim()[1])  # room for the legend
        axes.legend()
    grid[0].set_ylabel("batches")
    return figure


@interactive(
    angle=Slider(0, 350, 10, "direction of the gradient (degrees)"),
    length=Slider(0.0, 4.0, 0.25, "its length"),
    limit=Slider(0.25, 3.0, 0.25, "limit c"),
)
@drawn
def clipped_gradient(angle: int = 20, length: float = 3.0, limit: float = 1.0) -> Figure:
    """One gradient, clipped per element and clipped by norm.

    Args:
        angle: its direction.
        length: its norm.
        limit: c.

    Returns:
        One panel with three arrows, the square and the circle of the two limits.

    Source: lecture 7, gradient clipping. L07.14, L07.15.
    """
    g = length * np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
    per_element = np.clip(g, -limit, limit)
    by_norm = g * min(1.0, limit / length) if length > 0 else g
    figure, axes = panels(width=7.4, height=4.8)
    turn = np.linspace(0, 2 * np.pi, 200)
    axes.plot(limit * np.cos(turn), limit * np.sin(turn), color=GREEN, linewidth=1, label="all of norm c")
    corner = limit * np.array([-1, 1, 1, -1, -1]), limit * np.array([-1, -1, 1, 1, -1])
    axes.plot(*corner, color=ORANGE, linewidth=1, linestyle=":", label="all with an element at c")
    for end, colour, style, name in (
        (g, VIOLET, "-", "gradient"),
        (per_element, ORANGE, "--", "clipped per element"),
        (by_norm, GREEN, "-", "clipped by norm"),
    ):
        axes.plot([0, end[0]], [0, end[1]], style, color=colour, linewidth=2, marker="o", markevery=[1], label=name)
    turned = math.degrees(math.atan2(per_element[1], per_element[0]) - math.atan2(g[1], g[0]))
    turned = (turned + 180) % 360 - 180
    title = f"per element turns it by {turned:.0f}°, by norm not at all"
    axes.set(title=title, xlabel="g₁", ylabel="g₂", xlim=(-4.2, 4.2), ylim=(-4.2, 4.2), aspect="equal")
    figure.legend(fontsize="small", loc="outside right upper")
    return figure
