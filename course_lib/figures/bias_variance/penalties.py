"""Lecture 3: priors, and the penalties that they are."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Polygon

from course_lib.figures.frame import BLUE, CYCLE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.plots import DASHES
from course_lib.kit.widgets import Slider, interactive

_LINE = np.linspace(-1, 1, 241)


@interactive(
    heads=Slider(0, 40, label="heads"),
    tails=Slider(0, 40, label="tails"),
    a=Slider(1, 30, label="a of the prior"),
    b=Slider(1, 30, label="b of the prior"),
)
@drawn
def coin_posterior(heads: int = 3, tails: int = 0, a: int = 5, b: int = 5) -> Figure:
    """Prior times likelihood is the posterior, for the probability of heads.

    Args:
        heads: number of heads that were thrown.
        tails: number of tails.
        a: the prior is Beta(a, b).
        b: see a.

    Returns:
        Three curves, each scaled to the maximum 1, with the two estimates.

    Source: lecture 3, a prior over parameters. L03.05.
    """
    theta = np.linspace(0, 1, 501)[1:-1]
    prior = (a - 1) * np.log(theta) + (b - 1) * np.log(1 - theta)
    likelihood = heads * np.log(theta) + tails * np.log(1 - theta)
    figure, axes = panels(width=6.6, height=3.6)
    curves = (("prior", prior, GREEN, ":"), ("likelihood", likelihood, BLUE, "--"))
    for name, logarithm, colour, dashes in (*curves, ("posterior", prior + likelihood, ORANGE, "-")):
        axes.plot(theta, np.exp(logarithm - logarithm.max()), color=colour, ls=dashes, label=name)
    seen, weight = heads + tails, heads + tails + a + b - 2
    words = []
    if seen:
        axes.axvline(heads / seen, color=BLUE, lw=1, ls="--")
        words.append(f"maximum likelihood {heads / seen:.2f}")
    if weight:
        axes.plot((heads + a - 1) / weight, 1, "o", ms=8, color=MARK, clip_on=False, zorder=5, label="MAP")
        words.append(f"MAP {(heads + a - 1) / weight:.2f}")
    axes.set(xlabel="θ = P(heads)", ylabel="density, maximum scaled to 1", ylim=(0, 1.08), xlim=(0, 1))
    axes.set_title(", ".join(words) or "Nothing is known: every θ is as good as any other")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


@interactive(lam=Slider(1e-6, 100.0, label="λ", log=True), degree=Slider(2, 12, label="degree"))
@drawn
def ridge_wiggles(lam: float = 1e-3, degree: int = 12) -> Figure:
    """A polynomial of high degree with a penalty: the fit, and its coefficients for every strength of the penalty.

    Args:
        lam: strength of the penalty.
        degree: highest power.

    Returns:
        Two panels.

    Source: lecture 3, wiggly functions need large coefficients. L03.06.
    """
    x, y = _wiggle_data()
    strengths = np.geomspace(1e-6, 100, 81)
    path = np.array([_ridge(np.vander(x, degree + 1), y, value) for value in strengths])  # (strengths, degree + 1)
    theta = _ridge(np.vander(x, degree + 1), y, lam)
    figure, (left, right) = panels(2, width=9.2, height=3.6)
    left.plot(_LINE, np.sin(np.pi * _LINE), color=GREY, ls="--", label="true $f$")
    left.plot(_LINE, np.vander(_LINE, degree + 1) @ theta, color=ORANGE, label=f"degree {degree} with λ")
    left.plot(x, y, "o", ms=5, color=BLUE, label="data")
    left.set(xlabel="$x$", ylabel="$y$", ylim=(-2.3, 2.9))
    left.set_title(f"λ = {lam:.2g}: ‖θ‖ = {np.linalg.norm(theta):.3g}")
    left.legend(loc="upper center", ncols=3, fontsize=8)
    for number, (values, power) in enumerate(zip(path.T[::-1], range(degree + 1), strict=True)):
        label = f"$x^{{{power}}}$" if power in (0, 1, 3, degree) else "_"
        look = {"color": CYCLE[number % len(CYCLE)], "ls": DASHES[number // len(CYCLE)]}
        right.semilogx(strengths, values, lw=1.3, label=label, **look)
    right.axvline(lam, color=MARK, lw=1.2)
    right.set(xlabel="λ", ylabel="coefficient θ", title="Coefficients by strength of the penalty")
    right.set_yscale("symlog", linthresh=1)
    right.legend(loc="upper right", fontsize=8)
    return figure


@interactive(lam=Slider(1e-4, 10.0, label="λ", log=True), log_steps=Slider(0.0, 4.5, 0.25, "log₁₀ of the steps"))
@drawn
def sharpness(lam: float = 0.1, log_steps: float = 3.0) -> Figure:
    """Logistic regression on separable points: without a penalty the sigmoid becomes steeper for ever.

    Args:
        lam: strength of the penalty.
        log_steps: logarithm (base 10) of the number of gradient steps.

    Returns:
        Two panels: the two sigmoids after this many steps, and the size of theta on the way.

    Source: lecture 3, larger parameters give sharper probabilities. L03.07.
    """
    x, labels = np.array([-2.0, -1.2, -0.7, 0.5, 1.0, 1.9]), np.array([0, 0, 0, 1, 1, 1])
    steps = int(10**log_steps)
    paths = {"λ = 0": (_logistic_path(0.0), BLUE, "--"), f"λ = {lam:.2g}": (_logistic_path(lam), ORANGE, "-")}
    figure, (left, right) = panels(2, width=9.2, height=3.6)
    line = np.linspace(-3, 3, 301)
    left.plot(x, labels, "o", ms=7, color=GREY, label="data")
    for name, (path, colour, dashes) in paths.items():
        left.plot(line, 1 / (1 + np.exp(-path[steps] * line)), color=colour, ls=dashes, label=name)
        number = np.arange(1, len(path))
        shown = np.unique(np.geomspace(1, len(path) - 1, 200).astype(int))
        right.plot(number[shown - 1], path[shown], color=colour, ls=dashes, label=name)
    right.plot(steps, paths["λ = 0"][0][steps], "o", color=MARK)
    left.set(xlabel="$x$", ylabel="P(y = 1)", title=f"After {steps:,} step{'s' if steps > 1 else ''}")
    left.legend(loc="upper left", fontsize=8)
    right.set(xscale="log", xlabel="gradient steps", ylabel="θ")
    right.set_title(f"θ = {paths['λ = 0'][0][steps]:.2f} without, {paths[f'λ = {lam:.2g}'][0][steps]:.2f} with penalty")
    right.legend(loc="upper left", fontsize=8)
    return figure


@interactive(
    angle=Slider(0, 90, 1, "direction of the optimum (°)"),
    budget=Slider(0.1, 2.5, 0.05, "budget"),
    tilt=Slider(-0.8, 0.8, 0.1, "correlation"),
)
@drawn
def diamonds(angle: int = 20, budget: float = 1.0, tilt: float = 0.0) -> Figure:
    """Where the smallest loss within a budget lies: on the edge of a diamond (L1) or of a disc (L2).

    Args:
        angle: direction of the unpenalised optimum, in degrees, at distance 2.
        budget: largest allowed |theta_1| + |theta_2|, or largest allowed length.
        tilt: correlation of the two features.

    Returns:
        Two panels with the contours of the loss.

    Source: lecture 3, L1 and L2 regularization. L03.08.
    """
    optimum = 2 * np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    curvature = np.array([[1, tilt], [tilt, 1]])

    def loss(points: np.ndarray) -> np.ndarray:
        return np.einsum("...i,ij,...j", points - optimum, curvature, points - optimum)

    figure, axes = panels(2, width=8.6, height=4.0, sharey=True)
    grid = np.stack(np.meshgrid(np.linspace(-1.6, 3.2, 160), np.linspace(-1.6, 3.2, 160)), axis=-1)
    corners = budget * np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [1, 0]], dtype=float)
    share = np.linspace(0, 1, 400, endpoint=False)[:, None]
    diamond = np.concatenate([a + share * (b - a) for a, b in pairwise(corners)])
    on_diamond = optimum if np.abs(optimum).sum() <= budget else diamond[loss(diamond).argmin()]
    shapes = (
        ("L1", on_diamond, Polygon(corners, closed=True, color=BLUE, alpha=SHADE, lw=0)),
        ("L2", _within_disc(optimum, curvature, budget), Circle((0, 0), budget, color=BLUE, alpha=SHADE, lw=0)),
    )
    for panel, (name, best, region) in zip(axes, shapes, strict=True):
        panel.contour(grid[..., 0], grid[..., 1], loss(grid), levels=12, colors=GREY, linewidths=0.7, alpha=0.6)
        panel.add_patch(region)
        panel.plot(*optimum, "*", ms=13, color=ORANGE, ls="none", label="without penalty")
        panel.plot(*best, "o", ms=9, color=MARK, ls="none", label="within the budget")
        zeros = [f"θ{place}" for place, value in zip("₁₂", best, strict=True) if abs(value) < 1e-9]
        panel.set(xlabel="θ₁", aspect="equal", xlim=(-1.6, 3.2), ylim=(-1.6, 3.2))
        panel.set_title(f"{name}: {' and '.join(zeros)} exactly 0" if zeros else f"{name}: no parameter is 0")
        panel.legend(loc="lower right", fontsize=8)
    axes[0].set_ylabel("θ₂")
    return figure


@interactive(position=Slider(0.0, 1.0, 0.01, "λ, from small to large"))
@drawn
def coefficient_paths(
    lams: Sequence[float],
    ridge: np.ndarray,
    lasso: np.ndarray,
    names: Sequence[str],
    position: float = 0.5,
) -> Figure:
    """The parameters of ridge regression and lasso for every strength of the penalty.

    Args:
        lams: S strengths, positive and increasing.
        ridge: parameters of ridge regression, shape (S, D).
        lasso: those of the lasso, shape (S, D).
        names: of the D features.
        position: which strength is marked, from 0 (first) to 1 (last).

    Returns:
        Two panels with a common legend.

    Source: lecture 3, L1 and L2 regularization. L03.06, L03.08.
    """
    chosen = round(position * (len(lams) - 1))
    figure, axes = panels(2, width=9.8, height=3.9, sharey=True)
    for panel, title, path in zip(axes, ("L2 (ridge)", "L1 (lasso)"), (ridge, lasso), strict=True):
        path = np.asarray(path)
        for number, (name, values) in enumerate(zip(names, path.T, strict=True)):
            look = {"color": CYCLE[number % len(CYCLE)], "ls": DASHES[number // len(CYCLE) % len(DASHES)]}
            panel.semilogx(lams, values, lw=1.6, label=name, **look)
        panel.axvline(lams[chosen], color=MARK, lw=1.2)
        zeros = int((path[chosen] == 0).sum())
        panel.set(xlabel="λ", title=f"{title}, λ = {lams[chosen]:.3g}: {zeros} of {len(names)} exactly 0")
    axes[0].set_ylabel("parameter of the standardised feature")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
    return figure


@cache
def _wiggle_data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x = -1 + 2 * (np.arange(16) + rng.uniform(size=16)) / 16
    return x, np.sin(np.pi * x) + 0.3 * rng.normal(size=16)


def _ridge(features: np.ndarray, targets: np.ndarray, lam: float) -> np.ndarray:
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    return vt.T @ (s / (s**2 + lam) * (u.T @ targets))


def _within_disc(optimum: np.ndarray, curvature: np.ndarray, radius: float) -> np.ndarray:
    """The point of a disc with the smallest quadratic loss: (A + mu I) theta = A optimum; bisection finds mu."""
    if np.linalg.norm(optimum) <= radius:
        return optimum
    low, high = 0.0, 1e4
    for _ in range(100):
        middle = (low + high) / 2
        theta = np.linalg.solve(curvature + middle * np.eye(2), curvature @ optimum)
        low, high = (middle, high) if np.linalg.norm(theta) > radius else (low, middle)
    return theta


@cache
def _logistic_path(lam: float) -> np.ndarray:
    """theta after 0, 1, 2, ... steps of gradient descent, as many as the slider goes to."""
    x, labels = np.array([-2.0, -1.2, -0.7, 0.5, 1.0, 1.9]), np.array([0, 0, 0, 1, 1, 1])
    rate, theta, path = 0.04, 0.0, np.zeros(int(10**4.5) + 1)
    for step in range(1, len(path)):
        move = rate * float(x @ (1 / (1 + np.exp(-theta * x)) - labels) + 2 * lam * theta)
        theta -= move
        path[step] = theta
        if abs(move) < 1e-12:  # arrived; the rest of the way is standing still
            path[step:] = theta
            break
    return path
