"""Lecture 4: where a loss leads, and where it stops."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, drawn, legend_below, panels
from course_lib.kit.widgets import Choice, Slider, interactive

DEPTH = LinearSegmentedColormap.from_list("depth", [(*to_rgb(BLUE), 0.4), (*to_rgb(BLUE), 0.0)])  # deep is strong


def level_lines(
    axes: Axes,
    loss: Callable[[torch.Tensor], torch.Tensor],
    window: tuple[float, float, float, float],
    levels: Any = 14,
    points: int = 90,
) -> Any:
    """Draw the level lines of a loss of two parameters in a window, deep regions strong; returns the filled ones."""
    left, right, bottom, top = window
    grid = np.meshgrid(np.linspace(left, right, points), np.linspace(bottom, top, points))
    heights = loss(torch.from_numpy(np.stack(grid, -1))).numpy()
    filled = axes.contourf(*grid, heights, levels=levels, cmap=DEPTH, extend="both")
    axes.contour(*grid, heights, levels=filled.levels, colors=GREY, linewidths=0.6, linestyles="-")
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.grid(False)
    return filled


def _bowl(condition: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda point: (point[..., 0] ** 2 + condition * point[..., 1] ** 2) / 2


@interactive(
    learning_rate=Slider(0.1, 2.05, 0.05, "α × largest curvature"),
    condition=Slider(1.0, 100.0, label="condition number", log=True),
    steps=Slider(1, 40, label="steps", play=True),
)
@drawn
def descent_on_bowl(learning_rate: float = 1.8, condition: float = 20.0, steps: int = 12) -> Figure:
    """Gradient descent in a valley: the steps cross the level lines at right angles, and so miss the minimum.

    Args:
        learning_rate: as a multiple of 1 / (largest curvature): 2 is the limit of stability.
        condition: ratio of the two curvatures.
        steps: number of updates.

    Returns:
        Two panels: the path on the level lines, and the angle between each step and the way to the minimum.

    Source: lecture 4, steepest descent. L04.01.
    """
    curvature = np.array([1.0, condition])
    start = np.array([4.0, 4.0 / condition**0.5])
    factors = 1 - learning_rate / condition * curvature
    path = start * factors ** np.arange(steps + 1)[:, None]
    moves, ways = -path[:-1] * curvature, -path[:-1]
    lengths = np.linalg.norm(moves, axis=1) * np.linalg.norm(ways, axis=1)
    cosines = np.divide((moves * ways).sum(1), lengths, out=np.ones(steps), where=lengths > 0)
    angles = np.degrees(np.arccos(cosines.clip(-1, 1)))
    figure, (left, right) = panels(2, width=9, height=3.5, width_ratios=[1.4, 1])
    reach = 6.0 / condition**0.5
    levels = 10.0 * np.linspace(0.15, 2.4, 10) ** 2
    level_lines(left, _bowl(condition), (-5, 5, -reach, reach), levels)
    left.plot(*path.T, "o-", ms=3.5, lw=1.4, color=MARK, label="gradient descent")
    left.plot(0, 0, "*", ms=13, color=ORANGE, mec="white", mew=0.6, label="minimum")
    swings = int((np.diff(np.sign(moves[:, 1])) != 0).sum())
    left.set(xlabel="θ₁ (flat)", ylabel="θ₂ (steep; its scale differs)")
    left.set_title(f"{steps} steps, {swings} reversals across the valley")
    legend_below(figure, left, fontsize=8)
    right.plot(range(steps), angles, "o-", ms=4, color=BLUE)
    right.axhline(90, color=GREY, lw=1, ls="--")
    right.set(xlabel="step", ylabel="angle to the minimum (°)", ylim=(-3, 96), xlim=(-0.5, max(steps, 8)))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set_title(f"Largest angle {angles.max():.0f}°")
    return figure


@cache
def _slices() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The loss along a line through parameter space, for logistic regression and for a small net on the same data."""
    draw = torch.Generator().manual_seed(10)
    x = torch.randn(60, 2, generator=draw, dtype=torch.float64)
    labels = (x[:, 0] * x[:, 1] > 0).double()
    line = torch.linspace(-1, 1, 201, dtype=torch.float64)
    ones = torch.cat([x, torch.ones(60, 1, dtype=torch.float64)], 1)

    def linear(theta: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(ones @ theta, labels)

    def net(theta: torch.Tensor) -> torch.Tensor:
        hidden = torch.tanh(ones @ theta[:18].reshape(3, 6))
        return torch.nn.functional.binary_cross_entropy_with_logits(hidden @ theta[18:], labels)

    found = {}
    for name, loss, size, scale in (
        ("logistic regression", linear, 3, 3.0),
        ("net with one hidden layer", net, 24, 2.5),
    ):
        a, b = (scale * torch.randn(size, generator=draw, dtype=torch.float64) for _ in range(2))
        found[name] = (line.numpy(), np.array([loss(a + (t + 1) / 2 * (b - a)).item() for t in line]))
    return found


@interactive(
    left_end=Slider(-1.0, -0.05, 0.05, "left end"),
    right_end=Slider(0.05, 1.0, 0.05, "right end"),
)
@drawn
def chord(left_end: float = -0.8, right_end: float = 0.8) -> Figure:
    """A chord over the loss along a line: above the curve everywhere if the loss is convex.

    Args:
        left_end: position of one end of the chord, -1 to 0.
        right_end: position of the other end, 0 to 1.

    Returns:
        Two panels: logistic regression, and a net with one hidden layer, on the same data.

    Source: lecture 4, convexity. L04.02.
    """
    figure, both = panels(2, width=9, height=3.3)
    for axes, (name, (line, losses)) in zip(both, _slices().items(), strict=True):
        ends = np.interp([left_end, right_end], line, losses)
        inside = (line >= left_end) & (line <= right_end)
        straight = np.interp(line, [left_end, right_end], ends)
        above = inside & (losses > straight + 1e-9)
        axes.plot(line, losses, color=BLUE, label="loss")
        axes.plot([left_end, right_end], ends, "o--", color=ORANGE, label="chord")
        if above.any():
            axes.fill_between(line, straight, losses, where=above, color=MARK, alpha=0.45, label="loss above the chord")
        verdict = "crosses its chord: not convex" if above.any() else "stays below this chord"
        axes.set(
            title=f"{name.capitalize()}:\n{verdict}",
            xlabel="position on a line of parameters",
            ylabel="mean NLL (nats)",
        )
        axes.xaxis.set_major_locator(MaxNLocator(5))
    legend_below(figure, *both, fontsize=8)
    return figure


_SHAPES: dict[str, tuple[np.ndarray, str]] = {
    "minimum": (np.diag([1.0, 0.6]), "both curvatures positive"),
    "maximum": (np.diag([-1.0, -0.6]), "both curvatures negative"),
    "saddle": (np.diag([1.0, -0.6]), "one of each sign"),
    "plateau": (np.diag([0.02, -0.01]), "both nearly 0"),
    "hidden saddle [[1, 3], [3, 1]]": (
        np.array([[1.0, 3.0], [3.0, 1.0]]) / 4,
        "diagonal positive, eigenvalues 4 and −2 (÷ 4)",
    ),
}


@interactive(
    shape=Choice(tuple(_SHAPES), "Hessian"),
    offset=Slider(-0.5, 0.5, 0.05, "start beside the axis"),
    steps=Slider(0, 60, label="steps", play=True),
)
@drawn
def critical_points(shape: str = "saddle", offset: float = 0.05, steps: int = 25) -> Figure:
    """A ball on a surface near a point with gradient 0: gradient descent with a learning rate of 0.2.

    Args:
        shape: which Hessian.
        offset: second coordinate of the start; the first is -1.2.
        steps: number of updates.

    Returns:
        Two panels: the surface with the path of the ball, and its distance from the critical point by step.

    Source: lecture 4, local optima, plateaus and saddle points. L04.04.
    """
    matrix, words = _SHAPES[shape]
    point = np.array([-1.2, offset])
    path = [point]
    for _ in range(steps):
        point = point - 0.2 * matrix @ point
        path.append(point)
    walk = np.array(path)
    inside = (np.abs(walk) <= 1.5).all(1)
    walk_seen = walk[: len(walk) if inside.all() else int(np.argmin(inside))]
    figure, flat = panels(2, width=9, height=3.8, width_ratios=[1.2, 1])
    left, right = flat
    place = left.get_subplotspec()
    left.remove()
    axes = figure.add_subplot(place, projection="3d")
    grid = np.meshgrid(np.linspace(-1.5, 1.5, 31), np.linspace(-1.5, 1.5, 31))
    points = np.stack(grid, -1)
    heights = np.einsum("...i,ij,...j->...", points, matrix, points) / 2
    axes.plot_surface(*grid, heights, color=BLUE, alpha=0.35, linewidth=0.2, edgecolor=GREY, rcount=20, ccount=20)
    track = np.einsum("ni,ij,nj->n", walk_seen, matrix, walk_seen) / 2
    axes.plot(*walk_seen.T, track + 0.02, "o-", color=MARK, ms=3, lw=1.5, zorder=10)
    axes.plot(*walk_seen[-1:].T, track[-1:] + 0.02, "o", color=MARK, ms=8, zorder=11)
    axes.set(xlabel="θ₁", ylabel="θ₂", zlabel="loss", zlim=(-1.2, 1.2), title=f"{words}")
    axes.view_init(28, -62)
    for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
        axis.pane.set_alpha(0.0)
        axis.set_tick_params(labelsize=7)
    distance = np.linalg.norm(walk, axis=1)
    right.plot(range(steps + 1), distance, "o-", ms=3, color=BLUE)
    right.set(xlabel="step", ylabel="distance from the critical point", xlim=(-1, 61), ylim=(0, 3))
    right.set_title(f"Distance now {distance[-1]:.3g}" if distance[-1] <= 3 else "It has left the picture")
    return figure


@drawn
def definite_shares(shares: dict[int, float]) -> Figure:
    """How often a random symmetric matrix is positive or negative definite, by its size.

    Args:
        shares: size -> share of definite matrices, 0 to 1.

    Returns:
        One panel, with a logarithmic axis; sizes where none was found are marked.

    Source: lecture 4, how often is a critical point a saddle? L04.05.
    """
    figure, axes = panels(width=6, height=3.3)
    found = {size: share for size, share in shares.items() if share > 0}
    bars = axes.bar(list(found), list(found.values()), color=BLUE, width=0.6)
    axes.bar_label(bars, [f"{share:.2g}" for share in found.values()], color=GREY, fontsize=9, padding=2)
    floor = min(found.values()) / 4
    for size in shares.keys() - found.keys():
        axes.text(size, floor * 1.15, "none", ha="center", color=GREY, fontsize=9)
    axes.set(yscale="log", ylim=(floor, 3), xlabel="number of parameters", ylabel="share of definite matrices")
    axes.set_xticks(list(shares))
    axes.set_title("All eigenvalues of one sign: rare")
    axes.grid(axis="x", visible=False)
    return figure


@interactive(
    x=Slider(-4.0, 4.0, 0.25, "θ₁"),
    y=Slider(-2.0, 2.0, 0.25, "θ₂"),
    condition=Slider(1.0, 50.0, label="condition number", log=True),
    surface=Choice(("bowl", "bowl with a quartic wall", "saddle"), "loss"),
)
@drawn
def newton_step(x: float = -3.0, y: float = 1.0, condition: float = 10.0, surface: str = "bowl") -> Figure:
    """One step of gradient descent and one of Newton's method from the same point.

    Args:
        x: first coordinate of the point.
        y: second coordinate.
        condition: ratio of the curvatures of the bowl.
        surface: which loss.

    Returns:
        One panel: level lines, the negative gradient as a direction, and the jump of Newton's method.

    Source: lecture 4, Newton's method. L04.06.
    """
    curvature = {"bowl": (1.0, condition), "bowl with a quartic wall": (1.0, condition), "saddle": (1.0, -1.0)}[surface]
    quartic = 0.25 if surface == "bowl with a quartic wall" else 0.0

    def loss(point: torch.Tensor) -> torch.Tensor:
        first, second = point[..., 0], point[..., 1]
        return (curvature[0] * first**2 + curvature[1] * second**2) / 2 + quartic * first**4 / 4

    gradient = np.array([curvature[0] * x + quartic * x**3, curvature[1] * y])
    second = np.array([curvature[0] + 3 * quartic * x**2, curvature[1]])
    jump = -gradient / second
    figure, axes = panels(width=6.6, height=4)
    level_lines(axes, loss, (-5, 5, -2.5, 2.5), 16)
    steepest = -gradient / max(np.linalg.norm(gradient), 1e-12) * 1.5
    for arrow, colour, name in ((steepest, ORANGE, "steepest descent (direction)"), (jump, GREEN, "Newton's step")):
        style = {"arrowstyle": "-|>", "color": colour, "lw": 2, "mutation_scale": 16}
        axes.annotate("", (x + arrow[0], y + arrow[1]), (x, y), arrowprops=style)
        axes.plot([], [], color=colour, label=name)
    axes.plot(x, y, "o", ms=9, color=MARK, label="here")
    axes.plot(0, 0, "*", ms=13, color=GREY, mec="white", mew=0.6, label="critical point")
    landed = np.hypot(x + jump[0], y + jump[1])
    what = "the saddle" if surface == "saddle" else "the minimum"
    axes.set(xlabel="θ₁", ylabel="θ₂", title=f"Newton lands {landed:.2g} away from {what}")
    legend_below(figure, axes, fontsize=8)
    return figure
