"""Lecture 1: a rule with parameters, fixed features, the perceptron, and how large learning has become."""

from functools import cache

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.widgets import Choice, Slider, Toggle, interactive


@interactive(
    theta_1=Slider(-2.0, 2.0, 0.1, "θ₁"),
    theta_2=Slider(-2.0, 2.0, 0.1, "θ₂"),
    theta_3=Slider(-2.0, 2.0, 0.1, "θ₃"),
)
@drawn
def decision_line(theta_1: float = 0.0, theta_2: float = 1.0, theta_3: float = 1.0) -> Figure:
    """Two classes of points, the half-plane that a threshold rule claims, and how often the rule is wrong.

    Args:
        theta_1: weight of x1.
        theta_2: weight of x2.
        theta_3: weight of the constant 1.

    Returns:
        One panel; misjudged points are ringed, and their number stands in the title.

    Source: lecture 1, a parameterised program. L01.03.
    """
    x, circle = _two_clouds()
    claimed = theta_1 * x[:, 0] + theta_2 * x[:, 1] + theta_3 <= 0
    wrong = claimed != circle
    figure, axes = panels(width=6.4, height=4.2)
    _half_plane(axes, (theta_1, theta_2, theta_3))
    _circles_and_crosses(axes, x, circle, wrong)
    axes.set_title(f"{int(wrong.sum())} of {len(x)} points on the wrong side")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    figure.legend(loc="outside right upper", markerscale=0.8)
    return figure


@interactive(mistake=Slider(0, 20, label="mistakes made", play=True))
@drawn
def perceptron_steps(mistake: int = 0) -> Figure:
    """The perceptron's line after so many mistakes, with the point that it corrects next.

    Args:
        mistake: how many corrections have been made.

    Returns:
        One panel. On these points the perceptron stops by itself after a handful of corrections.

    Source: lecture 1, the perceptron. L01.03.
    """
    x, circle = _separable_clouds()
    thetas, corrected = _perceptron_history()
    at = min(mistake, len(corrected))
    theta = thetas[at]
    wrong = (x @ theta[:2] + theta[2] <= 0) != circle
    figure, axes = panels(width=6.4, height=4.2)
    _half_plane(axes, theta)
    _circles_and_crosses(axes, x, circle, wrong)
    if at < len(corrected):
        axes.plot(*x[corrected[at]], "s", ms=17, mfc="none", mec=GREEN, mew=2, label="corrected next")
        axes.set_title(f"Corrections: {at}, points wrong: {int(wrong.sum())}")
    else:
        axes.set_title(f"Done after {at} corrections: no point wrong")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    figure.legend(loc="outside right upper", markerscale=0.8)
    return figure


@interactive(
    points=Choice(("ring", "crossed", "two clouds"), "points"),
    squares=Toggle("add x₁² and x₂²"),
    product=Toggle("add x₁·x₂"),
)
@drawn
def feature_rule(points: str = "ring", squares: bool = False, product: bool = False) -> Figure:
    """A linear rule on fixed features: what it can separate depends on the features alone.

    Args:
        points: which data.
        squares: whether x1^2 and x2^2 are features beside x1 and x2.
        product: whether x1 x2 is one.

    Returns:
        One panel with the rule of least squares on these features, and its accuracy.

    Source: lecture 1, shallow learning. L01.04.
    """
    x, circle = _points(points)

    def features(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        columns = [np.ones_like(a), a, b]
        columns += [a * a, b * b] if squares else []
        columns += [a * b] if product else []
        return np.stack(columns, -1)

    theta = np.linalg.lstsq(features(*x.T), np.where(circle, -1.0, 1.0), rcond=None)[0]
    wrong = (features(*x.T) @ theta <= 0) != circle
    grid = np.meshgrid(np.linspace(-3, 3, 121), np.linspace(-3, 3, 121))
    score = features(*grid) @ theta
    figure, axes = panels(width=6.4, height=4.2)
    axes.contourf(*grid, score, levels=[-1e9, 0, 1e9], colors=[BLUE, ORANGE], alpha=SHADE)
    axes.contour(*grid, score, levels=[0], colors=GREY, linewidths=2)
    _circles_and_crosses(axes, x, circle, wrong)
    axes.set_title(f"{theta.size - 1} features: {100 * (1 - wrong.mean()):.0f} % right")
    axes.set(xlabel="$x_1$", ylabel="$x_2$", xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    figure.legend(loc="outside right upper", markerscale=0.8)
    return figure


@drawn
def scale_of_learning() -> Figure:
    """Images in a few training sets and layers in a few networks, by year.

    Returns:
        Two panels with logarithmic axes.

    Source: lecture 1, model scale and data sets, with the years and sizes of the publications. L01.07.
    """
    images = [
        ("MNIST", 1998, 60_000, 6, 4),
        ("Caltech-101", 2003, 9_000, 6, -14),
        ("CIFAR-10", 2009, 60_000, -58, -4),
        ("ILSVRC", 2012, 1_281_167, -44, -4),
    ]
    layers = [("LeNet-5", 1998, 7, 6, 6), ("AlexNet", 2012, 8, -22, -17), ("ResNet-152", 2015, 152, -72, -4)]
    figure, (left, right) = panels(2, width=8.6, height=3.2)
    for axes, facts, colour in ((left, images, BLUE), (right, layers, ORANGE)):
        for name, year, count, across, up in facts:
            axes.plot(year, count, "o", ms=9, color=colour)
            axes.annotate(name, (year, count), (across, up), textcoords="offset points")
        axes.set(yscale="log", xlim=(1995, 2018), xlabel="year")
    left.set(ylabel="images", ylim=(3e3, 4e6), title="Labelled images")
    right.set(ylabel="layers with weights", ylim=(4, 400), title="Depth")
    return figure


def _half_plane(axes: Axes, theta: tuple[float, ...] | np.ndarray) -> None:
    grid = np.meshgrid(np.linspace(-3, 3, 61), np.linspace(-3, 3, 61))
    score = theta[0] * grid[0] + theta[1] * grid[1] + theta[2]
    axes.contourf(*grid, score, levels=[-1e9, 0, 1e9], colors=[BLUE, ORANGE], alpha=SHADE)
    if score.min() < 0 < score.max():
        axes.contour(*grid, score, levels=[0], colors=GREY, linewidths=2)


def _circles_and_crosses(axes: Axes, x: np.ndarray, circle: np.ndarray, wrong: np.ndarray) -> None:
    axes.plot(*x[circle].T, "o", ms=6, color=BLUE, label="○ belongs below")
    axes.plot(*x[~circle].T, "X", ms=6.5, color=ORANGE, label="✕ belongs above")
    axes.plot(*x[wrong].T, "o", ms=12, mfc="none", mec=MARK, mew=1.6, label="wrong")


@cache
def _two_clouds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    below = rng.normal(size=(30, 2)) * 0.75 + (0.9, -0.7)
    above = rng.normal(size=(30, 2)) * 0.75 + (-0.8, 0.8)
    return np.concatenate([below, above]).clip(-2.9, 2.9), np.arange(60) < 30


@cache
def _separable_clouds() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(8)
    x = rng.uniform(-2.7, 2.7, size=(300, 2))
    height = x @ np.array([0.5, 0.87]) - 0.6
    keep = np.abs(height) > 0.25
    return x[keep][:50], (height <= 0)[keep][:50]


@cache
def _perceptron_history() -> tuple[list[np.ndarray], list[int]]:
    x, circle = _separable_clouds()
    augmented = np.column_stack([x, np.ones(len(x))])
    thetas, corrected, quiet, at = [np.zeros(3)], [], 0, 0
    while quiet < len(x):  # a whole round without a mistake ends it
        if (augmented[at] @ thetas[-1] <= 0) == circle[at]:
            quiet += 1
        else:
            corrected.append(at)
            thetas.append(thetas[-1] + (-1 if circle[at] else 1) * augmented[at])
            quiet = 0
        at = (at + 1) % len(x)
    return thetas, corrected


@cache
def _points(kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "two clouds":
        return _two_clouds()
    rng = np.random.default_rng(5)
    if kind == "crossed":
        x = rng.uniform(-2.6, 2.6, size=(400, 2))
        x = x[np.abs(x).min(1) > 0.2][:90]
        return x, x[:, 0] * x[:, 1] <= 0
    angle = rng.uniform(0, 2 * np.pi, 90)
    inner = np.arange(90) < 40
    radius = np.where(inner, rng.uniform(0, 1.1, 90), rng.uniform(1.7, 2.7, 90))
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]), inner
