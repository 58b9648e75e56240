"""Neurons and small networks in the plane: what one unit does, what many do, and the lecture's playground."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.backprop.networks import points_2d, train_2d
from course_lib.figures.frame import BLUE, GREY, ORANGE, drawn, legend_below, panels
from course_lib.kit.widgets import Choice, Slider, Toggle, interactive

_CURVES: dict[str, Callable[[Any], Any]] = {
    "identity": lambda z: z,
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "ReLU": lambda z: np.maximum(z, 0),
}


_SHADES = (BLUE, "#6aaed6", "#f0a060", ORANGE)  # class 0 for certain ... class 1 for certain


@interactive(
    w_1=Slider(-3.0, 3.0, 0.1, "w₁"),
    w_2=Slider(-3.0, 3.0, 0.1, "w₂"),
    bias=Slider(-3.0, 3.0, 0.1, "b"),
    activation=Choice(tuple(_CURVES), "activation"),
)
@drawn
def neuron_plane(w_1: float = 1.5, w_2: float = 0.5, bias: float = 0.0, activation: str = "sigmoid") -> Figure:
    """One neuron with two inputs: its activation function, and its answer everywhere in the plane.

    Args:
        w_1: weight of the first input.
        w_2: weight of the second input.
        bias: added to the weighted sum.
        activation: which nonlinear function.

    Returns:
        Two panels. The answer is constant along lines across (w1, w2); without a bias the line z = 0 passes through the
        origin.

    Source: lecture 1, the artificial neuron; lecture 5, bias terms. L01.05, L05.11.
    """
    grid = np.meshgrid(np.linspace(-2, 2, 81), np.linspace(-2, 2, 81))
    z = w_1 * grid[0] + w_2 * grid[1] + bias
    curve = _CURVES[activation]
    figure, (left, right) = panels(2, width=8.2, height=3.6)
    line = np.linspace(-4, 4, 161)
    left.plot(line, curve(line), color=BLUE)
    left.axvline(0, color=GREY, linewidth=0.8)
    left.set(title=activation, xlabel="z = w₁a₁ + w₂a₂ + b", ylabel="activation")
    answer = curve(z)
    limit = max(1.0, float(np.abs(answer).max()))
    picture = right.pcolormesh(*grid, answer, cmap="PuOr_r", vmin=-limit, vmax=limit, shading="auto")
    if z.min() < 0 < z.max():
        right.contour(*grid, z, levels=[0], colors=GREY, linewidths=2)
    figure.colorbar(picture, ax=right)
    right.set(title="Answer of the neuron (line: z = 0)", xlabel="a₁", ylabel="a₂", aspect="equal")
    right.grid(False)
    return figure


@interactive(
    points=Choice(("ring", "crossed", "spiral", "clouds"), "points"),
    layers=Slider(0, 3, label="hidden layers"),
    units=Slider(1, 12, label="units in each"),
    activation=Choice(tuple(_CURVES), "activation"),
    log_learning_rate=Slider(-4.0, 0.0, 0.25, "log₁₀ learning rate"),
    regularised=Toggle("weight decay"),
    bias=Toggle("biases"),
)
@drawn
def playground(
    points: str = "ring",
    layers: int = 1,
    units: int = 4,
    activation: str = "tanh",
    log_learning_rate: float = -1.5,
    regularised: bool = False,
    bias: bool = True,
) -> Figure:
    """A small network trained on the spot: its decision region and its loss.

    Args:
        points: which data.
        layers: number of hidden layers.
        units: in each of them.
        activation: of the hidden units.
        log_learning_rate: logarithm of Adam's learning rate.
        regularised: whether weights are decayed, with weight 0.01.
        bias: whether layers have biases.

    Returns:
        Two panels, with the share of points on the right side.

    Source: lecture 5, "Demo time!". L05.05, L05.06, L05.11.
    """
    x, labels = points_2d(points)
    fit = train_2d(
        x,
        labels,
        [units] * layers,
        activation,
        learning_rate=10**log_learning_rate,
        steps=250,
        weight_decay=0.01 if regularised else 0.0,
        bias=bias,
    )
    right_share = float(((fit.predict(x) > 0.5).long() == labels).double().mean())
    figure, (left, right) = panels(2, width=8.4, height=3.8, width_ratios=[1.1, 1])
    grid = torch.meshgrid(torch.linspace(-1.15, 1.15, 81), torch.linspace(-1.15, 1.15, 81), indexing="xy")
    answer = fit.predict(torch.stack([grid[0].reshape(-1), grid[1].reshape(-1)], 1)).reshape(81, 81).numpy()
    levels = [-0.01, 0.25, 0.5, 0.75, 1.01]
    left.contourf(*(g.numpy() for g in grid), answer, levels=levels, colors=_SHADES, alpha=0.3)
    if answer.min() < 0.5 < answer.max():
        left.contour(*(g.numpy() for g in grid), answer, levels=[0.5], colors=GREY, linewidths=1.5)
    _two_classes(left, x, labels)
    left.set(title=f"{100 * right_share:.0f} % on the right side", xlabel="x₁", ylabel="x₂", aspect="equal")
    left.grid(False)
    right.plot(fit.losses, color=BLUE)
    right.axhline(math.log(2), color=GREY, linewidth=0.8, linestyle="--")
    right.set(title="Loss (dashed: log 2, no idea)", xlabel="step", ylabel="mean NLL (nats)")
    right.set_ylim(0, max(0.8, min(2.0, max(fit.losses))))
    legend_below(figure, left)
    return figure


@interactive(points=Choice(("ring", "crossed"), "points"), activation=Choice(("tanh", "ReLU", "sigmoid"), "activation"))
@drawn
def hidden_unit_maps(points: str = "ring", activation: str = "tanh") -> Figure:
    """What each of three hidden units answers in the plane: the features that a trained network has found.

    Args:
        points: which data.
        activation: of the hidden units.

    Returns:
        Three panels, one a unit. Together they turn a curved border into a straight one for the last layer.

    Source: lecture 5, learned features. L05.04.
    """
    weight, bias = _first_layer(points, activation)
    x, labels = points_2d(points)
    grid = np.meshgrid(np.linspace(-1.15, 1.15, 61), np.linspace(-1.15, 1.15, 61))
    figure, grid_of_axes = panels(3, width=8.6, height=3.6, sharey=True)
    for unit, axes in enumerate(grid_of_axes):
        z = weight[unit, 0] * grid[0] + weight[unit, 1] * grid[1] + bias[unit]
        answer = _CURVES[activation](z)
        limit = max(1.0, float(np.abs(answer).max()))
        levels = np.linspace(-limit, limit, 9)
        axes.contourf(*grid, answer, levels=levels, cmap="PuOr_r", alpha=0.45)
        axes.contour(*grid, z, levels=[0], colors=GREY, linewidths=1.5)
        _two_classes(axes, x, labels, size=2.5)
        axes.set(title=f"unit {unit + 1}", xlabel="x₁", aspect="equal")
        axes.grid(False)
    grid_of_axes[0].set_ylabel("x₂")
    legend_below(figure, grid_of_axes[0])
    return figure


@lru_cache
def _first_layer(points: str, activation: str) -> tuple[np.ndarray, np.ndarray]:
    """Weights of three trained hidden units."""
    x, labels = points_2d(points)
    fit = train_2d(x, labels, [3], activation, learning_rate=0.05, steps=500, seed=0)
    return fit.weights[0].numpy(), fit.biases[0].numpy()


def _two_classes(axes: Axes, x: torch.Tensor, labels: torch.Tensor, size: float = 4.0) -> None:
    axes.plot(*x[labels == 0].T.numpy(), "o", ms=size, color=BLUE, label="class 0")
    axes.plot(*x[labels == 1].T.numpy(), "X", ms=size + 0.5, color=ORANGE, label="class 1")
