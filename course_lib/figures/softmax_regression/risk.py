"""Lecture 2: the risk on the data that one has, the risk on new data, and a training run that breaks."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, CYCLE, GREY, MARK, ORANGE, drawn, panels
from course_lib.kit.widgets import Slider, interactive

_NOISE = 1.0
_SIZES = (25, 30, 36, 44, 54, 68, 86, 110, 140, 180, 240)
_REPEATS = 60


@interactive(features=Slider(1, 20, label="parameters D"), samples=Slider(25, 240, 5, "samples n"))
@drawn
def risk_gap(features: int = 12, samples: int = 40) -> Figure:
    """Empirical and true risk of least squares, fitted again and again to new training sets.

    Args:
        features: number of parameters D.
        samples: size n of each training set, more than D + 1.

    Returns:
        Two panels: both risks by n with the exact expectations, and single training sets of the chosen n.

    Source: lecture 2, empirical and true risk; the expectations are those of Gaussian inputs, sigma^2/2 (1 - D/n) and
    sigma^2/2 (1 + D/(n - D - 1)). L02.14.
    """
    figure, (left, right) = panels(2, width=9, height=3.5)
    means = np.array([[side.mean() for side in _risks(features, n)] for n in _SIZES])  # (sizes, 2)
    n = np.linspace(_SIZES[0], _SIZES[-1], 200)
    floor = _NOISE**2 / 2
    left.plot(n, floor * (1 + features / (n - features - 1)), color=ORANGE, label="true risk")
    left.plot(_SIZES, means[:, 1], "s", ms=4, color=ORANGE)
    left.plot(n, floor * (1 - features / n), color=BLUE, label="empirical risk")
    left.plot(_SIZES, means[:, 0], "o", ms=4, color=BLUE)
    left.axhline(floor, color=GREY, ls="--", lw=1.2, label="risk of the true rule")
    left.axvline(samples, color=GREY, ls=":", lw=1.2)
    left.set(
        xlabel="training samples n", ylabel="½ squared error", ylim=(0, 2), title=f"Mean of {_REPEATS} training sets"
    )
    left.legend(loc="upper right")
    empirical, true = _risks(features, samples)
    right.axline((0, 0), slope=1, color=GREY, lw=1.2, ls="--", label="no gap")
    right.plot(empirical, true, "o", ms=4.5, color=MARK, alpha=0.75, label="one training set")
    top = max(1.2, 1.05 * float(true.max()))
    right.set(xlim=(0, 1.2), ylim=(0, top), xlabel="empirical risk", ylabel="true risk")
    right.set_title(f"Mean gap {float((true - empirical).mean()):.2f} with {features} parameters, n = {samples}")
    right.legend(loc="lower right")
    return figure


@drawn
def overflow_in_training(losses: Mapping[str, Sequence[float]]) -> Figure:
    """Losses of training runs, one of which stops being a number.

    Args:
        losses: name of the run to its loss at each update; NaN and inf are allowed.

    Returns:
        One panel; the first value of a run that is not finite is marked.

    Source: lecture 2, softmax in floating point. L02.06.
    """
    figure, axes = panels(width=7.6, height=3.3)
    top = max(value for run in losses.values() for value in run if np.isfinite(value))
    for (name, run), colour in zip(losses.items(), CYCLE, strict=False):
        values = np.asarray(run, dtype=float)
        axes.plot(np.where(np.isfinite(values), values, np.nan), color=colour, lw=1.6, marker=".", ms=3, label=name)
        broken = np.flatnonzero(~np.isfinite(values))
        if len(broken):
            first = int(broken[0])
            axes.axvspan(first, len(values) - 1, color=MARK, alpha=0.14)
            axes.axvline(first, color=MARK)
            axes.annotate(
                f"update {first}: loss is {values[first]}, then NaN for ever",
                (first, 0.82 * top),
                (10, 0),
                textcoords="offset points",
                color=MARK,
            )
    axes.set(
        xlabel="update", ylabel="mean NLL of the batch (nats)", title="The same data, the same rule, two softmaxes"
    )
    axes.legend(loc="upper right")
    return figure


@cache
def _risks(features: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1000 * features + samples)
    x = rng.normal(size=(_REPEATS, samples, features))
    y = _NOISE * rng.normal(size=(_REPEATS, samples))  # the true rule predicts 0, which loses no generality
    empirical, true = np.empty(_REPEATS), np.empty(_REPEATS)
    for i in range(_REPEATS):
        theta = np.linalg.lstsq(x[i], y[i], rcond=None)[0]
        empirical[i] = 0.5 * np.mean((x[i] @ theta - y[i]) ** 2)
        true[i] = 0.5 * (_NOISE**2 + theta @ theta)
    return empirical, true
