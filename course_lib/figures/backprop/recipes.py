"""The recipes of single layers, the order of the products, and the errors of finite differences."""

from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from course_lib.backprop.layers import multiplications
from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, drawn, legend_below, panels
from course_lib.kit.widgets import Choice, Slider, interactive


@interactive(log_units=Slider(0.0, 4.0, 0.1, "log₁₀ units in a layer"), layers=Slider(1, 20, label="layers"))
@drawn
def order_of_products(log_units: float = 3.6, layers: int = 3) -> Figure:
    """Multiplications for one gradient, from the left (matrix times matrix) and from the right (matrix times vector).

    Args:
        log_units: logarithm of the number of units n in each layer; 3.6 is AlexNet's 4096.
        layers: number of Jacobians.

    Returns:
        One panel with logarithmic axes; the title gives both counts at the chosen n.

    Source: lecture 5, cost of the naive product. L05.08.
    """
    units = round(10**log_units)
    left, right = multiplications(units, layers)
    line = np.unique(np.geomspace(1, 10_000, 60).round().astype(int))
    counts = np.array([multiplications(int(n), layers) for n in line], dtype=float)
    figure, axes = panels(width=6.6, height=3.8)
    axes.loglog(line, counts[:, 0], color=ORANGE, label="from the left: (L − 1) n³ + n²")
    axes.loglog(line, counts[:, 1], color=BLUE, linestyle="--", label="from the right: L n²")
    axes.plot([units, units], [left, right], "o", color=MARK, label="chosen n")
    title = f"n = {units:,}: {left:.2g} and {right:.2g}, a factor of {left / right:,.3g}"
    axes.set(title=title, xlabel="units in each layer, n", ylabel="multiplications")
    axes.legend()
    return figure


@interactive(z=Slider(-6.0, 6.0, 0.25, "z"), delta=Slider(-2.0, 2.0, 0.25, "δ"))
@drawn
def activation_slopes(z: float = 1.0, delta: float = 1.0) -> Figure:
    """The sigmoid and the ReLU, their derivatives, and what each lets through of an incoming delta.

    Args:
        z: where the unit is.
        delta: the derivative that arrives at its output.

    Returns:
        Two panels.

    Source: lecture 5, recipes of the sigmoid and the ReLU. L05.12, L05.13.
    """
    line = np.linspace(-6, 6, 241)
    sigmoid = 1 / (1 + np.exp(-line))
    s = 1 / (1 + np.exp(-z))
    kinds = (
        ("Sigmoid", sigmoid, sigmoid * (1 - sigmoid), s, s * (1 - s)),
        ("ReLU", np.maximum(line, 0), (line > 0).astype(float), max(z, 0.0), float(z > 0)),
    )
    figure, grid = panels(2, width=8.4, height=3.6)
    for axes, (name, value, slope, here, slope_here) in zip(grid, kinds, strict=True):
        axes.plot(line, value, color=BLUE, label="value")
        axes.plot(line, slope, color=ORANGE, linestyle="--", label="derivative")
        axes.plot([z, z], [here, slope_here], "o", color=MARK, label="this z")
        axes.set(title=f"{name}: of δ = {delta:g} it passes on {slope_here * delta:.3g}", xlabel="z")
        axes.set_ylim(-0.1, 1.1 if name == "Sigmoid" else 6.2)
        axes.legend(loc="upper left")
    grid[0].set_ylabel("value, derivative")
    return figure


@interactive(
    true_logit=Slider(-6.0, 6.0, 0.25, "logit of the true class"),
    rival=Slider(-6.0, 6.0, 0.25, "logit of a rival"),
)
@drawn
def cross_entropy_delta(true_logit: float = 0.5, rival: float = 1.5) -> Figure:
    """Probabilities, the one-hot label, and their difference: the delta that a softmax sends back.

    Args:
        true_logit: logit of the true class, the first of four.
        rival: logit of the second class; the others have logit 0.

    Returns:
        Three panels of bars; the bars of the last sum to 0.

    Source: lecture 5, the recipe that the slide leaves blank. L05.14.
    """
    probabilities = torch.softmax(torch.tensor([true_logit, rival, 0.0, 0.0], dtype=torch.float64), 0).numpy()
    label = np.array([1.0, 0.0, 0.0, 0.0])
    figure, grid = panels(3, width=8.6, height=3.0, sharey=True)
    names = ["true", "rival", "c", "d"]
    titles = ("probabilities p", "label, one-hot", "δ = p − one-hot")
    for axes, values, title in zip(grid, (probabilities, label, probabilities - label), titles, strict=True):
        axes.bar(names, values, color=[GREEN if v >= 0 else ORANGE for v in values])
        axes.axhline(0, color=GREY, linewidth=0.8)
        axes.set(title=title, xlabel="class", ylim=(-1.1, 1.1))
    grid[0].set_ylabel("probability, or derivative")
    return figure


@interactive(sample=Slider(0, 3, label="sample"))
@drawn
def outer_product(sample: int = 0) -> Figure:
    """The gradient of a weight matrix for one sample: every entry of delta times every entry of the input.

    Args:
        sample: which of four samples.

    Returns:
        Three panels: delta as a column, the input as a row, and their outer product between them.

    Source: lecture 5, the linear layer. L05.10.
    """
    rng = np.random.default_rng(sample)
    delta, a = rng.normal(size=(4, 1)).round(1), rng.normal(size=(1, 6)).round(1)
    figure, grid = panels(3, width=8.6, height=3.0, width_ratios=[0.7, 2, 2])
    limit = float(max(np.abs(delta).max(), np.abs(a).max(), np.abs(delta * a).max()))
    titles = ("δ, (M, 1)", "aᵀ, (1, D)", "dL/dW = δ aᵀ, (M, D)")
    for axes, values, title in zip(grid, (delta, a, delta * a), titles, strict=True):
        axes.imshow(values, cmap="PuOr_r", vmin=-1.6 * limit, vmax=1.6 * limit)
        for (row, column), value in np.ndenumerate(values):
            axes.text(column, row, f"{value:.1f}", ha="center", va="center", color="black", fontsize=8)
        axes.set(title=title, xticks=[], yticks=[])
        axes.grid(False)
    grid[0].set_ylabel("unit")
    grid[2].set(xlabel="input", ylabel="unit")
    return figure


@interactive(
    precision=Choice(("float64", "float32"), "precision"),
    log_step=Slider(-12.0, 0.0, 0.25, "log₁₀ step"),
)
@drawn
def finite_difference_error(precision: str = "float64", log_step: float = -5.0) -> Figure:
    """The error of forward and central differences against the step, for the derivative of sin at 1.

    Args:
        precision: of all numbers.
        log_step: logarithm of the chosen step.

    Returns:
        One panel with logarithmic axes; the title gives the error of the central difference at the chosen step.

    Source: the standard tool for every recipe of lecture 5. L05.16.
    """
    number: Any = np.float64 if precision == "float64" else np.float32
    steps = 10.0 ** np.linspace(-12, 0, 97)

    def errors(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, h = number(1.0), step.astype(number)
        forward = (np.sin(x + h) - np.sin(x)) / h
        central = (np.sin(x + h) - np.sin(x - h)) / (2 * h)
        smallest = 1e-16  # an error that rounds to 0 has no place on a logarithmic axis
        return tuple(np.maximum(np.abs(d.astype(float) - np.cos(1.0)), smallest) for d in (forward, central))

    forward, central = errors(steps)
    here = float(errors(np.array([10.0**log_step]))[1][0])
    figure, axes = panels(width=6.8, height=3.8)
    axes.loglog(steps, forward, color=ORANGE, linestyle="--", label="forward difference")
    axes.loglog(steps, central, color=BLUE, label="central difference")
    axes.plot(10.0**log_step, here, "o", color=MARK, label="chosen step")
    axes.set(title=f"{precision}: error {here:.1e} with step 1e{log_step:g}", xlabel="step", ylabel="error")
    legend_below(figure, axes)
    return figure


@drawn
def gradient_errors(errors: torch.Tensor, title: str = "Error of each coordinate") -> Figure:
    """The result of a gradient check as a picture: which coordinates are wrong, and by how much.

    Args:
        errors: what the check returned, shape (rows, columns), or (n,) for one row.
        title: of the figure.

    Returns:
        One panel; the scale is logarithmic, from 1e-12 to 1.

    Source: the standard tool for every recipe of lecture 5. L05.16.
    """
    found = torch.as_tensor(errors).detach().double().cpu()
    values = (found if found.ndim == 2 else found.reshape(1, -1)).clamp(min=1e-12).log10().numpy()
    figure, axes = panels(width=6.4, height=1.6 + 0.28 * len(values))
    picture = axes.imshow(values, cmap="cividis", vmin=-12, vmax=0, aspect="auto")
    bar = figure.colorbar(picture, ax=axes)
    bar.set_label("log₁₀ of the error")
    axes.locator_params(integer=True)
    axes.set(title=f"{title}: at most {10.0 ** values.max():.1e}", xlabel="column", ylabel="row")
    axes.grid(False)
    return figure
