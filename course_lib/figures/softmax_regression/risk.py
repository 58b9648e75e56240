"""Lecture 2: the risk on the data that one has, the risk on new data, and a training run that breaks."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from matplotlib.figure import Figure

from course_lib.figures.frame import BLUE, GREY, MARK, ORANGE, drawn, panels
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
def overflow_in_training(trainings: Mapping[str, Mapping[str, Sequence[float]]]) -> Figure:
    """Losses of training runs, some of which stop being numbers.

    Args:
        trainings: title of a panel to its runs; a run is a name and the loss at each update. NaN and inf are allowed.

    Returns:
        One panel a training; the update at which a run ends is marked.

    Source: lecture 2, softmax in floating point. L02.06.
    """
    figure, axes = panels(len(trainings), width=4.8 * len(trainings), height=3.5)
    for panel, (title, runs) in zip(np.atleast_1d(axes), trainings.items(), strict=True):
        longest = max(len(run) for run in runs.values())
        looks = (
            (MARK, 1.8, (0, (2, 2))),
            (ORANGE, 4.0, "-"),
            (BLUE, 1.2, "-"),
        )  # where runs are equal, all show
        for (name, run), (colour, width, dashes), order in zip(runs.items(), looks, (4, 2, 3), strict=False):
            values = np.asarray(run, dtype=float)
            broken = np.flatnonzero(~np.isfinite(values))
            last = int(broken[0]) if len(broken) else len(values)
            end = f"{values[last]} at update {last}" if len(broken) else "finite to the end"
            panel.plot(values[:last], color=colour, lw=width, ls=dashes, zorder=order, label=f"{name}: {end}")
            if len(broken):
                panel.plot(last - 1, values[last - 1], "X", ms=12, color=colour, mec="white", mew=0.8, zorder=5)
        panel.set(title=title, xlabel="update", xlim=(-longest / 40, longest))
        panel.legend(loc="upper right")
        panel.set_ylim(0, 1.45 * panel.get_ylim()[1])
    np.atleast_1d(axes)[0].set_ylabel("mean NLL of the batch (nats)")
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
