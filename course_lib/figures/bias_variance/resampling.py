"""Lecture 3: noise that depends on the input, and the same learner on many data sets."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREEN, GREY, MARK, ORANGE, SHADE, drawn, panels
from course_lib.kit.widgets import Slider, Toggle, interactive

_DATA_SETS = 120  # for each degree; 40 of them are drawn
_GRID = np.linspace(-1, 1, 121)
_TICKS = (-1, -0.5, 0, 0.5, 1)
_DEGREES = range(13)
_SIZES = (24, 48, 96, 192, 384)


@interactive(
    growth=Slider(0.0, 2.0, 0.1, "how fast the noise grows"),
    samples=Slider(40, 800, 20, "samples"),
    own_sigma=Toggle("σ depends on x"),
)
@drawn
def noise_band(growth: float = 1.2, samples: int = 240, own_sigma: bool = True) -> Figure:
    """A line with a band of two standard deviations, fitted to data whose noise grows with x.

    Args:
        growth: log sigma changes by this much from the middle to either end.
        samples: number of points.
        own_sigma: fit log sigma as a line in x, too; otherwise one sigma for all.

    Returns:
        Two panels: the data with the fitted and the true band, and sigma as a function of x.

    Source: lecture 3, a Gaussian whose mean and covariance depend on x. L03.01.
    """
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, samples)
    y = 0.8 * x + 0.5 * np.exp(growth * x) * rng.normal(size=samples)
    mean, log_sigma = _fit_line_with_noise(x, y, own_sigma)
    centre, sigma = mean[0] + mean[1] * _GRID, np.exp(log_sigma[0] + log_sigma[1] * _GRID)
    true_sigma = 0.5 * np.exp(growth * _GRID)

    figure, (left, right) = panels(2, width=9, height=3.5, width_ratios=(3, 2))
    left.plot(x, y, ".", ms=4, color=GREY, alpha=0.7, label="data")
    left.fill_between(_GRID, centre - 2 * sigma, centre + 2 * sigma, color=ORANGE, alpha=SHADE, lw=0)
    left.plot(_GRID, centre, color=ORANGE, label="fitted mean ± 2σ")
    for sign in (-1, 1):
        left.plot(_GRID, 0.8 * _GRID + sign * 2 * true_sigma, color=BLUE, ls="--", lw=1.3, label="_")
    left.plot([], [], color=BLUE, ls="--", label="true mean ± 2σ")
    reach = 1.3 * float(np.abs(y).max())
    left.set(xlabel="$x$", ylabel="$y$", ylim=(-reach, reach))
    fitted_sigma = np.exp(log_sigma[0] + log_sigma[1] * x)
    inside = np.abs(y - mean[0] - mean[1] * x) < 2 * fitted_sigma
    shares = [f"{inside[part].mean():.0%}" for part in (x < -1 / 3, x > 1 / 3)]
    left.set_title(f"Inside the band: {shares[0]} in the left third, {shares[1]} in the right one")
    left.legend(loc="upper left", ncols=3, fontsize=8, columnspacing=1)
    right.plot(_GRID, true_sigma, color=BLUE, ls="--", label="true σ(x)")
    right.plot(_GRID, sigma, color=ORANGE, label="fitted σ(x)" if own_sigma else "fitted σ")
    right.set(xlabel="$x$", ylabel="standard deviation", ylim=(0, None))
    right.set_title(f"NLL {_gaussian_nll(y, mean[0] + mean[1] * x, fitted_sigma):.3f} nats a sample")
    right.legend()
    return figure


@interactive(residual=Slider(0.1, 3.0, 0.1, "residual y − f(x)"), log_det=Toggle("with the term log σ"))
@drawn
def cost_of_sigma(residual: float = 1.0, log_det: bool = True) -> Figure:
    """The two terms that pull at sigma, for one sample.

    Args:
        residual: by how much the prediction is off.
        log_det: whether the loss has the term log sigma (1/2 log of the determinant).

    Returns:
        The loss and its terms as functions of sigma.

    Source: lecture 3, a Gaussian whose mean and covariance depend on x. L03.01.
    """
    sigma = np.geomspace(0.08, 8, 400)
    squared, logarithm = residual**2 / (2 * sigma**2), np.log(sigma)
    total = squared + logarithm if log_det else squared
    figure, axes = panels(width=6.2, height=3.5)
    axes.semilogx(sigma, squared, color=BLUE, ls="--", lw=1.4, label="residual² / (2σ²)")
    if log_det:
        axes.semilogx(sigma, logarithm, color=GREEN, ls=":", label="log σ")
        axes.plot(residual, 0.5 + np.log(residual), "o", ms=8, color=MARK, label="minimum")
        axes.set_title(f"Smallest at σ = {residual:.1f}, the size of the residual")
    else:
        axes.set_title("No minimum: the larger σ, the smaller the loss")
    axes.semilogx(sigma, total, color=ORANGE, lw=2.4, label="loss" if log_det else "loss without log σ")
    axes.set(xlabel="σ", ylabel="nats, up to a constant", ylim=(-3, 5))
    axes.legend()
    return figure


@interactive(
    degree=Slider(0, 12, label="degree", play=True),
    samples=Slider(14, 80, 2, "samples n"),
    noise=Slider(0.0, 0.6, 0.05, "noise"),
)
@drawn
def fan(degree: int = 3, samples: int = 20, noise: float = 0.3) -> Figure:
    """Polynomials fitted to many data sets from one source: how much they differ, and where their mean lies.

    Args:
        degree: highest power.
        samples: size n of each data set.
        noise: standard deviation of the noise.

    Returns:
        Two panels: forty fits with their mean and the true function; variance and squared bias by degree.

    Source: lecture 3, expected error over data sets. L03.02, L03.03.
    """
    fits = _fits(degree, samples, noise)  # (data sets, points)
    figure, (left, right) = panels(2, width=9.2, height=3.6)
    left.plot(_GRID, fits[:40].T, color=BLUE, lw=0.8, alpha=0.5)
    left.plot([], [], color=BLUE, lw=0.9, label="one data set each")
    left.plot(_GRID, fits.mean(axis=0), color=ORANGE, lw=2.4, label=r"their mean $\bar f$")
    left.plot(_GRID, _truth(_GRID), color=GREY, ls="--", label="true $f$")
    left.set(xlabel="$x$", ylabel="$y$", ylim=(-2.3, 2.9), xticks=_TICKS)
    variance, bias2 = _decompose(fits)
    left.set_title(f"Degree {degree}: variance {variance:.3g}, bias² {bias2:.3g}")
    left.legend(loc="upper center", ncols=3, fontsize=8, columnspacing=1)
    parts = np.array([_decompose(_fits(d, samples, noise)) for d in _DEGREES])  # (degrees, 2)
    _stack(right, parts, degree)
    return figure


@interactive(degree=Slider(0, 12, label="degree"), data_set=Slider(0, 9, label="data set"))
@drawn
def degree_errors(degree: int = 3, data_set: int = 0) -> Figure:
    """One data set of twenty points: the fit, and the errors of every degree on these points and on new ones.

    Args:
        degree: highest power of the fit that is drawn.
        data_set: which draw of the data.

    Returns:
        Two panels; the second has thin lines for the other data sets.

    Source: lecture 3, overfitting and underfitting. L03.03.
    """
    figure, (left, right) = panels(2, width=9.2, height=3.6)
    x, y = _draw(data_set, 20, 0.3)
    left.plot(_GRID, _truth(_GRID), color=GREY, ls="--", label="true $f$")
    left.plot(_GRID, _fit(x, y, degree), color=ORANGE, label=f"degree {degree}")
    left.plot(x, y, "o", ms=5, color=BLUE, label="data")
    left.set(xlabel="$x$", ylabel="$y$", ylim=(-2.3, 2.9), xticks=_TICKS, title=f"Data set {data_set}")
    left.legend(loc="upper center", ncols=3, fontsize=8)
    curves = np.array([_errors(seed) for seed in range(10)])  # (data sets, degrees, 2)
    for column, (name, colour, mark) in enumerate([("on these points", BLUE, "o"), ("on new points", ORANGE, "s")]):
        right.semilogy(_DEGREES, curves[:, :, column].T, color=colour, lw=0.7, alpha=0.3)
        right.semilogy(_DEGREES, curves[data_set, :, column], mark, ls="-", ms=4, color=colour, label=name)
    right.axvline(degree, color=GREY, lw=1, ls=":")
    right.axhline(0.3**2, color=GREY, lw=1, ls="--", label="noise")
    train, new = curves[data_set, degree]
    right.set(xlabel="degree", ylabel="mean squared error", ylim=(0.005, 30), xticks=range(0, 13, 2))
    right.set_title(f"Degree {degree}: {train:.3f} here, {new:.3g} on new points")
    right.legend(loc="upper left", fontsize=8)
    return figure


@interactive(degree=Slider(0, 8, label="degree"), noise=Slider(0.1, 0.6, 0.05, "noise"))
@drawn
def more_data(degree: int = 3, noise: float = 0.3) -> Figure:
    """Variance and squared bias against the size of the data set, both axes logarithmic.

    Args:
        degree: highest power.
        noise: standard deviation of the noise.

    Returns:
        Two panels: the two parts with a line of slope -1, and fans for the smallest and the largest size.

    Source: lecture 3, get more data. L03.04.
    """
    parts = np.array([_decompose(_fits(degree, n, noise)) for n in _SIZES])  # (sizes, 2)
    slope = np.polyfit(np.log(_SIZES), np.log(parts[:, 0]), 1)[0]
    figure, (left, right) = panels(2, width=9.2, height=3.6)
    left.loglog(_SIZES, parts[:, 0], "o-", color=BLUE, label="variance")
    left.loglog(_SIZES, parts[:, 1], "s-", color=ORANGE, label="bias²")
    left.loglog(_SIZES, parts[0, 0] * _SIZES[0] / np.array(_SIZES), color=GREY, ls="--", lw=1.3, label="slope −1")
    left.set(xlabel="samples n", ylabel="mean over x", ylim=(min(1e-5, parts.min() / 2), max(1, 2 * parts.max())))
    left.set_xticks(_SIZES, [str(n) for n in _SIZES])
    left.minorticks_off()
    left.set_title(f"Degree {degree}: the variance has slope {slope:.2f}")
    left.legend(loc="lower left", fontsize=8)
    for n, colour, alpha in ((_SIZES[0], BLUE, 0.25), (_SIZES[-1], GREEN, 0.5)):
        fits = _fits(degree, n, noise)[:40]
        right.plot(_GRID, fits.T, color=colour, lw=0.7, alpha=alpha)
        right.plot([], [], color=colour, label=f"n = {n}")
    right.plot(_GRID, _truth(_GRID), color=GREY, ls="--", label="true $f$")
    right.set(xlabel="$x$", ylabel="$y$", ylim=(-2.3, 2.9), xticks=_TICKS, title="Forty fits each")
    right.legend(loc="upper center", ncols=3, fontsize=8)
    return figure


def _truth(x: np.ndarray) -> np.ndarray:
    return np.sin(np.pi * x)


def _draw(seed: int, samples: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Inputs spread over [-1, 1], one at random in each of n equal parts, so that none of the fits has to guess."""
    rng = np.random.default_rng(seed)
    x = -1 + 2 * (np.arange(samples) + rng.uniform(size=samples)) / samples
    return x, _truth(x) + noise * rng.normal(size=samples)


def _fit(x: np.ndarray, y: np.ndarray, degree: int) -> np.ndarray:
    """The values of the fitted polynomial on the grid."""
    theta = np.linalg.lstsq(np.vander(x, degree + 1), y, rcond=None)[0]
    return np.vander(_GRID, degree + 1) @ theta


@cache
def _fits(degree: int, samples: int, noise: float) -> np.ndarray:
    return np.array([_fit(*_draw(seed, samples, noise), degree) for seed in range(_DATA_SETS)])


def _decompose(fits: np.ndarray) -> tuple[float, float]:
    """Variance and squared bias, each the mean over the grid."""
    bias2 = (fits.mean(axis=0) - _truth(_GRID)) ** 2
    return float(fits.var(axis=0).mean()), float(bias2.mean())


def _stack(axes: Axes, parts: np.ndarray, degree: int) -> None:
    """Bars of squared bias with the variance on top; what is too tall is cut off and keeps its number."""
    top = max(0.15, 1.35 * float(parts.sum(axis=1)[: len(parts) // 2].max()))
    axes.bar(_DEGREES, parts[:, 1], color=ORANGE, label="bias²")
    axes.bar(_DEGREES, parts[:, 0], bottom=parts[:, 1], color=BLUE, label="variance")
    for place, height in enumerate(parts.sum(axis=1)):
        if height > top:
            axes.text(place, 1.0 * top, f"{height:.2g}", ha="center", va="bottom", fontsize=7, rotation=45)
    axes.axvline(degree, color=GREY, lw=1, ls=":")
    best = int(parts.sum(axis=1).argmin())
    axes.set(xlabel="degree", ylabel="expected squared error", ylim=(0, top), xticks=range(0, 13, 2))
    axes.set_title(f"Smallest at degree {best}", pad=14)
    axes.legend(loc="upper center", fontsize=8)


@cache
def _errors(seed: int) -> list[tuple[float, float]]:
    x, y = _draw(seed, 20, 0.3)
    new_x, new_y = _draw(1000 + seed, 500, 0.3)
    errors = []
    for degree in _DEGREES:
        theta = np.linalg.lstsq(np.vander(x, degree + 1), y, rcond=None)[0]
        pair = [np.mean((np.vander(a, degree + 1) @ theta - b) ** 2) for a, b in ((x, y), (new_x, new_y))]
        errors.append((float(pair[0]), float(pair[1])))
    return errors


def _fit_line_with_noise(x: np.ndarray, y: np.ndarray, own_sigma: bool) -> tuple[np.ndarray, np.ndarray]:
    """Intercept and slope of the mean and of log sigma (slope 0 unless own_sigma), by maximum likelihood."""
    columns, targets = torch.from_numpy(np.stack([np.ones_like(x), x], axis=1)), torch.from_numpy(y)
    mean = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    noise = torch.zeros(2 if own_sigma else 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([mean, noise], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        variance = (2 * columns[:, : len(noise)] @ noise).exp()
        loss = F.gaussian_nll_loss(columns @ mean, targets, variance)
        loss.backward()
        return loss.detach()

    optimizer.step(closure)
    return mean.detach().numpy(), np.append(noise.detach().numpy(), 0.0)[:2]


def _gaussian_nll(y: np.ndarray, mean: np.ndarray, sigma: np.ndarray) -> float:
    return float(np.mean(0.5 * ((y - mean) / sigma) ** 2 + np.log(sigma) + 0.5 * np.log(2 * np.pi)))
