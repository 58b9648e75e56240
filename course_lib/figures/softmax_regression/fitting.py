"""Lecture 2: fitting numbers, by least squares and by trying at random."""

from functools import cache

import numpy as np
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit.widgets import Slider, interactive


@interactive(degree=Slider(1, 12, label="degree"), noise=Slider(0.0, 0.6, 0.05, "noise"))
@drawn
def polynomial_fit(degree: int = 3, noise: float = 0.2) -> Figure:
    """A polynomial without a constant, fitted to a few points by least squares.

    Args:
        degree: its highest power.
        noise: standard deviation of the points round the true curve.

    Returns:
        The points and the curve; beside them the mean squared error of every degree, on these points and on new ones.

    Source: lecture 2, polynomial regression. L02.02.
    """
    x, fresh = np.linspace(-1, 1, 14), np.linspace(-0.97, 0.97, 200)
    draws = np.random.default_rng(1).normal(size=(2, 200))
    y, fresh_y = _truth(x) + noise * draws[0, :14], _truth(fresh) + noise * draws[1]

    def powers(values: np.ndarray, highest: int) -> np.ndarray:
        return np.vander(values, highest + 1, increasing=True)[:, 1:]

    errors = []
    for highest in range(1, 13):
        theta = np.linalg.lstsq(powers(x, highest), y, rcond=None)[0]
        on_points, on_fresh = powers(x, highest) @ theta - y, powers(fresh, highest) @ theta - fresh_y
        errors.append((np.mean(on_points**2), np.mean(on_fresh**2)))
        if highest == degree:
            chosen = theta
    figure, (left, right) = panels(2, width=8.6, height=3.3, width_ratios=(3, 2))
    line = np.linspace(-1, 1, 300)
    left.plot(line, _truth(line), "--", color=GREY, label="true curve")
    left.plot(line, powers(line, degree) @ chosen, color=ORANGE, label=f"degree {degree}")
    left.plot(x, y, "o", color=BLUE, label="data")
    left.set(xlabel="$x$", ylabel="$y$", ylim=(-1.9, 1.9), title=f"{degree} parameters, {len(x)} points")
    left.legend(loc="upper left", ncols=3, columnspacing=1)
    floor = 1e-6  # without noise a high degree fits to rounding, which a logarithmic axis cannot show
    for column, (name, colour, marker) in enumerate([("on these points", BLUE, "o"), ("on new points", ORANGE, "s")]):
        values = np.maximum([pair[column] for pair in errors], floor)
        right.semilogy(range(1, 13), values, marker, ls="-", ms=4, color=colour, label=name)
    right.axvline(degree, color=GREY, lw=1, ls=":")
    right.set(xlabel="degree", ylabel="mean squared error", xticks=range(2, 13, 2), title="Error by degree")
    right.legend()
    return figure


@interactive(
    trials=Slider(1, 400, label="trials", play=True),
    spread=Slider(0.5, 6.0, 0.25, "spread of the guesses"),
    seed=Slider(0, 9, label="seed"),
)
@drawn
def random_search_progress(trials: int = 60, spread: float = 3.0, seed: int = 0) -> Figure:
    """Random search for a line's two parameters: where it looked, and its best loss so far.

    Args:
        trials: how many parameters have been tried.
        spread: standard deviation of the guesses.
        seed: which guesses.

    Returns:
        Two panels: the guesses over the loss surface, and the best loss so far against what least squares reaches.

    Source: lecture 2, ways to find theta. L02.03.
    """
    x, y = _line_data()
    guesses = np.random.default_rng(seed).normal(size=(400, 2)) * spread
    losses = _mean_squared(guesses[:, 0], guesses[:, 1], x, y)
    best = np.minimum.accumulate(losses)
    slope, offset = np.polyfit(x, y, 1)
    figure, (left, right) = panels(2, width=8.6, height=3.5)
    grid = np.meshgrid(np.linspace(-7, 7, 80), np.linspace(-7, 7, 80))
    surface = _mean_squared(*grid, x, y)
    left.contour(*grid, surface, levels=[0.3, 1, 3, 8, 16, 30, 50, 80], colors=GREY, linewidths=0.8, alpha=0.55)
    left.plot(*guesses[:trials].T, ".", ms=5, color=BLUE, alpha=0.6, label="tried")
    left.plot(*guesses[np.argmin(losses[:trials])], "o", ms=10, mfc="none", mec=MARK, mew=2, label="best so far")
    left.plot(slope, offset, "*", ms=13, color=ORANGE, label="least squares")
    left.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$", xlim=(-7, 7), ylim=(-7, 7), title="Where it looked")
    left.legend(loc="lower left", bbox_to_anchor=(0, 0), fontsize=8)
    right.step(range(1, trials + 1), best[:trials], where="post", color=BLUE, label="best so far")
    right.plot(trials, best[trials - 1], "o", color=MARK)
    optimum = _mean_squared(slope, offset, x, y)
    right.axhline(optimum, color=ORANGE, ls="--", label="least squares")
    right.set(yscale="log", xlim=(0, 400), ylim=(optimum / 2, 60), xlabel="trials", ylabel="mean squared error")
    right.set_title(
        f"After {trials} trials: {best[trials - 1]:.3f}, {best[trials - 1] / optimum:.1f} times the optimum"
    )
    right.legend(loc="upper right")
    return figure


def _truth(x: np.ndarray) -> np.ndarray:
    return np.sin(3 * x) * (1 - 0.2 * x)


@cache
def _line_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, 25)
    return x, 1.5 * x - 1 + 0.5 * rng.normal(size=25)


def _mean_squared(slope: np.ndarray, offset: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.mean((np.multiply.outer(slope, x) + np.asarray(offset)[..., None] - y) ** 2, axis=-1)
